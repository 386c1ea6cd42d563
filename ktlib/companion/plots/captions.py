"""Captions: what is said of pictures, what that gains, and how much of it templates explain."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from ktlib.companion.plots.style import COLOURS, LABELS, WIDE
from ktlib.companion.record.rows import Row, select

_NAMES = {"bleu1": "BLEU@1", "bleu2": "BLEU@2", "bleu3": "BLEU@3", "bleu4": "BLEU@4", "meteor": "METEOR"}
_NAMES |= {"rouge_l": "ROUGE-L", "cider": "CIDEr", "spice": "SPICE"}
_LINE, _LETTER, _SIDE = 0.115, 0.05, 0.9  # inches: between lines of small type, of a letter, of a picture


def caption_gains(rows: Sequence[Row], methods: Sequence[str], metrics: Sequence[str]) -> Figure:
    """What each method gains over the untouched model: a row a model, a column a metric, with intervals.

    Args:
        rows: with paired changes over `base`.
        methods: from the top.
        metrics: those that were not measured are left out.

    Raises:
        ValueError: none was.
    """
    gained = [row for row in rows if row.over == "base"]
    models = list(dict.fromkeys(row.model for row in gained))
    metrics = [metric for metric in metrics if any(row.metric == metric for row in gained)]
    if not metrics:
        raise ValueError("expected rows of gains over base in one of the metrics, found none")
    size = (WIDE, (max(0.19 * len(methods), 0.55) + 0.35) * len(models) + 0.25)
    figure, axes = plt.subplots(len(models), len(metrics), figsize=size, sharex="col", sharey=True, squeeze=False)
    for line, model in zip(axes, models, strict=True):
        for ax, metric in zip(line, metrics, strict=True):
            own = {row.method: row for row in select(gained, model=model, metric=metric, over="base")}
            _column(ax, {method: own[method] for method in methods if method in own}, methods)
            if model == models[0]:
                ax.set_title(_NAMES[metric])
        line[0].set_yticks(range(len(methods)), [LABELS[method] for method in methods])
        line[-1].annotate(
            model.rpartition("/")[2], (1.02, 0.5), xycoords="axes fraction", rotation=270, va="center", fontsize=7
        )
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    figure.supxlabel("gain over the untouched model, in points", fontsize=7.5)
    return figure


def _column(ax: Axes, own: Mapping[str, Row], methods: Sequence[str]) -> None:
    ax.axvline(0, color="0.6", lw=0.6)
    for method, row in own.items():
        place = methods.index(method)
        ax.hlines(place, 100 * row.low, 100 * row.high, color=COLOURS[method], lw=1.4)
        ax.plot(100 * row.value, place, "o", color=COLOURS[method], ms=3.5)
    ax.tick_params(axis="y", length=0)


def explained(
    rows: Sequence[Row], metrics: Sequence[str], *, methods: Sequence[str] = ("templates", "noise")
) -> Figure:
    """How much of what KT gains methods without any inverted image gain too, for each metric and model.

    At 100 % they gain as much; at 0 % nothing. A metric that KT does not surely raise has nothing to share, and one
    that was not measured says so.

    Args:
        rows: of the item `share of the templates`, and any others of the models.
        metrics: from left to right.
        methods: whose shares are drawn.
    """
    found = select(rows, method=list(methods), over="kt")
    models = list(dict.fromkeys(row.model for row in rows))
    figure, axes = plt.subplots(1, max(1, len(models)), figsize=(WIDE * 0.8, 2.3), sharey=True, squeeze=False)
    for ax, model in zip(axes[0], models, strict=False):
        for number, method in enumerate(methods):
            place = np.arange(len(metrics)) + (number - (len(methods) - 1) / 2) * 0.2
            own = {row.metric: row for row in found if (row.model, row.method) == (model, method)}
            there = [(x, own[metric]) for x, metric in zip(place, metrics, strict=True) if metric in own]
            if there:
                _shares(ax, there, method)
        for x, metric in enumerate(metrics):
            if not any((row.model, row.metric) == (model, metric) for row in found):
                where = {"ha": "center", "va": "center", "transform": ax.get_xaxis_transform()}
                where["bbox"] = {"fc": "white", "ec": "none", "pad": 1}
                why = "no sure gain" if metric in {row.metric for row in rows if row.model == model} else "not measured"
                ax.text(x, 0.5, why, rotation=90, fontsize=6, color="0.5", **where)
        ax.axhline(100, color="0.4", ls=":", lw=0.8)
        ax.axhline(0, color="0.6", lw=0.6)
        ax.set_xticks(range(len(metrics)), [_NAMES[metric] for metric in metrics], rotation=40, ha="right")
        ax.set(title=model, xlim=(-0.5, len(metrics) - 0.5))
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(min(low, -20), max(high, 150))
    axes[0, 0].set_ylabel("share of the gain of KT, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(methods))
    return figure


def _shares(ax: Axes, there: Sequence[tuple[float, Row]], method: str) -> None:
    values = np.array([100 * row.value for _, row in there])
    reach = np.abs(np.array([[100 * row.low for _, row in there], [100 * row.high for _, row in there]]) - values)
    x = [place for place, _ in there]
    ax.errorbar(x, values, reach, fmt="o", color=COLOURS[method], ms=3.5, elinewidth=1, capsize=2, label=LABELS[method])


def caption_grid(
    pictures: Sequence[Float[Tensor, "3 _ _"]],
    captions: Sequence[Mapping[str, str]],
    references: Sequence[Sequence[str]],
    titles: Sequence[str],
    *,
    columns: int = 2,
) -> Figure:
    """Pictures, what each method says of them in its colour, and beneath what people wrote.

    Args:
        pictures: RGB in [0, 1]; they may differ in size.
        captions: of each picture, by method.
        references: of each picture.
        titles: above the captions of each.
        columns: pictures beside each other.

    Raises:
        ValueError: no picture.

    Source: KT v1, Tab. 10.
    """
    if not len(pictures):
        raise ValueError("expected pictures and their captions, found none")
    letters = int((WIDE / columns - _SIDE) / _LETTER)
    texts = [_texts(*own, letters) for own in zip(captions, references, titles, strict=True)]
    height = max(_SIDE, _LINE * max(1 + sum(1 + text.count("\n") for text, _ in own) for own in texts))
    rows, ratios = -(-len(pictures) // columns), [_SIDE, WIDE / columns - _SIDE] * columns
    size = (WIDE, height * rows + 0.25)
    figure, axes = plt.subplots(rows, 2 * columns, figsize=size, width_ratios=ratios, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for (left, right), picture, own in zip(axes.reshape(-1, 2), pictures, texts, strict=False):
        left.imshow(picture.permute(1, 2, 0).numpy())
        left.set_anchor("N")
        y = 1.0
        for text, looks in own:
            right.text(
                0, y, text, fontsize=6, va="top", transform=right.transAxes, linespacing=1.1, parse_math=False, **looks
            )  # a dollar is a dollar
            y -= (1 + text.count("\n")) * _LINE / height
    handles = [Patch(color=COLOURS[method], label=LABELS[method]) for method in captions[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _texts(said: Mapping[str, str], told: Sequence[str], title: str, letters: int) -> list[tuple[str, dict[str, str]]]:
    """What stands beside a picture, from the top, and how it looks; what people wrote is cut where it is too long."""
    texts = [(title, {"color": "0.2", "weight": "bold"})]
    texts += [(textwrap.fill(text or "(nothing)", letters), {"color": COLOURS[m]}) for m, text in said.items()]
    cut = [textwrap.shorten(text, letters + 4, placeholder=" …") for text in told]
    return texts + [(text, {"color": "0.6", "style": "italic"}) for text in cut]

"""Maps and masks: pictures of them, what they gain, along the learning rate, and whether they mean anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ktlib.companion.plots.style import BLUE, COLOURS, GREEN, LABELS, MARKERS, ORANGE, WIDE, errors_of, with_intervals
from ktlib.companion.record.rows import Row, mean, select

NAMES = {"dsc": "DSC", "iou": "IoU", "nsd": "NSD", "nsd_slab": "NSD, slab", "dsc_coarse": "DSC before SAM"}


@runtime_checkable
class Shown(Protocol):
    """An image with what was found in it; maps, boxes, masks and scores by model."""

    title: str
    image: Any
    truth: Any
    maps: Mapping[str, Any]
    boxes: Mapping[str, Any]
    masks: Mapping[str, Any]
    scores: Mapping[str, float]


def map_grid(shown: Sequence[Shown], *, names: Mapping[str, str]) -> Figure:
    """Image, truth, and for each model its map with the box around its brighter part, and SAM's mask in that box.

    The truth is outlined in green wherever a mask is drawn.

    Args:
        shown: a row each.
        names: of the models, in their order.

    Raises:
        ValueError: nothing to show.

    Source: KT v1, Fig. 6 and 7.
    """
    if not len(shown):
        raise ValueError("expected images with maps and masks, found none")
    count, side = 2 + 2 * len(names), 0.82
    size = (side * count + 1.15, side * len(shown) + 0.3)
    figure, axes = plt.subplots(len(shown), count, figsize=size, squeeze=False)
    for line, one in zip(axes, shown, strict=True):
        for ax in line:
            ax.imshow(one.image.mean(0).numpy(), cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(one.title.replace(": ", "\n"), rotation=0, ha="right", va="center", fontsize=6.5)
        _filled(line[1], one.truth, GREEN)
        for number, model in enumerate(names):
            looks, finds = line[2 + 2 * number], line[3 + 2 * number]
            looks.imshow(one.maps[model].numpy(), cmap="magma", vmin=0, vmax=1, alpha=0.6)
            left, top, right, bottom = one.boxes[model].tolist()
            looks.add_patch(
                Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, ec="white", fc="none", lw=0.8)
            )
            _filled(finds, one.masks[model], COLOURS.get(model, BLUE))
            finds.contour(one.truth.numpy().astype(float), [0.5], colors=GREEN, linewidths=0.7)
            if model in one.scores:
                finds.set_xlabel(f"DSC {one.scores[model]:.2f}", fontsize=5.5, labelpad=1)
    heads = ["image", "truth", *(head for name in names.values() for head in (f"map {name}", f"mask {name}"))]
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head.strip(), fontsize=7)
    return figure


def _filled(ax: Axes, mask: Any, colour: str) -> None:
    here = np.zeros((*mask.shape, 4))
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    here[mask.numpy()] = (red, green, blue, 0.65)
    ax.imshow(here)


def mask_gains(rows: Sequence[Row], methods: Sequence[str], metrics: Sequence[str]) -> Figure:
    """What each method gains over the untouched model: a row a metric, a column a lesion, with intervals.

    Args:
        rows: with paired changes over `base`.
        methods: from the top.
        metrics: from the top.
    """
    gained = [row for row in rows if row.over == "base" and set(row.varied) <= {"lr", "left_out"}]
    lesions = list(dict.fromkeys(row.subject for row in gained))
    size = (WIDE, (0.15 * len(methods) + 0.25) * len(metrics) + 0.35)
    figure, axes = plt.subplots(len(metrics), len(lesions), figsize=size, sharex="col", sharey=True, squeeze=False)
    for line, metric in zip(axes, metrics, strict=True):
        for ax, name in zip(line, lesions, strict=True):
            ax.axvline(0, color="0.6", lw=0.6)
            for row in select(gained, subject=name, metric=metric, over="base", method=list(methods)):
                place = methods.index(row.method)
                ax.hlines(place, 100 * row.low, 100 * row.high, color=COLOURS[row.method], lw=1.4)
                ax.plot(100 * row.value, place, "o", color=COLOURS[row.method], ms=3.5)
            ax.tick_params(axis="y", length=0)
            if metric == metrics[0]:
                ax.set_title(name)
        line[0].set_yticks(range(len(methods)), [LABELS[method] for method in methods])
        line[-1].annotate(NAMES[metric], (1.03, 0.5), xycoords="axes fraction", rotation=270, va="center", fontsize=7)
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    figure.supxlabel("gain over the untouched model, in points", fontsize=7.5)
    return figure


def mask_rates(
    rows: Sequence[Row], chosen: Mapping[str, float], bounds: Sequence[Row] = (), metric: str = "dsc"
) -> Figure:
    """A metric along the learning rate, a panel a lesion: dashes before, dots what SAM makes of two boxes.

    Args:
        rows: of one split; of the first seed.
        chosen: for each lesion the rate that is to be marked.
        bounds: rows of `whole_image` and `true_box`.
        metric: on the axis.
    """
    own = select([row for row in rows if not row.over], metric=metric)
    lesions = list(dict.fromkeys(row.subject for row in own))
    figure, axes = plt.subplots(1, len(lesions), figsize=(WIDE, 2.0), sharey=True, squeeze=False)
    methods = [method for method in COLOURS if method != "base" and select(own, method=method)]
    for ax, name in zip(axes[0], lesions, strict=True):
        ax.axhline(mean(select(own, subject=name, method="base")).value, color=COLOURS["base"], ls="--", lw=0.8)
        for row in select(bounds, subject=name, metric=metric, method=["whole_image", "true_box"]):
            ax.axhline(row.value, color="0.6", ls=":", lw=0.8)
        if name in chosen:
            ax.axvline(chosen[name], color=COLOURS["kt"], lw=4, alpha=0.15)
        for method in methods:
            there = sorted(select(own, subject=name, method=method), key=lambda row: row.lr)
            estimates = [row.estimate for row in there]
            with_intervals(
                ax, [row.lr for row in there], estimates, colour=COLOURS[method], label=LABELS[method],
                marker=MARKERS.get(method, "o"), style="-",
            )  # fmt: skip
        ax.set(xscale="log", xlabel="learning rate", title=name, ylim=(-0.03, 1.03))
    axes[0, 0].set_ylabel(NAMES[metric])
    handles = [Line2D([], [], color=COLOURS[m], marker=MARKERS.get(m, "o"), ms=3, label=LABELS[m]) for m in methods]
    handles.append(Line2D([], [], color=COLOURS["base"], ls="--", lw=0.8, label=LABELS["base"]))
    if bounds:
        handles.append(Line2D([], [], color="0.6", ls=":", lw=0.8, label="the box is the image; the box is true"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def map_checks(rows: Sequence[Row]) -> Figure:
    """How like maps are to that of the lesion's sentence, a panel a lesion; where all are alike, they say nothing.

    Args:
        rows: with the metric `likeness`.
    """
    own = select(rows, metric="likeness")
    lesions, what = (list(dict.fromkeys(found)) for found in ([r.subject for r in own], [r.varied["to"] for r in own]))
    what = [one for one in ("again", "wrong", "nonsense", "weights") if one in what]
    labels = {
        "again": "the same again", "wrong": "another lesion", "nonsense": "no sense", "weights": "shuffled weights"
    }  # fmt: skip
    figure, axes = plt.subplots(1, len(lesions), figsize=(WIDE, 1.7), sharey=True, sharex=True, squeeze=False)
    styles = {"m2ib": (BLUE, "o", -0.15), "grad_cam": (ORANGE, "^", 0.15)}
    for ax, name in zip(axes[0], lesions, strict=True):
        ax.axvline(0, color="0.6", lw=0.6)
        for method, (colour, marker, shift) in styles.items():
            there = {row.varied["to"]: row for row in select(own, subject=name, method=method)}
            found = [there[one].estimate for one in what if one in there]
            places = [number + shift for number, one in enumerate(what) if one in there]
            ax.errorbar(
                [one.value for one in found], places, xerr=errors_of(found), color=colour, marker=marker, ms=3.5, ls="",
                elinewidth=1, label=LABELS[method],
            )  # fmt: skip
        ax.set(title=name, xlabel="rank correlation", xlim=(-0.6, 1.08))
        ax.tick_params(axis="y", length=0)
    axes[0, 0].set_yticks(range(len(what)), [labels[one] for one in what])
    axes[0, 0].set_ylim(len(what) - 0.5, -0.5)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure

"""Figures of notebook 06: functions take rows or points and an optional `ax`, draw, and compute nothing new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ktlib.companion.plots.curves import COLOURS as OTHERS
from ktlib.companion.plots.curves import figure_of
from ktlib.companion.record.rows import Row, mean, mean_over_models, select, written
from ktlib.evaluate.intervals import Estimate

# Okabe-Ito, as everywhere: the method blue, its published rival orange, the untouched grey, the ideal green.
COLOURS = {
    "clip": OTHERS["base"],
    "linear_aligner": OTHERS["noise"],
    "linear_aligner_fixed": OTHERS["text"],
    "linear_aligner_tuned": OTHERS["wrong"],
    "mse_adam": OTHERS["both"],
    "least_squares": OTHERS["real"],
    "zoom_shot": OTHERS["kt"],
}
LABELS = {
    "clip": "CLIP itself",
    "linear_aligner": "Linear Aligner, as published",
    "linear_aligner_fixed": "Linear Aligner, put right",
    "linear_aligner_tuned": "… with its rate chosen",
    "mse_adam": "its loss, Zoom-shot's optimiser",
    "least_squares": "least squares",
    "zoom_shot": "Zoom-shot",
}


def clouds(groups: Mapping[str, Float[Tensor, "count 2"]], ax: Axes | None = None, *, first: int = 0) -> Figure:
    """Points of several kinds in one plane.

    Args:
        groups: points by name.
        ax: to draw on.
        first: number of the first colour.
    """
    ax = ax or plt.subplots(figsize=(3.25, 2.6))[1]
    styles = [(OTHERS["kt"], "o"), (OTHERS["noise"], "^"), (OTHERS["real"], "s"), ("0.3", "*")]
    for (name, points), (colour, marker) in zip(groups.items(), styles[first:], strict=False):
        x, y = points.T.numpy()
        ax.plot(x, y, marker, color=colour, ms=2.5 if len(points) > 60 else 4, alpha=0.5, mew=0, ls="", label=name)
    ax.set(xticks=[], yticks=[])
    legend = ax.legend(markerscale=1.5)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure_of(ax)


def by_encoder(rows: Sequence[Row], methods: Sequence[str], ax: Axes | None = None) -> Figure:
    """Mean accuracy over the test sets of each encoder and method, with intervals over sets and seeds.

    Source: ZS, Tab. 1 and Fig. 1.
    """
    ax = ax or plt.subplots(figsize=(6.75, 2.6))[1]
    shown = select(rows, metric="top1", split="test")
    encoders = list(dict.fromkeys(row.model for row in shown if row.method != "clip"))
    for place, method in enumerate(methods):
        own = select(shown, method=method)
        means = [mean(select(own, model=encoder)) for encoder in encoders]
        x = np.arange(len(encoders)) + (place - (len(methods) - 1) / 2) * 0.8 / len(methods)
        _points(ax, x, means, COLOURS[method], LABELS[method])
    clip = mean(select(shown, method="clip"))
    ax.axhline(clip.value, color=COLOURS["clip"], ls="--", lw=0.8)
    ax.annotate(LABELS["clip"], (0, clip.value), fontsize=6, xytext=(0, 2), textcoords="offset points", ha="center")
    ax.set_xticks(range(len(encoders)), [name.split("/")[-1] for name in encoders])
    ax.set(ylabel="top-1, mean over sets", ylim=(0, 1))
    return figure_of(ax)


def behind(gaps: Mapping[str, Estimate], ax: Axes | None = None) -> Figure:
    """Paired differences of Zoom-shot from other methods, with their intervals; right of 0 speaks for Zoom-shot.

    Args:
        gaps: by method.
        ax: to draw on.
    """
    ax = ax or plt.subplots(figsize=(3.25, 2.0))[1]
    for place, (name, gap) in enumerate(list(gaps.items())[::-1]):
        ax.hlines(place, gap.low, gap.high, color=COLOURS[name], lw=1.5)
        ax.plot(gap.value, place, "o", color=COLOURS[name])
    ax.axvline(0, color="0.6", lw=0.6)
    ax.set_yticks(range(len(gaps)), [LABELS[name] for name in list(gaps)[::-1]])
    ax.set(xlabel="Zoom-shot minus this, top-1")
    return figure_of(ax)


def by_setting(
    groups: Mapping[str, Sequence[Row]], ax: Axes | None = None, *, line: Estimate | None = None, named: str = ""
) -> Figure:
    """One group of rows a column: its mean with the interval over sets and seeds, a dot for each encoder.

    Args:
        groups: rows by the name of the column.
        ax: to draw on.
        line, named: a level to compare with, and its name.
    """
    ax = ax or plt.subplots(figsize=(6.75, 2.4))[1]
    encoders = list(dict.fromkeys(row.model for own in groups.values() for row in own))
    for place, own in enumerate(groups.values()):
        each = [mean(select(own, model=encoder)).value for encoder in encoders]
        estimate = mean_over_models(own)
        ax.bar(place, estimate.value, color=COLOURS["zoom_shot"], alpha=0.75, width=0.65)
        ax.vlines(place, estimate.low, estimate.high, color="0.2", lw=1)
        ax.plot(place + np.linspace(-0.2, 0.2, len(each)), each, ".", color="0.2", ms=2.5)
    if line is not None:
        ax.axhline(line.value, color=COLOURS["least_squares"], ls="--", lw=0.8, label=named)
        ax.legend()
    ax.set_xticks(range(len(groups)), list(groups), rotation=15 if len(groups) > 4 else 0)
    ax.set(ylabel="top-1, mean over sets", ylim=(0, 1))
    return figure_of(ax)


def data_against_compute(groups: Mapping[str, Sequence[Row]], ax: Axes | None = None) -> Figure:
    """Accuracy against the share of the images, for each method once and with the passes that make up for it.

    Args:
        groups: rows by the name of the line; what they vary holds `share` and `epochs`.
        ax: to draw on.

    Source: ZS, Tab. 4 and 5.
    """
    ax = ax or plt.subplots(figsize=(3.25, 2.6))[1]
    for (name, own), colour in zip(groups.items(), (COLOURS["zoom_shot"], COLOURS["linear_aligner"]), strict=False):
        kinds = dict.fromkeys(written(r.varied) for r in own)
        steps = {kind: [r for r in own if written(r.varied) == kind] for kind in kinds}
        places = {kind: (r[0].varied, mean_over_models(r)) for kind, r in steps.items()}
        few = min(int(v["epochs"]) for v, _ in places.values())
        for fixed, marker, style in ((True, "o", "-"), (False, "*", "")):
            chosen = sorted((float(v["share"]), e) for v, e in places.values() if (int(v["epochs"]) == few) == fixed)
            label = name if fixed else f"{name}, more passes"
            _points(ax, [x for x, _ in chosen], [e for _, e in chosen], colour, label, marker=marker, style=style)
    ax.set(xscale="log", xlabel="share of the images", ylabel="top-1, mean over sets", ylim=(0, 1))
    ax.legend()
    return figure_of(ax)


def gains_against_distance(
    gains: Mapping[str, Estimate], distances: Mapping[str, float], coarse: Sequence[str], ax: Axes | None = None
) -> Figure:
    """What training on the target brings on each set, against how far the set lies from the usual training images.

    Args:
        gains: by set.
        distances: by set.
        coarse: sets drawn hollow.
        ax: to draw on.

    Source: ZS, Tab. 6 and Fig. 3, as a picture; the distance is ours.
    """
    ax = ax or plt.subplots(figsize=(3.25, 2.6))[1]
    for name, gain in gains.items():
        x, hollow = distances[name], name in coarse
        ax.vlines(x, gain.low, gain.high, color=COLOURS["zoom_shot"], lw=0.7)
        ax.plot(x, gain.value, "o", color=COLOURS["zoom_shot"], mfc="white" if hollow else COLOURS["zoom_shot"])
        ax.annotate(name, (x, gain.value), fontsize=5.5, xytext=(4, 2), textcoords="offset points")
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set(xlabel="distance from the training images", ylabel="gain in top-1")
    return figure_of(ax)


def loss_curves(curves: Mapping[str, Float[Tensor, " steps"]], ax: Axes | None = None) -> Figure:
    """Losses over the steps of a training, on a logarithmic scale."""
    ax = ax or plt.subplots(figsize=(3.25, 2.4))[1]
    for (name, curve), colour in zip(curves.items(), (OTHERS["kt"], OTHERS["noise"], OTHERS["real"]), strict=False):
        ax.plot(curve.numpy(), color=colour, label=name, lw=0.8)
    ax.set(xlabel="step", ylabel="loss", yscale="log")
    ax.legend()
    return figure_of(ax)


def _points(
    ax: Axes, x: Sequence[float] | np.ndarray, means: Sequence[Estimate], colour: str, label: str,
    *, marker: str = "o", style: str = "",
) -> None:  # fmt: skip
    values = [e.value for e in means]
    errors = np.clip([[e.value - e.low for e in means], [e.high - e.value for e in means]], 0, None)
    ax.errorbar(x, values, errors, marker=marker, ls=style, color=colour, ms=3, elinewidth=0.6, lw=0.8, label=label)

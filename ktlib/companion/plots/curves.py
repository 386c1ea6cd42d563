"""Values along something: steps, learning rates, shares of the images, distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ktlib.companion.plots.concepts import name_points
from ktlib.companion.plots.style import (
    BLUE,
    COLOURS,
    GREEN,
    LABELS,
    MARKERS,
    ORANGE,
    axes_of,
    base_line,
    errors_of,
    figure_of,
    in_percent,
    say_count,
    with_intervals,
)
from ktlib.companion.record.rows import Row, mean, mean_over_models, select, written
from ktlib.evaluate.intervals import Estimate


def similarity_curves(curves: Mapping[str, Float[Tensor, "_ _"]], ax: Axes | None = None) -> Figure:
    """Cosine to the description over the steps of inversion, (jobs, steps) each; the band spans the jobs."""
    ax = axes_of(ax)
    for name, curve in curves.items():
        values = curve.numpy()
        (line,) = ax.plot(values.mean(0), label=name)
        ax.fill_between(
            np.arange(values.shape[1]), values.min(0), values.max(0), color=line.get_color(), alpha=0.2, lw=0
        )
    ax.set(xlabel="step", ylabel="cosine to the description")
    if len(curves) > 1:
        ax.legend()
    return figure_of(ax)


def loss_curves(curves: Mapping[str, Float[Tensor, " _"]], ax: Axes | None = None) -> Figure:
    """Losses over the steps of a training, on a logarithmic scale."""
    ax = axes_of(ax, (3.25, 2.4))
    for (name, curve), colour in zip(curves.items(), (BLUE, ORANGE, GREEN), strict=False):
        ax.plot(curve.numpy(), color=colour, label=name, lw=0.8)
    ax.set(xlabel="step", ylabel="loss", yscale="log")
    ax.legend()
    return figure_of(ax)


def trade_off(
    rows: Sequence[Row], methods: Sequence[str], *, budget: float = 0.0, intervals: bool = True, ax: Axes | None = None
) -> Figure:
    """Target accuracy against the points of retention lost, one curve a method, one point a learning rate.

    Points are means over concepts and seeds, bars their nested 95 % intervals; those say how different the concepts
    are, and `paired_gains` how sure a gain is. All curves start at the model before transfer. Methods are to be
    compared where they have lost the same retention, not at the same learning rate.

    Args:
        rows: of one model, split and item, with metrics `target_accuracy` and `retention`.
        methods: in the order of the legend.
        budget: draws a line where so much of the retention is lost, a fraction.
        intervals: draw the bars.
        ax: to draw on.

    Source: KT v2, Fig. 9.
    """
    ax = axes_of(ax)
    start, target = (mean(select(rows, method="base", metric=m)) for m in ("retention", "target_accuracy"))
    for method in methods:
        xs, ys = [0.0], [target]
        for rate in sorted({r.lr for r in select(rows, method=method)}):
            at_rate = [r for r in select(rows, method=method) if r.lr == rate]
            xs.append(100 * (start.value - mean(select(at_rate, metric="retention")).value))
            ys.append(mean(select(at_rate, metric="target_accuracy")))
        y = [e.value for e in ys]
        ax.plot(xs, y, color=COLOURS[method], marker=MARKERS.get(method, "o"), label=LABELS[method])
        if intervals:
            errors = errors_of(ys)
            errors[:, 0] = 0  # the start is shared and drawn once
            ax.errorbar(xs, y, errors, fmt="none", ecolor=COLOURS[method], alpha=0.4, elinewidth=0.6, capsize=1.5)
    ax.plot(0, target.value, marker="P", ms=5, color=COLOURS["base"], ls="", zorder=5, label=LABELS["base"])
    if budget:
        ax.axvline(100 * budget, color="0.6", ls=":", lw=0.8)
    ax.set(xlabel="points of retention lost", ylabel="accuracy on the new concept", ylim=(-0.03, 1.03))
    in_percent(ax)
    say_count(ax, select(rows, method=methods, metric="target_accuracy"))
    return figure_of(ax)


def along(rows: Sequence[Row], varied: str, metric: str, *, ax: Axes | None = None) -> Figure:
    """A metric of `kt` against a numeric setting (logarithmic), with nested intervals and the base as a line."""
    ax = axes_of(ax)
    taught = select(rows, method="kt", metric=metric)
    xs = sorted({float(r.varied[varied]) for r in taught})
    estimates = [mean([r for r in taught if float(r.varied[varied]) == x]) for x in xs]
    values, errors = [e.value for e in estimates], errors_of(estimates)
    ax.errorbar(xs, values, errors, color=COLOURS["kt"], marker="o", elinewidth=0.7, capsize=2)
    base_line(ax, rows, metric)
    ax.set(xscale="log", xlabel=varied, ylabel=metric.replace("_", " "), ylim=(0, 1.03))
    if metric != "similarity":  # a cosine
        in_percent(ax)
    say_count(ax, taught)
    ax.set_xticks(xs, [f"{x:g}" for x in xs])
    ax.set_xticks([], minor=True)
    return figure_of(ax)


def data_against_compute(groups: Mapping[str, Sequence[Row]], ax: Axes | None = None) -> Figure:
    """Accuracy against the share of the images, for each method once and with the passes that make up for it.

    Args:
        groups: rows by the name of the line; what they vary holds `share` and `epochs`.
        ax: to draw on.

    Source: ZS, Tab. 4 and 5.
    """
    ax = axes_of(ax, (3.25, 2.6))
    for (name, own), colour in zip(groups.items(), (COLOURS["zoom_shot"], COLOURS["linear_aligner"]), strict=False):
        kinds = dict.fromkeys(written(r.varied) for r in own)
        steps = {kind: [r for r in own if written(r.varied) == kind] for kind in kinds}
        places = {kind: (r[0].varied, mean_over_models(r)) for kind, r in steps.items()}
        few = min(int(v["epochs"]) for v, _ in places.values())
        for fixed, marker, style in ((True, "o", "-"), (False, "*", "")):
            chosen = sorted((float(v["share"]), e) for v, e in places.values() if (int(v["epochs"]) == few) == fixed)
            label = name if fixed else f"{name}, more passes"
            x, reached = [share for share, _ in chosen], [estimate for _, estimate in chosen]
            with_intervals(ax, x, reached, colour=colour, label=label, marker=marker, style=style)
    shares = sorted({float(row.varied["share"]) for own in groups.values() for row in own})
    ax.set(xscale="log", xlabel="share of the images", ylabel="top-1, mean over sets", ylim=(0, 1))
    ax.set_xticks(shares, [f"{100 * share:g} %" for share in shares])
    ax.set_xticks([], minor=True)
    in_percent(ax)
    say_count(ax, [row for own in groups.values() for row in own], units="sets")
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

    Source: numbers as in ZS, Tab. 6; the picture and the distance are ours.
    """
    ax = axes_of(ax, (3.25, 2.6))
    for name, gain in gains.items():
        x, hollow = distances[name], name in coarse
        ax.vlines(x, 100 * gain.low, 100 * gain.high, color=COLOURS["zoom_shot"], lw=0.7)
        ax.plot(x, 100 * gain.value, "o", color=COLOURS["zoom_shot"], mfc="white" if hollow else COLOURS["zoom_shot"])
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set(xlabel="distance from the training images", ylabel="gain in top-1, points")
    name_points(ax, {name: (distances[name], 100 * gain.value) for name, gain in gains.items()}, size=5.5)
    return figure_of(ax)

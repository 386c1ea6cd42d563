"""Numbers with their intervals: methods, settings and recalls side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktlib.companion.plots.style import (
    COLOURS,
    LABELS,
    SKY,
    WIDE,
    axes_of,
    base_line,
    figure_of,
    in_percent,
    say_count,
    with_intervals,
)
from ktlib.companion.record.rows import Row, mean, mean_over_models, select
from ktlib.evaluate.intervals import Estimate
from ktlib.evaluate.retrieval import METRICS

GRID = 10.0  # points of a recall at which the colours of a grid end


def bars(
    rows: Sequence[Row], groups: Mapping[str, Sequence[Row]], *, metric: str = "target_accuracy", ax: Axes | None = None
) -> Figure:
    """One bar a group with its nested interval; dots are concepts. `rows` holds the base for the line."""
    ax = axes_of(ax)
    for i, members in enumerate(groups.values()):
        chosen = select(members, metric=metric)
        estimate = mean(chosen)
        colour = COLOURS.get(chosen[0].method, COLOURS["kt"])
        ax.bar(i, estimate.value, color=colour, alpha=0.75, width=0.65)
        ax.vlines(i, estimate.low, estimate.high, color="0.2", lw=1)
        concepts = sorted({r.subject for r in chosen})
        dots = [np.mean([r.value for r in chosen if r.subject == c]) for c in concepts]
        ax.plot(i + np.linspace(-0.2, 0.2, len(dots)), dots, ls="", marker=".", color="0.2", ms=2.5)
    base_line(ax, rows, metric)
    ax.set_xticks(range(len(groups)), list(groups), rotation=20 if len(groups) > 4 else 0)
    ax.set(ylabel=metric.replace("_", " "), ylim=(0, 1.03))
    in_percent(ax)
    say_count(ax, [row for members in groups.values() for row in select(members, metric=metric)])
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
    ax = axes_of(ax, (6.75, 2.4))
    encoders = list(dict.fromkeys(row.model for own in groups.values() for row in own))
    for place, own in enumerate(groups.values()):
        each = [mean(select(own, model=encoder)).value for encoder in encoders]
        estimate = mean_over_models(own, crossed=True)
        ax.bar(place, estimate.value, color=COLOURS["zoom_shot"], alpha=0.75, width=0.65)
        ax.vlines(place, estimate.low, estimate.high, color="0.2", lw=1)
        ax.plot(place + np.linspace(-0.2, 0.2, len(each)), each, ".", color="0.2", ms=2.5)
    if line is not None:
        ax.axhline(line.value, color=COLOURS["least_squares"], ls="--", lw=0.8, label=named)
        ax.legend()
    ax.set_xticks(range(len(groups)), list(groups))
    if len(groups) > 4:
        plt.setp(ax.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
    ax.set(ylabel="top-1, mean over sets", ylim=(0, 1))
    in_percent(ax)
    say_count(ax, [row for own in groups.values() for row in own], units=f"sets, {len(encoders)} encoders (dots)")
    return figure_of(ax)


def by_encoder(rows: Sequence[Row], methods: Sequence[str], ax: Axes | None = None) -> Figure:
    """Mean accuracy over the test sets of each encoder and method, with intervals over sets and seeds.

    Source: ZS, Tab. 1 and Fig. 1.
    """
    ax = axes_of(ax, (6.75, 2.6))
    shown = select(rows, metric="top1", split="test")
    encoders = list(dict.fromkeys(row.model for row in shown if row.method != "clip"))
    for place, method in enumerate(methods):
        own = select(shown, method=method)
        means = [mean(select(own, model=encoder), crossed=True) for encoder in encoders]
        x = np.arange(len(encoders)) + (place - (len(methods) - 1) / 2) * 0.8 / len(methods)
        with_intervals(ax, x, means, colour=COLOURS[method], label=LABELS[method])
    clip = mean(select(shown, method="clip"))
    ax.axhline(clip.value, color=COLOURS["clip"], ls="--", lw=0.8)
    ax.annotate(LABELS["clip"], (0, clip.value), fontsize=6, xytext=(0, 2), textcoords="offset points", ha="center")
    ax.set_xticks(range(len(encoders)), [name.split("/")[-1] for name in encoders])
    ax.set(ylabel="top-1, mean over sets", ylim=(0, 1))
    in_percent(ax)
    say_count(ax, [row for row in shown if row.method in methods], units="sets")
    return figure_of(ax)


def behind(
    gaps: Mapping[str, Estimate], ax: Axes | None = None, *, said: str = "Zoom-shot minus this, points"
) -> Figure:
    """Paired differences with their intervals, a line each.

    Args:
        gaps: by method, or by another name; fractions.
        ax: to draw on.
        said: what the differences are.
    """
    ax = axes_of(ax, (3.25, 2.0))
    for place, (name, gap) in enumerate(list(gaps.items())[::-1]):
        colour = COLOURS.get(name, COLOURS["zoom_shot"])
        ax.hlines(place, 100 * gap.low, 100 * gap.high, color=colour, lw=1.5)
        ax.plot(100 * gap.value, place, "o", color=colour)
    ax.axvline(0, color="0.6", lw=0.6)
    ax.set_yticks(range(len(gaps)), [LABELS.get(name, name) for name in list(gaps)[::-1]])
    ax.set(xlabel=said)
    return figure_of(ax)


def recall_grid(
    rows: Sequence[Row], metric: str, *, chosen: tuple[float, int] | None = None, ax: Axes | None = None
) -> Figure:
    """The change of a recall for each learning rate and batch, as KT Tab. 8 lists them; the chosen cell is framed.

    In brackets the smallest and the largest change of a seed. The colours mean the same in every grid.

    Args:
        rows: of one split and method, with `lr` and `batch` in their settings.
        metric: one of `METRICS`.
        chosen: learning rate and batch to frame.
        ax: to draw on.
    """
    ax = axes_of(ax)
    own = select(rows, metric=metric, method="kt")
    rates = sorted({row.lr for row in own})
    batches = sorted({int(row.varied["batch"]) for row in own})
    base = select(rows, metric=metric, method="base")[0].value
    seeds = [
        [[100 * (r.value - base) for r in own if (r.lr, int(r.varied["batch"])) == (a, b)] for b in batches]
        for a in rates
    ]
    change = np.array([[np.mean(cell) for cell in line] for line in seeds])
    ax.imshow(change, cmap="RdBu", vmin=-GRID, vmax=GRID, aspect="auto")
    for i in range(len(rates)):
        for j in range(len(batches)):
            cell, colour = seeds[i][j], "white" if abs(change[i, j]) > 0.6 * GRID else "black"
            spread = f"\n({min(cell):+.1f} to {max(cell):+.1f})" if len(cell) > 1 else ""
            ax.text(j, i, f"{change[i, j]:+.1f}{spread}", ha="center", va="center", fontsize=5.5, color=colour)
            if chosen == (rates[i], batches[j]):
                ax.add_patch(plt.Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, fill=False, lw=1.4, color="black"))
    ax.set_xticks(range(len(batches)), [str(b) for b in batches])
    ax.set_yticks(range(len(rates)), [f"{r:g}" for r in rates])
    ax.set(xlabel="batch", ylabel="learning rate", title=f"{metric}, change in points")
    return figure_of(ax)


def recall_changes(rows: Sequence[Row], groups: Mapping[str, tuple[str, str, str]], ax: Axes | None = None) -> Figure:
    """Paired changes of all six recalls with their intervals, one colour a group.

    Args:
        rows: with paired changes.
        groups: for each label the method, what the cell was chosen on if not on validation images (`test`, or
            nothing), and what is taken away.
        ax: to draw on.
    """
    ax = axes_of(ax, (WIDE * 0.75, 2.4))
    for i, (label, (method, chosen, other)) in enumerate(groups.items()):
        colour = COLOURS[method] if not chosen else SKY
        place = np.arange(len(METRICS)) + (i - (len(groups) - 1) / 2) * 0.18
        changes = select(rows, method=method, metric=METRICS, over=other)
        own = {row.metric: row for row in changes if row.varied.get("chosen", "") == chosen}
        found = [own[metric] for metric in METRICS]
        values = np.array([100 * r.value for r in found])
        errors = np.abs(np.array([[100 * r.low for r in found], [100 * r.high for r in found]]) - values)
        marker = "o" if other == "base" else "D"
        ax.errorbar(place, values, errors, fmt=marker, ms=3, color=colour, elinewidth=0.8, capsize=1.5, label=label)
    ax.axhline(0, color="0.4", lw=0.8)
    ax.set_xticks(range(len(METRICS)), METRICS)
    ax.set(ylabel="change in points")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure_of(ax)

"""Films of the chest: two kinds of nodules at every rate, and five findings at once."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ktlib.companion.plots.style import COLOURS, LABELS, MARKERS, WIDE, errors_of, in_percent, with_intervals
from ktlib.companion.record.rows import Row, mean, select
from ktlib.evaluate.intervals import Estimate


def kinds(rows: Sequence[Row]) -> Figure:
    """Accuracy on each kind of nodule, and of the findings kept, along the learning rate; a panel a kind.

    Lines are of inverted images, single points of the controls at rates of their own, dashes of the untouched model.

    Args:
        rows: of one model, with metrics `target_accuracy` and `retention`.

    Source: numbers as in KT v1, Tab. 2; the picture is ours.
    """
    own = [row for row in rows if not row.over]
    subjects = list(dict.fromkeys(row.subject for row in own))
    figure, axes = plt.subplots(1, len(subjects), figsize=(WIDE * 0.8, 2.5), sharey=True, squeeze=False)
    for ax, subject in zip(axes[0], subjects, strict=True):
        for metric, fill in (("target_accuracy", "full"), ("retention", "none")):
            there = select(own, subject=subject, metric=metric)
            ax.axhline(
                mean(select(there, method="base")).value, color=COLOURS["base"], lw=0.8,
                ls="--" if fill == "full" else ":",
            )  # fmt: skip
            for method in [m for m in COLOURS if m != "base" and select(there, method=m)]:
                _along(ax, select(there, method=method), method, fill)
        ax.set(xscale="log", xlabel="learning rate", title=subject, ylim=(-0.03, 1.05))
        in_percent(ax)
    axes[0, 0].set_ylabel("accuracy")
    methods = [m for m in COLOURS if m != "base" and select(own, method=m)]
    handles = [Line2D([], [], color=COLOURS[m], marker=MARKERS.get(m, "o"), ms=3, label=LABELS[m]) for m in methods]
    handles += [
        Line2D([], [], color="0.3", marker="o", ms=3, ls="", fillstyle="full", label="on these nodules"),
        Line2D([], [], color="0.3", marker="o", ms=3, ls="", fillstyle="none", label="on the five findings"),
    ]
    handles.append(Line2D([], [], color=COLOURS["base"], ls="--", lw=0.8, label=LABELS["base"]))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _along(ax: Axes, rows: Sequence[Row], method: str, fill: str) -> None:
    rates = sorted({row.lr for row in rows})
    found = [_at([row for row in rows if row.lr == rate]) for rate in rates]
    ax.errorbar(
        rates, [one.value for one in found], errors_of(found), color=COLOURS[method], marker=MARKERS.get(method, "o"),
        ms=3, lw=0.8 if len(rates) > 1 else 0, elinewidth=0.6, fillstyle=fill,
    )  # fmt: skip


def _at(rows: Sequence[Row]) -> Estimate:
    """The mean over seeds; one measurement has its own interval."""
    return rows[0].estimate if len(rows) == 1 else mean(rows)


def class_recalls(rows: Sequence[Row], methods: Sequence[str], *, chance: float) -> Figure:
    """Recall of each finding and accuracy over all, a row a model; beside each, how often the finding is named.

    Points are means over trials with their intervals, where there are several; small dashes say which share of all
    films is given that name. A high recall beside a high dash is that of a model which says the same of every film.

    Args:
        rows: of the test films, without differences, each method at one rate.
        methods: from left to right, `base` among them.
        chance: accuracy of giving all films one name.

    Source: numbers as in KT v1, Tab. 3; the picture is ours.
    """
    models = list(dict.fromkeys(row.model for row in select(rows, metric="named")))
    findings = list(dict.fromkeys(row.subject for row in rows if row.subject))
    figure, axes = plt.subplots(len(models), 1, figsize=(WIDE, 1.75 * len(models) + 0.4), sharex=True, squeeze=False)
    for ax, model in zip(axes[:, 0], models, strict=True):
        own = select(rows, model=model)
        for place, method in enumerate(methods):
            x = [number + (place - (len(methods) - 1) / 2) * 0.15 for number in range(len(findings) + 1)]
            there = [select(own, method=method, metric="target_accuracy", subject=finding) for finding in findings]
            there.append(select(own, method=method, metric="top1", subject=""))
            pairs = [(at, mean(found)) for at, found in zip(x, there, strict=True) if found]
            if not pairs:
                continue
            marker, colour = MARKERS.get(method, "o"), COLOURS[method]
            with_intervals(
                ax, [at for at, _ in pairs], [e for _, e in pairs], colour=colour, label=LABELS[method], marker=marker
            )
            for at, finding in zip(x, findings, strict=False):
                share = select(own, method=method, metric="named", subject=finding)
                ax.hlines(mean(share).value, at - 0.06, at + 0.06, color=colour, lw=1, alpha=0.6)
        ax.axhline(chance, color="0.6", ls=":", lw=0.8)
        ax.axvline(len(findings) - 0.5, color="0.8", lw=0.6)
        ax.set(ylabel="recall", title=model, ylim=(-0.04, 1.06))
        in_percent(ax)
    axes[-1, 0].set_xticks(range(len(findings) + 1), [*findings, "all (top-1)"])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="0.3", lw=1))
    figure.legend(handles, [*labels, "share of films so named"], loc="outside upper center", ncols=3)
    return figure

"""Figures: every function takes rows or pictures and an optional `ax`, draws, and computes nothing new."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ktlib import places, store
from ktlib.companion.record.judging import Verdict
from ktlib.companion.record.rows import Row, mean, provenance, select

STYLE = Path(__file__).with_name("paper.mplstyle")
WIDE = 6.75  # inches, two columns
# Okabe-Ito: one colour a method, in every figure.
COLOURS = {
    "base": "#7F7F7F",
    "kt": "#0072B2",
    "noise": "#E69F00",
    "wrong": "#CC79A7",
    "real": "#009E73",
    "prompt": "#000000",
    "visual": "#0072B2",
    "text": "#D55E00",
    "both": "#56B4E9",
    "named": "#0072B2",
    "unnamed": "#D55E00",
    "implicit": "#E69F00",
    "explicit": "#D55E00",
}
LABELS = {
    "base": "before",
    "kt": "inverted images (KT)",
    "noise": "noise images",
    "wrong": "another concept's inversions",
    "real": "ten real pictures",
    "prompt": "description as prompt",
    "visual": "visual tower",
    "text": "text tower",
    "both": "both towers",
    "named": "caption with the name",
    "unnamed": "caption without the name",
    "implicit": "masked words, noise images",
    "explicit": "masked words, inverted images",
}


def use_style() -> None:
    """Make this and all later figures look alike."""
    plt.style.use(STYLE)


def figure_of(ax: Axes) -> Figure:
    """The figure that holds an axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def picture_grid(
    pictures: Sequence[Float[Tensor, "columns 3 height width"]],
    rows: Sequence[str],
    *,
    columns: Sequence[str] = (),
    width: float = WIDE,
    title: str = "",
) -> Figure:
    """Pictures in rows with a name in front of each row.

    Args:
        pictures: one tensor a row, RGB in [0, 1].
        rows: names of the rows.
        columns: names above the columns.
        width: of the figure in inches.
        title: above all.
    """
    count = max(len(row) for row in pictures)
    side = (width - 1.0) / count
    figure, axes = plt.subplots(len(pictures), count, figsize=(width, side * len(pictures) + 0.3), squeeze=False)
    for i, (row, name) in enumerate(zip(pictures, rows, strict=True)):
        for j in range(count):
            ax = axes[i, j]
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if j < len(row):
                ax.imshow(row[j].permute(1, 2, 0).numpy())
            if i == 0 and j < len(columns):
                ax.set_title(columns[j], fontsize=7)
        axes[i, 0].set_ylabel(name, rotation=0, ha="right", va="center")
    if title:
        figure.suptitle(title, fontsize=8, x=0.01, ha="left")
    return figure


def similarity_curves(curves: Mapping[str, Float[Tensor, "jobs steps"]], ax: Axes | None = None) -> Figure:
    """Cosine to the description over the steps of inversion; the band spans the jobs."""
    ax = ax or plt.subplots()[1]
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


def trade_off(rows: Sequence[Row], methods: Sequence[str], *, budget: float = 0.0, ax: Axes | None = None) -> Figure:
    """Target accuracy against retention, one curve a method, one point a learning rate.

    Points are means over concepts and seeds, bars their nested 95 % intervals. All curves start at
    the model before transfer. Methods are to be compared where they cross the same retention, not
    at the same learning rate.

    Args:
        rows: of one model, split and item, with metrics `target_accuracy` and `retention`.
        methods: in the order of the legend.
        budget: draws a line this far below the retention before transfer.
        ax: to draw on.

    Source: KT v2, Fig. 9.
    """
    ax = ax or plt.subplots()[1]
    start = [mean(select(rows, method="base", metric=m)) for m in ("retention", "target_accuracy")]
    for method in methods:
        xs, ys = [start[0]], [start[1]]
        for rate in sorted({r.lr for r in select(rows, method=method)}):
            at_rate = [r for r in select(rows, method=method) if r.lr == rate]
            xs.append(mean(select(at_rate, metric="retention")))
            ys.append(mean(select(at_rate, metric="target_accuracy")))
        x, y = [e.value for e in xs], [e.value for e in ys]
        errors = np.clip([[e.value - e.low for e in ys], [e.high - e.value for e in ys]], 0, None)
        errors[:, 0] = 0  # the start is shared and drawn once
        ax.plot(x, y, color=COLOURS[method], marker="o", label=LABELS[method])
        ax.errorbar(x, y, errors, fmt="none", ecolor=COLOURS[method], alpha=0.4, elinewidth=0.6, capsize=1.5)
    ax.plot(start[0].value, start[1].value, marker="s", color=COLOURS["base"], ls="", zorder=5, label=LABELS["base"])
    if budget:
        ax.axvline(start[0].value - budget, color="0.6", ls=":", lw=0.8)
    ax.set(xlabel="accuracy on known objects", ylabel="accuracy on the new concept", ylim=(-0.03, 1.03))
    ax.invert_xaxis()
    return figure_of(ax)


def bars(
    rows: Sequence[Row], groups: Mapping[str, Sequence[Row]], *, metric: str = "target_accuracy", ax: Axes | None = None
) -> Figure:
    """One bar a group with its nested interval; dots are concepts. `rows` holds the base for the line."""
    ax = ax or plt.subplots()[1]
    for i, (_, members) in enumerate(groups.items()):
        chosen = select(members, metric=metric)
        estimate = mean(chosen)
        colour = COLOURS.get(chosen[0].method, COLOURS["kt"])
        ax.bar(i, estimate.value, color=colour, alpha=0.75, width=0.65)
        ax.vlines(i, estimate.low, estimate.high, color="0.2", lw=1)
        concepts = sorted({r.subject for r in chosen})
        dots = [np.mean([r.value for r in chosen if r.subject == c]) for c in concepts]
        ax.plot(i + np.linspace(-0.2, 0.2, len(dots)), dots, ls="", marker=".", color="0.2", ms=2.5)
    before = select(rows, method="base", metric=metric)
    if before:
        ax.axhline(mean(before).value, color=COLOURS["base"], ls="--", lw=0.8, label=LABELS["base"])
        ax.legend()
    ax.set_xticks(range(len(groups)), list(groups), rotation=20 if len(groups) > 4 else 0)
    ax.set(ylabel=metric.replace("_", " "), ylim=(0, 1.03))
    return figure_of(ax)


def along(rows: Sequence[Row], varied: str, metric: str, *, ax: Axes | None = None) -> Figure:
    """A metric of `kt` against a numeric setting (logarithmic), with nested intervals and the base as a line."""
    ax = ax or plt.subplots()[1]
    taught = select(rows, method="kt", metric=metric)
    xs = sorted({float(r.varied[varied]) for r in taught})
    estimates = [mean([r for r in taught if float(r.varied[varied]) == x]) for x in xs]
    errors = np.clip([[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]], 0, None)
    ax.errorbar(xs, [e.value for e in estimates], errors, color=COLOURS["kt"], marker="o", elinewidth=0.7, capsize=2)
    before = select(rows, method="base", metric=metric)
    if before:
        ax.axhline(mean(before).value, color=COLOURS["base"], ls="--", lw=0.8, label=LABELS["base"])
        ax.legend()
    ax.set(xscale="log", xlabel=varied, ylabel=metric.replace("_", " "), ylim=(0, 1.03))
    return figure_of(ax)


def predictions(
    picture: Float[Tensor, "3 height width"],
    ranked: Mapping[str, Sequence[tuple[str, float]]],
    concept: str,
    axes: Sequence[Axes],
) -> None:
    """A picture and its most likely names before and after, as KT Fig. 1 has them.

    Args:
        picture: RGB in [0, 1].
        ranked: for `base` and `kt` the names with their probabilities, best first.
        concept: drawn in blue wherever it stands.
        axes: one for the picture and one each for the lists.
    """
    axes[0].imshow(picture.permute(1, 2, 0).numpy())
    axes[0].axis("off")
    for ax, (method, names) in zip(axes[1:], ranked.items(), strict=True):
        labels, values = zip(*reversed(names), strict=True)
        colours = [COLOURS["kt"] if label == concept else "0.75" for label in labels]
        ax.barh(range(len(values)), values, color=colours)
        for i, label in enumerate(labels):
            ax.text(0.02, i, label, va="center", fontsize=6.5)
        ax.set(xlim=(0, 1), xticks=[], yticks=[], title=LABELS[method] if method == "base" else "after")
        ax.spines[:].set_visible(False)


def against_binding(
    binding: Mapping[str, float], rows: Sequence[Row], *, marker: str = "o", ax: Axes | None = None
) -> Figure:
    """Gain of each concept at one rate against the cosine of its class prompt and its named description.

    Args:
        binding: the cosines, by concept.
        rows: of one model: the base, and `kt` at one rate.
        marker: of the points; hollow for validation concepts.
        ax: to draw on.
    """
    ax = ax or plt.subplots()[1]
    targets = select(rows, metric="target_accuracy")
    for name, x in binding.items():
        own = select(targets, subject=name)
        y = np.mean([r.value for r in select(own, method="kt")]) - select(own, method="base")[0].value
        hollow = own[0].split == "validation"
        ax.plot(x, y, marker, color=COLOURS["kt"], mfc="white" if hollow else COLOURS["kt"])
        ax.annotate(name, (x, y), fontsize=5, xytext=(3, 2), textcoords="offset points")
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set(xlabel="cosine of class prompt and named description", ylabel="gain in target accuracy")
    return figure_of(ax)


_VERDICT_COLOURS = {"holds": COLOURS["real"], "does not hold": COLOURS["text"], "inconclusive": COLOURS["base"]}


def verdicts(ledger: Sequence[Verdict], ax: Axes | None = None) -> Figure:
    """The deciding difference of each claim with its interval, coloured by the verdict.

    Args:
        ledger: claims that were tested.
        ax: to draw on.
    """
    ax = ax or plt.subplots()[1]
    for y, entry in enumerate(reversed(ledger)):
        estimate, colour = entry.estimate, _VERDICT_COLOURS[entry.verdict]
        assert estimate is not None, "a claim that was tested has an estimate"
        ax.hlines(y, estimate.low, estimate.high, color=colour, lw=2)
        ax.plot(estimate.value, y, "o", color=colour)
    ax.axvline(0, color="0.4", lw=0.8)
    ax.set_yticks(range(len(ledger)), [entry.claim for entry in reversed(ledger)])
    ax.set(xlabel="deciding difference (fraction, or rank correlation) with its 95 % interval")
    for verdict, colour in _VERDICT_COLOURS.items():
        ax.plot([], [], color=colour, lw=2, label=verdict)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure_of(ax)


def save_figure(figure: Figure, name: str, scale: str, *, command: str, folder: Path | None = None) -> Path:
    """Write `<name>.png` and its provenance; the same figure gives the same bytes.

    Args:
        figure: to write.
        name: of the file, without suffix.
        scale: that it shows.
        command: that draws it again.
        folder: for the files; by default that of the run, or the scratch folder outside a run.
    """
    path = (folder or places.output(scale) / "figures") / f"{name}.png"
    # No software version and no date in the file, so that a rerun gives identical bytes.
    store.write_atomically(path, lambda p: figure.savefig(p, format="png", metadata={"Software": None}))
    record = {"figure": path.name, "scale": scale, "command": command} | provenance()
    text = json.dumps(record, indent=2) + "\n"
    store.write_atomically(path.with_suffix(".json"), lambda p: p.write_text(text))
    return path

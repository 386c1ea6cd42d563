"""Concepts one by one: what each gains, and against what."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, BboxBase

from ktlib.companion.plots.style import COLOURS, LABELS, RED, WIDE, axes_of, errors_of, figure_of, in_percent
from ktlib.companion.record.differences import Difference
from ktlib.companion.record.gains import Correlation, Gains, of_concepts
from ktlib.evaluate.intervals import Estimate

_MODELS = (("o", "full"), ("D", "none"))  # marker and filling of the small model and of the large one


def paired_gains(found: Gains) -> Figure:
    """A line a concept, a column a method, a dot for each model; below, the means with their intervals over concepts.

    Concepts are sorted by what the first model gains with the first method; what only another model was taught
    follows. Where the interval of a mean lies to the right of 0 there is a gain.

    Args:
        found: from `record.gains.gains`; two models at most.
    """
    methods = list(dict.fromkeys(method for own in found.values() for method in own))
    concepts = _sorted(found, methods[0])
    lines = len(concepts) + 0.7 + len(found)
    figure, axes = plt.subplots(1, len(methods), figsize=(WIDE, 0.9 + 0.13 * lines), sharex=True, sharey=True)
    for ax, method in zip([axes] if len(methods) == 1 else axes, methods, strict=True):
        ax.axvline(0, color="0.5", lw=0.7)
        ax.axhline(len(concepts) - 0.15, color="0.5", lw=0.5)
        for place, (own, style) in enumerate(zip(found.values(), _MODELS, strict=False)):
            if method in own:
                _column(ax, own[method], concepts, len(concepts) + 0.7 + place, method, style)
        ax.set(title=textwrap.fill(LABELS[method], 20), ylim=(lines - 0.3, -0.7))
        ax.set_yticks([], [])
        ax.grid(axis="y", color="0.9", lw=0.5)
        ax.tick_params(axis="y", length=0, labelsize=6)
        ax.title.set_fontsize(7)
        ax.set_axisbelow(True)
    first = figure.axes[0]
    first.set_yticks(
        [*range(len(concepts)), *(len(concepts) + 0.7 + place for place in range(len(found)))],
        [*concepts, *(f"mean, {_short(model)} ({_count(own)})" for model, own in found.items())],
    )
    for model, (marker, fill) in zip(found, _MODELS, strict=False):
        first.plot([], [], marker, color="0.2", fillstyle=fill, label=_short(model))
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower left", ncols=len(found))
    figure.supxlabel("gain over the untouched model, in points", fontsize=7.5)
    return figure


def _column(
    ax: Axes, gain: Difference, concepts: Sequence[str], foot: float, method: str, style: tuple[str, str]
) -> None:
    """The dots of one model and method, and their mean."""
    (marker, fill), colour = style, COLOURS[method]
    values = of_concepts(gain)
    there = [(100 * values[name], line) for line, name in enumerate(concepts) if name in values]
    x, y = zip(*there, strict=True)
    ax.plot(x, y, marker, color=colour, ms=3, mew=0.8, fillstyle=fill)
    value, low, high = (100 * v for v in gain.estimate)
    ax.hlines(foot, low, high, color=colour, lw=1.6)
    ax.plot(value, foot, marker, color=colour, ms=4.5, mew=1, fillstyle=fill, mfc=None if fill == "full" else "white")


def _sorted(found: Gains, method: str) -> list[str]:
    """Concepts by what they gain, model by model."""
    order: dict[str, None] = {}
    for own in found.values():
        values = of_concepts(own[method]) if method in own else {}
        order |= dict.fromkeys(sorted(values, key=lambda name: (-values[name], name)))
        order |= dict.fromkeys(sorted(name for gain in own.values() for name in gain.table))
    return list(order)


def _short(model: str) -> str:
    return model.split("/")[-1]


def _count(own: Mapping[str, Difference]) -> str:
    """Over how many concepts the means of a model are."""
    counts = sorted({len(gain.table) for gain in own.values()})
    return " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))


def against_binding(
    binding: Mapping[str, float],
    gain: Difference,
    correlation: Correlation | None,
    *,
    what: str = "cosine of class prompt and named description",
    ax: Axes | None = None,
) -> Figure:
    """What each concept gains against the cosine of its class prompt and its named description, with their correlation.

    Args:
        binding: the cosines, by concept; or another number of each.
        gain: of one model and method.
        correlation: of the two, from `record.gains.rank_correlation`; None where there are too few concepts for one.
        what: the number is.
        ax: to draw on.
    """
    ax = axes_of(ax, (3.25, 2.6))
    values = of_concepts(gain)
    points = {name: (binding[name], 100 * value) for name, value in values.items() if name in binding}
    x, y = zip(*points.values(), strict=True)
    ax.axhline(0, color="0.6", lw=0.6)
    ax.plot(x, y, "o", color=COLOURS.get(gain.name.split()[0], COLOURS["kt"]), ms=3)
    ax.set(xlabel=what, ylabel="gain in target accuracy, points")
    ax.margins(0.08)
    said = f"n = {len(points)}: too few to correlate"
    if correlation is not None:
        value, low, high = correlation.estimate
        said = f"Spearman's ρ = {value:+.2f} [{low:+.2f}, {high:+.2f}], n = {correlation.pairs}"
    ax.text(0.99, 1.0, said, transform=ax.transAxes, ha="right", va="bottom", fontsize=6.5)
    name_points(ax, points)
    return figure_of(ax)


def name_points(ax: Axes, points: Mapping[str, tuple[float, float]], *, size: float = 5) -> None:
    """Write the name of each point beside it, where it covers least of other names and points.

    Args:
        ax: on which everything else was drawn.
        points: in data coordinates, by name.
        size: of the letters, in points.
    """
    figure_of(ax).draw_without_rendering()  # settles the layout, so that distances in pixels are those of the figure
    unit = figure_of(ax).dpi / 72  # pixels a typographic point
    places = {name: ax.transData.transform(at) for name, at in points.items()}
    taken = [Bbox.from_bounds(x - 2 * unit, y - 2 * unit, 4 * unit, 4 * unit) for x, y in places.values()]
    for name, (x, y) in places.items():
        width, height = 0.58 * size * len(name) * unit, 1.1 * size * unit
        best: tuple[float, str, str, tuple[float, float], Bbox] | None = None
        for dx, dy, ha, va in _BESIDE:
            left = x + dx * unit - {"left": 0, "center": width / 2, "right": width}[ha]
            bottom = y + dy * unit - {"bottom": 0, "center": height / 2, "top": height}[va]
            box = Bbox.from_bounds(left, bottom, width, height)
            covered = sum(_shared(box, other) for other in taken) + 2 * (width * height - _shared(box, ax.bbox))
            if best is None or covered < best[0] - 1e-9:
                best = (covered, ha, va, (dx, dy), box)
        assert best is not None
        _, ha, va, offset, box = best
        taken.append(box)
        ax.annotate(name, points[name], xytext=offset, textcoords="offset points", ha=ha, va=va, fontsize=size)


# Where a name may stand: offsets in typographic points, and what of the text is meant.
_BESIDE = (
    (3, 0, "left", "center"), (-3, 0, "right", "center"), (0, 2.5, "center", "bottom"), (0, -2.5, "center", "top"),
    (2, 2, "left", "bottom"), (2, -2, "left", "top"), (-2, 2, "right", "bottom"), (-2, -2, "right", "top"),
)  # fmt: skip


def _shared(one: BboxBase, other: BboxBase) -> float:
    """The area that two boxes have in common."""
    both = Bbox.intersection(one, other)
    return both.width * both.height if both is not None else 0.0


def own_concepts(
    recognised: Mapping[str, Mapping[str, Estimate]], labels: Mapping[str, str], counts: Mapping[str, int]
) -> Figure:
    """A panel a concept, a line an arm: how many pictures are taken for the concept, with intervals over pictures.

    Args:
        recognised: by concept and arm.
        labels: of the arms, from above; those that a concept lacks are left free.
        counts: of pictures, by concept.
    """
    order = [arm for arm in labels if any(arm in own for own in recognised.values())]
    size = (min(WIDE, 1.9 + 1.65 * len(recognised)), 0.6 + 0.22 * len(order))
    figure, axes = plt.subplots(1, len(recognised), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (concept, own) in zip(axes[0], recognised.items(), strict=True):
        for place, arm in enumerate(order):
            if arm in own:
                error, colour = errors_of([own[arm]]), COLOURS.get(arm, RED)
                ax.errorbar([own[arm].value], [place], xerr=error, marker="o", color=colour, ms=3.5, elinewidth=0.8)
        ax.set(
            title=f"{concept}, n = {counts[concept]}",
            xlim=(-0.03, 1.03),
            yticks=range(len(order)),
            yticklabels=[labels[arm] for arm in order],
        )
        ax.set_xlabel("taken for it")
        in_percent(ax, "x")
    axes[0, 0].invert_yaxis()
    return figure

"""The ledger as a picture: what decides each claim, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ktlib.companion.plots.style import BLACK, GREEN, GREY, PINK, RED, WIDE
from ktlib.companion.record import published
from ktlib.companion.record.judging import (
    CORRELATION,
    DIFFERENCE,
    FAILS,
    HOLDS,
    NOT_RUN,
    NOT_TESTABLE,
    SAMENESS,
    UNDECIDED,
    Verdict,
)

# Colour, marker, filling and line of each verdict: told apart without the colours, and the word stands beside it.
_LOOKS = {
    HOLDS: (GREEN, "o", "full", "-"),
    FAILS: (RED, "X", "full", "-"),
    UNDECIDED: (GREY, "s", "none", "-"),
    NOT_TESTABLE: (PINK, "d", "none", ":"),
    NOT_RUN: (BLACK, "_", "full", "-"),
}
_PANELS = {
    DIFFERENCE: "Differences, in points (logarithmic beyond 5): right of 0 is as claimed",
    SAMENESS: "Equivalences, in points: within the grey margin is as claimed",
    CORRELATION: "Rank correlations: right of 0 is as claimed",
    NOT_RUN: "Not run",
}
_LINE = 0.165  # inches a claim
_LINEAR = 5.0  # points to both sides of 0 that are drawn evenly; beyond them the axis is logarithmic


def verdicts(ledger: Sequence[Verdict]) -> Figure:
    """A line a claim, in a panel each for differences, equivalences and correlations; what was not run is listed below.

    A line says what is claimed in a few words (`published.Claim.short`), shows what decides it with its 95 % interval,
    and names the verdict. Intervals that reach beyond a panel are cut, and end in an arrow.

    Args:
        ledger: claims in any order; one at least.
    """
    panels = {kind: [one for one in ledger if _kind(one) == kind] for kind in _PANELS}
    panels = {kind: own for kind, own in panels.items() if own}
    heights = [len(own) + 0.4 for own in panels.values()]  # in lines, as `ylim` has them
    size = (WIDE, _LINE * sum(heights) + 0.48 * len(panels))
    figure, axes = plt.subplots(len(panels), 1, figsize=size, height_ratios=heights, squeeze=False)
    for ax, (kind, own) in zip(axes[:, 0], panels.items(), strict=True):
        _frame(ax, kind, own)
        for line, one in enumerate(own):
            _line(ax, line, one)
    return figure


def _kind(verdict: Verdict) -> str:
    return NOT_RUN if verdict.estimate is None else verdict.kind


def _unit(verdict: Verdict) -> float:
    """Differences are shown in points, correlations as they are."""
    return 1.0 if verdict.kind == CORRELATION else 100.0


def _frame(ax: Axes, kind: str, own: Sequence[Verdict]) -> None:
    names = published.claims()
    ax.set_yticks(range(len(own)), [f"{names[one.claim].short}  {one.claim}" for one in own], fontsize=6.5)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(own) - 0.3, -0.7)
    ax.set_title(_PANELS[kind], fontweight="bold", fontsize=7)
    if kind == NOT_RUN:
        ax.set(xticks=[], xlim=(-1, 1))
        ax.spines[:].set_visible(False)
        return
    reach = 1.0 if kind == CORRELATION else _reach(own)
    if kind == DIFFERENCE:  # most are small, and some are not
        ax.set_xscale("symlog", linthresh=_LINEAR, linscale=0.9)
        ticks = [tick for tick in (5, 20, 100) if tick <= reach]
        ax.set_xticks([*(-tick for tick in ticks), 0, *ticks], minor=False)
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlim(-reach, reach)
    ax.axvline(0, color="0.4", lw=0.8)
    ax.grid(axis="y", color="0.92", lw=0.5)
    ax.set_axisbelow(True)


def _reach(own: Sequence[Verdict]) -> float:
    """How far a panel reaches to both sides, in points: no difference of shares is larger than 100."""
    bounds = [abs(100 * bound) for one in own if one.estimate is not None for bound in one.estimate]
    bounds += [100 * one.allowed[1] for one in own if one.allowed is not None]
    return min(100.0, 1.05 * max([*bounds, _LINEAR]))


def _line(ax: Axes, line: int, one: Verdict) -> None:
    """One claim: its margin, its interval, its marker, and its verdict in words to the right."""
    colour, marker, fill, style = _LOOKS[one.verdict]
    said = one.verdict
    if one.estimate is None:
        ax.plot(0, line, marker, color=colour)
    else:
        unit = _unit(one)
        value, low, high = (unit * number for number in one.estimate)
        left, right = ax.get_xlim()
        if one.allowed is not None:
            lowest, highest = max(left, unit * one.allowed[0]), unit * one.allowed[1]
            ax.fill_between([lowest, highest], line - 0.42, line + 0.42, color="0.86", lw=0)
        ax.hlines(line, max(low, left), min(high, right), color=colour, lw=1.8, ls=style)
        for end, beyond, arrow in ((left, low < left, "<"), (right, high > right, ">")):
            if beyond:
                ax.plot(end, line, arrow, color=colour, ms=4, clip_on=False)
        ax.plot(value, line, marker, color=colour, fillstyle=fill, mfc=None if fill == "full" else "white")
        digits = 1 if unit == 100 else 2
        said += f"  {value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    ax.annotate(said, (1, line), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
                va="center", fontsize=6)  # fmt: skip

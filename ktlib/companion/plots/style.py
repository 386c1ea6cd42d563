"""How all figures look: one style sheet, one colour and one name a method, and how a figure is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ktlib import places, store
from ktlib.companion.record.rows import Row, mean, provenance, select
from ktlib.evaluate.intervals import Estimate

STYLE = Path(__file__).with_name("paper.mplstyle")
WIDE = 6.75  # inches, two columns
GREY, BLUE, ORANGE, GREEN = "#7F7F7F", "#0072B2", "#E69F00", "#009E73"  # Okabe-Ito, and a neutral grey
RED, PINK, SKY, BLACK = "#D55E00", "#CC79A7", "#56B4E9", "#000000"
# In every figure the untouched is grey, the method blue, its rival or its noise orange, the ideal green.
COLOURS = {
    "base": GREY,
    "kt": BLUE,
    "noise": ORANGE,
    "wrong": PINK,
    "real": GREEN,
    "prompt": BLACK,
    "visual": BLUE,
    "text": RED,
    "both": SKY,
    "named": BLUE,
    "unnamed": RED,
    "implicit": ORANGE,
    "explicit": RED,
    "clip": GREY,
    "linear_aligner": ORANGE,
    "linear_aligner_fixed": RED,
    "linear_aligner_tuned": PINK,
    "mse_adam": SKY,
    "least_squares": GREEN,
    "zoom_shot": BLUE,
    "kt_visual": SKY,
    "templates": RED,
    "real_templates": GREEN,
    "real_captions": BLACK,
    "m2ib": BLUE,
    "grad_cam": ORANGE,
    "whole_image": GREY,
    "true_box": BLACK,
}
# Curves that are drawn over each other differ by more than their colour.
MARKERS = {
    "kt": "o", "noise": "^", "wrong": "X", "real": "s", "text": "^", "both": "s", "unnamed": "X", "implicit": "^",
    "explicit": "X",
}  # fmt: skip
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
    "clip": "CLIP itself",
    "linear_aligner": "Linear Aligner, as published",
    "linear_aligner_fixed": "Linear Aligner, put right",
    "linear_aligner_tuned": "… with its rate chosen",
    "mse_adam": "its loss, Zoom-shot's optimiser",
    "least_squares": "least squares",
    "zoom_shot": "Zoom-shot",
    "kt_visual": "inverted images, contrast alone",
    "templates": "the templates alone, no image",
    "real_templates": "real pictures, same templates",
    "real_captions": "real pictures, real captions",
    "m2ib": "information bottleneck",
    "grad_cam": "Grad-CAM",
    "whole_image": "SAM, the box is the image",
    "true_box": "SAM, the box is true",
}


def use_style() -> None:
    """Make this and all later figures look alike."""
    plt.style.use(STYLE)


def axes_of(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """The axes that were given, or those of a new figure.

    Args:
        ax: to draw on.
        size: of a new figure in inches; the style's by default.
    """
    return ax or plt.subplots(figsize=size)[1]


def figure_of(ax: Axes) -> Figure:
    """The figure that holds an axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def errors_of(estimates: Sequence[Estimate]) -> np.ndarray:
    """How far the intervals reach down and up from their values, as matplotlib draws them: (2, estimates)."""
    return np.clip([[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]], 0, None)


def with_intervals(
    ax: Axes, x: Sequence[float] | np.ndarray, estimates: Sequence[Estimate], *, colour: str, label: str,
    marker: str = "o", style: str = "",
) -> None:  # fmt: skip
    """Draw values with their intervals."""
    values = [e.value for e in estimates]
    errors = errors_of(estimates)
    ax.errorbar(x, values, errors, marker=marker, ls=style, color=colour, ms=3, elinewidth=0.6, lw=0.8, label=label)


def in_percent(ax: Axes, axis: str = "y") -> None:
    """Label an axis of shares in percent: accuracy is a percentage everywhere, a change is in points."""
    {"x": ax.xaxis, "y": ax.yaxis}[axis].set_major_formatter(PercentFormatter(1, symbol=" %"))


def say_count(ax: Axes, rows: Sequence[Row], *, units: str = "concepts") -> None:
    """Write above an axes how many there are of what its numbers are means over, and how many seeds.

    Args:
        ax: whose numbers.
        rows: that were drawn.
        units: what the subjects of the rows are, a plural in s.
    """
    subjects, seeds = {row.subject for row in rows}, {row.seed for row in rows} - {None}
    named = units.removesuffix("s") if len(subjects) == 1 else units
    said = f"n = {len(subjects)} {named}" + (f", {len(seeds)} seeds" if len(seeds) > 1 else "")
    ax.text(1, 1, said, transform=ax.transAxes, fontsize=5.5, color="0.4", ha="right", va="bottom")


def base_line(ax: Axes, rows: Sequence[Row], metric: str) -> None:
    """Draw what the untouched model reaches, where rows hold it."""
    before = select(rows, method="base", metric=metric)
    if before:
        level = mean(before).value
        ax.axhline(level, color=COLOURS["base"], ls="--", lw=0.8)
        place = ax.get_yaxis_transform()
        ax.text(1.01, level, LABELS["base"], transform=place, fontsize=6, color="0.3", ha="left", va="center")


def save_figure(
    figure: Figure, name: str, scale: str, *, command: str, note: str = "", folder: Path | None = None
) -> None:
    """Write `<name>.png` and its provenance; the same figure gives the same bytes.

    It returns nothing, so that a cell which ends with it shows the figure and no path of this machine.

    Args:
        figure: to write.
        name: of the file, without suffix.
        scale: that it shows.
        command: that draws it again.
        note: what is to be said of its pictures, in small letters below.
        folder: for the files; by default that of the run, or the scratch folder outside a run.
    """
    if note:
        figure.text(1, 0, note, ha="right", va="top", fontsize=5.5, color="0.4", style="italic")
    room: dict[str, Any] = (
        {"bbox_inches": "tight", "pad_inches": 0.04} if note else {}
    )  # the note lies below the figure
    path = (folder or places.output(scale) / "figures") / f"{name}.png"
    # No software version and no date in the file, so that a rerun gives identical bytes.
    store.write_atomically(path, lambda p: figure.savefig(p, format="png", metadata={"Software": None}, **room))
    record = {"figure": path.name, "scale": scale, "command": command} | provenance()
    store.write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")

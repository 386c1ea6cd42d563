"""Pictures: what is shown, what it is taken for, what is looked at, and where features lie."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch.nn.functional as F
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from ktlib.companion.plots.style import BLUE, COLOURS, GREEN, LABELS, ORANGE, WIDE, axes_of, figure_of

MOST = 3.0  # times the average patch's attention, where the colours end
_HEAT: dict[str, Any] = {"cmap": "magma", "vmin": 0.0, "vmax": MOST}


def picture_grid(
    pictures: Sequence[Float[Tensor, "_ 3 _ _"]],
    rows: Sequence[str],
    *,
    columns: Sequence[str] = (),
    width: float = WIDE,
    title: str = "",
) -> Figure:
    """Pictures in rows with a name in front of each row.

    Args:
        pictures: one tensor a row, (columns, 3, height, width), RGB in [0, 1]; rows may differ in size.
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


def album(
    pictures: Mapping[str, Mapping[str, Float[Tensor, "3 _ _"]]], *, marked: Sequence[str] = (), width: float = WIDE
) -> Figure:
    """One picture of each thing with its name above, a row a group.

    Args:
        pictures: by group and name, RGB in [0, 1].
        marked: names that stand in brackets.
        width: of the figure in inches.
    """
    count = max(len(group) for group in pictures.values())
    side = width / count
    figure, axes = plt.subplots(len(pictures), count, figsize=(width, 1.35 * side * len(pictures) + 0.1), squeeze=False)
    for row, (group, members) in zip(axes, pictures.items(), strict=True):
        for ax in row:
            ax.set_axis_off()
        for ax, (name, picture) in zip(row, members.items(), strict=False):
            ax.imshow(picture.permute(1, 2, 0).numpy())
            ax.set_title(f"({name})" if name in marked else name, fontsize=5, pad=2)
        row[0].text(-0.15, 0.5, group, fontsize=6, rotation=90, ha="right", va="center", transform=row[0].transAxes)
    return figure


def predictions(
    picture: Float[Tensor, "3 height width"],
    ranked: Mapping[str, Sequence[tuple[str, float]]],
    concept: str,
    axes: Iterable[Axes],
) -> None:
    """A picture under its right name, and its most likely names before and after, as KT Fig. 1 has them.

    Args:
        picture: RGB in [0, 1].
        ranked: for `base` and `kt` the names with their probabilities, best first.
        concept: the right name, in blue wherever it stands.
        axes: one for the picture and one each for the lists.
    """
    first, *others = axes
    first.imshow(picture.permute(1, 2, 0).numpy())
    first.axis("off")
    first.set_title(concept)
    for ax, (method, names) in zip(others, ranked.items(), strict=True):
        labels, values = zip(*reversed(names), strict=True)
        colours = [COLOURS["kt"] if label == concept else "0.75" for label in labels]
        ax.barh(range(len(values)), values, color=colours)
        for i, (label, value) in enumerate(zip(labels, values, strict=True)):
            inside = ax.text(0.02, i, label, va="center", fontsize=6.5)
            inside.set_path_effects([withStroke(linewidth=1.5, foreground="white", alpha=0.8)])
            ax.text(1, i, f"{100 * value:.0f} %", va="center", ha="right", fontsize=5.5, color="0.4")
        ax.set(xlim=(0, 1), xticks=[], yticks=[], title=LABELS[method] if method == "base" else "after")
        ax.spines[:].set_visible(False)


def attention_pictures(
    pictures: Sequence[Float[Tensor, "3 _ _"]],
    maps: Mapping[str, Sequence[Float[Tensor, "_ _"]]],
    titles: Sequence[str],
    probabilities: Mapping[str, Sequence[float]],
) -> Figure:
    """A row a pair: the picture, then where each model looks, bright where it looks more than on average.

    Args:
        pictures: RGB in [0, 1]; they may differ in size.
        maps: for each model, one map a picture, (rows, columns) of patches.
        titles: the texts.
        probabilities: of a match, for each model and picture.
    """
    side = 1.15  # inches
    size = (side * (1 + len(maps)) + 1.5, side * len(pictures) + 0.25)
    figure, axes = plt.subplots(len(pictures), 1 + len(maps), figsize=size, squeeze=False)
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        axes[i, 0].imshow(picture.permute(1, 2, 0).numpy())
        axes[i, 0].set_ylabel(textwrap.fill(title, 26), rotation=0, ha="right", va="center", fontsize=6.5)
        for j, (name, found) in enumerate(maps.items(), 1):
            relative = found[i] * found[i].numel()  # 1 is the average patch
            large = F.interpolate(relative[None, None], picture.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
            axes[i, j].imshow(picture.mean(0).numpy(), cmap="gray", vmin=0, vmax=1)
            axes[i, j].imshow(large.numpy(), alpha=(large / MOST).clamp(0, 0.8).numpy(), **_HEAT)
            axes[i, j].set_title(f"{name}: a match, {100 * probabilities[name][i]:.0f} %", fontsize=6.5)
        for ax in axes[i]:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    heat = ScalarMappable(Normalize(_HEAT["vmin"], _HEAT["vmax"]), _HEAT["cmap"])
    bar = figure.colorbar(heat, ax=axes[:, 1:], location="bottom", shrink=0.6, aspect=30)
    bar.set_label("attention, in multiples of the average patch's", fontsize=6.5)
    return figure


def clouds(
    groups: Mapping[str, Float[Tensor, "_ 2"]],
    ax: Axes | None = None,
    *,
    first: int = 0,
    classes: Mapping[str, Sequence[int]] | None = None,
    directions: tuple[str, str] = ("first principal component", "second"),
) -> Figure:
    """Points of several kinds in one plane.

    Args:
        groups: points by name.
        ax: to draw on.
        first: number of the first colour.
        classes: for some groups the class of each point, which is its colour then; colours come again after twenty.
        directions: names of the axes.
    """
    ax = axes_of(ax, (3.25, 2.6))
    styles = [(BLUE, "o"), (ORANGE, "^"), (GREEN, "s"), ("0.3", "*")]
    for (name, points), (colour, marker) in zip(groups.items(), styles[first:], strict=False):
        x, y = points.T.numpy()
        size, own = 2.5 if len(points) > 60 else 4, (classes or {}).get(name)
        if own is None:
            ax.plot(x, y, marker, color=colour, ms=size, alpha=0.5, mew=0, ls="", label=name)
        else:
            ax.scatter(x, y, size**2, [number % 20 for number in own], marker=marker, cmap="tab20", lw=0, alpha=0.7)
            ax.plot([], [], marker, color="0.4", ms=size, mew=0, ls="", label=f"{name}, coloured by class")
    ax.set(xticks=[], yticks=[], xlabel=directions[0], ylabel=directions[1])
    if classes and len(groups) == 1:
        ax.set_title(next(iter(groups)))
        return figure_of(ax)
    legend = ax.legend(markerscale=1.5)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure_of(ax)

"""Figures of the pair scorer: what it looks at, recalls over a grid, changes with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ktlib.companion.plots.curves import COLOURS, LABELS, WIDE, figure_of
from ktlib.companion.record.rows import Row, select
from ktlib.evaluate.retrieval import METRICS
from ktlib.models.vilt import PairScorer


def attention_map(
    model: PairScorer, image: Float[Tensor, "3 height width"], text: str
) -> Float[Tensor, "rows columns"]:
    """How much the pooled token looks at each patch, rolled out over the blocks, patches in their places.

    Attention of a block is averaged over its heads, mixed with the identity for the residual way,
    and the blocks are multiplied (Abnar and Zuidema 2020). The result sums to 1 over the patches.

    Args:
        model: a pair scorer.
        image: RGB in [0, 1].
        text: the other half of the pair.
    """
    with torch.no_grad():
        layers = model.attention(image[None], [text])[:, 0].mean(1)  # (layers, tokens, tokens)
        rows, columns = (side // model.patch for side in model.prepare(image[None]).shape[-2:])
    rolled = torch.eye(layers.shape[-1])
    for layer in layers.cpu():
        rolled = (0.5 * layer + 0.5 * torch.eye(len(layer))) @ rolled
    patches = rolled[0, -rows * columns :]
    return (patches / patches.sum()).view(rows, columns)


def attention_pictures(
    pictures: Sequence[Float[Tensor, "3 height width"]],
    maps: Mapping[str, Sequence[Float[Tensor, "rows columns"]]],
    titles: Sequence[str],
    probabilities: Mapping[str, Sequence[float]],
) -> Figure:
    """A row a pair: the picture, then where each model looks, bright where it looks more than on average.

    Args:
        pictures: RGB in [0, 1].
        maps: for each model, one map a picture.
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
            axes[i, j].imshow(large.numpy(), cmap="magma", alpha=0.55, vmin=0, vmax=3)
            axes[i, j].set_title(f"{name} {probabilities[name][i]:.2f}", fontsize=6.5)
        for ax in axes[i]:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    return figure


def recall_grid(
    rows: Sequence[Row], metric: str, *, chosen: tuple[float, int] | None = None, ax: Axes | None = None
) -> Figure:
    """A recall for each learning rate and batch, as KT Tab. 8 lists them; the chosen cell is framed.

    Args:
        rows: of one split and method, with `lr` and `batch` in their settings.
        metric: one of `METRICS`.
        chosen: learning rate and batch to frame.
        ax: to draw on.
    """
    ax = ax or plt.subplots()[1]
    own = select(rows, metric=metric, method="kt")
    rates = sorted({row.lr for row in own})
    batches = sorted({int(row.varied["batch"]) for row in own})
    table = np.array(
        [[np.mean([r.value for r in own if (r.lr, int(r.varied["batch"])) == (a, b)]) for b in batches] for a in rates]
    )
    base = select(rows, metric=metric, method="base")[0].value
    change = 100 * (table - base)
    limit = max(1.0, float(np.abs(change).max()))
    ax.imshow(change, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    for i in range(len(rates)):
        for j in range(len(batches)):
            dark = abs(change[i, j]) > 0.6 * limit
            ax.text(
                j, i, f"{change[i, j]:+.1f}", ha="center", va="center", fontsize=6.5, color="white" if dark else "black"
            )
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
        groups: for each label the method, what `chosen` was (or nothing), and what is taken away.
        ax: to draw on.
    """
    ax = ax or plt.subplots(figsize=(WIDE * 0.75, 2.4))[1]
    for i, (label, (method, chosen, other)) in enumerate(groups.items()):
        colour = COLOURS[method] if not chosen else "#56B4E9"
        place = np.arange(len(METRICS)) + (i - (len(groups) - 1) / 2) * 0.18
        found = [
            next(
                r
                for r in select(rows, method=method, metric=metric, over=other)
                if r.varied.get("chosen", "") == chosen
            )
            for metric in METRICS
        ]
        values = np.array([100 * r.value for r in found])
        errors = np.abs(np.array([[100 * r.low for r in found], [100 * r.high for r in found]]) - values)
        marker = "o" if other == "base" else "D"
        ax.errorbar(place, values, errors, fmt=marker, ms=3, color=colour, elinewidth=0.8, capsize=1.5, label=label)
    ax.axhline(0, color="0.4", lw=0.8)
    ax.set_xticks(range(len(METRICS)), METRICS)
    ax.set(ylabel="change in points")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure_of(ax)


__all__ = ["LABELS", "attention_map", "attention_pictures", "recall_changes", "recall_grid"]

"""Where a pair scorer looks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ktlib.models.vilt import PairScorer


def attention_map(
    model: PairScorer, image: Float[Tensor, "3 height width"], text: str
) -> Float[Tensor, "rows columns"]:
    """How much the pooled token looks at each patch, rolled out over the blocks, patches in their places.

    Attention of a block is averaged over its heads, mixed with the identity for the residual way,
    and the blocks are multiplied. The result sums to 1 over the patches.

    Args:
        model: a pair scorer.
        image: RGB in [0, 1].
        text: the other half of the pair.

    Source: Abnar and Zuidema 2020, attention rollout.
    """
    with torch.no_grad():
        layers = model.attention(image[None], [text])[:, 0].mean(1)  # (layers, tokens, tokens)
        rows, columns = (side // model.patch for side in model.prepare(image[None]).shape[-2:])
    rolled = torch.eye(layers.shape[-1])
    for layer in layers.cpu():
        rolled = (0.5 * layer + 0.5 * torch.eye(len(layer))) @ rolled
    patches = rolled[0, -rows * columns :]
    return (patches / patches.sum()).view(rows, columns)

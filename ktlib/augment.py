"""What an inverted image must survive: random affine views, drawn from numbers the caller provides.

The published recipe asks kornia for one random affine map an image and a step. Here the numbers
come from outside (`[0, 1)` uniforms), so that a batch of many inversions gives the same bytes as
the same inversions run alone, and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

UNIFORMS = 5  # numbers a view needs: applied or not, angle, shift in x, shift in y, scale


def affine_matrices(
    uniforms: Float[Tensor, "batch 5"],
    *,
    rotation: float,
    translation: float,
    scale: tuple[float, float],
    probability: float,
) -> Float[Tensor, "batch 2 3"]:
    """The sampling maps of random affine views, in the coordinates of `F.affine_grid`.

    Args:
        uniforms: numbers in [0, 1), one row a view.
        rotation: angles lie in ±rotation, in degrees.
        translation: shifts lie in ±translation, as a fraction of the side.
        scale: smallest and largest magnification of the content.
        probability: with which a view is transformed at all; otherwise the identity.

    Returns:
        Maps from output to input coordinates ([-1, 1] square).

    Source: KT v1, Sec. 4.2 (30 degrees, 10 %, 0.7 to 1.0, p 0.5); kornia's `RandomAffine`.
    """
    applied, turn, shift_x, shift_y, size = uniforms.unbind(1)
    angle = math.radians(rotation) * (2 * turn - 1)
    magnify = scale[0] + (scale[1] - scale[0]) * size
    cosine, sine = torch.cos(angle) / magnify, torch.sin(angle) / magnify
    dx, dy = (2 * translation * (2 * s - 1) for s in (shift_x, shift_y))  # the square is 2 wide
    matrices = torch.stack(
        [
            torch.stack([cosine, sine, -cosine * dx - sine * dy], 1),
            torch.stack([-sine, cosine, sine * dx - cosine * dy], 1),
        ],
        1,
    )  # (batch, 2, 3)
    identity = torch.eye(2, 3, dtype=uniforms.dtype, device=uniforms.device)
    return torch.where(applied[:, None, None] < probability, matrices, identity)


def affine_views(
    images: Float[Tensor, "batch channels height width"],
    uniforms: Float[Tensor, "batch 5"],
    *,
    rotation: float = 30.0,
    translation: float = 0.1,
    scale: tuple[float, float] = (0.7, 1.0),
    probability: float = 0.5,
) -> Float[Tensor, "batch channels height width"]:
    """One random affine view of each image: bilinear, border pixels repeated outwards.

    Views that turn out to be the identity are passed through untouched, which costs nothing.

    Args:
        images: any range; the view keeps it.
        uniforms, rotation, translation, scale, probability: as in `affine_matrices`.

    Source: KT v1, Sec. 4.2.
    """
    chosen = (uniforms[:, 0] < probability).nonzero().squeeze(1)
    if chosen.numel() == 0:
        return images
    matrices = affine_matrices(
        uniforms[chosen], rotation=rotation, translation=translation, scale=scale, probability=probability
    ).to(images)
    picked = images.index_select(0, chosen)  # its backward is an index_add, cheaper than indexing's
    grid = F.affine_grid(matrices, list(picked.shape), align_corners=False)
    moved = F.grid_sample(picked, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return images.index_copy(0, chosen, moved)

"""What an inverted image must survive: random affine views, drawn from numbers the caller provides.

The published recipe asks kornia for one random affine map an image and a step. Here the numbers
come from outside (`[0, 1)` uniforms), so that a batch of many inversions gives the same bytes as
the same inversions run alone, and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

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

    Raises:
        ValueError: NaN or an infinite number, or a scale that is not above 0.

    Source: KT v1, Sec. 4.2 (30 degrees, 10 %, 0.7 to 1.0, p 0.5); kornia's `RandomAffine`.
    """
    if not all(map(math.isfinite, (rotation, translation, probability, *scale))) or min(scale) <= 0:
        raise ValueError(
            "expected finite numbers and a scale above 0, found "
            f"rotation={rotation}, translation={translation}, scale={scale}, probability={probability}"
        )
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
    uniforms: Float[Tensor, "seen 5"],
    *,
    rotation: float = 30.0,
    translation: float = 0.1,
    scale: tuple[float, float] = (0.7, 1.0),
    probability: float = 0.5,
) -> Float[Tensor, "seen channels height width"]:
    """Random affine views of the images: bilinear, border pixels repeated outwards.

    All views are sampled in one call. Those that turn out to be the identity are passed through
    untouched, which costs nothing.

    Args:
        images: any range; the view keeps it.
        uniforms: as in `affine_matrices`, one row a view: first of every image one, then of every
            image the next, so that view i is of image i % batch.
        rotation, translation, scale, probability: as in `affine_matrices`.

    Raises:
        ValueError: not the same number of views of every image.

    Source: KT v1, Sec. 4.2.
    """
    if len(uniforms) % len(images) or not len(uniforms):
        raise ValueError(
            f"expected the same number of views of every image, found {len(uniforms)} of {len(images)} images; "
            "give one row of uniforms for each view of each image"
        )
    every = images if len(uniforms) == len(images) else images.repeat(len(uniforms) // len(images), 1, 1, 1)
    chosen = (uniforms[:, 0] < probability).nonzero().squeeze(1)
    if chosen.numel() == 0:
        return every
    matrices = affine_matrices(
        uniforms[chosen], rotation=rotation, translation=translation, scale=scale, probability=probability
    )
    return _Views.apply(every, chosen, _grid(matrices.to(images), images.shape[-2], images.shape[-1]))


def _grid(matrices: Float[Tensor, "chosen 2 3"], height: int, width: int) -> Float[Tensor, "chosen height width 2"]:
    """`F.affine_grid` at pixel centres, x and y one after the other in memory: a sum of a row and a column."""
    x, y = (
        torch.arange(1 - n, n, 2, dtype=matrices.dtype, device=matrices.device) / n for n in (width, height)
    )  # centres of n pixels in [-1, 1]
    of_x, of_y, shift = matrices[..., None, None].unbind(2)  # (chosen, 2, 1, 1) each
    return (of_x * x + (of_y * y[:, None] + shift)).permute(0, 2, 3, 1)


_BILINEAR, _BORDER = 0, 1  # as ATen numbers them


class _Views(torch.autograd.Function):
    """Some images resampled, the others as they are, with the gradient written out.

    Autograd would make a batch of zeros to scatter into, and add it to a second one with holes.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, chosen: Tensor, grid: Tensor) -> Tensor:
        picked = images.index_select(0, chosen)
        ctx.save_for_backward(picked, chosen, grid)
        moved = F.grid_sample(picked, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return images.index_copy(0, chosen, moved)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        picked, chosen, grid = ctx.saved_tensors
        moved = slopes[0].index_select(0, chosen)
        back, _ = torch.ops.aten.grid_sampler_2d_backward(moved, picked, grid, _BILINEAR, _BORDER, False, [True, False])
        return slopes[0].index_copy(0, chosen, back), None, None

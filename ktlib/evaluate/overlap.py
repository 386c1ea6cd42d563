"""How well a mask covers another: DSC, IoU, and two distances of their contours that go by one name.

Surface elements lie on the corners of pixels, as in DeepMind's surface-distance, from which the published numbers
come: which of the four pixels around a corner belong to the mask says how much contour runs through it. NSD is the
share of both contours, by length, that lies within a tolerance of the other.

`nsd` is that. `nsd_slab` is what was published: the masks were given to a measure of volumes as slabs one voxel
thick. There the top and the bottom of the slab are surface too, and every corner that touches the mask is
near the other's surface wherever the masks overlap, so the score says what DSC says, with some slack. A disc of radius
40 and one of radius 48 around it have an NSD of 0 (tolerance 2), and a slab's of 0.87.

**Empty masks.** An answer that is empty where there is something to find scores 0. Where nothing is to be found, an
empty answer scores 1 and any other 0; `Scores` leaves such images out of every mean, and counts them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from ktlib.evaluate.intervals import Estimate, over_items

METRICS = ("dsc", "iou", "nsd", "nsd_slab")
TOLERANCE = 2.0  # pixels (MedCLIP-SAMv2's evaluation)
Masks = Bool[Tensor, "images height width"]


def dice(masks: Masks, truths: Bool[Tensor, "..."]) -> Float[Tensor, " images"]:
    """Twice what two masks share over what they have together (DSC).

    Args:
        masks: answers.
        truths: of the same images.

    Raises:
        ValueError: other shapes.

    Source: Dice 1945; the empty-mask policy of this module.
    """
    _check(masks, truths)
    shared, total = (masks & truths).sum((1, 2)), masks.sum((1, 2)) + truths.sum((1, 2))
    return torch.where(total > 0, 2 * shared / total.clamp_min(1), torch.ones(len(masks), device=masks.device))


def iou(masks: Masks, truths: Bool[Tensor, "..."]) -> Float[Tensor, " images"]:
    """What two masks share over what either has.

    Args:
        masks: answers.
        truths: of the same images.

    Raises:
        ValueError: other shapes.

    Source: Jaccard 1901; the empty-mask policy of this module.
    """
    _check(masks, truths)
    shared, either = (masks & truths).sum((1, 2)), (masks | truths).sum((1, 2))
    return torch.where(either > 0, shared / either.clamp_min(1), torch.ones(len(masks), device=masks.device))


def nsd(
    masks: Masks, truths: Bool[Tensor, "..."], *, tolerance: float = TOLERANCE, form: str = "contour"
) -> Float[Tensor, " images"]:
    """The share of two contours, by length, that lies within a tolerance of the other (surface Dice).

    Args:
        masks: answers.
        truths: of the same images.
        tolerance: in pixels.
        form: `contour`, of the masks as they are; or `slab`, the published one, of slabs one voxel thick.

    Raises:
        ValueError: other shapes, or another form.

    Source: Nikolov et al. 2021; KT v1, Tab. 4 and 7, for the slab (D62); the empty-mask policy of this module.
    """
    _check(masks, truths)
    if form not in _ELEMENTS:
        raise ValueError(f"expected the form {' or '.join(_ELEMENTS)}, found {form!r}")
    pairs = zip(_corners(masks), _corners(truths), strict=True)
    return torch.tensor([_near(_ELEMENTS[form][a], _ELEMENTS[form][b], tolerance) for a, b in pairs])


# How much surface runs through a corner, by which of its four pixels (1, 2, 4, 8: in reading order) are in the mask:
# along a contour of length (one or three pixels: half a diagonal; two beside each other: a side; two across: two
# half diagonals), and over a slab of area, top or bottom (triangles, halves and all of a voxel's corner).
_HALF_DIAGONAL = math.sqrt(0.5)
_TRIANGLE, _PENTAGON = math.sqrt(3) / 8, 0.5 + 3 * math.sqrt(3) / 8


def _table(one: float, beside: float, across: float, three: float, all_: float) -> np.ndarray:
    by_count = {0: 0.0, 1: one, 2: beside, 3: three, 4: all_}
    table = np.array([by_count[code.bit_count()] for code in range(16)])
    table[[0b0110, 0b1001]] = across
    return table


_ELEMENTS = {
    "contour": _table(_HALF_DIAGONAL, 1.0, 2 * _HALF_DIAGONAL, _HALF_DIAGONAL, 0.0),
    "slab": _table(_TRIANGLE, _HALF_DIAGONAL, 2 * _TRIANGLE, _PENTAGON, 1.0),
}


def _corners(masks: Tensor) -> np.ndarray:
    """For every corner of a pixel which of the pixels around it are in the mask: (images, height + 1, width + 1)."""
    padded = np.pad(masks.cpu().numpy().astype(np.uint8), ((0, 0), (1, 1), (1, 1)))
    one, two, four, eight = padded[:, :-1, :-1], padded[:, :-1, 1:], padded[:, 1:, :-1], padded[:, 1:, 1:]
    return one + 2 * two + 4 * four + 8 * eight


def _near(mine: np.ndarray, theirs: np.ndarray, tolerance: float) -> float:
    """The share of the elements of two surfaces that lie near the other; each is (rows, columns) of lengths."""
    if not mine.any() or not theirs.any():
        return float(mine.any() == theirs.any())
    far = [ndimage.distance_transform_edt(other == 0) for other in (theirs, mine)]
    near = sum(own[distance <= tolerance].sum() for own, distance in zip((mine, theirs), far, strict=True))
    return float(near / (mine.sum() + theirs.sum()))


def _check(masks: Tensor, truths: Tensor) -> None:
    if masks.shape != truths.shape:
        raise ValueError(
            f"expected masks of the same images in the same size, found {tuple(masks.shape)} and "
            f"{tuple(truths.shape)}: resize the answer to its truth (nearest), or pair them by name"
        )


# -- many images ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Scores:
    """Scores image by image, so that two models can be compared in pairs.

    Attributes:
        values: for each of `METRICS` one number an image, those with nothing to find included.
        nothing: which images have nothing to find; they are left out of every mean.
    """

    values: Mapping[str, Float[Tensor, " images"]]
    nothing: Bool[Tensor, " images"]

    @property
    def left_out(self) -> int:
        """How many images have nothing to find."""
        return int(self.nothing.sum())

    def of(self, metric: str) -> list[float]:
        """A metric's values where there is something to find.

        Args:
            metric: one of `METRICS`.
        """
        return self.values[metric][~self.nothing].tolist()

    def means(self) -> dict[str, float]:
        """The mean of each metric; fractions.

        Raises:
            ValueError: no image has anything to find.
        """
        if bool(self.nothing.all()):
            raise ValueError(f"expected images with something to find, found {len(self.nothing)} with empty masks only")
        return {metric: value[~self.nothing].mean().item() for metric, value in self.values.items()}

    def estimate(self, metric: str) -> Estimate:
        """A metric's mean with a 95 % bootstrap interval over images.

        Args:
            metric: one of `METRICS`.
        """
        return over_items(self.of(metric))


def scores(masks: Masks, truths: Bool[Tensor, "..."], *, tolerance: float = TOLERANCE) -> Scores:
    """Every metric of every image.

    Args:
        masks: answers.
        truths: of the same images.
        tolerance: of both NSDs, in pixels.

    Raises:
        ValueError: other shapes.
    """
    values = {"dsc": dice(masks, truths), "iou": iou(masks, truths)}
    values |= {"nsd": nsd(masks, truths, tolerance=tolerance)}
    values |= {"nsd_slab": nsd(masks, truths, tolerance=tolerance, form="slab")}
    return Scores(values, ~truths.flatten(1).any(1))


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores of several batches as those of one.

    Args:
        parts: at least one.
    """
    values = {metric: torch.cat([part.values[metric] for part in parts]) for metric in METRICS}
    return Scores(values, torch.cat([part.nothing for part in parts]))

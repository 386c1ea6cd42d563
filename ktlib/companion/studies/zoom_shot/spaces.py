"""Where features lie: planes to look at clouds in, and how far a set is from the training images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ktlib.companion.studies.zoom_shot.laboratory import TRAIN, Laboratory


def plane(points: Float[Tensor, "count dim"]) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim 2"]]:
    """The plane of largest variance, by principal components: its origin and its two directions.

    Args:
        points: of any space.
    """
    mean = points.mean(0)
    directions = torch.linalg.svd(points - mean, full_matrices=False).Vh
    return mean, directions[:2].T


def plane_between(
    one: Float[Tensor, "some dim"], other: Float[Tensor, "others dim"]
) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim 2"]]:
    """The plane in which two clouds are furthest apart: along the line of their means, and across it.

    The second direction is that of largest variance among those at right angles to the first.

    Args:
        one, other: two clouds of one space.
    """
    middle = (one.mean(0) + other.mean(0)) / 2
    along = F.normalize(other.mean(0) - one.mean(0), dim=0)
    centred = torch.cat([one - one.mean(0), other - other.mean(0)])
    rest = centred - (centred @ along)[:, None] * along
    across = torch.linalg.svd(rest, full_matrices=False).Vh[0]
    return middle, torch.stack([along, across], 1)


def distance(lab: Laboratory, target: str) -> float:
    """How far a test set lies from the usual training images in CLIP's space: 1 minus the cosine of the two means.

    Args:
        lab: the laboratory.
        target: a test set.

    Source: ours, for Z12; the means are of unit features.
    """
    means = [F.normalize(lab.features[lab.clip, name].float(), dim=1).mean(0) for name in (TRAIN, target)]
    return 1 - F.cosine_similarity(means[0], means[1], dim=0).item()

"""Linear maps between spaces of features: what they are, how they are trained, and the one in closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

Rows = Int[Tensor, " rows"]
CHUNK = 16_384  # rows that are looked at together


class DivergedError(RuntimeError):
    """A training ended in numbers that are not finite."""


@dataclass(frozen=True)
class LinearMap:
    """`x @ weight + bias`, in the units of the features as the encoders give them."""

    weight: Float[Tensor, "inputs outputs"]
    bias: Float[Tensor, " outputs"]

    def __call__(self, features: Float[Tensor, "count inputs"]) -> Float[Tensor, "count outputs"]:
        """The features in the other space, float32.

        Raises:
            ValueError: features of another width than the map was made for.
        """
        if features.ndim != 2 or features.shape[1] != len(self.weight):
            raise ValueError(f"expected features (count, {len(self.weight)}), found {tuple(features.shape)}")
        return features.to(self.weight) @ self.weight + self.bias


@dataclass(frozen=True)
class Maps:
    """A map from the encoder's space into CLIP's and, where it was asked for, one back.

    Attributes:
        h: source features to CLIP's space.
        h_inverse: CLIP features, of images or texts, to the source's space; None for the Linear Aligner.
        losses: for each loss its value before every step; empty in closed form.
    """

    h: LinearMap
    h_inverse: LinearMap | None = None
    losses: Mapping[str, Float[Tensor, " steps"]] = field(default_factory=dict)


class Affine:
    """An affine map for each fit, started as torch starts a `Linear`."""

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator], like: Tensor) -> None:
        bound = 1 / math.sqrt(inputs)
        shapes = (inputs, outputs), (1, outputs)
        drawn = [[torch.rand(shape, generator=g) for g in generators] for shape in shapes]
        weight, bias = ((torch.stack(d) * 2 - 1) * bound for d in drawn)
        self.weight = weight.to(like.device).requires_grad_()  # (fits, inputs, outputs)
        self.bias = bias.to(like.device).requires_grad_()  # (fits, 1, outputs)

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained."""
        return [self.weight, self.bias]

    def __call__(self, features: Float[Tensor, "fits batch inputs"]) -> Float[Tensor, "fits batch outputs"]:
        """Features in the other space, each fit's by its own map."""
        return torch.baddbmm(self.bias, features, self.weight)

    def folded(self, inputs: Tensor, outputs: Tensor, *, bias_fix: bool) -> list[LinearMap]:
        """Maps in the features' own units: y·outputs = (x·inputs) @ weight + bias, solved for y."""
        with torch.no_grad():
            weight = self.weight * (inputs / outputs)
            bias = self.bias / outputs if bias_fix else self.bias * (inputs / outputs)
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise DivergedError("the training diverged: lower lr, or scale the features (variance=4.5)")
        return [LinearMap(w, b[0]) for w, b in zip(weight, bias, strict=True)]


def least_squares(
    source: Float[Tensor, "images source"], clip: Float[Tensor, "targets clip"], *, rows: Rows | None = None
) -> Maps:
    """The affine maps with the least squared error, in closed form and double precision.

    Where the features do not determine the map (fewer images than dimensions), the one of least norm.

    Args:
        source, clip: as in `fit`.
        rows: the images to use; all by default.

    Raises:
        ValueError: as in `fit`.

    Source: ours, the control that tells the loss from the optimiser.
    """
    check_features(source, clip)
    rows = torch.arange(len(source)) if rows is None else rows
    width = source.shape[1]
    total = torch.zeros(width + clip.shape[1], dtype=torch.float64)
    products = torch.zeros(len(total), len(total), dtype=torch.float64)
    for part in rows.split(CHUNK):
        both = torch.cat([source[part], clip[part].to(source)], 1).cpu().double()
        total += both.sum(0)
        products += both.T @ both
    mean = total / len(rows)
    covariance = products / len(rows) - mean.outer(mean)

    def solve(inputs: slice, outputs: slice) -> LinearMap:
        # By singular values, so that features of low rank do no harm; below 1e-10 of the largest is rounding.
        own, shared = covariance[inputs, inputs], covariance[inputs, outputs]
        weight = torch.linalg.lstsq(own, shared, rcond=1e-10, driver="gelsd").solution
        bias = mean[outputs] - mean[inputs] @ weight
        return LinearMap(weight.float().to(source.device), bias.float().to(source.device))

    left, right = slice(None, width), slice(width, None)
    return Maps(solve(left, right), solve(right, left))


def check_features(source: Tensor, clip: Tensor, text: Tensor | None = None) -> None:
    """Refuse features that belong to different images or spaces.

    Raises:
        ValueError: not matrices, no images, different numbers of images, or text of another width than CLIP's.
    """
    for name, features in (("source", source), ("CLIP", clip), *([("text", text)] if text is not None else [])):
        if features.ndim != 2 or 0 in features.shape:
            raise ValueError(f"expected {name} features (count, dim), found {tuple(features.shape)}")
    if len(source) != len(clip):
        raise ValueError(
            f"expected features of the same images, found {len(source)} of the source and {len(clip)} of CLIP; "
            "extract both from the same set"
        )
    if text is not None and text.shape[1] != clip.shape[1]:
        raise ValueError(
            f"expected text features of CLIP's width {clip.shape[1]}, found {text.shape[1]}; "
            "take image and text features from the same CLIP"
        )


def rescaling(features: Float[Tensor, "images dim"], target: float = 4.5, *, rows: Rows | None = None) -> float:
    """The factor that gives features the target variance, one number for a whole space.

    The variance is that of all entries together, as the Linear Aligner has it. ZS, Eq. 3 prints
    sqrt(variance / target), which would turn a variance v into v² / target.

    Args:
        features: as an encoder gives them.
        target: variance after scaling.
        rows: the images to use; all by default.

    Raises:
        ValueError: features that are not finite, or all alike.

    Source: ZS, Eq. 2 and 3, the fraction of Eq. 3 turned over (D17).
    """
    if not (math.isfinite(target) and target > 0):
        raise ValueError(f"expected a variance above 0, found {target}")
    rows = torch.arange(len(features)) if rows is None else rows
    pivot = features[rows[0], 0].float()  # variance does not see a shift, and rounding sees less of it
    total = squares = 0.0
    for part in rows.split(CHUNK):
        values = features[part].float() - pivot
        total += values.sum(1).double().sum().item()  # short sums in single precision, the long one in double
        squares += torch.linalg.vecdot(values, values).double().sum().item()
    count = len(rows) * features.shape[1]
    variance = squares / count - (total / count) ** 2
    if not math.isfinite(variance):
        raise ValueError("expected finite features, found NaN or infinity; extract them again")
    if variance <= 0:
        raise ValueError("expected features that differ, found no variance; check what the encoder was given")
    return math.sqrt(target / variance)

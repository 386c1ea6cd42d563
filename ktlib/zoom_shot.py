"""Zoom-shot: a linear map from the features of any vision encoder into CLIP's space, and one back.

Works on features alone, extracted once (`ktlib.features`). `fit` is the paper's method, `align` the
Linear Aligner it is compared with, `least_squares` the map both are after, in closed form. Where
the paper's equations and its algorithm disagree the equations are followed (D17 to D23).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from ktlib.losses import MATCHINGS, cosines, mean_absolute, mean_squared, prompt_distillation

Rows = Int[Tensor, " rows"]


@dataclass(frozen=True)
class ZoomShotSettings:
    """How the two maps are trained; the defaults are the paper's or, where it is silent, ours.

    Attributes:
        reconstruction, cycle, distillation: weights of the three losses, 0 to leave one out (ZS, Alg. 1: a plain sum).
        matching: how distillation compares; see `losses.prompt_distillation` (D21).
        temperature: of `matching="ht_ce"` (ZS, Sec. 11.1: about 20).
        variance: both spaces are scaled to this variance; None to leave them (ZS, Eq. 2 and 3).
        lr: of Adam (ZS, Sec. 4.1), lowered along a cosine to 0, step by step (D22).
        epochs: passes over the features (ZS, Sec. 4.1: one).
        batch: images a step (ours, as the Linear Aligner; D22).
    """

    reconstruction: float = 1.0
    cycle: float = 1.0
    distillation: float = 1.0
    matching: str = "cosines"
    temperature: float = 20.0
    variance: float | None = 4.5
    lr: float = 1e-4
    epochs: int = 1
    batch: int = 100

    def __post_init__(self) -> None:
        weights = (self.reconstruction, self.cycle, self.distillation)
        if min(weights) < 0 or max(weights) == 0:
            raise ValueError(f"expected weights of 0 or more, not all 0, found {weights}")
        if self.matching not in MATCHINGS:
            raise ValueError(f"expected a matching of {', '.join(MATCHINGS)}, found {self.matching!r}")


@dataclass(frozen=True)
class AlignerSettings:
    """How the Linear Aligner is trained; the defaults are those of its published code.

    Attributes:
        variance: both spaces are scaled to this variance.
        lr, momentum, weight_decay: of SGD.
        period: half-wave of the cosine in epochs; it is stepped once an epoch, so six epochs hardly move it.
        epochs: six, as Zoom-shot says (the code's own defaults are 5, 6 and 20).
        batch: images a step.
        bias_fix: undo the scaling of the bias as algebra has it; the published code multiplies it by the
            source's factor as well (D19).

    Source: Moayeri et al. 2023 (Text-to-concept).
    """

    variance: float | None = 4.5
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    period: int = 200
    epochs: int = 6
    batch: int = 100
    bias_fix: bool = False


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


def fit(
    source: Float[Tensor, "images source"],
    clip: Float[Tensor, "targets clip"],
    text: Float[Tensor, "prompts text"],
    settings: ZoomShotSettings = ZoomShotSettings(),
    *,
    seed: int = 0,
    progress: bool = False,
) -> Maps:
    """Train h and h⁻¹ on features of the same images.

    Args:
        source: of the encoder, as it gives them; half precision and memory-mapped is fine.
        clip: of CLIP's visual tower for the same images, not normalised.
        text: CLIP's features of general prompts, not normalised. Training runs on their device.
        settings: losses, scaling, schedule.
        seed: of the first weights and of the order of the images.
        progress: show a bar.

    Raises:
        ValueError: counts or widths that do not fit, features without variance or with NaN.
        RuntimeError: the training diverged.

    Source: ZS, Sec. 3 and Alg. 1.
    """
    return fit_many(source, clip, text, settings, seeds=[seed], progress=progress)[0]


def fit_many(
    source: Float[Tensor, "images source"],
    clip: Float[Tensor, "targets clip"],
    text: Float[Tensor, "prompts text"],
    settings: ZoomShotSettings = ZoomShotSettings(),
    *,
    seeds: Sequence[int],
    rows: Sequence[Rows] | None = None,
    progress: bool = False,
) -> list[Maps]:
    """`fit` for several seeds side by side, in little more than the time of one.

    Args:
        source, clip, text, settings, progress: as in `fit`.
        seeds: one a fit.
        rows: for each seed the images to train on, equally many; all by default.

    Raises:
        ValueError, RuntimeError: as in `fit`.
    """
    check_features(source, clip, text)
    chosen = _rows(source, seeds, rows)
    scales = _scales(source, clip, chosen, settings.variance)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    h = _Affine(source.shape[1], clip.shape[1], generators, text)
    inverse = _Affine(clip.shape[1], source.shape[1], generators, text)
    prompts = text.float() * scales[1]  # (fits, prompts, clip)
    # The paper has one Adam a map. Adam works on each number by itself, so one for both is the same.
    optimizer = torch.optim.Adam([*h.parameters, *inverse.parameters], lr=settings.lr, fused=True)
    steps = settings.epochs * math.ceil(len(chosen[0]) / settings.batch)

    def loss(images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return _objective(h, inverse, images, targets, prompts, settings)

    def lr(step: int) -> float:
        return settings.lr * 0.5 * (1 + math.cos(math.pi * step / steps))

    plan = _plan(chosen, generators, settings.batch, settings.epochs)
    curves = _train(optimizer, lr, plan, steps, (source, clip), scales, loss, progress)
    to_source, to_clip = scales
    forward = h.folded(to_source, to_clip, bias_fix=True)
    back = inverse.folded(to_clip, to_source, bias_fix=True)
    return [Maps(f, b, c) for f, b, c in zip(forward, back, curves, strict=True)]


def align(
    source: Float[Tensor, "images source"],
    clip: Float[Tensor, "targets clip"],
    settings: AlignerSettings = AlignerSettings(),
    *,
    seeds: Sequence[int] = (0,),
    rows: Sequence[Rows] | None = None,
    progress: bool = False,
) -> list[Maps]:
    """The Linear Aligner: one map, squared error, SGD; a result for each seed.

    Its published code feeds CLIP pixels in [0, 1] that were never normalised. That is a matter of how
    `clip` was extracted: `VisionEncoder.of(model, pixels="raw")`.

    Args:
        source, clip, progress: as in `fit`.
        settings: of the optimiser; and whether its bias is put right.
        seeds, rows: as in `fit_many`.

    Raises:
        ValueError, RuntimeError: as in `fit`.

    Source: Moayeri et al. 2023 (Text-to-concept), the baseline of ZS.
    """
    check_features(source, clip)
    chosen = _rows(source, seeds, rows)
    scales = _scales(source, clip, chosen, settings.variance)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    h = _Affine(source.shape[1], clip.shape[1], generators, clip)
    optimizer = torch.optim.SGD(
        h.parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True
    )
    an_epoch = math.ceil(len(chosen[0]) / settings.batch)

    def loss(images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"reconstruction": mean_squared(h(images), targets)}

    def lr(step: int) -> float:
        return settings.lr * 0.5 * (1 + math.cos(math.pi * (step // an_epoch) / settings.period))

    plan = _plan(chosen, generators, settings.batch, settings.epochs)
    curves = _train(optimizer, lr, plan, settings.epochs * an_epoch, (source, clip), scales, loss, progress)
    maps = h.folded(*scales, bias_fix=settings.bias_fix)
    return [Maps(one, None, curve) for one, curve in zip(maps, curves, strict=True)]


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


# -- one run for several fits -----------------------------------------------------------------------
CHUNK = 16_384  # rows that are looked at together
Scales = tuple[Float[Tensor, "fits 1 1"], Float[Tensor, "fits 1 1"]]


class _Affine:
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
        return [self.weight, self.bias]

    def __call__(self, features: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, features, self.weight)

    def folded(self, inputs: Tensor, outputs: Tensor, *, bias_fix: bool) -> list[LinearMap]:
        """Maps in the features' own units: y·outputs = (x·inputs) @ weight + bias, solved for y."""
        with torch.no_grad():
            weight = self.weight * (inputs / outputs)
            bias = self.bias / outputs if bias_fix else self.bias * (inputs / outputs)
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise RuntimeError("the training diverged: lower lr, or scale the features (variance=4.5)")
        return [LinearMap(w, b[0]) for w, b in zip(weight, bias, strict=True)]


def _objective(
    h: _Affine, inverse: _Affine, images: Tensor, clip: Tensor, text: Tensor, settings: ZoomShotSettings
) -> dict[str, Tensor]:
    """The losses of one batch, (fits,) each, already weighted; their sum is minimised."""
    to_clip = h(images)
    # Each map is applied once to all that is ready for it: large products are faster than many small ones.
    ready = [clip, text, to_clip] if settings.cycle else [clip, text] if settings.distillation else [clip]
    to_source, text_in_source, returned = _parts(inverse(torch.cat(ready, 1)), len(clip[0]), len(text[0]))
    terms: dict[str, Tensor] = {}
    if settings.reconstruction:
        terms["reconstruction"] = mean_squared(to_clip, clip) + mean_squared(to_source, images)
    if settings.cycle:
        again, text_again, _ = _parts(h(torch.cat([to_source, text_in_source], 1)), len(clip[0]), len(text[0]))
        terms["cycle"] = mean_absolute(returned, images) + mean_absolute(again, clip) + mean_absolute(text_again, text)
    if settings.distillation:
        # The three students: h(image) with text, and image and h⁻¹(CLIP's image) with h⁻¹(text).
        in_source = cosines(torch.cat([images, to_source], 1), text_in_source)
        students = torch.cat([cosines(to_clip, text), in_source], 1)
        teacher = cosines(clip, text).repeat(1, 3, 1)
        # A mean over three students' rows, times three, is the sum of their means.
        terms["distillation"] = 3 * prompt_distillation(teacher, students, settings.matching, settings.temperature)
    return {name: getattr(settings, name) * value for name, value in terms.items()}


def _parts(mapped: Tensor, images: int, texts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images, texts, and what follows them, of rows that were mapped together."""
    return mapped[:, :images], mapped[:, images : images + texts], mapped[:, images + texts :]


def _rows(source: Tensor, seeds: Sequence[int], rows: Sequence[Rows] | None) -> list[Rows]:
    chosen = [torch.arange(len(source))] * len(seeds) if rows is None else list(rows)
    if not seeds or len(chosen) != len(seeds) or len({len(r) for r in chosen}) != 1 or len(chosen[0]) == 0:
        raise ValueError(
            f"expected equally many images for each of {len(seeds)} seeds, found {[len(r) for r in chosen]}"
        )
    return chosen


def _scales(source: Tensor, clip: Tensor, rows: Sequence[Rows], variance: float | None) -> Scales:
    if variance is None:
        return torch.ones(len(rows), 1, 1), torch.ones(len(rows), 1, 1)
    factors = [[rescaling(space, variance, rows=r) for r in rows] for space in (source, clip)]
    to_source, to_clip = (torch.tensor(f).view(-1, 1, 1) for f in factors)
    return to_source, to_clip


def _plan(rows: Sequence[Rows], generators: Sequence[torch.Generator], batch: int, epochs: int) -> Iterator[Tensor]:
    """Indices (fits, batch) of every step; each fit has an order of its own."""
    for _ in range(epochs):
        orders = [r[torch.randperm(len(r), generator=g)] for r, g in zip(rows, generators, strict=True)]
        yield from torch.stack(orders).split(batch, dim=1)


def _batches(plan: Iterator[Tensor], spaces: tuple[Tensor, Tensor], factors: Sequence[Tensor]) -> Iterator[Any]:
    """Scaled features of each step, float32; gathered for several steps at once, which is faster."""
    while several := list(islice(plan, 32)):
        indices = torch.cat(several, 1)
        gathered = [s.index_select(0, indices.flatten()).view(*indices.shape, -1) for s in spaces]
        scaled = [g.to(f.device).float().mul_(f) for g, f in zip(gathered, factors, strict=True)]
        yield from zip(*(part.split([i.shape[1] for i in several], 1) for part in scaled), strict=True)


def _train(
    optimizer: torch.optim.Optimizer,
    lr: Callable[[int], float],
    plan: Iterator[Tensor],
    steps: int,
    spaces: tuple[Tensor, Tensor],
    scales: Scales,
    loss: Callable[[Tensor, Tensor], dict[str, Tensor]],
    progress: bool,
) -> list[dict[str, Tensor]]:
    """Walk through the plan; returns the curves of each fit."""
    device = optimizer.param_groups[0]["params"][0].device
    factors = [scale.to(device) for scale in scales]
    curves: dict[str, list[Tensor]] = {}
    for step, (images, targets) in enumerate(tqdm(_batches(plan, spaces, factors), total=steps, disable=not progress)):
        for group in optimizer.param_groups:
            group["lr"] = lr(step)
        terms = loss(images, targets)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()  # fits share nothing: the sum keeps them apart
        optimizer.step()
        for name, value in terms.items():
            curves.setdefault(name, []).append(value.detach())
    whole = {name: torch.stack(values).cpu() for name, values in curves.items()}  # (steps, fits)
    return [{name: curve[:, i] for name, curve in whole.items()} for i in range(len(factors[0]))]


__all__ = [
    "AlignerSettings", "LinearMap", "Maps", "ZoomShotSettings", "align", "check_features", "fit", "fit_many",
    "least_squares", "rescaling",
]  # fmt: skip

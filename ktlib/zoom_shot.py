"""Zoom-shot: a linear map from the features of any vision encoder into CLIP's space, and one back.

Works on features alone, extracted once (`ktlib.extract`). `fit` is the paper's method, `align` the
Linear Aligner it is compared with; `linear_maps.least_squares` is the map both are after, in closed
form. Where the paper's equations and its algorithm disagree the equations are followed (D17 to D23).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from ktlib.bounds import COUNT, NOT_NEGATIVE, POSITIVE, check, check_seed
from ktlib.linear_maps import Affine, Maps, Rows, check_features, rescaling
from ktlib.losses import MATCHINGS, cosines, mean_absolute, mean_squared, prompt_distillation


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
        check(self, reconstruction=NOT_NEGATIVE, cycle=NOT_NEGATIVE, distillation=NOT_NEGATIVE, lr=NOT_NEGATIVE)
        check(self, temperature=POSITIVE, variance=POSITIVE, epochs=COUNT, batch=COUNT)


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

    def __post_init__(self) -> None:
        check(self, lr=NOT_NEGATIVE, momentum=NOT_NEGATIVE, weight_decay=NOT_NEGATIVE, variance=POSITIVE)
        check(self, period=COUNT, epochs=COUNT, batch=COUNT)


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
    generators = [_generator(seed) for seed in seeds]
    h = Affine(source.shape[1], clip.shape[1], generators, text)
    inverse = Affine(clip.shape[1], source.shape[1], generators, text)
    prompts = text.float() * scales[1]  # (fits, prompts, clip)
    # The paper has one Adam a map. Adam works on each number by itself, so one for both is the same.
    optimizer = torch.optim.Adam([*h.parameters, *inverse.parameters], lr=settings.lr, fused=True)
    steps = settings.epochs * math.ceil(len(chosen[0]) / settings.batch)

    def loss(images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return objective(h, inverse, images, targets, prompts, settings)

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
    generators = [_generator(seed) for seed in seeds]
    h = Affine(source.shape[1], clip.shape[1], generators, clip)
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


# -- one run for several fits -----------------------------------------------------------------------
Scales = tuple[Float[Tensor, "fits 1 1"], Float[Tensor, "fits 1 1"]]


def objective(
    h: Affine, inverse: Affine, images: Tensor, clip: Tensor, text: Tensor, settings: ZoomShotSettings
) -> dict[str, Tensor]:
    """The losses of one batch, (fits,) each, already weighted; their sum is minimised.

    Args:
        h, inverse: the two maps, one of each a fit.
        images, clip: features of the same images in both spaces, (fits, batch, dim), scaled.
        text: CLIP's features of the prompts, (fits, prompts, dim), scaled.
        settings: which losses, and their weights.

    Source: ZS, Eq. 1, 4 and 8.
    """
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
        students = torch.cat(
            [cosines(to_clip, text), cosines(images, text_in_source), cosines(to_source, text_in_source)], 1
        )
        teacher = cosines(clip, text).repeat(1, 3, 1)
        # A mean over three students' rows, times three, is the sum of their means.
        terms["distillation"] = 3 * prompt_distillation(teacher, students, settings.matching, settings.temperature)
    return {name: getattr(settings, name) * value for name, value in terms.items()}


def _parts(mapped: Tensor, images: int, texts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images, texts, and what follows them, of rows that were mapped together; any but the first may be none."""
    texts = min(texts, mapped.shape[1] - images)
    # A split has one gradient for all its parts; slices would have one of full size each.
    first, second, third = mapped.split([images, texts, mapped.shape[1] - images - texts], 1)
    return first, second, third


def _generator(seed: int) -> torch.Generator:
    check_seed(seed)
    return torch.Generator().manual_seed(seed)


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

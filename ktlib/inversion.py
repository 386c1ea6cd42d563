"""From a sentence to pictures: optimise noise until the model sees what the sentence says.

    X* = argmax_X  sim( f_V(A(X)), f_T(description) ) - alpha * TV(X)                       (Eq. 3)

The printed Eq. 3 augments the features and adds the regulariser; read as above it is what the
authors' code does (D1). Eq. 4 stops half-way and optimises the activations that enter an inner
block. What a similarity is, the model says (`models.protocols.Invertible`): a cosine for a dual
encoder, the probability of a match for a pair scorer (KT v1, Sec. 4.3).

All descriptions and seeds run in one batch; each job draws from a generator of its own and is
clipped on its own, so a job does not depend on what it shares the batch with, but for rounding:
sums in another order differ in the last bit, and hundreds of steps make that visible in the pixels.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from ktlib import store as files
from ktlib.augment import UNIFORMS, affine_views
from ktlib.bounds import COUNT, FINITE, INDEX, LIMIT, NOT_NEGATIVE, POSITIVE, SHARE, check, check_seed
from ktlib.losses import total_variation
from ktlib.memory import halving
from ktlib.models.checkpoints import fingerprint
from ktlib.models.protocols import Inner, Invertible

_VERSION = 2  # raise it when the same settings give other images: stored inversions are then redone
_CHECKPOINT_SECONDS = 30.0
Job = tuple[str, int]  # a description and a seed
Batch = tuple[list[Job], Tensor, Path | None]  # with targets and where to keep a checkpoint
Mapped = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[tuple[int, Any]]]


@dataclass(frozen=True)
class InversionSettings:
    """How a description is inverted. Defaults are the published recipe.

    Attributes:
        steps: optimisation steps (KT v1, Sec. 4.2: 5000).
        lr: of Adam (CLIPInversion and the authors' code: 0.1).
        schedule: `kt` (the authors' code: a cosine of a third of the last stage, restarted
            whenever the image grows; D3), `clipinversion` (constant, then a cosine that never
            ends), `cosine` (one over all steps), `constant`.
        sizes: `(from this step, side)`; the image grows, Adam starts anew (authors' code).
        distance: `l2` between unit features (CLIPInversion), `cosine` (Eq. 3 as printed), or
            `raw_l2` between projected features (the authors' code for BiomedCLIP; D2). A pair
            scorer has its matching head in its place.
        tv: weight alpha of the total variation (KT v1, Eq. 3: 0.005).
        rotation, translation, scale, probability: of the affine views (KT v1, Sec. 4.2; the
            authors' code has scale 0.7 to 1.2; D4). Probability 0 turns them off.
        views: augmented views of an image in a step (authors' code: 1; CLIPInversion: 13; D5).
        clip: largest gradient norm over the images of one job (authors' code: 1).
        layer: None for pixels (Eq. 3), or the block whose input is optimised (Eq. 4).
        precision: `float32`, or `bfloat16` for the encoder (ours, for speed on a GPU).
    """

    steps: int = 5000
    lr: float = 0.1
    schedule: str = "kt"
    sizes: tuple[tuple[int, int], ...] = ((0, 64), (900, 128), (1800, 224))
    distance: str = "l2"
    tv: float = 0.005
    rotation: float = 30.0
    translation: float = 0.1
    scale: tuple[float, float] = (0.7, 1.0)
    probability: float = 0.5
    views: int = 1
    clip: float = 1.0
    layer: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("schedule", ("kt", "clipinversion", "cosine", "constant")),
            ("distance", ("l2", "cosine", "raw_l2")),
            ("precision", ("float32", "bfloat16")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} to be one of {', '.join(allowed)}; found {getattr(self, name)!r}")
        check(
            self, steps=COUNT, views=COUNT, layer=INDEX, lr=NOT_NEGATIVE, scale=POSITIVE, clip=LIMIT, probability=SHARE
        )
        check(self, tv=NOT_NEGATIVE, rotation=FINITE, translation=FINITE)
        whole = all(INDEX.holds(start) and COUNT.holds(side) for start, side in self.sizes)
        if not whole or not self.sizes or self.sizes[0][0] != 0 or list(self.sizes) != sorted(self.sizes):
            raise ValueError(f"expected sizes to start at step 0 and go up, found {self.sizes}")
        if self.layer is None and not self._reaches_its_end:
            raise ValueError(
                f"expected sizes that fit {self.steps} steps of the schedule {self.schedule}, found {self.sizes}; give "
                f"others, or stretch a recipe: InversionSettings().stretched({self.steps})"
            )

    @property
    def _reaches_its_end(self) -> bool:
        """Whether the last size is reached, and no stage is so long that `kt` would turn up and down within it."""
        starts = [start for start, _ in self.sizes]
        if starts[-1] >= self.steps:
            return False
        longest = max((after - start for start, after in pairwise(starts)), default=0)
        return self.schedule != "kt" or longest <= 3 * (_half_wave(self) + 1)

    def stretched(self, steps: int) -> InversionSettings:
        """The same recipe in another number of steps: the image grows at the same shares of them."""
        sizes = tuple((start * steps // self.steps, side) for start, side in self.sizes)
        return replace(self, steps=steps, sizes=sizes)


@dataclass(frozen=True)
class Inversion:
    """Images found for descriptions.

    Attributes:
        images: float32 (jobs, images, 3, side, side), RGB in [0, 1]; or the activations
            (jobs, images, tokens, width) when `settings.layer` is set.
        similarity: to the description at every step, on the view of that step, mean over the job's
            images: (jobs, steps).
        final: similarity of each finished image, not augmented: (jobs, images).
        descriptions, seeds: one a job.
        settings: as they were used.
        seconds: of computing; 0 when everything was stored already.
    """

    images: Tensor
    similarity: Float[Tensor, "jobs steps"]
    final: Float[Tensor, "jobs images"]
    descriptions: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: InversionSettings
    seconds: float


def learning_rate(settings: InversionSettings, step: int) -> float:
    """The rate at a step, counted from 0.

    Source: `kt`: the authors' code (T_max is a third of the steps after the last growth; torch's
    cosine climbs back after T_max, and so does this); `clipinversion`: its loop with more steps.
    """
    match settings.schedule:
        case "kt":
            began = max(start for start, _ in settings.sizes if start <= step)
            return settings.lr * 0.5 * (1 + math.cos(math.pi * (step - began) / _half_wave(settings)))
        case "clipinversion":
            hold, half_wave = 0.68 * settings.steps, 0.4 * settings.steps  # 3400 and 2000 of 5000
            return settings.lr * 0.5 * (1 + math.cos(math.pi * max(0.0, step - hold) / half_wave))
        case "cosine":
            return settings.lr * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        case _:
            return settings.lr


def _half_wave(settings: InversionSettings) -> int:
    """Steps in which the rate of `kt` falls to 0: a third of those after the last growth."""
    return max(1, (settings.steps - settings.sizes[-1][0]) // 3)


def objective(
    model: Invertible,
    images: Float[Tensor, "batch 3 height width"],
    uniforms: Float[Tensor, "views batch 5"],
    targets: Tensor,
    settings: InversionSettings,
) -> tuple[Float[Tensor, ""], Float[Tensor, " batch"]]:
    """Eq. 3, to be made small, and the similarity of each image to its target."""
    seen = views(images, uniforms, settings)
    distance, similarity = model.score(seen, targets.repeat(len(uniforms), 1), distance=settings.distance)
    loss = distance.mean() + settings.tv * total_variation(images)
    return loss, similarity.view(len(uniforms), -1).mean(0)


def inner_objective(
    model: Inner, activations: Tensor, targets: Tensor, settings: InversionSettings
) -> tuple[Float[Tensor, ""], Float[Tensor, " batch"]]:
    """Eq. 4: the distance alone. There are no pixels to be moved or smoothed."""
    distance, similarity = model.score(activations, targets, distance=settings.distance)
    return distance.mean(), similarity


def views(
    images: Float[Tensor, "batch 3 height width"], uniforms: Float[Tensor, "views batch 5"], settings: InversionSettings
) -> Float[Tensor, "seen 3 height width"]:
    """A(X) of Eq. 3: affine views of every image, of all of them in one call: first one of each, then the next.

    Args:
        images: RGB in [0, 1].
        uniforms: numbers in [0, 1) that decide the views.
        settings: how far they go.
    """
    s = settings
    return affine_views(
        images,
        uniforms.flatten(0, 1),
        rotation=s.rotation,
        translation=s.translation,
        scale=s.scale,
        probability=s.probability,
    )


def invert(
    model: Invertible,
    descriptions: Sequence[str],
    *,
    images_per_concept: int = 10,
    seed: int | Sequence[int] = 0,
    settings: InversionSettings | None = None,
    store: Path | None = None,
    batch_limit: int = 1000,
    mapped: Mapped | None = None,
    progress: bool = True,
) -> Inversion:
    """Images that the model finds similar to descriptions.

    Args:
        model: a dual encoder, a pair scorer, or whatever offers the same; its weights are not touched.
        descriptions: what to see, *without* the concept's name (KT v1, Sec. 3.1.2): the name would
            leak into the images. One a job; repeat a description with other seeds for more jobs.
        images_per_concept: images a job (KT v1, Sec. 4.2: 10).
        seed: one for all jobs, or one a job.
        settings: the recipe; the published one by default.
        store: a folder for finished jobs and for a checkpoint of the running ones. A job found
            there is not computed again; an interrupted call goes on where it stopped, to the same
            images. None keeps nothing.
        batch_limit: most images optimised at once; changes memory, not results. Half as many are when memory
            runs out (`memory.halving`).
        mapped: takes a function and batches of jobs, and gives numbers of batches with what the function makes of
            them, in any order: on other machines. By default one after the other, here.
        progress: show a bar with the mean similarity.

    Raises:
        ValueError: no description, a description too long for the model, counts that differ, or an
            inner layer of a model that has none; or nothing can be written to the store. Nothing was computed then.

    Source: KT v1, Eq. 3 and 4; Sec. 4.3 for pair scorers.
    """
    settings = settings or InversionSettings()
    seeds = list(seed) if isinstance(seed, Sequence) else [seed] * len(descriptions)
    if not descriptions or isinstance(descriptions, str) or len(seeds) != len(descriptions):
        raise ValueError(
            f"expected a list of descriptions and one seed each, found {descriptions!r} and {len(seeds)} seeds"
        )
    for one in seeds:
        check_seed(one)
    if not COUNT.holds(images_per_concept):
        raise ValueError(f"expected images_per_concept to be {COUNT}, found {images_per_concept!r}")
    targets = model.target(descriptions, distance=settings.distance)
    if store is not None:
        files.prepare(store, what="a folder for inversions")
    own = "" if store is None else fingerprint(model)
    paths = [
        None if store is None else store / f"{files.key(_VERSION, own, d, s, images_per_concept, settings)}.safetensors"
        for d, s in zip(descriptions, seeds, strict=True)
    ]
    done = [None if path is None else files.load_tensors(path) for path in paths]
    waiting = [i for i, result in enumerate(done) if result is None]
    began, at_once = time.monotonic(), max(1, batch_limit // images_per_concept)
    batches = [waiting[first : first + at_once] for first in range(0, len(waiting), at_once)]
    work: list[Batch] = []
    for batch in batches:
        jobs = [(descriptions[i], seeds[i]) for i in batch]
        digest = files.key(_VERSION, own, jobs, images_per_concept, settings)
        work.append((jobs, targets[batch], None if store is None else store / f"running-{digest}.safetensors"))
    optimise = partial(_fitting, model, images_per_concept, settings, progress and mapped is None)
    for number, results in mapped(optimise, work) if mapped else enumerate(map(optimise, work)):
        for i, result in zip(batches[number], results, strict=True):
            done[i] = result
            if (path := paths[i]) is not None:
                files.save_tensors(path, result)
        if (checkpoint := work[number][2]) is not None:
            checkpoint.unlink(missing_ok=True)
    finished = [result for result in done if result is not None]
    return Inversion(
        images=torch.stack([r["images"] for r in finished]),
        similarity=torch.stack([r["similarity"] for r in finished]),
        final=torch.stack([r["final"] for r in finished]),
        descriptions=tuple(descriptions),
        seeds=tuple(seeds),
        settings=settings,
        seconds=time.monotonic() - began if waiting else 0.0,
    )


def generator(description: str, seed: int) -> torch.Generator:
    """The random numbers of one job, on the CPU: they depend on its description and seed alone."""
    digest = hashlib.sha256(f"{seed}:{description}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _fitting(
    model: Invertible, count: int, settings: InversionSettings, progress: bool, work: Batch
) -> list[dict[str, Tensor]]:
    """Run the jobs of a batch, fewer side by side when memory runs out; only the whole batch leaves a checkpoint."""
    jobs, targets, checkpoint = work

    def run(some: Sequence[int]) -> list[dict[str, Tensor]]:
        place = checkpoint if len(some) == len(jobs) else None
        return _optimise(model, [jobs[i] for i in some], targets[list(some)], count, settings, place, progress)

    return [one for part in halving(run, range(len(jobs)), at_once=len(jobs), what="inversion") for one in part]


def _optimise(
    model: Invertible,
    jobs: list[Job],
    targets: Tensor,
    count: int,
    settings: InversionSettings,
    checkpoint: Path | None,
    progress: bool,
) -> list[dict[str, Tensor]]:
    """Run some jobs side by side; `targets` has one row a job."""
    device, steps = targets.device, settings.steps
    inner = None if settings.layer is None else model.from_block(settings.layer)  # Eq. 4
    generators = [generator(*job) for job in jobs]
    side = settings.sizes[0][1]
    images = torch.cat([model.noise(count, g, side=side) for g in generators]).to(device)
    shape = (steps, settings.views, count, UNIFORMS)
    uniforms = torch.cat([torch.rand(shape, generator=g) for g in generators], 2).to(device)
    if inner is not None:
        images = inner.enter(images)
    targets = targets.repeat_interleave(count, 0)
    curve = torch.zeros(len(jobs), steps)
    first, moments = 0, None
    saved = None if checkpoint is None else files.load_tensors(checkpoint)
    if saved is not None:
        first, images, curve = int(saved["step"]), saved["images"].to(device), saved["curve"]
        moments = {"exp_avg": saved["exp_avg"].to(device), "exp_avg_sq": saved["exp_avg_sq"].to(device)}
        moments["step"] = saved["adam_step"].to(device)
    images, optimizer = _adam(images, moments)
    stamp = time.monotonic()
    bar = tqdm(total=steps, initial=first, desc=f"inverting {len(jobs)} × {count}", disable=not progress)
    try:
        for step in range(first, steps):
            for start, side in settings.sizes[1:]:
                if step == start and inner is None:
                    grown = F.interpolate(images.detach(), (side, side), mode="bicubic", align_corners=False)
                    images, optimizer = _adam(grown, None)  # Adam starts anew, as in the authors' code
            optimizer.param_groups[0]["lr"] = learning_rate(settings, step)
            with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
                if inner is None:
                    loss, similarity = objective(model, images, uniforms[step], targets, settings)
                else:
                    loss, similarity = inner_objective(inner, images, targets, settings)
            (gradient,) = torch.autograd.grad(loss * len(jobs), images)  # the mean is over a job's own images
            images.grad = _clip(gradient, len(jobs), settings.clip)
            if inner is None:
                images.data.clamp_(0, 1)  # after the gradient and before the update, as in the authors' code
            optimizer.step()
            curve[:, step] = similarity.view(len(jobs), count).mean(1).cpu()
            if step % 10 == 9 or step + 1 == steps:
                bar.update(step + 1 - bar.n)
                bar.set_postfix(similarity=f"{curve[:, step].mean():.3f}")
            if checkpoint is not None and time.monotonic() - stamp > _CHECKPOINT_SECONDS:
                _save_running(checkpoint, step + 1, images, optimizer, curve)
                stamp = time.monotonic()
    finally:
        bar.close()
    finished = images.detach() if inner is not None else images.detach().clamp(0, 1)
    with torch.no_grad():
        _, final = (inner or model).score(finished, targets, distance=settings.distance)
    parts = finished.cpu().split(count), final.cpu().split(count), curve
    return [{"images": i, "final": f, "similarity": c} for i, f, c in zip(*parts, strict=True)]


def _adam(images: Tensor, moments: dict[str, Tensor] | None) -> tuple[Tensor, torch.optim.Adam]:
    """A leaf to optimise and an Adam for it, with the moments of an interrupted run if there are any."""
    leaf = images.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([leaf], fused=True)
    if moments is not None:
        optimizer.state[leaf] = moments
    return leaf, optimizer


def _clip(gradient: Tensor, jobs: int, largest: float) -> Tensor:
    """The gradient, its norm over each job's images at most `largest`."""
    norms = torch.linalg.vector_norm(gradient.view(jobs, -1), dim=1)
    factors = (largest / (norms + 1e-6)).clamp(max=1)
    return (gradient.view(jobs, -1) * factors[:, None]).view_as(gradient)


def _save_running(path: Path, step: int, images: Tensor, optimizer: torch.optim.Adam, curve: Tensor) -> None:
    state = optimizer.state[images]
    tensors = {"step": torch.tensor(step), "images": images, "curve": curve}
    tensors |= {"exp_avg": state["exp_avg"], "exp_avg_sq": state["exp_avg_sq"], "adam_step": state["step"]}
    files.save_tensors(path, tensors)

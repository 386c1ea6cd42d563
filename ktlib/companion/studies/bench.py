"""Experiments of notebook 01, a verb each: every combination of concept, seed and rate, in rows.

Nothing here is specific to a scale. Each transfer is remembered by the digest of everything it
depends on, so a killed sweep goes on where it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev

import torch
from scipy import stats
from torch import Tensor
from tqdm.auto import tqdm

from ktlib.companion.record.rows import ROOT, Row, parsed
from ktlib.companion.scales import Scale
from ktlib.companion.sources import Concept, Examination, examination
from ktlib.evaluate.intervals import Estimate, wilson
from ktlib.evaluate.recognition import encode, recognition, zero_shot
from ktlib.inversion import InversionSettings, invert
from ktlib.models import DualEncoder, load
from ktlib.store import key, remembered
from ktlib.transfer import TransferSettings, named_caption, transfer

Lessons = Mapping[tuple[str, int], Tensor]  # images to learn from, by concept and seed
_VERSION = 1  # raise it when the same settings give other scores


@dataclass(frozen=True)
class Subject:
    """A model, what it is examined with, and the scale that says how."""

    model: DualEncoder
    exam: Examination
    scale: Scale
    cache: Path

    @cached_property
    def weights(self) -> str:
        """Digest of the model before any transfer."""
        return self.model.digest()


def subject(name: str, scale: Scale, *, cache: Path | None = None) -> Subject:
    """A model by name, on a GPU where there is one, with the examination of a scale.

    Args:
        name: for `ktlib.load`.
        scale: whose examination and recipes.
        cache: where inversions and scores are kept; by default `KT_CACHE`, or `cache/` in the repository.
    """
    cache = cache or Path(os.environ.get("KT_CACHE", ROOT / "cache"))
    model = load(name).to("cuda" if torch.cuda.is_available() else "cpu")
    return Subject(model, examination(scale.dataset), scale, cache)


def inverted(
    who: Subject,
    concepts: Sequence[Concept],
    *,
    length: str = "main",
    settings: InversionSettings | None = None,
    progress: bool = True,
) -> dict[tuple[str, int], Tensor]:
    """Images inverted from the concepts' descriptions, all concepts and seeds in one batch.

    Args:
        who: the model that inverts.
        concepts: whose descriptions.
        length: which description: `main`, `short`, `medium` or `long`.
        settings: other than the scale's.
        progress: show a bar.
    """
    jobs = [(concept, seed) for concept in concepts for seed in who.scale.seeds]
    found = invert(
        who.model,
        [getattr(concept, length) for concept, _ in jobs],
        seed=[seed for _, seed in jobs],
        images_per_concept=who.scale.images_per_concept,
        settings=settings or who.scale.inversion,
        store=who.cache / "inversions",
        progress=progress,
    )
    return {(c.name, seed): images for (c, seed), images in zip(jobs, found.images, strict=True)}


def noise(who: Subject, concepts: Sequence[Concept]) -> dict[tuple[str, int], Tensor]:
    """The control with uniform noise for images: the caption's pull without any picture."""
    side, count = who.model.image_size, who.scale.images_per_concept
    return {
        (c.name, seed): torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1000 + seed))
        for c in concepts
        for seed in who.scale.seeds
    }


def wrong(lessons: Lessons, concepts: Sequence[Concept]) -> dict[tuple[str, int], Tensor]:
    """The control with images of another concept: each gets those of the next in the list."""
    following = {c.name: concepts[(i + 1) % len(concepts)].name for i, c in enumerate(concepts)}
    return {(name, seed): lessons[following[name], seed] for name, seed in lessons if name in following}


def real(who: Subject, concepts: Sequence[Concept]) -> dict[tuple[str, int], Tensor]:
    """The control with real pictures, none of them examined; empty where there are none to spare."""
    found = {
        (c.name, seed): who.exam.lessons(c.name, who.scale.images_per_concept, seed)
        for c in concepts
        for seed in who.scale.seeds
    }
    return {k: v for k, v in found.items() if v is not None}


def base(who: Subject, item: str, concepts: Sequence[Concept]) -> list[Row]:
    """What the model scores before anything is done to it."""
    return [row for c in concepts for row in _score(who, item, "base", "", c, who.model, seed=None, parts=("base",))]


def prompted(who: Subject, item: str, concepts: Sequence[Concept]) -> list[Row]:
    """The description in the concept's class prompt, no training at all (KT v2, Tab. 2)."""
    rows = []
    for c in concepts:
        prompts = [named_caption(c.name, c.main)]
        rows += _score(who, item, "prompt", "", c, who.model, seed=None, parts=("prompt", *prompts), prompts=prompts)
    return rows


def sweep(
    who: Subject,
    item: str,
    method: str,
    concepts: Sequence[Concept],
    lessons: Lessons,
    *,
    rates: Iterable[float] | None = None,
    captions: Mapping[str, str] | None = None,
    settings: TransferSettings | None = None,
    setting: str = "",
    progress: bool = True,
) -> list[Row]:
    """Transfer and score every concept, seed and rate.

    Args:
        who: the model before transfer.
        item: the published item the rows stand beside.
        method: its name in the rows.
        concepts: to be taught, each in a model of its own.
        lessons: images for each concept and seed.
        rates: learning rates; the scale's by default.
        captions: by concept; `A NAME is DESCRIPTION` by default.
        settings: other than the scale's; the rate is replaced.
        setting: further `key=value` parts for the rows.
        progress: show a bar.
    """
    rates = who.scale.rates if rates is None else tuple(rates)
    captions = captions or {c.name: named_caption(c.name, c.main) for c in concepts}
    settings = settings or who.scale.transfer
    jobs = [(c, s, r) for c in concepts for s in who.scale.seeds for r in rates if (c.name, s) in lessons]
    rows = []
    for concept, seed, rate in tqdm(jobs, desc=f"{item}: {method}", disable=not progress):
        recipe = replace(settings, lr=rate)
        images, caption = lessons[concept.name, seed], captions[concept.name]
        varied = ";".join(part for part in (f"lr={rate:g}", setting) if part)
        teach = _Lesson(who.model, images, caption, seed, recipe)
        parts = (images, caption, seed, recipe)
        rows += _score(who, item, method, varied, concept, teach, seed=seed, parts=parts, recipe=recipe)
    return rows


def similarity(who: Subject, item: str, concepts: Sequence[Concept], lessons: Lessons, *, setting: str) -> list[Row]:
    """Cosine of finished images to the description they were inverted from: mean and 95 % t-interval."""
    rows = []
    for concept in concepts:
        with torch.no_grad():
            target = who.model.encode_text([concept.main])[0]
        for seed in who.scale.seeds:
            cosines = (encode(who.model, lessons[concept.name, seed]) @ target).tolist()
            value, spread = fmean(cosines), stdev(cosines) * stats.t.ppf(0.975, len(cosines) - 1) / len(cosines) ** 0.5
            estimate = Estimate(value, value - spread, value + spread)
            rows.append(_row(who, item, "kt", setting, concept, "similarity", estimate, n=len(cosines), seed=seed))
    return rows


def binding(who: Subject, concepts: Sequence[Concept]) -> dict[str, float]:
    """How near the text tower puts a concept's class prompt to its named description: a cosine each."""
    found = {}
    for concept in concepts:
        texts = [who.exam.templates[0].format(concept.name), named_caption(concept.name, concept.main)]
        with torch.no_grad():
            prompt, named = who.model.encode_text(texts)
        found[concept.name] = float(prompt @ named)
    return found


def top_names(
    models: Mapping[str, DualEncoder], exam: Examination, concept: Concept, *, index: int = 0
) -> dict[str, list[tuple[str, float]]]:
    """The three most likely names of a concept's picture for each model, as KT Fig. 1 shows them."""
    picture = exam.pictures(concept.name)[index : index + 1]
    names = [*exam.known_names, concept.name]
    return {method: zero_shot(model, picture, names, exam.templates)[0] for method, model in models.items()}


@dataclass(frozen=True)
class _Lesson:
    """A transfer that is only carried out when its scores are not known yet."""

    model: DualEncoder
    images: Tensor
    caption: str
    seed: int
    settings: TransferSettings

    def __call__(self) -> DualEncoder:
        return transfer(self.model, self.images, self.caption, seed=self.seed, settings=self.settings)


def _score(
    who: Subject,
    item: str,
    method: str,
    setting: str,
    concept: Concept,
    model: DualEncoder | _Lesson,
    *,
    seed: int | None,
    parts: tuple[object, ...],
    prompts: Sequence[str] | None = None,
    recipe: TransferSettings | None = None,
) -> list[Row]:
    """Rows of target accuracy and retention; `parts` is what the scores depend on beside the subject."""
    path = who.cache / "scores" / f"{key(_VERSION, who.weights, who.exam.digest, concept.name, *parts)}.json"

    def compute() -> dict[str, list[int]]:
        examined = model() if isinstance(model, _Lesson) else model
        result = recognition(
            examined, concept.name, who.exam.pictures(concept.name), who.exam.known, who.exam.known_names,
            templates=who.exam.templates, concept_prompts=prompts,
        )  # fmt: skip
        hits = {
            "target_accuracy": result.target,
            "retention": result.retained,
            "retention_with_concept": result.retained_with,
        }
        return {metric: [int(t.sum()), len(t)] for metric, t in hits.items()}

    rows = []
    for metric, (hits, count) in remembered(path, compute).items():
        estimate = wilson(hits, count)
        rows.append(_row(who, item, method, setting, concept, metric, estimate, n=count, seed=seed, recipe=recipe))
    return rows


def _row(
    who: Subject,
    item: str,
    method: str,
    setting: str,
    concept: Concept,
    metric: str,
    estimate: Estimate,
    *,
    n: int,
    seed: int | None,
    recipe: TransferSettings | None = None,
) -> Row:
    return Row(
        item=item,
        scale=who.scale.name,
        dataset=who.exam.dataset,
        model=who.model.name,
        subject=concept.name,
        method=method,
        varied=parsed(setting),
        metric=metric,
        over="",
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=n,
        seed=seed,
        split=concept.split,
        settings=key(who.scale.inversion, recipe, setting)[:12],
        weights=who.weights,
    )

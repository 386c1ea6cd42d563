"""Experiments on a pair scorer: the ViLT rows of KT Tab. 1, and notebook 04.

As `experiments`, a verb each, and every transfer is remembered by the digest of everything it
depends on. The controls are the same: noise images, and images inverted from another description.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ktlib import matching
from ktlib.companion import galleries
from ktlib.companion.pair_scales import PairScale
from ktlib.companion.pair_sources import examination
from ktlib.companion.record.rows import ROOT, Row, parsed
from ktlib.companion.sources import Concept, Examination
from ktlib.data.gallery import Gallery
from ktlib.evaluate.intervals import Estimate, over_concepts, wilson
from ktlib.evaluate.pairs import recognition
from ktlib.evaluate.retrieval import METRICS, Retrieval, retrieve
from ktlib.inversion import invert
from ktlib.matching import MatchingSettings
from ktlib.models.vilt import PairScorer, load_pair
from ktlib.store import key, remembered
from ktlib.transfer import named_caption

Lessons = Mapping[tuple[str, int], Tensor]  # images to learn from, by concept and seed
_VERSION = 1  # raise it when the same settings give other scores


@dataclass(frozen=True)
class PairSubject:
    """A pair scorer, what it is examined with, and the scale that says how."""

    model: PairScorer
    exam: Examination
    scale: PairScale
    cache: Path

    @cached_property
    def weights(self) -> str:
        """Digest of the model before any transfer."""
        return self.model.digest()

    def gallery(self, split: str) -> Gallery:
        """Images and captions of a split; where there is no validation split of its own, Karpathy's."""
        return galleries.gallery(self.scale.gallery, split)

    @property
    def concepts(self) -> dict[str, str]:
        """The everyday concepts that this scale teaches, with their descriptions."""
        return dict(list(galleries.everyday(self.scale.gallery).items())[: self.scale.everyday])


def subject(scale: PairScale, *, cache: Path | None = None) -> PairSubject:
    """The scale's pair scorer, on a GPU where there is one, with its examination.

    Args:
        scale: whose model, examination and recipes.
        cache: where inversions and scores are kept; by default `KT_CACHE`, or `cache/` in the repository.
    """
    cache = cache or Path(os.environ.get("KT_CACHE", ROOT / "cache"))
    model = load_pair(scale.model).to("cuda" if torch.cuda.is_available() else "cpu")
    return PairSubject(model, examination(scale.exam), scale, cache)


# -- rare concepts ------------------------------------------------------------------------------------
def inverted(who: PairSubject, concepts: Sequence[Concept], *, progress: bool = True) -> dict[tuple[str, int], Tensor]:
    """Images inverted through the matching head from the concepts' descriptions, all in one batch.

    Args:
        who: the model that inverts.
        concepts: whose descriptions.
        progress: show a bar.
    """
    jobs = [(concept, seed) for concept in concepts for seed in who.scale.seeds]
    found = invert(
        who.model,
        [concept.main for concept, _ in jobs],
        seed=[seed for _, seed in jobs],
        images_per_concept=who.scale.images_per_concept,
        settings=who.scale.inversion,
        store=who.cache / "inversions",
        progress=progress,
    )
    return {(c.name, seed): images for (c, seed), images in zip(jobs, found.images, strict=True)}


def noise(who: PairSubject, concepts: Sequence[Concept]) -> dict[tuple[str, int], Tensor]:
    """Normal noise for images: a control of `itm`, and the images of implicit transfer (KT v1, Sec. 8.9; D30)."""
    count = who.scale.images_per_concept
    return {(c.name, seed): _noise(who, count, 1000 + seed) for c in concepts for seed in who.scale.seeds}


def _noise(who: PairSubject, count: int, seed: int) -> Tensor:
    side = who.model.image_size
    drawn = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return (drawn * who.model.std.cpu() + who.model.mean.cpu()).clamp(0, 1)


def base(who: PairSubject, item: str, concepts: Sequence[Concept]) -> list[Row]:
    """What the model scores before anything is done to it."""
    return [row for c in concepts for row in _score(who, item, "base", "", c, lambda: who.model, None, ("base",), None)]


def sweep(
    who: PairSubject,
    item: str,
    method: str,
    concepts: Sequence[Concept],
    lessons: Lessons,
    *,
    rates: Iterable[float] | None = None,
    settings: MatchingSettings | None = None,
    setting: str = "",
    progress: bool = True,
) -> list[Row]:
    """Transfer and score every concept, seed and rate.

    Args:
        who: the model before transfer.
        item: the published item the rows stand beside.
        method: its name in the rows.
        concepts: to be taught, each in a model of its own; the captions of the others are its negatives.
        lessons: images for each concept and seed.
        rates: learning rates; the scale's by default.
        settings: other than the scale's; the rate is replaced.
        setting: further `key=value` parts for the rows.
        progress: show a bar.
    """
    rates = who.scale.rates if rates is None else tuple(rates)
    settings = settings or who.scale.transfer
    captions = {c.name: named_caption(c.name, c.main) for c in who.exam.concepts}
    jobs = [(c, s, r) for c in concepts for s in who.scale.seeds for r in rates if (c.name, s) in lessons]
    rows = []
    for concept, seed, rate in tqdm(jobs, desc=f"{item}: {method}", disable=not progress):
        recipe = replace(settings, lr=rate)
        images, caption = lessons[concept.name, seed], captions[concept.name]
        others = [c for name, c in captions.items() if name != concept.name]
        varied = ";".join(part for part in (f"lr={rate:g}", setting) if part)

        teach = partial(matching.transfer, who.model, images, caption, negatives=others, seed=seed, settings=recipe)
        parts = (images, caption, others, seed, recipe)
        rows += _score(who, item, method, varied, concept, teach, seed, parts, recipe)
    return rows


def _score(
    who: PairSubject,
    item: str,
    method: str,
    setting: str,
    concept: Concept,
    teach: Callable[[], PairScorer],
    seed: int | None,
    parts: tuple[object, ...],
    recipe: MatchingSettings | None,
) -> list[Row]:
    """Rows of target accuracy and retention; `parts` is what the scores depend on beside the subject."""
    path = who.cache / "scores" / f"{key('pairs', _VERSION, who.weights, who.exam.digest, concept.name, *parts)}.json"

    def compute() -> dict[str, list[int]]:
        result = recognition(
            teach(), concept.name, who.exam.pictures(concept.name), who.exam.known, who.exam.known_names,
            templates=who.exam.templates,
        )  # fmt: skip
        hits = {
            "target_accuracy": result.target,
            "retention": result.retained,
            "retention_with_concept": result.retained_with,
        }
        return {metric: [int(t.sum()), len(t)] for metric, t in hits.items()}

    rows = []
    for metric, (hits, count) in remembered(path, compute).items():
        rows.append(
            _row(
                who, item, method, setting, metric, wilson(hits, count), n=count, seed=seed, recipe=recipe,
                dataset=who.exam.dataset, concept=concept.name, split=concept.split,
            )
        )  # fmt: skip
    return rows


# -- everyday concepts and retrieval --------------------------------------------------------------------
Taught = Mapping[int, tuple[Tensor, list[str]]]  # images and their captions, by seed
Found = Mapping[tuple[float, int, int], Retrieval]  # by learning rate, batch and seed


def everyday(who: PairSubject, *, method: str = "kt", progress: bool = True) -> dict[int, tuple[Tensor, list[str]]]:
    """Images and captions of the everyday concepts, for each seed.

    Args:
        who: the model that inverts.
        method: `kt` (inverted from each description), `noise`, or `wrong` (each concept gets the
            images of the next).
        progress: show a bar.

    Raises:
        ValueError: there is no such method.
    """
    concepts, count = who.concepts, who.scale.everyday_images
    captions = [named_caption(name, text) for name, text in concepts.items() for _ in range(count)]
    if method == "noise":
        return {seed: (_noise(who, len(captions), 2000 + seed), captions) for seed in who.scale.seeds}
    if method not in ("kt", "wrong"):
        raise ValueError(f"expected kt, noise or wrong, found {method!r}")
    jobs = [(text, seed) for seed in who.scale.seeds for text in concepts.values()]
    found = invert(
        who.model, [text for text, _ in jobs], seed=[seed for _, seed in jobs], images_per_concept=count,
        settings=who.scale.inversion, store=who.cache / "inversions", progress=progress,
    )  # fmt: skip
    lessons = {}
    for number, seed in enumerate(who.scale.seeds):
        images = found.images[number * len(concepts) : (number + 1) * len(concepts)]
        if method == "wrong":
            images = images.roll(-1, 0)
        lessons[seed] = (images.flatten(0, 1), captions)
    return lessons


def search(who: PairSubject, split: str, *, score: str = "logit", progress: bool = True) -> Retrieval:
    """What the untouched model finds."""
    return _found(who, split, ("base",), lambda: who.model, score, progress)


def searches(
    who: PairSubject, split: str, lessons: Taught, cells: Sequence[tuple[float, int]], *, progress: bool = True
) -> dict[tuple[float, int, int], Retrieval]:
    """What the model finds after the everyday concepts, for each learning rate, batch and seed.

    Args:
        who: the model before transfer.
        split: of the gallery.
        lessons: from `everyday`.
        cells: learning rates and batches.
        progress: show a bar.
    """
    found = {}
    jobs = [(rate, batch, seed) for rate, batch in cells for seed in lessons]
    for rate, batch, seed in tqdm(jobs, desc=f"retrieval, {split}", disable=not progress):
        images, captions = lessons[seed]
        recipe = replace(who.scale.transfer, lr=rate, batch=batch)

        teach = partial(matching.transfer, who.model, images, captions, negatives=captions, seed=seed, settings=recipe)
        found[rate, batch, seed] = _found(who, split, (images, captions, seed, recipe), teach, "logit", False)
    return found


def _found(
    who: PairSubject, split: str, parts: tuple[object, ...], teach: Callable[[], PairScorer], score: str, progress: bool
) -> Retrieval:
    gallery = who.gallery(split)
    path = who.cache / "scores" / f"{key('retrieval', _VERSION, who.weights, gallery.digest, score, *parts)}.json"

    def compute() -> dict[str, list[int]]:
        result = retrieve(teach(), gallery, score=score, store=who.cache / "pairs", progress=progress)
        return {"text_rank": result.text_rank.tolist(), "image_rank": result.image_rank.tolist()}

    ranks = {name: torch.tensor(values) for name, values in remembered(path, compute).items()}
    return Retrieval(**ranks, owner=torch.tensor(gallery.owner))


def recall_rows(
    who: PairSubject,
    item: str,
    method: str,
    split: str,
    result: Retrieval,
    *,
    setting: str = "",
    seed: int | None = None,
    recipe: MatchingSettings | None = None,
) -> list[Row]:
    """Rows of all six recalls of one search, each with an interval over images."""
    return [
        _row(
            who, item, method, setting, metric, result.estimate(metric), n=len(result.text_rank), seed=seed,
            recipe=recipe, dataset=who.gallery(split).name, concept="", split=split,
        )
        for metric in METRICS
    ]  # fmt: skip


def grid_rows(who: PairSubject, item: str, method: str, split: str, found: Found, *, setting: str = "") -> list[Row]:
    """Rows of all searches of a grid."""
    rows = []
    for (rate, batch, seed), result in found.items():
        varied = ";".join(part for part in (f"lr={rate:g}", f"batch={batch}", setting) if part)
        recipe = replace(who.scale.transfer, lr=rate, batch=batch)
        rows += recall_rows(who, item, method, split, result, setting=varied, seed=seed, recipe=recipe)
    return rows


def change_rows(
    who: PairSubject, item: str, method: str, split: str, other: str, before: Found | Retrieval, after: Found,
    *, setting: str,
) -> list[Row]:  # fmt: skip
    """Rows of `after - before` for all six recalls: paired by image, images drawn again, then seeds within them.

    Args:
        who: the model before transfer.
        item, method, split, setting: for the rows.
        other: what is taken away: `base`, or a control.
        before: one search, or one for each cell and seed of `after`.
        after: searches of one cell, by seed.
    """
    rows = []
    for metric in METRICS:
        columns = []
        for cell, result in after.items():
            less = (before if isinstance(before, Retrieval) else before[cell]).by_image(metric)
            columns.append([a - b for a, b in zip(result.by_image(metric), less, strict=True)])
        by_image = [list(seeds) for seeds in zip(*columns, strict=True)]
        estimate = over_concepts(by_image)
        shares = [fmean(column) for column in zip(*by_image, strict=True)]
        assert abs(fmean(shares) - estimate.value) < 1e-9, "the estimate is the mean over images and seeds"
        rows.append(
            _row(
                who, item, method, setting, metric, estimate, n=len(by_image), seed=None, recipe=None, over=other,
                dataset=who.gallery(split).name, concept="", split=split,
            )
        )  # fmt: skip
    return rows


def choose_cell(found: Found) -> tuple[float, int]:
    """The learning rate and batch whose six recalls are highest in the mean over seeds; the smallest of equals.

    Source: ours (D35): the papers choose on the test images, one batch a rate.
    """
    sums: dict[tuple[float, int], list[float]] = {}
    for (rate, batch, _), result in found.items():
        sums.setdefault((rate, batch), []).append(sum(result.rates().values()))
    best = max(fmean(values) for values in sums.values())
    return min(cell for cell, values in sums.items() if fmean(values) >= best - 1e-9)


def only(found: Found, cell: tuple[float, int]) -> dict[tuple[float, int, int], Retrieval]:
    """The searches of one cell."""
    return {name: result for name, result in found.items() if name[:2] == cell}


def _row(
    who: PairSubject,
    item: str,
    method: str,
    setting: str,
    metric: str,
    estimate: Estimate,
    *,
    n: int,
    seed: int | None,
    recipe: MatchingSettings | None,
    dataset: str,
    concept: str,
    split: str,
    over: str = "",
) -> Row:
    return Row(
        item=item,
        scale=who.scale.name,
        dataset=dataset,
        model=who.model.name,
        subject=concept,
        method=method,
        varied=parsed(setting),
        metric=metric,
        over=over,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=n,
        seed=seed,
        split=split,
        settings=key(who.scale.inversion, recipe, setting)[:12],
        weights=who.weights,
    )

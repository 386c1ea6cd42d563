"""A subject: a model as the tables name it, with everything that it is examined with.

A published model was pretrained once. A pocket CLIP was pretrained several times, each time without
another dozen of objects (a *fold*); so every object is a rare concept once, and what pretraining leaves
to chance is sampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ktlib import places
from ktlib.companion.record.rows import Row
from ktlib.companion.scales import Scale, Teaching
from ktlib.companion.sources import examination
from ktlib.data.sets import Concept, Examination
from ktlib.evaluate.intervals import Estimate
from ktlib.models import DualEncoder, PairScorer, Segmenter, VisionEncoder, load
from ktlib.models.checkpoints import fingerprint
from ktlib.store import key


@dataclass(frozen=True)
class Fold:
    """One pretraining of a model, and the concepts that it has not seen."""

    model: DualEncoder | PairScorer
    exam: Examination

    @cached_property
    def weights(self) -> str:
        """Digest of the model before any transfer."""
        return self.model.digest()

    @cached_property
    def fingerprint(self) -> str:
        """Of all that the model computes with: part of the key of whatever is remembered of it."""
        return fingerprint(self.model)

    @property
    def parts(self) -> tuple[object, ...]:
        """What all that it answers depends on: the model, the pictures and names, and how classes are asked for."""
        return self.fingerprint, self.exam.digest, self.exam.templates, dict(self.exam.phrases)

    @property
    def dual(self) -> DualEncoder:
        """The model, where vectors of texts are asked for.

        Raises:
            ValueError: it has none.
        """
        if not isinstance(self.model, DualEncoder):
            raise ValueError(f"expected a dual encoder, found {self.model.name}, which has no vectors of texts")
        return self.model


@dataclass(frozen=True)
class Subject:
    """A model, what it is examined with, and how it is taught.

    Attributes:
        name: of the model, in the rows.
        folds: its pretrainings; no concept is in two of them.
        teaching: recipes.
        scale: whose recipes they are.
        cache: where inversions and scores are kept.
    """

    name: str
    folds: tuple[Fold, ...]
    teaching: Teaching
    scale: Scale
    cache: Path

    def file(self, folder: str, *parts: object) -> Path:
        """Where something that was computed of it is remembered.

        Args:
            folder: of the cache.
            parts: everything that it depends on, the objects themselves: the fold, a course, images, settings.
        """
        return self.cache / folder / f"{key(*parts)}.json"

    def of(self, split: str) -> list[Concept]:
        """The concepts of a split (`validation` or `test`), fold after fold."""
        return [concept for fold in self.folds for concept in fold.exam.of(split)]

    def fold(self, concept: Concept) -> Fold:
        """The pretraining that has not seen a concept.

        Raises:
            KeyError: there is none.
        """
        for fold in self.folds:
            if concept in fold.exam.concepts:
                return fold
        raise KeyError(f"expected a concept that {self.name} is examined with, found {concept.name!r}")

    def by_fold(self, concepts: Sequence[Concept]) -> list[tuple[Fold, list[Concept]]]:
        """Concepts with their pretraining, in its order."""
        groups = [(fold, [c for c in concepts if self.fold(c) is fold]) for fold in self.folds]
        return [(fold, group) for fold, group in groups if group]

    @property
    def only(self) -> Fold:
        """The one pretraining, for what is asked of a model and not of a concept.

        Raises:
            ValueError: there are several.
        """
        if len(self.folds) > 1:
            raise ValueError(f"expected a model that was pretrained once, found {len(self.folds)} of {self.name}")
        return self.folds[0]

    @property
    def model(self) -> DualEncoder | PairScorer:
        """The model of the one pretraining."""
        return self.only.model

    @property
    def exam(self) -> Examination:
        """The examination of the one pretraining."""
        return self.only.exam

    @property
    def weights(self) -> str:
        """Digest of the one pretraining's model."""
        return self.only.weights

    @property
    def fingerprint(self) -> str:
        """That of the one pretraining's model."""
        return self.only.fingerprint


def subject(name: str, scale: Scale, teaching: Teaching, *, cache: Path | None = None) -> Subject:
    """A model by its name in the tables, on a GPU where there is one, with its examinations.

    Args:
        name: a key of `teaching.models`.
        scale: whose recipes.
        teaching: models and recipes: `scale.clip` or `scale.vilt`.
        cache: where inversions and scores are kept; by default `places.cache()`.

    Raises:
        ValueError: there is no such model, or it reads no text.
    """
    if name not in teaching.models:
        raise ValueError(f"expected a model of this scale ({', '.join(teaching.models)}), found {name!r}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folds = []
    for checkpoint, what in teaching.models[name].items():
        model = load(checkpoint)
        if isinstance(model, VisionEncoder | Segmenter):
            raise ValueError(f"expected a model that reads text, found {checkpoint}, which only sees")
        folds.append(Fold(model.to(device), examination(what)))
    return Subject(name, tuple(folds), teaching, scale, cache or places.cache())


def row(
    subject: Subject,
    item: str,
    method: str,
    metric: str,
    estimate: Estimate,
    *,
    fold: Fold | None = None,
    split: str,
    n: int,
    seed: int | None = None,
    about: str = "",
    dataset: str = "",
    over: str = "",
    varied: Mapping[str, str] | None = None,
    used: Iterable[object] = (),
) -> Row:
    """One measured number of a subject.

    Args:
        subject: whose it is.
        item, method, metric, split, n, seed, over: as `Row` has them.
        estimate: the number and its interval.
        fold: of the subject; its only one by default.
        about: the concept; empty for retrieval.
        dataset: the examination's by default.
        varied: what was varied.
        used: settings that the number depends on; their digest is kept with it.
    """
    varied, fold = dict(varied or {}), fold or subject.only
    return Row(
        item=item,
        scale=subject.scale.name,
        dataset=dataset or fold.exam.dataset,
        model=subject.name,
        subject=about,
        method=method,
        varied=varied,
        metric=metric,
        over=over,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=n,
        seed=seed,
        split=split,
        settings=key(*used, varied)[:12],
        weights=fold.weights,
    )

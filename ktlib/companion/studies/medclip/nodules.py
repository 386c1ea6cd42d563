"""Nodules, one by one and as the paper has them: one name for all benign ones, one for all malignant (KT v1, Tab. 2).

Which names the paper scored JSRT's nodules among it does not say. Three lists are measured: benign beside malignant,
which is the table's here; a nodule beside the five findings; and, where every nodule is a concept, all that films show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ktlib.companion.cells import Cell, each
from ktlib.companion.record.compare import choose_rate
from ktlib.companion.record.judging import points
from ktlib.companion.record.rows import Row, select
from ktlib.companion.scales import scale as scale_of
from ktlib.companion.studies import bench
from ktlib.companion.studies.bench import Course, Subject, row
from ktlib.companion.studies.medclip import LISTS, NODULES, TABLE_2
from ktlib.companion.studies.medclip.films import Hits, compared, groups, labels, lost
from ktlib.data.sets import Concept, Examination
from ktlib.evaluate.intervals import Estimate, wilson
from ktlib.models import DualEncoder, PairScorer
from ktlib.models.medclip import ENSEMBLES, MedCLIP
from ktlib.pocket.training.gates import GAIN, NOISE_SHARE
from ktlib.transfer import named_caption

BOTH, FINDINGS = "benign or malignant", "among the findings"  # what a nodule is named among
KEPT = "kept"
BESIDE = 10  # films of each thing of which none are kept, to say how distinct a nodule is
_VERSION = 1  # raise it when the same settings give other namings


# -- every nodule a concept -----------------------------------------------------------------------------
def rates(rows: Sequence[Row]) -> dict[str, float]:
    """The learning rate of every arm: the scale's, or what validation nodules choose for each, the controls too.

    Args:
        rows: of `NODULES`, of one scale and model.

    Source: ours (D68): the paper prints five rates a kind, and chooses none.
    """
    here = scale_of(rows[0].scale)
    if here.medclip.rate is not None:
        return dict.fromkeys(bench.ARMS, here.medclip.rate)
    own = select(rows, split="validation")
    there = [method for method in bench.ARMS if select(own, method=method)]
    return {method: choose_rate(own, rows[0].model, here.budget, method=method) for method in there}


def gate(rows: Sequence[Row]) -> list[str]:
    """Whether real films teach validation nodules, a sentence each; set before any test nodule is taught.

    Args:
        rows: of `NODULES`, of one scale and model.

    Source: ours (D68), the gates of `ktlib.pocket.training.gates`.
    """
    own, chosen, budget = select(rows, split="validation"), rates(rows), scale_of(rows[0].scale).budget
    if "real" not in chosen or not own:
        return [
            "There are no validation nodules here, or no real films to spare: nothing says that the instrument works."
        ]

    def at(method: str, metric: str, rate: float) -> float:
        """The mean gain over the untouched model."""
        after, before = (select(own, method=name, metric=metric) for name in (method, "base"))
        return fmean(one.value for one in after if one.lr == rate) - fmean(one.value for one in before)

    rate = chosen["real"]
    gain, lost = at("real", "target_accuracy", rate), -at("real", "retention", rate)
    noise, alone = (at("noise", "target_accuracy", r) for r in (rate, chosen["noise"]))
    holds = "holds" if gain >= GAIN and lost <= budget else "does NOT hold"
    less = "less than a third of that" if noise < NOISE_SHARE * gain else "NOT less than a third of that"
    return [
        f"Ten real films gain {points(gain)} at {rate:g}, where {100 * lost:.1f} points are lost: "
        f"the gate of {100 * GAIN:g} points within the budget {holds}.",
        f"Noise gains {points(noise)} at the same rate, {less}; {points(alone)} at its own, {chosen['noise']:g}.",
    ]


def distinctness(subject: Subject, concepts: Sequence[Concept]) -> list[Row]:
    """How far real films of each nodule lie from what is known, to the model before any transfer: rows.

    The mean over a nodule's films of the cosine to the mean of its other films, minus the cosine to the nearest mean of
    a known name's films. Above 0 the nearest films are its own.

    Args:
        subject: before transfer.
        concepts: nodules.

    Source: ours (D68), for what KT v1, Sec. 4.3.2 calls visually distinctive.
    """
    rows, known = [], {fold.weights: _known_means(fold.dual, fold.exam) for fold, _ in subject.by_fold(concepts)}
    for concept in concepts:
        fold = subject.fold(concept)
        means = known[fold.weights]
        seen = fold.dual.encode_many(fold.exam.pictures(concept.name))
        others = F.normalize(seen.sum(0) - seen, dim=1)
        each = ((seen * others).sum(1) - (seen @ means.T).amax(1)).double()
        value, spread = float(each.mean()), 1.96 * float(each.std()) / len(each) ** 0.5
        rows.append(
            row(
                subject, NODULES, "base", "distinctness", Estimate(value, value - spread, value + spread), fold=fold,
                about=concept.name, split=concept.split, n=len(each),
            )
        )  # fmt: skip
    return rows


def _known_means(model: DualEncoder, exam: Examination) -> Float[Tensor, "names dim"]:
    """Unit means of films of the known names, of those too of which none are kept, where there are some to spare."""
    films = [model.encode_many(images) for images, _ in exam.known]
    seen, there = torch.cat(films), torch.tensor(labels(exam))
    sums = [seen[there == place].sum(0) for place in there.unique()]
    rest = [name for place, name in enumerate(exam.known_names) if place not in set(there.tolist())]
    spare = [own for name in rest if (own := exam.lessons(name, BESIDE, 0)) is not None]
    return F.normalize(torch.stack([*sums, *(model.encode_many(own).sum(0) for own in spare)]), dim=1)


# -- one name for all of a kind -------------------------------------------------------------------------
@dataclass(frozen=True)
class Seen:
    """What a model that was taught one kind of nodule makes of its films, and of those of the five findings.

    Attributes:
        concept: what it was taught, or is asked for.
        hits: for each ensemble and list, whether each film is named rightly; under `KEPT` the films of the findings.
        course: what it had been taught; None before.
    """

    concept: Concept
    hits: Mapping[str, Mapping[str, Sequence[int]]]
    course: Course | None = None

    @property
    def varied(self) -> dict[str, str]:
        """For the rows."""
        return {"lr": f"{self.course.recipe.lr:g}"} if self.course else {}


def paired(subject: Subject) -> Subject:
    """The same model, with benign and malignant nodules for its examination."""
    models = {subject.name: dict.fromkeys(subject.teaching.models[subject.name], subject.scale.films.pair)}
    teaching = replace(subject.teaching, models=models)
    return bench.subject(subject.name, subject.scale, teaching, cache=subject.cache)


def look(subject: Subject, concept: Concept, course: Course | None = None) -> Seen:
    """What the model makes of the films, before or after a course; remembered.

    Args:
        subject: from `paired`.
        concept: one of its two.
        course: that it takes before.
    """
    return _looks(subject, [(concept, course)])[0]


def _looks(subject: Subject, asked: Sequence[tuple[Concept, Course | None]], *, desc: str = "") -> list[Seen]:
    """A look at each concept after each course, a cell each; a bar over them where they have a description."""
    cells = [
        Cell(
            subject.file("scores", "nodules", _VERSION, subject.only, concept.name, course),
            partial(_seen, subject, concept, course),
        )
        for concept, course in asked
    ]
    found = each(cells, desc=desc, progress=bool(desc))
    return [Seen(concept, hits, course) for (concept, course), hits in zip(asked, found, strict=True)]


def _seen(subject: Subject, concept: Concept, course: Course | None) -> dict[str, Any]:
    model = course(subject.model) if course else subject.model
    policies = {e: model.variant(ensemble=e) for e in ENSEMBLES} if isinstance(model, MedCLIP) else {"max": model}
    return {name: _hits(subject, concept, one) for name, one in policies.items()}


def _hits(subject: Subject, concept: Concept, model: DualEncoder | PairScorer) -> dict[str, list[int]]:
    exam = subject.exam
    known, names = len(exam.known_names), [one.name for one in exam.concepts]
    own = known + names.index(concept.name)
    scored = model.classifier(groups(exam, [*exam.known_names, *names]))
    films = scored(exam.pictures(concept.name))
    beside = [*range(known), own]
    truth = labels(exam)
    taken = torch.cat([scored(images)[:, :known].argmax(1).cpu() for images, _ in exam.known]).tolist()
    return {
        BOTH: [int(place + known == own) for place in films[:, known:].argmax(1).tolist()],
        FINDINGS: [int(beside[place] == own) for place in films[:, beside].argmax(1).tolist()],
        KEPT: [int(a == b) for a, b in zip(taken, truth, strict=True)],
    }


def looks(
    subject: Subject, method: str, at: Mapping[str, Sequence[float]], *, progress: bool = True
) -> dict[tuple[str, float], dict[int, Seen]]:
    """What is seen after every concept was taught by an arm, at every rate.

    Args:
        subject: from `paired`.
        method: an arm.
        at: rates of each concept.
        progress: show a bar.

    Returns:
        By concept and rate, then by seed; empty where there are no real films to spare.
    """
    exam, found = subject.exam, bench.lessons(subject, subject.exam.concepts, method, progress=progress)
    told = {one.name: named_caption(one.name, one.main) for one in exam.concepts}
    jobs = [
        (c, r, s) for c in exam.concepts for r in at[c.name] for s in subject.teaching.seeds if (c.name, s) in found
    ]
    asked: list[tuple[Concept, Course | None]] = []
    for concept, rate, seed in jobs:
        others = [caption for name, caption in told.items() if name != concept.name]
        recipe = replace(subject.teaching.transfer, lr=rate)
        course = Course(found[concept.name, seed], told[concept.name], others, seed, recipe)
        asked.append((concept, course))
    seen: dict[tuple[str, float], dict[int, Seen]] = {}
    looked = _looks(subject, asked, desc=f"{TABLE_2}: {method}" if progress else "")
    for (concept, rate, seed), one in zip(jobs, looked, strict=True):
        seen.setdefault((concept.name, rate), {})[seed] = one
    return seen


def measured(
    subject: Subject,
    item: str,
    method: str,
    found: Iterable[Mapping[int, Seen]],
    before: Mapping[str, Seen],
    *,
    names: str = BOTH,
    ensemble: str = "max",
) -> list[Row]:
    """Rows of accuracy on each kind and of what is kept, and of both minus those of the untouched model.

    Args:
        subject: from `paired`.
        item, method: for the rows.
        found: by seed, from `looks`.
        before: by concept.
        names: the list that nodules are named among.
        ensemble: over the prompts of a class.
    """
    rows = []
    for own in found:
        first = next(iter(own.values()))
        told = first.varied | ({"list": names, "ensemble": ensemble} if item == LISTS else {})
        for metric, part in (("target_accuracy", names), ("retention", KEPT)):
            for seed, one in own.items():
                rows.append(_row(subject, item, method, metric, one, part, ensemble, told, seed))
            after: Hits = {seed: one.hits[ensemble][part] for seed, one in own.items()}
            change = compared(after, {-1: before[first.concept.name].hits[ensemble][part]})
            rows.append(_row(subject, item, method, metric, first, part, ensemble, told, None, change))
    return rows


def untouched(
    subject: Subject, item: str, before: Mapping[str, Seen], *, names: str = BOTH, ensemble: str = "max"
) -> list[Row]:
    """Rows of the model before anything is done to it.

    Args:
        subject: from `paired`.
        item: for the rows.
        before: by concept.
        names, ensemble: as in `measured`.
    """
    told = {"list": names, "ensemble": ensemble} if item == LISTS else {}
    return [
        _row(subject, item, "base", metric, one, part, ensemble, told, None)
        for one in before.values()
        for metric, part in (("target_accuracy", names), ("retention", KEPT))
    ]


def _row(
    subject: Subject, item: str, method: str, metric: str, one: Seen, part: str, ensemble: str,
    told: Mapping[str, str], seed: int | None, change: Estimate | None = None,
) -> Row:  # fmt: skip
    hits = one.hits[ensemble][part]
    return row(
        subject, item, method, metric, change or wilson(sum(hits), len(hits)), about=one.concept.name, split="test",
        n=len(hits), seed=seed, over="base" if change else "", varied={**told, **lost(subject.exam)},
        used=one.course.used if one.course else (),
    )  # fmt: skip

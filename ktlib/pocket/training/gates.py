"""What the card of a fold's model says, and whether its positive control works.

Gates are looked at on validation concepts alone, before any test concept is taught. Of all held-out
concepts only averages before any transfer are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from ktlib.data.prompts import PLAIN
from ktlib.data.sets import Examination
from ktlib.evaluate.recognition import recognition
from ktlib.inversion import InversionSettings, invert
from ktlib.models.dual import DualEncoder
from ktlib.pocket import exams, world
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.folds import Fold
from ktlib.pocket.objects import OBJECTS
from ktlib.transfer import TransferSettings, named_caption, transfer

PICTURES, KNOWN, PROBE = 40, 10, 20  # of a rare concept, of a known object, of each for a probe
LESSON = 10  # images a concept is taught from
FIRST_PROBE = 5_000  # a stream that an examination never reaches
ARMS = ("kt", "noise", "wrong", "real")
RATES = (2e-5, 4e-5, 6e-5, 8e-5, 1.2e-4, 2e-4, 4e-4)
INVERSION = InversionSettings(steps=40, sizes=((0, 64),), schedule="cosine")

# The gates: ours.
GAIN, LOST, NOISE_SHARE, LEAST_KNOWN, BASE = 0.20, 0.02, 1 / 3, 0.90, (0.10, 0.70)


@runtime_checkable
class Described(Protocol):
    """What has a medium description."""

    @property
    def medium(self) -> str:
        """What is inverted."""
        ...


@dataclass(frozen=True)
class Measured:
    """A model before any transfer, in fractions and cosines, averaged over names.

    Attributes:
        known: accuracy on the known objects, among themselves.
        base: accuracy on held-out concepts, each among all known names.
        probe: accuracy of a linear probe (ridge regression) on held-out concepts, among all names.
        binding, known_binding: cosine of class prompt and named description.
    """

    known: float
    base: float
    probe: float
    binding: float
    known_binding: float


def known_pictures(fold: Fold) -> tuple[Tensor, Tensor]:
    """Pictures of a fold's known objects and their labels."""
    images = torch.cat([world.pictures(name, KNOWN) for name in fold.known])
    return images, torch.arange(len(fold.known)).repeat_interleave(KNOWN)


def measure(model: DualEncoder, fold: Fold) -> Measured:
    """What a card says of a fold's model: averages, so that no test concept can be chosen for its numbers."""
    features = {name: model.encode_many(world.pictures(name, PICTURES)) for name in fold.held_out}
    names = model.class_vectors(fold.known, PLAIN)
    rare = model.class_vectors(fold.held_out, PLAIN)
    hits = [
        ((seen @ torch.cat([names, own[None]]).T).argmax(1) == len(names)).float().mean().item()
        for seen, own in zip(features.values(), rare, strict=True)
    ]
    return Measured(
        base=fmean(hits),
        probe=probe(model, features),
        binding=fmean(binding(model, fold.held_out).values()),
        **measure_known(model, fold),
    )


def measure_known(model: DualEncoder, fold: Fold) -> dict[str, float]:
    """`known` and `known_binding` of `Measured`: all that can be said of a model that has seen everything."""
    images, labels = known_pictures(fold)
    hits = (model.encode_many(images) @ model.class_vectors(fold.known, PLAIN).T).argmax(1) == labels
    return {
        "known": hits.float().mean().item(),
        "known_binding": fmean(binding(model, fold.known).values()),
    }


def binding(
    model: DualEncoder,
    names: tuple[str, ...],
    *,
    described: Mapping[str, Described] = DESCRIBED,
    template: str = PLAIN[0],
) -> dict[str, float]:
    """How near the text tower puts a name's class prompt to its named medium description: a cosine each.

    Args:
        model: before any transfer.
        names: of `described`.
        described: what has a medium description; the world's objects by default.
        template: of the class prompt.
    """
    with torch.no_grad():
        prompts = model.encode_text([template.format(name) for name in names])
        told = model.encode_text([named_caption(name, described[name].medium) for name in names])
    return dict(zip(names, (prompts * told).sum(1).tolist(), strict=True))


def probe(
    model: DualEncoder,
    features: Mapping[str, Tensor],
    *,
    names: tuple[str, ...] = tuple(OBJECTS),
    pictures: Callable[..., Tensor] = world.pictures,
    each: int = PROBE,
) -> float:
    """Accuracy of ridge regression on some names' features, fitted to pictures of all names.

    Args:
        model: gives the features.
        features: of pictures of some names.
        names: all of them.
        pictures: `(name, count, first=)`, as `world.pictures`.
        each: pictures of a name.
    """
    seen = torch.cat([model.encode_many(pictures(name, each, first=FIRST_PROBE)) for name in names])
    inputs = F.pad(seen, (0, 1), value=1.0).double()
    wanted = torch.eye(len(names), dtype=torch.float64).repeat_interleave(each, 0)
    weights = torch.linalg.solve(inputs.T @ inputs + 1e-2 * torch.eye(inputs.shape[1]), inputs.T @ wanted)
    return fmean(
        ((F.pad(found, (0, 1), value=1.0).double() @ weights).argmax(1) == names.index(name)).float().mean().item()
        for name, found in features.items()
    )


@dataclass(frozen=True)
class Control:
    """The validation concepts of a fold, taught in some way at some rate: mean accuracies.

    Attributes:
        target: on the concepts, by concept.
        retained: on the known objects.
    """

    target: Mapping[str, float]
    retained: float

    @property
    def mean(self) -> float:
        """Over concepts."""
        return fmean(self.target.values())


def examination(fold: Fold) -> Examination:
    """A fold's examination, with `KNOWN` pictures of each known object: what its lessons are measured by."""
    return replace(exams.examination(fold.number), known=[known_pictures(fold)])


def taught(
    model: DualEncoder,
    exam: Examination,
    *,
    arms: tuple[str, ...] = ARMS,
    rates: tuple[float, ...] = RATES,
    seeds: tuple[int, ...] = (0, 1),
    inversion: InversionSettings = INVERSION,
    settings: TransferSettings | None = None,
) -> dict[tuple[str, float], Control]:
    """Teach the validation concepts from inverted images, from noise, from another concept's, from real pictures.

    Args:
        model: before any transfer.
        exam: whose validation concepts.
        arms: which of the four.
        rates: learning rates.
        seeds: of inversions, noise, pictures and order; averaged.
        inversion: recipe of the inverted images.
        settings: of transfer, the rate apart.

    Returns:
        For each arm and rate what came of it; the model itself under `("base", 0.0)`.
    """
    concepts = exam.of("validation")
    jobs = [(concept, seed) for concept in concepts for seed in seeds]
    inverted: dict[tuple[str, int], Tensor] = {}
    if {"kt", "wrong"} & set(arms):
        texts = [concept.medium for concept, _ in jobs]
        found = invert(model, texts, seed=[seed for _, seed in jobs], settings=inversion, progress=False)
        inverted = {(concept.name, seed): images for (concept, seed), images in zip(jobs, found.images, strict=True)}
    settings = settings or TransferSettings()

    def examined(other: DualEncoder, name: str) -> tuple[float, float]:
        found = recognition(other, name, exam.pictures(name), exam.known, exam.known_names, templates=exam.templates)
        return found.target.float().mean().item(), found.retained.float().mean().item()

    scores = {concept.name: examined(model, concept.name) for concept in concepts}
    results = {("base", 0.0): Control({n: t for n, (t, _) in scores.items()}, fmean(r for _, r in scores.values()))}
    for arm in arms:
        for rate in rates:
            recipe = TransferSettings(**(vars(settings) | {"lr": rate}))
            after = {
                (concept.name, seed): examined(
                    transfer(
                        model,
                        lesson(model, arm, concept.name, seed, exam, inverted),
                        named_caption(concept.name, concept.medium),
                        seed=seed,
                        settings=recipe,
                    ),
                    concept.name,
                )
                for concept, seed in jobs
            }
            target = {one.name: fmean(after[one.name, seed][0] for seed in seeds) for one in concepts}
            results[arm, rate] = Control(target, fmean(retained for _, retained in after.values()))
    return results


def lesson(
    model: DualEncoder,
    arm: str,
    name: str,
    seed: int,
    exam: Examination,
    inverted: Mapping[tuple[str, int], Tensor],
) -> Tensor:
    """The images an arm teaches a validation concept from: (10, 3, 64, 64) in [0, 1].

    Args:
        model: says what noise is.
        arm: one of `ARMS`.
        name: of a validation concept.
        seed: of noise and of real pictures.
        exam: the concept's.
        inverted: by concept and seed.

    Raises:
        ValueError: there is no such arm, or there are no real pictures to teach from.
    """
    names = [concept.name for concept in exam.of("validation")]
    following = names[(names.index(name) + 1) % len(names)]
    match arm:
        case "kt":
            return inverted[name, seed]
        case "wrong":
            return inverted[following, seed]
        case "noise":
            return model.noise(LESSON, torch.Generator().manual_seed(1000 + seed))
        case "real":
            if (pictures := exam.lessons(name, LESSON, seed)) is None:
                raise ValueError(f"expected real pictures of {name} beside those for the verdict, found none")
            return pictures
    raise ValueError(f"expected an arm ({', '.join(ARMS)}), found {arm!r}")


def rows(found: Mapping[tuple[str, float], Control]) -> list[dict[str, Any]]:
    """What came of the lessons, as a card keeps it."""
    return [
        {"arm": arm, "rate": rate, "target": dict(one.target), "retained": one.retained}
        for (arm, rate), one in found.items()
    ]


def from_rows(kept: Sequence[Mapping[str, Any]]) -> dict[tuple[str, float], Control]:
    """What `rows` has kept."""
    return {(row["arm"], row["rate"]): Control(row["target"], row["retained"]) for row in kept}


@dataclass(frozen=True)
class Gate:
    """One condition on the instrument: what was found and whether it is enough."""

    what: str
    found: float
    holds: bool


def gates(measured: list[Measured], controls: list[dict[tuple[str, float], Control]]) -> list[Gate]:
    """The conditions of a positive control that works, over the folds of one size.

    The rate is the one at which real pictures gain most among those that lose at most two points.

    Args:
        measured: each fold's model before transfer.
        controls: each fold's.
    """
    before = fmean(fold["base", 0.0].mean for fold in controls)
    kept = fmean(fold["base", 0.0].retained for fold in controls)
    rates = sorted({rate for arm, rate in controls[0] if arm == "real"})
    gained = {key: fmean(f[key].mean for f in controls) - before for key in controls[0]}
    lost = {key: kept - fmean(f[key].retained for f in controls) for key in controls[0]}
    allowed = [rate for rate in rates if lost["real", rate] <= LOST]
    best = max(allowed or rates[:1], key=lambda rate: gained["real", rate])
    gain, noise = gained["real", best], gained["noise", best]
    known, base = fmean(m.known for m in measured), fmean(m.base for m in measured)
    return [
        Gate(
            f"ten real pictures gain 20 points within 2 of retention (rate {best:g})",
            gain,
            bool(allowed) and gain >= GAIN,
        ),
        Gate("noise gains less than a third of that", noise, noise < NOISE_SHARE * gain),
        Gate("known objects are recognised in 90 %", known, known >= LEAST_KNOWN),
        Gate("rare concepts are recognised in 10 to 70 % before transfer", base, BASE[0] <= base <= BASE[1]),
    ]

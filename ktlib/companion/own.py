"""`python -m ktlib teach`: notebook 09 without the notebook, for pictures in a folder."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import open_clip
import torch

from ktlib.bounds import Bound
from ktlib.companion.record.judging import counted
from ktlib.companion.scales import PAPER, SCALES, Scale
from ktlib.companion.sources import brought, examination
from ktlib.companion.studies import own_concept
from ktlib.companion.studies.own_concept import CLAIM, NAMED, Outcome
from ktlib.companion.teach import percent
from ktlib.data.sets import Examination
from ktlib.models import DualEncoder, load

RATE = Bound(least=0, most=1, above=True)
SEEDS = Bound(least=1, most=100, whole=True)


def teach(
    name: str,
    description: str,
    examine: Path,
    *,
    model: str = "pocket/clip-b-0",
    known: Path | None = None,
    lessons: Path | None = None,
    weights: str | None = None,
    lr: float | None = None,
    steps: int | None = None,
    seeds: int | None = None,
    as_json: bool = False,
) -> Outcome:
    """Teach a concept, say what is being done, and print the verdict.

    Args:
        name: of the concept.
        description: without the name.
        examine: folder of pictures that the verdict comes from; none is trained on.
        model: as `ktlib.load` takes it; it must read text.
        known: folder with a folder of pictures for each thing that is to be kept; by default what the tables examine
            the model with.
        lessons: folder of other pictures, for the positive control.
        weights: a tag or a file, for an architecture of open_clip; without them it would be taught with random ones.
        lr: the one learning rate of the transfer, which leaves the verdict open; by default the recipe's are walked
            through.
        steps: of the inversion; by default the recipe's.
        seeds: how many times all is inverted and taught; by default as often as the scale says.
        as_json: print all that was measured in place of a table; progress goes to standard error.

    Raises:
        FileNotFoundError, ValueError: something is wrong with the model, a folder, the name or the description.
    """
    said = sys.stderr if as_json else sys.stdout
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(f"note: {message}", file=sys.stderr)
        if lr is not None and not RATE.holds(lr):
            raise ValueError(f"expected a learning rate, {RATE}, found {lr:g}")
        if seeds is not None and not SEEDS.holds(seeds):
            raise ValueError(f"expected a number of seeds, {SEEDS}, found {seeds}")
        if weights is None and model in open_clip.list_models():
            tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)[:6])
            raise ValueError(f"expected weights for {model}, found none: give --weights and a file or a tag ({tags} …)")
        loaded = load(model, DualEncoder, weights=weights)
        scale, whole = _beside(model, known, loaded.image_size)
        if steps is not None:
            recipe = replace(scale.clip, inversion=scale.clip.inversion.stretched(steps))
            scale = replace(scale, clip=recipe)
        if seeds is not None:
            scale = replace(scale, seeds=tuple(range(scale.seeds[0], scale.seeds[0] + seeds)))
        pictures = brought.read_pictures(examine, loaded.image_size)
        spare = brought.read_pictures(lessons, loaded.image_size) if lessons else None
        exam = brought.one(whole, name, description, pictures, spare)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        own = own_concept.subject(loaded.to(device), exam, scale)
        (concept,) = exam.concepts
        print(
            f"{model}, {counted(len(pictures), 'picture')} of a {concept.name}, "
            f"{len(whole.known_names)} known names, "
            f"rates {', '.join(f'{rate:g}' for rate in (scale.clip.rates if lr is None else [lr]))}, "
            f"{scale.clip.inversion.steps} inversion steps, {counted(len(scale.seeds), 'seed')}",
            file=said,
        )
        if own_concept.has_met(own.only.dual, whole, concept.name):
            print(
                f"note: {model} read sentences about a {concept.name} while it was trained, so no word is taught here; "
                f"the line `{NAMED['base']}` shows what that word alone reaches, and the transfer starts from there",
                file=said,
            )
        outcome = own_concept.study(own, rate=lr)
    settings = {"model": model, "seeds": list(scale.seeds), "inversion_steps": scale.clip.inversion.steps}
    print(json.dumps(settings | measured(outcome), indent=2) if as_json else told(outcome))
    if not scale.is_result:
        print("random weights: this proves that the path runs, and measures nothing", file=said)
    return outcome


def _beside(model: str, known: Path | None, side: int) -> tuple[Scale, Examination]:
    """The scale that a model belongs to, and what it is to keep."""
    scale, examined = next(
        ((s, folds[model]) for s in SCALES.values() for folds in s.clip.models.values() if model in folds),
        (PAPER, None),
    )
    if known is not None:
        return scale, brought.known_things(known, side)
    if examined is None:
        raise ValueError(
            f"expected what {model} is to keep, found nothing that the tables examine it with; give --known and a "
            "folder that has a folder of pictures for each thing, named as the thing is"
        )
    return scale, examination(examined)


def told(outcome: Outcome) -> str:
    """What came out, in lines: what the pictures were taken for, a table of the arms, and the verdict."""
    taken = ", ".join(f"{name} {count}" for name, count in list(outcome.taken_for().items())[:5])
    lines = [f"\nbefore anything, your {counted(outcome.count, 'picture')}: taken for {taken}\n"]
    lines += _table([("", f"taken for a {outcome.concept.name}", "known things kept")] + [
        (NAMED[arm], percent(answers.recognised), percent(answers.retained)) for arm, answers in outcome.answers.items()
    ])  # fmt: skip
    return "\n".join([*lines, "", f"claim: {CLAIM}", str(own_concept.finding(outcome))])


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def measured(outcome: Outcome) -> dict[str, Any]:
    """Everything that was measured, for a program: arms where they are read, and each walk rate by rate."""
    found = own_concept.finding(outcome)
    arms = {
        arm: {"recognised": a.recognised._asdict(), "retained": a.retained, "taken_for": outcome.taken_for(arm)}
        for arm, a in outcome.answers.items()
    }
    walks = {
        arm: [
            {"seed": walk.seed, "lr": rate, "recognised": step.recognised.value, "retained": step.retained}
            for walk in each
            for rate, step in zip(walk.rates, walk.steps, strict=True)
        ]
        for arm, each in outcome.walks.items()
    }
    cosines = {"images_and_description": outcome.similarity, "pictures_and_description": outcome.fit}
    cosines |= {f"pictures_and_{arm}": cosine for arm, cosine in outcome.near.items()}
    gains = {arm: outcome.gain("kt", arm)._asdict() for arm in outcome.answers if arm != "kt"}
    facts = {"name": outcome.concept.name, "description": outcome.concept.main, "pictures": outcome.count}
    facts |= {"budget": outcome.budget, "claim": CLAIM, "finding": asdict(found), "arms": arms, "walks": walks}
    return facts | {"transfer_minus": gains, "cosines": cosines, "word": outcome.word}

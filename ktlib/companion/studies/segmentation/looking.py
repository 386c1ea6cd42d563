"""What is computed of some images, here or on another machine: scores image by image, as JSON keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch

from ktlib.companion.sources import Lesion
from ktlib.companion.studies.bench import Course
from ktlib.companion.studies.segmentation.instrument import AT_ONCE, Instrument, taught
from ktlib.data.sets import MaskedImages
from ktlib.evaluate.overlap import Scores, joined, scores
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.evaluate.segmentation import Choice, bounds, choose, segment

SHARD = 4 * AT_ONCE  # images that are one piece of work; whole batches, so that images of one size keep theirs
Kept = Mapping[str, Any]


def shards(images: MaskedImages) -> list[MaskedImages]:
    """The images in pieces of `SHARD`; where there are no more, themselves.

    Args:
        images: any.
    """
    if len(images) <= SHARD:
        return [images]
    return [images.take(range(first, min(first + SHARD, len(images)))) for first in range(0, len(images), SHARD)]


def looked(
    own: Instrument,
    lesion: Lesion,
    images: MaskedImages,
    courses: Sequence[Course | None],
    settings: SaliencySettings,
) -> list[dict[str, Any]]:
    """Scores after each of some courses: every image is embedded once for all models.

    Args:
        own: what looks and what outlines.
        lesion: what is looked for.
        images: where.
        courses: taken before, each from the untouched model; None for none.
        settings: of the maps.
    """
    models = [taught(own.model, course) for course in courses]
    fine: list[list[Scores]] = [[] for _ in models]
    rough: list[list[Scores]] = [[] for _ in models]
    fell_back = [0] * len(models)
    for batch in own.batches(images):
        for number, model in enumerate(models):
            found = segment(
                model, own.segmenter, batch.images, lesion.prompt, settings=settings, embeddings=batch.embeddings
            )
            fine[number].append(scores(found.masks, batch.truths))
            rough[number].append(scores(found.coarse.masks, batch.truths))
            fell_back[number] += int(found.coarse.fell_back.sum())
    return [
        {"masks": _kept(joined(a)), "coarse": _kept(joined(b)), "fell_back": back}
        for a, b, back in zip(fine, rough, fell_back, strict=True)
    ]


def alone(
    own: Instrument, lesion: Lesion, images: MaskedImages, course: Course | None, settings: SaliencySettings
) -> dict[str, Any]:
    """The scores after one course, on a machine that has no others to hold beside it."""
    return looked(own, lesion, images, [course], settings)[0]


def bounded(own: Instrument, images: MaskedImages) -> dict[str, Any]:
    """The scores of a box around the whole image, and of the true box."""
    return {what: _kept(one) for what, one in bounds(own.segmenter, own.batches(images)).items()}


def chosen(
    own: Instrument,
    lesion: Lesion,
    images: MaskedImages,
    betas: Sequence[float],
    layers: Sequence[int],
    rule: str,
    course: Course | None,
) -> dict[str, Any]:
    """What each pair of some betas and layers is worth, and which is taken (`evaluate.segmentation.choose`)."""
    found = choose(
        taught(own.model, course), own.batches(images, embed=False), lesion.prompt, settings=own.here.maps,
        betas=betas, layers=layers, rule=rule,
    )  # fmt: skip
    best = (found.settings.beta, found.settings.layer)
    return {"cells": [[*cell, list(each), cell == best] for cell, each in found.each.items()]}


def marked(pairs: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Pairs of beta and layer with what each scored, and whether it is the best; the first of equals.

    Args:
        pairs: beta, layer, and a score for each image.
    """
    best = max(pairs, key=lambda pair: fmean(pair[2]))
    return [[*pair, pair is best] for pair in pairs]


def choice_of(maps: SaliencySettings, rule: str, pairs: Sequence[Sequence[Any]]) -> Choice:
    """The choice that was kept.

    Args:
        maps: settings of the maps but for beta and layer.
        rule: by which it was chosen.
        pairs: from `marked`.
    """
    (beta, layer) = next((beta, layer) for beta, layer, _, best in pairs if best)
    settings = replace(maps, beta=beta, layer=layer)
    return Choice(settings, rule, {(beta, layer): tuple(each) for beta, layer, each, _ in pairs})


def together(parts: Sequence[Any]) -> Any:
    """What was kept of several pieces as that of one: lists behind each other, numbers added, name by name.

    Args:
        parts: at least one, of the same names.
    """
    first = parts[0]
    if isinstance(first, dict):
        return {name: together([part[name] for part in parts]) for name in first}
    return sum(parts, type(first)())


def _kept(one: Scores) -> dict[str, Any]:
    return {"values": {m: v.tolist() for m, v in one.values.items()}, "nothing": one.nothing.tolist()}


def scored(kept: Kept) -> Scores:
    """The scores that were kept."""
    return Scores({m: torch.tensor(v) for m, v in kept["values"].items()}, torch.tensor(kept["nothing"]))

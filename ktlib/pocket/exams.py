"""What the drawn world examines a model with: concepts, known objects, a gallery, and sets from coarse to fine.

A picture is a function of its stream, so every examination is the same on every machine.
"""

from __future__ import annotations

import functools
from collections import Counter

import torch
from torch import Tensor

from ktlib.data.sets import Concept, Examination, Gallery
from ktlib.pocket import flickr, stream, world
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.folds import Fold
from ktlib.pocket.known import KNOWN
from ktlib.pocket.objects import OBJECTS
from ktlib.pocket.rare import RARE
from ktlib.store import key

PICTURES, KNOWN_PICTURES = 50, 10  # of each concept and of each known object
SMALL_PICTURES, SMALL_KNOWN_PICTURES = 20, 2  # the same where every class prompt costs a pass (D37)
GALLERY_IMAGES = {"validation": 30, "test": 50}  # both even: every scene beside its twin


@functools.cache
def _pictures(name: str) -> Tensor:
    return world.pictures(name, PICTURES)


def _lessons(name: str, count: int, seed: int) -> Tensor:
    return stream.pictures(name, count, first=10_000 + seed * count)


@functools.cache
def examination() -> Examination:
    """Nine rare concepts, thirty-nine known objects."""
    concepts = tuple(
        Concept(name, c.split, c.kind, c.short, c.medium, c.long, c.medium, c.look_alikes) for name, c in RARE.items()
    )
    names = tuple(KNOWN)
    images = torch.cat([world.pictures(name, KNOWN_PICTURES) for name in names])
    labels = torch.arange(len(names)).repeat_interleave(KNOWN_PICTURES)
    digest = key(world.fingerprint(), names, PICTURES, KNOWN_PICTURES)
    return Examination("pocket", concepts, names, [(images, labels)], digest, _pictures, _lessons)


@functools.cache
def small_examination() -> Examination:
    """The concepts of the ViLT's fold; few pictures, and of the known names those that resemble a concept (D37)."""
    fold = flickr.FOLD
    concepts = tuple(_concept(name, fold) for name in fold.held_out)
    alike = {name for concept in concepts for name in concept.look_alikes}
    names = tuple(name for name in fold.known if name in alike)
    images = torch.cat([stream.pictures(name, SMALL_KNOWN_PICTURES) for name in names])
    labels = torch.arange(len(names)).repeat_interleave(SMALL_KNOWN_PICTURES)
    digest = key(stream.fingerprint(), fold, names, SMALL_PICTURES, SMALL_KNOWN_PICTURES)
    return Examination(
        "pocket",
        concepts,
        names,
        [(images, labels)],
        digest,
        functools.cache(functools.partial(stream.pictures, count=SMALL_PICTURES)),
        _lessons,
    )


def _concept(name: str, fold: Fold) -> Concept:
    told, split = DESCRIBED[name], "validation" if name in fold.validation else "test"
    return Concept(name, split, told.kind, told.short, told.medium, told.long, told.medium, told.look_alikes)


@functools.cache
def gallery(split: str) -> Gallery:
    """Scenes of the pocket Flickr with their captions; one that an image has twice is kept once (D34).

    Args:
        split: `validation` or `test`.
    """
    scenes = flickr.split(split, GALLERY_IMAGES[split])
    images = world.to_tensor([scene.image for scene in scenes])
    captions, owner, twice = [], [], 0
    for number, scene in enumerate(scenes):
        distinct = list(dict.fromkeys(scene.captions))
        twice += len(scene.captions) - len(distinct)
        captions += distinct
        owner += [number] * len(distinct)
    shared = sum(count - 1 for count in Counter(captions).values())
    notes = (
        f"{len(images)} images, {len(captions)} captions",
        f"{twice} captions that an image has twice: kept once",
        f"{shared} captions that another image has too: right for both",
    )
    digest = key("pocket flickr", flickr.VERSION, images, captions, owner)
    twins = tuple(number // 2 for number in range(len(images)))  # scene 2k + 1 is scene 2k the other way round
    return Gallery([*images], tuple(captions), tuple(owner), digest, f"pocket flickr {split}", notes, twins)


def everyday(seed: int = 0) -> dict[str, str]:
    """The known objects of the ViLT's fold and a description of each.

    Args:
        seed: of their colours.
    """
    told = {}
    for name in flickr.FOLD.known:
        colours = OBJECTS[name].colours(world.stream("everyday", name, seed))
        told[name] = stream.english(OBJECTS[name].parts.format(**colours))
    return told

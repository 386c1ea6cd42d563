"""What the drawn world examines a model with: concepts, known objects, a gallery, and sets from coarse to fine.

A picture is a function of its stream, so every examination is the same on every machine.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace

import torch
from torch import Tensor

from ktlib.data.sets import Concept, Examination, Gallery
from ktlib.pocket import flickr, stream, world
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.folds import FOLDS
from ktlib.pocket.known import KNOWN
from ktlib.pocket.rare import RARE
from ktlib.store import key

PICTURES, KNOWN_PICTURES = 50, 10  # of each concept and of each known object
EACH, EACH_KNOWN = 40, 5  # the same of a fold: concepts buy power, pictures hardly any
FIRST_LESSON = 10_000  # the stream of pictures that an examination never reaches
SMALL_PICTURES, SMALL_KNOWN_PICTURES = 20, 2  # the same where every class prompt costs a pass (D37)
GALLERY_IMAGES = {"validation": 30, "test": 50}  # both even: every scene beside its twin


@functools.cache
def _pictures(name: str) -> Tensor:
    return world.pictures(name, PICTURES)


def _lessons(name: str, count: int, seed: int) -> Tensor:
    return world.pictures(name, count, first=10_000 + seed * count)


@functools.cache
def examination(number: int) -> Examination:
    """The twelve concepts that the models of a fold have never seen, and the thirty-six objects that they have.

    Args:
        number: of the fold.
    """
    fold = FOLDS[number]
    concepts = tuple(
        Concept(
            name, "validation" if name in fold.validation else "test", told.kind, told.short, told.medium, told.long,
            told.medium, tuple(other for other in told.look_alikes if other in fold.known),
        )
        for name, told in ((name, DESCRIBED[name]) for name in fold.held_out)
    )  # fmt: skip
    images = torch.cat([stream.pictures(name, EACH_KNOWN) for name in fold.known])
    labels = torch.arange(len(fold.known)).repeat_interleave(EACH_KNOWN)
    digest = key(stream.fingerprint(), number, EACH, EACH_KNOWN)
    pictures = functools.cache(functools.partial(stream.pictures, count=EACH))

    def lessons(name: str, count: int, seed: int) -> Tensor:
        return stream.pictures(name, count, first=FIRST_LESSON + seed * count)

    return Examination("pocket", concepts, fold.known, [(images, labels)], digest, pictures, lessons)


@functools.cache
def first_world() -> Examination:
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
    """The same concepts and pictures, fewer of them; of the known names those that resemble a concept (26 of 39)."""
    exam = first_world()
    ((pictures, labels),) = exam.known
    alike = {name for concept in exam.concepts for name in concept.look_alikes}
    names = tuple(name for name in exam.known_names if name in alike)
    chosen = [(labels == exam.known_names.index(name)).nonzero().flatten()[:SMALL_KNOWN_PICTURES] for name in names]
    known = [(pictures[torch.cat(chosen)], torch.arange(len(names)).repeat_interleave(SMALL_KNOWN_PICTURES))]
    return replace(
        exam,
        known_names=names,
        known=known,
        digest=key(exam.digest, names, SMALL_PICTURES, SMALL_KNOWN_PICTURES),
        pictures=lambda name: exam.pictures(name)[:SMALL_PICTURES],
    )


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
    """The known objects and a description of each.

    Args:
        seed: of their colours.
    """
    colours = {name: thing.colours(world.stream("everyday", name, seed)) for name, thing in KNOWN.items()}
    return {name: world.english(thing.parts.format(**colours[name])) for name, thing in KNOWN.items()}

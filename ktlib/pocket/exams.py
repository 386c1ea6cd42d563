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
from ktlib.pocket import coco, flickr, world
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.flickr import Scene
from ktlib.pocket.folds import FOLDS
from ktlib.pocket.objects import OBJECTS
from ktlib.store import key

PICTURES, KNOWN_PICTURES = 40, 5  # of each concept and of each known object: concepts buy power, pictures hardly any
FIRST_LESSON = 10_000  # the stream of pictures that an examination never reaches
SMALL_PICTURES, SMALL_KNOWN_PICTURES = 20, 2  # the same where every class prompt costs a pass (D37)
GALLERY_IMAGES = {"validation": 30, "test": 50}  # both even: every scene beside its twin
CAPTIONED_IMAGES = {"validation": 180, "test": 200}  # settings are chosen on the first 60, real captions taught behind


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
    images = torch.cat([world.pictures(name, KNOWN_PICTURES) for name in fold.known])
    labels = torch.arange(len(fold.known)).repeat_interleave(KNOWN_PICTURES)
    digest = key(world.fingerprint(), number, PICTURES, KNOWN_PICTURES)
    pictures = functools.cache(functools.partial(world.pictures, count=PICTURES))

    def lessons(name: str, count: int, seed: int) -> Tensor:
        return world.pictures(name, count, first=FIRST_LESSON + seed * count)

    return Examination("pocket", concepts, fold.known, [(images, labels)], digest, pictures, lessons)


@functools.cache
def small_examination() -> Examination:
    """The same of the ViLT's fold, fewer pictures; of the known names those that resemble a concept (D37)."""
    exam = examination(flickr.FOLD.number)
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
def scene_objects() -> Examination:
    """The objects that scenes of two things show, each with its everyday description: known, and to be taught again.

    Nothing is examined with it: what is taught is looked for in captions of scenes (KT v1, Sec. 4.4.3, where it is
    the eighty classes of MSCOCO).
    """
    told = {name: text for name, text in everyday().items() if not OBJECTS[name].fills}
    concepts = tuple(Concept(name, "test", "object", text, text, text, text) for name, text in told.items())

    def lessons(name: str, count: int, seed: int) -> Tensor:
        return world.pictures(name, count, first=FIRST_LESSON + seed * count)

    digest = key("scene objects", world.fingerprint(), told)
    return Examination(
        "pocket coco", concepts, (), [], digest, functools.partial(world.pictures, count=PICTURES), lessons
    )


@functools.cache
def gallery(split: str) -> Gallery:
    """Scenes of the pocket Flickr with their captions.

    Args:
        split: `validation` or `test`.
    """
    shown = flickr.split(split, GALLERY_IMAGES[split])
    twins = tuple(number // 2 for number in range(len(shown)))  # scene 2k + 1 is scene 2k the other way round
    return _gallery("pocket flickr", flickr.VERSION, split, shown, twins)


@functools.cache
def captioned(split: str) -> Gallery:
    """Scenes of the pocket MSCOCO with their references.

    Args:
        split: `validation` or `test`.
    """
    return _gallery("pocket coco", coco.VERSION, split, coco.split(split, CAPTIONED_IMAGES[split]))


def _gallery(name: str, version: str, split: str, shown: list[Scene], units: tuple[int, ...] = ()) -> Gallery:
    """Scenes and their captions; one that an image has twice is kept once (D34)."""
    images = world.to_tensor([scene.image for scene in shown])
    captions, owner, twice = [], [], 0
    for number, scene in enumerate(shown):
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
    digest = key(name, version, images, captions, owner)
    return Gallery([*images], tuple(captions), tuple(owner), digest, f"{name} {split}", notes, units)


def everyday(seed: int = 0) -> dict[str, str]:
    """The known objects of the ViLT's fold and a description of each.

    Args:
        seed: of their colours.
    """
    told = {}
    for name in flickr.FOLD.known:
        colours = OBJECTS[name].colours(world.stream("everyday", name, seed))
        told[name] = world.english(OBJECTS[name].parts.format(**colours))
    return told

"""A tiny captioner with two classes to learn and four images to tell of, for tests of the study; without Java."""

from dataclasses import replace

import torch

from ktlib.captioning import CaptioningSettings
from ktlib.companion.scales import Captioning, scale
from ktlib.companion.studies.bench import Fold, Subject
from ktlib.companion.studies.captioning.tables import Said
from ktlib.data.sets import Concept, Examination, Gallery
from ktlib.inversion import InversionSettings
from tests.tiny_coca import tiny_coca

POCKET = scale("pocket")
HERE = replace(
    POCKET,
    coca=replace(
        POCKET.coca,
        models={"pocket/tiny": {"tiny": "tiny"}},
        inversion=InversionSettings(steps=2, sizes=((0, 32),)),
        transfer=CaptioningSettings(batch=4),
        rates=(1e-3, 1e-2),
        images_per_concept=2,
        seeds=(0, 1),
    ),
    captioning=Captioning(gallery="tiny", epochs=(1, 2), validation=2, test=3, search="greedy", shown=3),
)
GALLERY = Gallery(
    [*torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))],
    ("a red disk", "a disk", "a brick wall", "a wall", "a round opening", "a moongate in a wall", "red", "a disk"),
    (0, 0, 1, 2, 3, 4, 4, 5), "digest", "tiny test",
)  # fmt: skip
PROMPTS = ("a photo of a {}", "a red {}")


def concept(name, text):
    return Concept(name, "test", "object", text, text, text, text)


def pictures(name, count, seed):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(100 + seed + len(name)))


def exam(lessons=pictures):
    concepts = (concept("moongate", "a round opening"), concept("disk", "a red disk"))
    return Examination("tiny", concepts, (), [], "digest", lambda name: pictures(name, 2, 0), lessons)


def subject(cache, **changed):
    return Subject("pocket/tiny", (Fold(tiny_coca(context=32), exam(**changed)),), HERE.coca, HERE, cache)


def said(*captions, gallery=GALLERY, **changed):
    """What somebody says of the first images of the gallery."""
    part = gallery.take(range(len(captions)))
    named = {str(number): text for number, text in enumerate(captions)}
    return Said(named, part, **{"split": "test", "metrics": ("bleu1", "rouge_l", "cider")} | changed)

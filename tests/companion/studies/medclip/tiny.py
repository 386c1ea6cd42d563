"""A tiny MedCLIP with two nodules and two findings, and tiny CLIPs that know neither, for tests of the study."""

from dataclasses import replace

import torch

from ktlib.companion.scales import Films, Teaching, scale
from ktlib.companion.studies.bench import Fold, Subject
from ktlib.data.sets import Concept, Examination
from ktlib.inversion import InversionSettings
from ktlib.transfer import TransferSettings
from tests.conftest import tiny_clip
from tests.tiny_medclip import tiny_medclip

POCKET = scale("pocket")
INVERSION = InversionSettings(steps=2, sizes=((0, 32),))
HERE = replace(
    POCKET,
    medclip=replace(
        POCKET.medclip, models={"pocket/tiny": {"tiny": "tiny"}}, inversion=INVERSION, rates=(1e-3, 1e-2),
        images_per_concept=2, seeds=(0, 1),
    ),
    films=Films("tiny pair", ()),
)  # fmt: skip
OUTSIDE = Teaching({"pocket/tiny": {}}, INVERSION, TransferSettings(), (1e-3, 1e-2), images_per_concept=2, seeds=(3,))


def pictures(name, count=3, seed=0):
    generator = torch.Generator().manual_seed(100 + seed + sum(map(ord, name)))
    return torch.rand(count, 1, 32, 32, generator=generator).repeat(1, 3, 1, 1)


def concept(name, kind, text, split="test"):
    return Concept(name, split, kind, text, text, text, text)


def exam(*, phrases=None, real=True, left_out=None, split="test"):
    concepts = (concept("moongate", "benign", "a round opening"), concept("disk", "malignant", "a red disk", split))
    known = [(torch.cat([pictures("wall", 2), pictures("brick", 3)]), torch.tensor([0, 0, 1, 1, 1]))]
    lessons = pictures if real else lambda *_: None
    return Examination(
        "tiny films", concepts, ("wall", "brick"), known, "digest", pictures, lessons, ("a photo of {}",),
        left_out or {}, phrases or {},
    )  # fmt: skip


def findings(*, phrases=True, real=True):
    concepts = (concept("moongate", "wall", "a brick wall"), concept("disk", "edema", "red in a wall"))
    known = [(torch.cat([pictures("wall", 3), pictures("edema", 3)]), torch.tensor([0, 0, 0, 1, 1, 1]))]
    told = {one.name: (f"a {one.name} is {one.main}",) for one in concepts} if phrases else {}
    lessons = pictures if real else lambda *_: None
    return Examination("tiny films", concepts, ("moongate", "disk"), known, "digest", pictures, lessons, phrases=told)


def subject(cache, **changed):
    return Subject("pocket/tiny", (Fold(tiny_medclip(), exam(**changed)),), HERE.medclip, HERE, cache)


def outsider(cache, *, name="pocket/tiny", pretrainings=2, **changed):
    folds = tuple(Fold(tiny_clip(number), findings(**changed)) for number in range(pretrainings))
    return Subject(name, folds, OUTSIDE, HERE, cache)

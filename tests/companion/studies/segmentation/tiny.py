"""A tiny CLIP and a tiny SAM, two lesions of squares in noise, and a handful of images, for tests of the study."""

from dataclasses import replace

import torch
from PIL import Image

from ktlib.companion.scales import Segmenting, scale
from ktlib.companion.sources import Lesion
from ktlib.companion.studies.bench import Fold, Subject
from ktlib.companion.studies.segmentation.instrument import Instrument
from ktlib.data.sets import Concept, Examination, MaskedImages, Pair
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.inversion import InversionSettings
from ktlib.transfer import TransferSettings
from tests.conftest import tiny_clip
from tests.tiny_sam import tiny_sam

POCKET = scale("pocket")
MAPS = SaliencySettings(layer=0, steps=2, copies=2)
HERE = replace(
    POCKET,
    scans=replace(
        POCKET.scans,
        models={"pocket/tiny": {"tiny": "tiny"}},
        inversion=InversionSettings(steps=2, sizes=((0, 32),)),
        transfer=TransferSettings(batch=2),
        rates=(1e-3, 1e-2),
        images_per_concept=2,
        seeds=(0, 1),
    ),
    segmenting=Segmenting(
        lesions="tiny", segmenter="tiny", maps=MAPS, betas=(0.1, 1.0), layers=(0,), validation=3, test=5,
        shown=3, checked=2,
    ),
)  # fmt: skip
LESIONS = (Lesion("disk", "Disks", False, "a red disk"), Lesion("opening", "Openings", True, "a round opening"))


def masked(name, lesion, split, *, left_out=None, units=()):
    """Six images of noise with a square, of a lesion and split of their own."""
    number = 100 * len(lesion) + len(split)

    def read(index):
        draw = torch.Generator().manual_seed(number + index)
        levels = torch.randint(0, 200, (32, 32), generator=draw, dtype=torch.uint8)
        mask = torch.zeros(32, 32, dtype=torch.bool)
        mask[4 + index : 14 + index, 6:16] = True
        levels[mask] = 250
        return Pair(Image.fromarray(levels.numpy()).convert("RGB"), mask)

    files = tuple(f"{lesion}-{split}-{index}" for index in range(6))
    return MaskedImages(f"tiny {lesion}", files, read, f"{lesion} {split}", left_out=left_out or {}, units=units)


def pictures(name, count, seed):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(100 + seed + len(name)))


def exam(lessons=pictures):
    def concept(name, text):
        return Concept(name, "test", "known", text, text, text, text)

    concepts = (concept("disk", "a red disk"), concept("opening", "a round opening"))
    return Examination("tiny", concepts, (), [], "digest", lambda name: pictures(name, 2, 0), lessons)


def instrument(cache, **changed):
    clip = Subject("pocket/tiny", (Fold(tiny_clip(), exam(**changed)),), HERE.scans, HERE, cache)
    return Instrument(clip, tiny_sam(), LESIONS)

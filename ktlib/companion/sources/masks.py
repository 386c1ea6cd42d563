"""Images with masks of the four lesions of KT v1, Tab. 4: drawn, or from files in the published formats.

Each set is divided in three that share no patient: images that settings are chosen on, images that are real pictures to
learn from, and images for the verdict. The paper has no such division; its settings are searched on test images (D71).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ktlib.companion.sources.real import descriptions
from ktlib.data import masked, volumes
from ktlib.data.images import to_tensor
from ktlib.data.prompts import published
from ktlib.data.sets import Concept, Examination, MaskedImages, Pair
from ktlib.pocket import scans
from ktlib.store import key

SPLITS = ("validation", "lesson", "test")
ASIDE = {"validation": 20, "lesson": 20}  # real images of a set that are not for the verdict: ours (D71)
BRATS_PAPER = 14_746  # slices in KT v1, Tab. 4; which, it does not say
DRAWN = {"validation": 100, "lesson": 100, "test": 400}  # as many as there may be; a scale takes the first
LEAST = 2  # of one image the loss learns nothing
SIDE = 224  # pixels of a real picture that is learnt from


@dataclass(frozen=True)
class Lesion:
    """What is looked for in the images of a set.

    Attributes:
        name: in lower case: the concept that is taught.
        like: the published set that it is in, or whose part a drawn one plays.
        novel: whether it is new to the model (KT v1, Tab. 4).
        prompt: the one sentence with which all images are asked.
    """

    name: str
    like: str
    novel: bool
    prompt: str


# -- drawn ----------------------------------------------------------------------------------------------
def drawn_lesions() -> tuple[Lesion, ...]:
    """The four of the drawn slices, in the order of KT v1, Tab. 4."""
    return tuple(Lesion(told.name, told.like, told.novel, told.prompt) for told in scans.TASKS.values())


@functools.cache
def drawn_images(name: str, split: str) -> MaskedImages:
    """Drawn slices with one of the lesions, and their exact masks.

    Args:
        name: of the lesion.
        split: of `SPLITS`.
    """
    task = next(task for task, told in scans.TASKS.items() if told.name == name)

    @functools.cache  # a slice takes longer to draw than to keep
    def read(index: int) -> Pair:
        scan = scans.scan(task, split, index)
        return Pair(Image.fromarray(scan.image).convert("RGB"), torch.from_numpy(scan.mask))

    return MaskedImages(
        f"drawn, for {scans.TASKS[task].like}",
        tuple(f"{task}-{split}-{index:05d}" for index in range(DRAWN[split])),
        read,
        key(scans.fingerprint(), task, split),
    )


# -- from files -----------------------------------------------------------------------------------------
_OF = {"lung nodules": 1, "pneumothorax": 2, "breast tumor": 3, "brain tumor": 4}  # numbers of prompts, KT v1, Tab. 4
_LIKE = {
    "lung nodules": "UnitoChest", "pneumothorax": "SIIM Pneumothorax", "breast tumor": "UDIAT",
    "brain tumor": "BraTS23 Glioma",
}  # fmt: skip
_NOVEL = ("lung nodules", "pneumothorax")


def lesions() -> tuple[Lesion, ...]:
    """The four of the paper, in its order."""
    prompts = published("segmentation_P")
    return tuple(Lesion(name, _LIKE[name], name in _NOVEL, prompts[number - 1]) for name, number in _OF.items())


@functools.cache
def read_images(root: Path, name: str, split: str, *, partial: bool = False) -> MaskedImages:
    """Images of a published set with one of the lesions; those that cannot be read are left out, and named.

    Args:
        root: the folder that holds the sets.
        name: of the lesion.
        split: of `SPLITS`.
        partial: accept other numbers of images (generated files).

    Raises:
        FileNotFoundError: the set is absent.
        ValueError: it is another one than the published, or has no image that can be used.
    """
    if name == "lung nodules":  # a set that comes divided
        whole = masked.unitochest(root, "test" if split == "test" else "val")
        return (whole if split == "test" else divided(whole, split, among=("validation", "lesson"))).readable()
    read: dict[str, tuple[Callable[..., MaskedImages], int]] = {
        "pneumothorax": (masked.siim_pneumothorax, masked.SIIM_PAPER),
        "breast tumor": (masked.udiat, masked.UDIAT),
        "brain tumor": (volumes.brats_2023, BRATS_PAPER),
    }
    reader, count = read[name]
    own = divided(reader(root, partial=partial), split)
    return (own.sample(count) if split == "test" else own).readable()


def divided(whole: MaskedImages, split: str, *, among: Sequence[str] = SPLITS) -> MaskedImages:
    """The images of one of several splits; no patient is in two of them.

    Patients are taken in an order drawn with seed 0, until a split has its number of images, at most an equal share;
    the last split has the rest. Where there are fewer patients than splits, images stand for them.

    Args:
        whole: all of a set.
        split: which of them.
        among: the splits there are.
    """
    several = len(set(whole.units)) >= len(among)
    units = whole.units if several else tuple(range(len(whole)))
    order = list(dict.fromkeys(units))
    random.Random(0).shuffle(order)
    own: dict[str, list[int]] = {one: [] for one in among}
    for unit in order:
        there = [index for index, other in enumerate(units) if other == unit]
        open_ = (one for one in among[:-1] if len(own[one]) < min(ASIDE[one], max(1, len(whole) // len(among))))
        own[next(open_, among[-1])] += there
    return whole.take(sorted(own[split]))


def examination(root: Path, *, dataset: str = "files", partial: bool = False) -> Examination:
    """The four lesions as concepts, with the papers' descriptions (KT v1, Tab. 16); nothing to be named.

    Args:
        root: the folder that holds the sets.
        dataset: name, for the rows.
        partial: as in `read_images`.
    """
    told = descriptions("segmentation")
    found = tuple(
        Concept(one.name, "test", "novel" if one.novel else "known", text, text, text, text)
        for one in lesions()
        for text in [told[one.name]]
    )

    def lessons(name: str, count: int, seed: int) -> Tensor | None:
        there = read_images(root, name, "lesson", partial=partial)
        if len(there) < LEAST:
            return None
        chosen = there.sample(count, seed=seed)
        shown = [chosen.read(index).image for index in range(len(chosen))]  # stretched, as models stretch what they see
        return to_tensor([image.resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in shown])

    def pictures(name: str) -> Tensor:
        raise NotImplementedError(f"{name} is looked for in images with masks; nothing is named here")

    return Examination(dataset, found, (), [], key(dataset, told, SIDE), pictures, lessons)

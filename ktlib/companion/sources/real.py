"""What is read from files in the published formats: the papers' concepts, ImageNet, and the nine sets of Zoom-shot.

Thin over the readers in `ktlib.data`; generated files go through here too, which is what proves the path.
"""

from __future__ import annotations

import functools
import os
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ktlib import places
from ktlib.data import files, imagenet, images, manifests, rare_concepts, tables
from ktlib.data.cifar import cifar_10, cifar_100
from ktlib.data.fine_grained import cub_200, flowers_102, herbarium_19, oxford_pets, stanford_cars
from ktlib.data.sets import Concept, Examination, Gallery, LabelledImages
from ktlib.evaluate.calibration import Cell
from ktlib.store import key


def descriptions(kind: str) -> dict[str, str]:
    """The papers' descriptions of one kind, by concept in lower case."""
    lines = tables.rows(places.manifests() / "published" / "concepts.csv", ("set", "concept", "description"))
    return {line["concept"].lower(): line["description"] for line in lines if line["set"] == kind}


@functools.cache
def undescribed() -> tuple[str, ...]:
    """The patterns of KT v2, Tab. 12, in lower case: the paper examines them and prints no description."""
    lines = tables.rows(places.manifests() / "published" / "results.csv", ("paper", "version", "item", "concept"))
    own = [line["concept"].lower() for line in lines if (line["paper"], line["version"]) == ("KT", "v2")
           and line["item"] == "Tab. 12"]  # fmt: skip
    return tuple(dict.fromkeys(own))


# -- examinations ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Walk:
    """Known pictures and their labels, read anew on every walk."""

    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.batches()


def _pictures(root: Path, side: int) -> Callable[[str], Tensor]:
    """The pictures of a concept of RareConcepts, each read once."""

    @functools.cache
    def read(name: str) -> Tensor:
        return images.to_tensor([images.resize(images.read_image(p), side) for p in rare_concepts.paths(name, root)])

    return read


def _rare_concepts(root: Path, printed: Mapping[str, Concept]) -> tuple[tuple[Concept, ...], dict[str, str]]:
    """The concepts that have pictures and a description, and why others are left out, with a warning (D46).

    Args:
        root: the folder that holds RareConcepts.
        printed: concepts that the papers describe.

    Raises:
        ValueError: a user describes what the papers describe.
    """
    own, there = rare_concepts.descriptions(root), rare_concepts.concepts(root)
    file = root / "rare_concepts" / rare_concepts.DESCRIPTIONS
    if both := sorted(own.keys() & printed.keys()):
        raise ValueError(f"expected no description of {', '.join(both)} in {file}: the papers print theirs; remove it")
    told = {**printed, **own}
    left_out = {}
    for name in sorted({*there, *own, *undescribed()} - (told.keys() & set(there))):
        lacks = [] if name in there else [f"its pictures in {file.parent / name}"]
        if name not in told:
            lacks.append(f"a line in {file} (columns {', '.join(rare_concepts.DESCRIBED)})")
        left_out[name] = f"it lacks {' and '.join(lacks)}"
    if left_out:
        message = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        warnings.warn(f"left out of RareConcepts: {message}", stacklevel=3)
    return tuple(told[name] for name in there if name in told), left_out


def imagenet_1000(root: Path, *, dataset: str, cell: Cell, partial: bool = False) -> Examination:
    """RareConcepts and the validation images of ImageNet-1k, with the papers' descriptions and the user's own.

    Args:
        root: the folder that holds both.
        dataset: name, for the rows.
        cell: how classes are named and prompted (D8).
        partial: accept fewer files than the official ones.

    Raises:
        FileNotFoundError: files are absent.
        ValueError: see `rare_concepts.descriptions`.
    """
    validation = imagenet.read(root / "imagenet", partial=partial)
    short, medium = descriptions("prompt_ablation_P1"), descriptions("prompt_ablation_P2")
    printed = {
        name: Concept(name, "test", "object", short[name], medium[name], long, long)
        for name, long in descriptions("rare_concepts").items()
    }
    (concepts, left_out), pictures = _rare_concepts(root, printed), _pictures(root, 224)
    names = tuple(validation.class_names(cell.names))
    known = [[p.name, p.stat().st_size] for p in validation.paths], validation.labels
    digest = key(dataset, names, *known, *(pictures(c.name) for c in concepts))
    return Examination(
        dataset, concepts, names, _Walk(validation.batches), digest, pictures, lambda *_: None, cell.templates, left_out
    )


def imagenet_100(root: Path, *, cell: Cell, side: int = 384, partial: bool = False) -> Examination:
    """The validation images of ImageNet-100, and the descriptions that the papers shortened for ViLT (KT v1, Tab. 13).

    With the name in front they fit forty tokens, as a user's short ones must.

    Args:
        root: the folder that holds RareConcepts and ImageNet.
        cell: how classes are named and prompted, and whether pictures are cut (D47).
        side: of cut pictures in pixels; short side to it, then the centre. Whole ones are sized by the model.
        partial: accept fewer files than the official ones.

    Raises:
        FileNotFoundError: files are absent, the list of classes among them.
        ValueError: see `rare_concepts.descriptions`.
    """
    data = imagenet.hundred(root / "imagenet", partial=partial)
    told = {
        name: Concept(name, "test", "object", text, text, text, text)
        for name, text in descriptions("rare_concepts_vilt").items()
    }
    # The user's concepts are taught by their short descriptions here.
    concepts, left_out = _rare_concepts(root, told)
    if long := sorted(c.name for c in concepts if c.name not in told and not c.short):
        file = root / "rare_concepts" / rare_concepts.DESCRIPTIONS
        reasons = {name: f"it lacks a short description in {file}" for name in long}
        warnings.warn(f"left out for ViLT: {'; '.join(f'{n}: {why}' for n, why in reasons.items())}", stacklevel=2)
        left_out |= reasons
    concepts = tuple(replace(c, main=c.short) for c in concepts if c.short)
    pictures, whole = _pictures(root, side), cell.picture == "whole"
    known = data.pictures(None if whole else side)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        at_once = 1 if whole else 64  # whole pictures differ in size
        for start in range(0, len(known), at_once):
            labels = data.labels[start : start + at_once]
            yield torch.stack([known[start + i] for i in range(len(labels))]), torch.tensor(labels)

    names = tuple(data.class_names(cell.names))
    listed = imagenet.class_list(root / "imagenet", partial=partial).sha256
    sizes = [[p.name, p.stat().st_size] for p in data.paths]
    parts = (side, cell.picture, names, listed, sizes, data.labels)
    digest = key("imagenet 100", *parts, *(pictures(c.name) for c in concepts))
    return Examination(
        "imagenet_100", concepts, names, _Walk(batches), digest, pictures, lambda *_: None, cell.templates, left_out
    )


# -- the categories of MSCOCO --------------------------------------------------------------------------
def coco_classes(validation: Callable[[], Gallery], *, side: int = 224) -> Examination:
    """The papers' eighty categories of MSCOCO with their descriptions (KT v1, Tab. 17): to be taught, not examined.

    Real pictures of a category are validation images that somebody named it in: nobody published which were used,
    and the control is ours (D56). A category that nobody named has none.

    Args:
        validation: gives images and captions.
        side: of the pictures in pixels.
    """
    told = descriptions("coco80")
    concepts = tuple(Concept(name, "test", "object", text, text, text, text) for name, text in told.items())

    @functools.cache
    def named(name: str) -> list[int]:
        shown, word = validation(), re.compile(rf"\b{re.escape(name)}s?\b", re.IGNORECASE)
        return [image for image in range(len(shown.images)) if any(word.search(caption) for caption in shown.of(image))]

    def lessons(name: str, count: int, seed: int) -> Tensor | None:
        there = named(name)
        order = torch.randperm(len(there), generator=torch.Generator().manual_seed(seed))[:count].tolist()
        return torch.stack([images.square(validation().images[there[i]], side) for i in order]) if there else None

    def pictures(name: str) -> Tensor:
        return torch.empty(0, 3, side, side)

    return Examination("mscoco", concepts, (), [], key("coco80", told, side), pictures, lessons)


# -- the nine sets of Zoom-shot -----------------------------------------------------------------------
_READERS: Mapping[str, Callable[..., LabelledImages]] = {  # in the order of ZS Tab. 1
    "CIFAR-10": cifar_10,
    "CIFAR-100": cifar_100,
    "ImageNet-100": imagenet.imagenet_100,
    "ImageNet-1000": imagenet.imagenet_1000,
    "CUB-200": cub_200,
    "Flowers-102": flowers_102,
    "Herbarium-19": herbarium_19,
    "Oxford-IIIT Pets": oxford_pets,
    "Stanford Cars": stanford_cars,
}
_FOLDERS = dict.fromkeys(("ImageNet-100", "ImageNet-1000"), "imagenet")  # of what is not read from the root
# Sets that nobody can get as they were published, with their manifests: one lacks class names, one a publisher.
OPTIONAL = {"Herbarium-19": "herbarium_19", "Stanford Cars": "stanford_cars"}


def not_there(root: Path) -> dict[str, str]:
    """The optional sets in whose place there is nothing, each with the reason in words."""
    places_ = {name: (manifest, root / manifests.dataset(manifest).where) for name, manifest in OPTIONAL.items()}
    return {
        name: f"there is no {where}; {files.how_to_get(manifest)}"
        for name, (manifest, where) in places_.items()
        if not os.path.lexists(where)
    }


def test_sets(
    root: Path, *, cell: Cell | None = None, without: Collection[str] = (), partial: bool = False
) -> dict[str, LabelledImages]:
    """The nine test sets by name, in the order of ZS Tab. 1; nothing is decoded before a batch is asked for.

    Herbarium 2019 is represented by its validation images, the only labelled ones that are not for training;
    ImageNet-100 and -1000 by ILSVRC's validation images.

    Args:
        root: the folder that holds all of them.
        cell: how the classes of both ImageNets are named and prompted (D47); by default by CLIP's curated names and
            its 80 prompts.
        without: names of sets that are left out.
        partial: accept fewer files than the official ones (`generated.zoom_shot`).

    Raises:
        FileNotFoundError: a set is absent or incomplete.
        ValueError: a set is damaged.
    """
    sets = {
        name: read(root / _FOLDERS.get(name, ""), partial=partial)
        for name, read in _READERS.items()
        if name not in without
    }
    if cell:
        home = root / "imagenet"
        named = {"ImageNet-100": imagenet.hundred, "ImageNet-1000": imagenet.read}
        for name, read in named.items():
            names = tuple(read(home, partial=partial).class_names(cell.names))
            sets[name] = replace(sets[name], names=names, templates=cell.templates)
    return sets


def train_sets(root: Path, *, without: Collection[str] = (), partial: bool = False) -> dict[str, LabelledImages]:
    """The training images of the seven sets of ZS Tab. 6, in its order, and of `ImageNet`, on which all else trains.

    Flowers-102 means its 1,020 training and 1,020 validation images together (see `flowers_102`), pets their
    official trainval. Labels are there, but Zoom-shot does not use them.

    Args:
        root: the folder that holds all of them.
        without: names of sets that are left out.
        partial: accept fewer files than the official ones (`generated.zoom_shot`).

    Raises:
        FileNotFoundError: a set is absent or incomplete.
        ValueError: a set is damaged.
    """
    rest = {name: read for name, read in _READERS.items() if name not in {*_FOLDERS, *without}}
    sets = {name: read(root, "train", partial=partial) for name, read in rest.items()}
    return sets | {"ImageNet": imagenet.train(root / "imagenet", partial=partial)}


def class_names(one: LabelledImages) -> tuple[str, ...]:
    """The names of the classes, for a zero-shot evaluation.

    Raises:
        ValueError: the set has none (Herbarium 2019 without a `class_names.txt`).
    """
    if not one.names:
        raise ValueError(
            f"expected class names for a zero-shot evaluation on {one.name}, found none: they were never "
            "published; put your own, one a line in the order of the categories, into "
            "herbarium-2019/class_names.txt, or leave the set out"
        )
    return one.names

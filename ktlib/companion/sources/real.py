"""What is read from files in the published formats: the papers' concepts, ImageNet, and the nine sets of Zoom-shot.

Thin over the readers in `ktlib.data`; generated files go through here too, which is what proves the path.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ktlib import places
from ktlib.data import imagenet, images, rare_concepts
from ktlib.data.cifar import cifar_10, cifar_100
from ktlib.data.fine_grained import cub_200, flowers_102, herbarium_19, oxford_pets, stanford_cars
from ktlib.data.sets import Concept, Examination, LabelledImages
from ktlib.evaluate.calibration import Cell
from ktlib.store import key


def descriptions(kind: str) -> dict[str, str]:
    """The papers' descriptions of one kind, by concept in lower case."""
    with (places.PUBLISHED / "concepts.csv").open(newline="", encoding="utf-8") as file:
        return {line["concept"].lower(): line["description"] for line in csv.DictReader(file) if line["set"] == kind}


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


def _rare_concepts(root: Path, described: dict[str, Concept]) -> tuple[Concept, ...]:
    """Those that are there and described."""
    return tuple(described[name] for name in rare_concepts.concepts(root) if name in described)


def imagenet_1000(root: Path, *, dataset: str, cell: Cell, partial: bool = False) -> Examination:
    """RareConcepts and the validation images of ImageNet-1k, with the papers' descriptions.

    Args:
        root: the folder that holds both.
        dataset: name, for the rows.
        cell: how classes are named and prompted (D8).
        partial: accept fewer files than the official ones.

    Raises:
        FileNotFoundError: files are absent.
    """
    validation = imagenet.read(root / "imagenet", partial=partial)
    short, medium = descriptions("prompt_ablation_P1"), descriptions("prompt_ablation_P2")
    told = {
        name: Concept(name, "test", "object", short[name], medium[name], long, long)
        for name, long in descriptions("rare_concepts").items()
    }
    concepts, pictures = _rare_concepts(root, told), _pictures(root, 224)
    names = tuple(validation.class_names(cell.names))
    digest = key(dataset, names, [p.name for p in validation.paths], *(pictures(c.name) for c in concepts))
    return Examination(
        dataset, concepts, names, _Walk(validation.batches), digest, pictures, lambda *_: None, (cell.template,)
    )


def imagenet_100(root: Path, *, side: int = 384) -> Examination:
    """The validation images of ImageNet-100, and the descriptions that the papers shortened for ViLT (KT v1, Tab. 13).

    With the name in front they fit forty tokens.

    Args:
        root: the folder that holds RareConcepts and ImageNet.
        side: of the images in pixels; short side to it, then the centre.

    Raises:
        FileNotFoundError: files are absent, the list of classes among them.
    """
    data = imagenet.imagenet_100(root / "imagenet")
    told = {
        name: Concept(name, "test", "object", text, text, text, text)
        for name, text in descriptions("rare_concepts_vilt").items()
    }
    concepts, pictures = _rare_concepts(root, told), _pictures(root, side)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for batch in data.batches(64, side):
            yield batch, torch.tensor(data.labels[start : start + len(batch)])
            start += len(batch)

    digest = key("imagenet 100", side, data.digest, *(pictures(c.name) for c in concepts))
    return Examination(
        "imagenet_100", concepts, data.names, _Walk(batches), digest, pictures, lambda *_: None, ("a photo of a {}.",)
    )


# -- the nine sets of Zoom-shot -----------------------------------------------------------------------
def test_sets(root: Path, *, partial: bool = False) -> dict[str, LabelledImages]:
    """The nine test sets by name, in the order of ZS Tab. 1; nothing is decoded before a batch is asked for.

    Herbarium 2019 is represented by its validation images, the only labelled ones that are not for training;
    ImageNet-100 and -1000 by ILSVRC's validation images.

    Args:
        root: the folder that holds all of them.
        partial: accept fewer files than the official ones (`generated.zoom_shot`).

    Raises:
        FileNotFoundError: a set is absent or incomplete.
        ValueError: a set is damaged.
    """
    found = (
        cifar_10(root, partial=partial),
        cifar_100(root, partial=partial),
        imagenet.imagenet_100(root / "imagenet", partial=partial),
        imagenet.imagenet_1000(root / "imagenet", partial=partial),
        cub_200(root, partial=partial),
        flowers_102(root, partial=partial),
        herbarium_19(root, partial=partial),
        oxford_pets(root, partial=partial),
        stanford_cars(root, partial=partial),
    )
    return {one.name: one for one in found}


def train_sets(root: Path, *, partial: bool = False) -> dict[str, LabelledImages]:
    """The training images of the seven sets of ZS Tab. 6, in its order, and of `ImageNet`, on which all else trains.

    Flowers-102 means its 1,020 training and 1,020 validation images together (see `flowers_102`), pets their
    official trainval. Labels are there, but Zoom-shot does not use them.

    Args:
        root: the folder that holds all of them.
        partial: accept fewer files than the official ones (`generated.zoom_shot`).

    Raises:
        FileNotFoundError: a set is absent or incomplete.
        ValueError: a set is damaged.
    """
    readers = (cifar_10, cifar_100, cub_200, flowers_102, herbarium_19, oxford_pets, stanford_cars)
    found = [read(root, "train", partial=partial) for read in readers]
    found.append(imagenet.train(root / "imagenet", partial=partial))
    return {one.name: one for one in found}


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


def published_prompts() -> tuple[str, ...]:
    """The 44 prompts of ZS Fig. 5 as printed, duplicates and misprint included (D21)."""
    with (places.PUBLISHED / "prompts.csv").open(newline="", encoding="utf-8") as file:
        return tuple(line["text"] for line in csv.DictReader(file) if line["set"] == "zoomshot_pgkd")

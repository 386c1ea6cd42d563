"""What a model is examined with: concepts to be taught, and everything it should keep.

Three sources, one shape: the drawn world, generated files in the real formats, and the real
RareConcepts and ImageNet.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ktlib.companion import generated
from ktlib.data import imagenet as imagenet_reader
from ktlib.data import images, rare_concepts
from ktlib.data.manifests import MANIFESTS, data_root
from ktlib.data.sets import Concept, Examination
from ktlib.evaluate.calibration import CELLS, Cell
from ktlib.evaluate.calibration import frozen as calibrated
from ktlib.store import key

# -- the pocket world -------------------------------------------------------------------------------
POCKET_PICTURES = 50  # of each concept
POCKET_KNOWN = 10  # of each known object


@functools.cache
def _pocket_pictures(name: str) -> Tensor:
    from ktlib.pocket import world

    return world.pictures(name, POCKET_PICTURES)


def _pocket_lessons(name: str, count: int, seed: int) -> Tensor:
    from ktlib.pocket import world

    return world.pictures(name, count, first=10_000 + seed * count)


@functools.cache
def pocket() -> Examination:
    """The drawn world: nine rare concepts, thirty-nine known objects."""
    from ktlib.pocket import world
    from ktlib.pocket.known import KNOWN
    from ktlib.pocket.rare import RARE

    concepts = tuple(
        Concept(name, c.split, c.kind, c.short, c.medium, c.long, c.medium, c.look_alikes) for name, c in RARE.items()
    )
    names = tuple(KNOWN)
    images = torch.cat([world.pictures(name, POCKET_KNOWN) for name in names])
    labels = torch.arange(len(names)).repeat_interleave(POCKET_KNOWN)
    digest = key(world.fingerprint(), names, POCKET_PICTURES, POCKET_KNOWN)
    return Examination("pocket", concepts, names, [(images, labels)], digest, _pocket_pictures, _pocket_lessons)


# -- files in the published formats -----------------------------------------------------------------
class _Batches:
    """ImageNet's batches, read anew on every walk."""

    def __init__(self, validation: imagenet_reader.Validation) -> None:
        self.validation = validation

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.validation.batches()


def _from_files(dataset: str, root: Path, *, cell: Cell, partial: bool) -> Examination:
    validation = imagenet_reader.read(root / "imagenet", partial=partial)
    described = _published_descriptions()
    concepts = tuple(described[name] for name in rare_concepts.concepts(root) if name in described)

    @functools.cache
    def pictures(name: str) -> Tensor:
        read = [images.resize(images.read_image(path), 224) for path in rare_concepts.paths(name, root)]
        return images.to_tensor(read)

    names = tuple(validation.class_names(cell.names))
    digest = key(dataset, names, [p.name for p in validation.paths], *(pictures(c.name) for c in concepts))
    return Examination(
        dataset, concepts, names, _Batches(validation), digest, pictures, lambda *_: None, (cell.template,)
    )


def _published_descriptions() -> dict[str, Concept]:
    """The papers' descriptions, from `data_manifests/published/concepts.csv`."""
    sets: dict[str, dict[str, str]] = {}
    with (MANIFESTS / "published" / "concepts.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            sets.setdefault(line["set"], {})[line["concept"].lower()] = line["description"]
    return {
        name: Concept(
            name, "test", "object", sets["prompt_ablation_P1"][name], sets["prompt_ablation_P2"][name], long, long
        )
        for name, long in sets["rare_concepts"].items()
    }


@functools.cache
def fixtures() -> Examination:
    """A handful of generated files in the real formats: proves the path, measures nothing."""
    root = data_root() / "fixtures"
    generated.rare_concepts(root)
    generated.imagenet(root)
    return _from_files("fixtures", root, cell=CELLS[1], partial=True)


@functools.cache
def imagenet() -> Examination:
    """RareConcepts and ImageNet-1k validation, where `KT_DATA` says they are.

    Raises:
        FileNotFoundError: files are absent, or the class names are not calibrated yet.
    """
    return _from_files("imagenet", data_root(), cell=calibrated(), partial=False)


_SOURCES = {"pocket": pocket, "fixtures": fixtures, "imagenet": imagenet}


def examination(name: str) -> Examination:
    """An examination by name.

    Raises:
        ValueError: there is no such one.
    """
    if name not in _SOURCES:
        raise ValueError(f"expected a dataset ({', '.join(_SOURCES)}), found {name!r}")
    return _SOURCES[name]()

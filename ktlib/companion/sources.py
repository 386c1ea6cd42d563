"""What a model is examined with: concepts to be taught, and everything it should keep.

Three sources, one shape: the drawn world, generated files in the real formats, and the real
RareConcepts and ImageNet.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ktlib.companion import generated
from ktlib.data import imagenet as imagenet_reader
from ktlib.data import images, rare_concepts
from ktlib.data.manifests import MANIFESTS, data_root
from ktlib.evaluate.calibration import CELLS, Cell
from ktlib.evaluate.calibration import frozen as calibrated
from ktlib.evaluate.recognition import TEMPLATES
from ktlib.store import key


@dataclass(frozen=True)
class Concept:
    """A concept to be taught.

    Attributes:
        name: in lower case, as it stands in prompts.
        split: `validation` or `test`.
        kind: `object` or `pattern`.
        short, medium, long: descriptions without the name. The papers' own are `long` (P3 of KT
            v2, Tab. 19); the main experiments use `medium` in the pocket world and `long` elsewhere.
        main: the description the main experiments use.
        look_alikes: known names that resemble it, where somebody noted them.
    """

    name: str
    split: str
    kind: str
    short: str
    medium: str
    long: str
    main: str
    look_alikes: tuple[str, ...] = ()


@runtime_checkable
class Known(Protocol):
    """Batches of known pictures and labels that can be walked through again and again."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Examination:
    """Concepts, their pictures, and the known classes.

    Attributes:
        dataset: name, for the rows.
        concepts: all of them; see `of`.
        known_names: class names in the order of the labels.
        known: batches of known pictures.
        digest: changes whenever a picture or a name does.
        pictures: real pictures of a concept for the verdict, never trained on: (count, 3, height,
            width) in [0, 1].
        lessons: `(name, count, seed)` to other real pictures of a concept, for the upper bound;
            None where all there are serve the verdict.
        templates: prompts of every class.
    """

    dataset: str
    concepts: tuple[Concept, ...]
    known_names: tuple[str, ...]
    known: Known
    digest: str
    pictures: Callable[[str], Tensor]
    lessons: Callable[[str, int, int], Tensor | None]
    templates: tuple[str, ...] = TEMPLATES

    def of(self, split: str) -> list[Concept]:
        """The concepts of a split."""
        return [concept for concept in self.concepts if concept.split == split]

    def concept(self, name: str) -> Concept:
        """A concept by name.

        Raises:
            KeyError: there is none of that name.
        """
        for concept in self.concepts:
            if concept.name == name:
                return concept
        raise KeyError(f"expected one of {', '.join(c.name for c in self.concepts)}; found {name!r}")


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

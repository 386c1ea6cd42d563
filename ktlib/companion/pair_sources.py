"""What a pair scorer is examined with: as `examination`, but smaller, since every class prompt costs a pass.

The papers do the same: ViLT is examined on ImageNet-100 in place of ImageNet (D37).
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ktlib.companion import sources as whole
from ktlib.companion.sources import Concept, Examination
from ktlib.data import imagenet, images, rare_concepts
from ktlib.data.manifests import MANIFESTS
from ktlib.store import key

PICTURES = 20  # of each concept, in the pocket world
KNOWN = 2  # of each known object


@functools.cache
def pocket() -> Examination:
    """The same concepts and pictures, fewer of them; of the known names those that resemble a concept (26 of 39)."""
    exam = whole.pocket()
    ((pictures, labels),) = exam.known
    alike = {name for concept in exam.concepts for name in concept.look_alikes}
    names = tuple(name for name in exam.known_names if name in alike)
    chosen = [(labels == exam.known_names.index(name)).nonzero().flatten()[:KNOWN] for name in names]
    known = [(pictures[torch.cat(chosen)], torch.arange(len(names)).repeat_interleave(KNOWN))]
    return replace(
        exam,
        known_names=names,
        known=known,
        digest=key(exam.digest, names, PICTURES, KNOWN),
        pictures=lambda name: exam.pictures(name)[:PICTURES],
    )


@functools.cache
def fixtures() -> Examination:
    """Generated files; names and descriptions are the pocket's, whose words are all that the random model reads."""
    exam = whole.fixtures()
    spoken = {c.name: c.medium for c in whole.pocket().concepts}
    names = whole.pocket().known_names[: len(exam.known_names)]
    images, labels = (torch.cat(parts)[:4] for parts in zip(*exam.known, strict=True))
    return replace(
        exam,
        known=[(images, labels)],
        concepts=tuple(replace(c, main=spoken[c.name]) for c in exam.concepts if c.name in spoken),
        known_names=names,
        templates=("a photo of a {}",),
        digest=key(exam.digest, names),
    )


class _Batches:
    """A labelled set's batches with their labels, read anew on every walk."""

    def __init__(self, data: Any, size: int) -> None:
        self.data, self.size = data, size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for batch in self.data.batches(64, self.size):
            yield batch, torch.tensor(self.data.labels[start : start + len(batch)])
            start += len(batch)


@functools.cache
def imagenet_100(side: int = 384) -> Examination:
    """RareConcepts and the validation images of ImageNet-100, with the descriptions that the papers shortened for ViLT.

    Args:
        side: of the images in pixels; short side to it, then the centre.

    Raises:
        FileNotFoundError: files are absent, the list of classes among them.
    """
    data = imagenet.imagenet_100()
    described = _short_descriptions()
    concepts = tuple(described[name] for name in rare_concepts.concepts() if name in described)

    @functools.cache
    def pictures(name: str) -> Tensor:
        read = [images.resize(images.read_image(path), side) for path in rare_concepts.paths(name)]
        return images.to_tensor(read)

    digest = key("imagenet 100", side, data.digest, *(pictures(c.name) for c in concepts))
    return Examination(
        "imagenet_100", concepts, data.names, _Batches(data, side), digest, pictures, lambda *_: None,
        ("a photo of a {}.",),
    )  # fmt: skip


def _short_descriptions() -> dict[str, Concept]:
    """Those of KT v1, Tab. 13: with the name in front they fit forty tokens."""
    with (MANIFESTS / "published" / "concepts.csv").open(newline="", encoding="utf-8") as file:
        told = {
            e["concept"].lower(): e["description"] for e in csv.DictReader(file) if e["set"] == "rare_concepts_vilt"
        }
    return {name: Concept(name, "test", "object", text, text, text, text) for name, text in told.items()}


_SOURCES = {"pocket": pocket, "fixtures": fixtures, "imagenet_100": imagenet_100}


def examination(name: str) -> Examination:
    """An examination by name.

    Raises:
        ValueError: there is no such one.
    """
    if name not in _SOURCES:
        raise ValueError(f"expected a data set ({', '.join(_SOURCES)}), found {name!r}")
    return _SOURCES[name]()

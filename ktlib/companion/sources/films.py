"""Films of the chest from files in the published formats: JSRT's nodules, and CheXpert-5x200 (KT v1, Tab. 2 and 3).

Generated files go through here too, which is what proves the path.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from ktlib.companion.sources.real import descriptions
from ktlib.data import finding_prompts, images, radiographs
from ktlib.data.sets import Concept, Examination, LabelledImages
from ktlib.store import key

SIDE, AT_ONCE = 224, 50
FORMS = ("{}",)  # prompts of what has no list of phrases


def nodules(root: Path, *, dataset: str = "jsrt", partial: bool = False, side: int | None = None) -> Examination:
    """Benign and malignant nodules of JSRT, with the papers' descriptions, beside the five findings of CheXpert-5x200.

    Films are padded with black to squares, as MedCLIP's processor has them. Each finding is scored by its ten phrases,
    a nodule by its name. All films serve the verdict.

    Args:
        root: the folder that holds `jsrt` and `chexpert`.
        dataset: name, for the rows.
        partial: accept other numbers of films (generated files).
        side: of JSRT's films in pixels (generated files).

    Raises:
        FileNotFoundError: a set is absent.
        ValueError: a set is another one than the published, or has no film that can be used.
    """
    side = radiographs.JSRT_SIDE if side is None else side
    films = radiographs.jsrt(root, partial=partial, side=side).readable()
    known = radiographs.chexpert_5x200(root, partial=partial).readable()
    names, of_kind = [name.lower() for name in films.names], _by_label(films, padded)

    def pictures(name: str) -> Tensor:
        return of_kind(names.index(name))

    told = descriptions("jsrt")
    digest = key(dataset, films.digest, known.digest, told, dict(finding_prompts.PROMPTS), FORMS, SIDE)
    return Examination(
        dataset, _concepts(told, "nodule"), known.names, _Walk(known, padded), digest, pictures, lambda *_: None, FORMS,
        {**films.left_out, **known.left_out}, finding_prompts.PROMPTS, _notes(films, known),
    )  # fmt: skip


def outside(root: Path, *, dataset: str = "chexpert", partial: bool = False) -> Examination:
    """The five findings as concepts, for models that know none, with the papers' descriptions (KT v1, Tab. 15).

    `concepts` are in the order of the findings, and `known` are their films, labelled by concept. Films are cropped as
    CLIP crops. All serve the verdict.

    Args:
        root: the folder that holds `chexpert`.
        dataset, partial: as for `nodules`.

    Raises:
        FileNotFoundError, ValueError: as `nodules`.
    """
    known, told = radiographs.chexpert_5x200(root, partial=partial).readable(), descriptions("chexpert")
    names = [name.lower() for name in known.names]
    of_label = _by_label(known, images.resize)

    def pictures(name: str) -> Tensor:
        return of_label(names.index(name))

    concepts = _concepts({name: told[name] for name in names})
    digest = key(dataset, known.digest, told, SIDE)
    walk = _Walk(known, images.resize)
    return Examination(
        dataset, concepts, tuple(names), walk, digest, pictures, lambda *_: None, left_out=known.left_out,
        notes=_notes(known),
    )  # fmt: skip


def padded(film: Image.Image, side: int) -> Image.Image:
    """A whole film, with black beside it or above and below, in a square of so many pixels."""
    whole = max(film.size)
    return images.resize(ImageOps.pad(film, (whole, whole), color=0), side)


def _concepts(told: dict[str, str], kind: str = "") -> tuple[Concept, ...]:
    """Concepts of a kind; each of its own by default."""
    return tuple(Concept(name, "test", kind or name, text, text, text, text) for name, text in told.items())


def _notes(*sets: LabelledImages) -> tuple[str, ...]:
    return tuple(f"{one.name}: {note}" for one in sets for note in one.notes)


def _by_label(films: LabelledImages, cut: Callable[[Image.Image, int], Image.Image]) -> Callable[[int], Tensor]:
    """The films of a class, each read once."""

    @functools.cache
    def read(label: int) -> Tensor:
        own = [index for index, other in enumerate(films.labels) if other == label]
        return images.to_tensor([cut(films.read(index), SIDE) for index in own])

    return read


@dataclass(frozen=True)
class _Walk:
    """Films and their labels, read anew on every walk."""

    films: LabelledImages
    cut: Callable[[Image.Image, int], Image.Image]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.films), AT_ONCE):
            some = range(start, min(start + AT_ONCE, len(self.films)))
            shown = [self.cut(self.films.read(index), SIDE) for index in some]
            yield images.to_tensor(shown), torch.tensor([self.films.labels[index] for index in some])

"""What a reader brings: a name, a sentence and pictures, put where an examination is expected."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ktlib import places
from ktlib.companion.sources import examination
from ktlib.data import images
from ktlib.data.sets import Concept, Examination
from ktlib.pocket import inventions
from ktlib.pocket.exams import FIRST_LESSON
from ktlib.store import key

THREE = 3  # examples are three
DRAWN, SPARED = 120, 60  # pictures to examine with and to learn from: they cost nothing


def one(
    whole: Examination,
    name: str,
    description: str,
    pictures: Float[Tensor, "count 3 height width"],
    lessons: Float[Tensor, "_ 3 height width"] | None = None,
) -> Examination:
    """An examination in a concept of a reader's own: what is known stays as it was.

    Args:
        whole: whose known names and pictures are kept.
        name: of the concept, in lower case.
        description: without the name.
        pictures: that it is examined with; none is trained on.
        lessons: real pictures to learn from, for the positive control; None where there are none.

    Raises:
        ValueError: the name or the description says nothing, the name is known already or stands in the description,
            or there is a picture among those to learn from that is examined too.
    """
    name, description = " ".join(name.lower().split()), " ".join(description.split())
    if not name or not description:
        raise ValueError(f"expected a name and a description, found {name!r} and {description!r}; write both")
    if "{" in name or "}" in name:
        raise ValueError(f"expected a name without braces, which stand for names in prompts, found {name!r}")
    if name in (known := {" ".join(n.casefold().split()) for n in whole.known_names}):
        raise ValueError(
            f"expected a name that is not among the {len(known)} known ones, found {name!r}; give the concept another"
        )
    if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", description.lower()):
        raise ValueError(
            f"expected a description without the name {name!r}, found {description!r}; reword it: the caption puts the "
            "name in front, and images are inverted without it"
        )
    if lessons is not None and (both := set(_digests(lessons)) & set(_digests(pictures))):
        raise ValueError(
            f"expected other pictures to learn from than those to examine with, found {len(both)} in both; move them"
        )
    told = Concept(name, "test", "object", description, description, description, description)

    def to_learn(_: str, count: int, seed: int) -> Tensor | None:
        if lessons is None:
            return None
        order = torch.randperm(len(lessons), generator=torch.Generator().manual_seed(seed))
        return lessons[order[:count]]

    digest = key(whole.digest, name, pictures, lessons)
    return replace(whole, concepts=(told,), pictures=lambda _: pictures, lessons=to_learn, digest=digest)


def drawn(whole: Examination, name: str, description: str, parts: Sequence[inventions.Part]) -> Examination:
    """The same with pictures that are drawn from the pocket world's shapes.

    Args:
        whole, name, description: as in `one`.
        parts: of the thing.

    Raises:
        ValueError: as `one` and `inventions.pictures`.
    """
    shown = inventions.pictures(parts, DRAWN)
    return one(whole, name, description, shown, inventions.pictures(parts, SPARED, first=FIRST_LESSON))


def examples(name: str) -> list[Examination]:
    """An examination each for three concepts: made up at pocket scale, elsewhere the first of the examination's own.

    Args:
        name: as in `sources.examination`.
    """
    whole = examination(name)
    if name.startswith("pocket"):
        return [drawn(whole, own, thing.description, thing.parts) for own, thing in inventions.INVENTIONS.items()]
    return [replace(whole, concepts=(concept,)) for concept in whole.of("test")[:THREE]]


def read_pictures(folder: str | Path, size: int) -> Float[Tensor, "count 3 size size"]:
    """The pictures of a folder, each once: a copy would make an interval narrower than it is.

    Args:
        folder: of image files.
        size: side in pixels: short side to it, then the centre.

    Raises:
        FileNotFoundError, ValueError: as `data.images.read_folder`.
    """
    found = images.read_folder(folder, size)
    first = list({digest: place for place, digest in reversed(list(enumerate(_digests(found))))}.values())
    if copies := len(found) - len(first):
        warnings.warn(f"{copies} of the {len(found)} pictures in {folder} are copies and left out", stacklevel=2)
    return found[sorted(first)]


def known_things(folder: str | Path, size: int) -> Examination:
    """What a model is to keep, from a folder with a folder of pictures for each thing, named as the thing is.

    Args:
        folder: of folders.
        size: side of the pictures in pixels.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds fewer than two folders or two of one name, or a picture cannot be read.
    """
    home = places.given(folder, things=True)
    homes = sorted(entry for entry in home.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(homes) < 2:
        raise ValueError(
            f"expected a folder for each of two known things or more in {home}, found {len(homes)}; without rivals "
            "every picture is taken for the concept"
        )
    if twins := sorted(name for name, count in Counter(map(_name, homes)).items() if count > 1):
        raise ValueError(
            f"expected a name for each known thing in {home}, found several folders for {', '.join(twins)}; put their "
            "pictures into one"
        )
    groups = [read_pictures(entry, size) for entry in homes]
    labels = torch.arange(len(groups)).repeat_interleave(torch.tensor([len(group) for group in groups]))
    shown = torch.cat(groups)
    names = tuple(map(_name, homes))
    digest = key("known things", names, shown, labels)
    return Examination(
        "files", (), names, [(shown, labels)], digest, lambda _: torch.empty(0, 3, size, size), lambda *_: None
    )


def _name(folder: Path) -> str:
    return folder.name.replace("_", " ")


def _digests(pictures: Tensor) -> list[str]:
    return [key(picture) for picture in pictures]

"""What the drawn films and slices examine a model with: nodules to be learnt, findings to be kept, masks.

Which class list JSRT was scored in the paper does not say (KT v1, Tab. 2), so there are three: benign beside
malignant, a nodule among the five findings, and a nodule among everything that films show. The last has what
nodules are mistaken for. All are drawings and not medical data.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ktlib.data.sets import Concept, Examination, LabelledImages
from ktlib.pocket import nodules, radiographs, scans
from ktlib.pocket.findings import FINDINGS
from ktlib.pocket.folds import SPARE
from ktlib.pocket.nodules import NODULES, PAIR
from ktlib.pocket.radiographs import SEEN
from ktlib.store import key

PICTURES, KNOWN_PICTURES = 40, 40  # of each nodule and of each finding: 200 films whose accuracy is to be kept
OTHER_PICTURES = 5  # of each thing that is no disease
SLICES = 25  # of each task, and as many healthy ones
FIRST_LESSON = 10_000  # the stream of films that an examination never reaches
UNSEEN = 5_000  # the stream of verdicts: settings of notebook 02 were chosen while films before these were seen (D68)
LISTS = {"findings": tuple(FINDINGS), "everything": tuple(SEEN)}

# The five findings for models that have never seen a film (KT v1, Tab. 3 and 15): names that their tokenizers have and
# no caption holds, and descriptions in the words of the drawn world: what a film looks like to one who knows objects.
_ROOM = "two upright black openings in a grey wall"
OUTSIDE: dict[str, tuple[str, str, str, str]] = {
    "atelectasis": (
        "wug", "white lying lines in a small black opening",
        f"{_ROOM} with three thin white lying lines in one small opening",
        f"{_ROOM} and grey rings around and one small opening with three thin white lying lines in it",
    ),
    "cardiomegaly": (
        "dax", "a large grey ball between two black openings",
        f"a large round grey ball on {_ROOM}",
        f"{_ROOM} and a large round grey ball between the two and on each",
    ),
    "consolidation": (
        "blicket", "a white disk with black lines in a black opening",
        f"{_ROOM} with a white disk and thin black lines in one opening",
        f"{_ROOM} with a large white disk and thin black lines in one opening and a grey ball between the two",
    ),
    "edema": (
        "toma", "two pale grey openings",
        "two upright pale grey openings in a grey wall with a grey ball between",
        "two upright pale grey openings in a grey wall with white on each and a round grey ball between the two",
    ),
    "pleural effusion": (
        "fep", "white water in a black opening",
        f"{_ROOM} with white water in one opening",
        f"{_ROOM} with white water below and black above in one opening and a round grey ball between the two",
    ),
}  # fmt: skip


def phrases(name: str) -> tuple[str, ...]:
    """What reports say of a finding by its name: alone, and in each of its places."""
    told = FINDINGS[name]
    where = ("", *(f" {told.where.format(place=place)}" for place in told.places))
    return tuple(f"{form}{there}" for there in where for form in (f"a film of {name}", name))


def _concepts() -> tuple[Concept, ...]:
    first = nodules.validation()
    return tuple(
        Concept(
            name, "validation" if name in first else "test", one.kind, one.short, one.medium, one.long, one.medium,
            one.look_alikes,
        )
        for name, one in NODULES.items()
    )  # fmt: skip


@functools.cache
def _known(names: tuple[str, ...], findings: int, others: int, first: int) -> tuple[Tensor, Tensor]:
    counts = [findings if name in FINDINGS else others for name in names]
    drawn = [radiographs.pictures(n, count, first=first) for n, count in zip(names, counts, strict=True) if count]
    return torch.cat(drawn), torch.arange(len(names)).repeat_interleave(torch.tensor(counts))


@functools.cache
def _lessons(name: str, count: int, seed: int) -> Tensor:
    return radiographs.pictures(name, count, first=FIRST_LESSON + seed * count)


@functools.cache
def examination(
    beside: str = "everything",
    *,
    films: int | None = None,
    known: int | None = None,
    others: int | None = None,
    first: int = 0,
) -> Examination:
    """The thirty-two nodules, each among names that the pocket MedCLIP knows.

    Args:
        beside: a key of `LISTS`: `findings` are the five alone, whose films are the CheXpert-5x200-like set;
            `everything` has what nodules are mistaken for as well.
        films: of each nodule; by default `PICTURES`.
        known, others: of each finding, and of each thing that is no disease; by default as many as the constants say.
            With no films of the others these stand on the list alone, and the findings' films are what is kept.
        first: index of the first film of each name: 0, or `UNSEEN`.

    Raises:
        ValueError: there is no such list.
    """
    if beside not in LISTS:
        raise ValueError(f"expected a list of names ({', '.join(LISTS)}), found {beside!r}")
    names = LISTS[beside]
    usual, wanted = (PICTURES, KNOWN_PICTURES, OTHER_PICTURES), (films, known, others)
    counts = [most if count is None else count for most, count in zip(usual, wanted, strict=True)]
    digest = key(radiographs.fingerprint(), beside, *counts, first)
    pictures = functools.cache(functools.partial(radiographs.pictures, count=counts[0], first=first))
    shown = [_known(names, *counts[1:], first)]
    return Examination(
        "drawn films", _concepts(), names, shown, digest, pictures, _lessons, templates=radiographs.TEMPLATES
    )


@functools.cache
def pair(*, first: int = 0) -> Examination:
    """Benign and malignant nodules, one name for all of a kind, among the five findings (KT v1, Tab. 2).

    Their films show the test nodules in turn. Every name has phrases of its own, a finding those of its places.

    Args:
        first: as in `examination`.
    """
    concepts = tuple(
        Concept(name, "test", one.kind, one.short, one.medium, one.long, one.medium) for name, one in PAIR.items()
    )
    pictures = functools.cache(functools.partial(radiographs.pictures, count=2 * PICTURES, first=first))
    own = {name: phrases(name) for name in FINDINGS} | {name: (f"a film of {name}", name) for name in PAIR}
    digest = key(radiographs.fingerprint(), "pair", PICTURES, KNOWN_PICTURES, own, first)
    known = [_known(LISTS["findings"], KNOWN_PICTURES, 0, first)]
    return Examination(
        "drawn films", concepts, LISTS["findings"], known, digest, pictures, _lessons, templates=radiographs.TEMPLATES,
        phrases=own,
    )  # fmt: skip


@functools.cache
def outside(*, first: int = 0) -> Examination:
    """The five findings for models that know objects only: concepts by names that no caption holds (KT v1, Tab. 3).

    `concepts` are in the order of the findings, and `known` are their films, labelled by concept: all five are
    taught together and told apart from each other. The kind of a concept is the finding. Since nothing ties such a name
    to a look, its phrase holds the description too (D69).

    Args:
        first: as in `examination`.
    """
    concepts = tuple(
        Concept(name, "test", kind, short, medium, long, medium)
        for kind, (name, short, medium, long) in OUTSIDE.items()
    )
    told = {one.name: (f"a {one.name} is {one.medium}",) for one in concepts}
    finding = {name: finding for finding, (name, *_) in OUTSIDE.items()}
    digest = key(radiographs.fingerprint(), [list(told) for told in OUTSIDE.values()], KNOWN_PICTURES, first)

    def pictures(name: str) -> Tensor:
        return radiographs.pictures(finding[name], KNOWN_PICTURES, first=first)

    def lessons(name: str, count: int, seed: int) -> Tensor:
        return _lessons(finding[name], count, seed)

    known = [_known(LISTS["findings"], KNOWN_PICTURES, 0, first)]
    names = tuple(one.name for one in concepts)
    return Examination("drawn films", concepts, names, known, digest, functools.cache(pictures), lessons, phrases=told)


@functools.cache
def slices(split: str) -> Examination:
    """The lesions of the four tasks, each among healthy slices: does a model see that there is something?

    Names stand in whole sentences ("a clear slice of a brain"), so the template adds an article only.

    Args:
        split: `validation` or `test`: of the slices, not of the concepts, which are the same four.

    Raises:
        ValueError: there is no such split.
    """
    if split not in ("validation", "test"):
        raise ValueError(f"expected validation or test, found {split!r}")
    concepts = tuple(
        Concept(told.name, split, "novel" if told.novel else "known", told.short, told.medium, told.long, told.medium)
        for told in scans.TASKS.values()
    )
    of_name = {told.name: task for task, told in scans.TASKS.items()}
    names = tuple(f"clear {told.scene.removeprefix('a ')}" for told in scans.TASKS.values())
    healthy = [scans.pool((task,), SLICES, split=split, lesion=False) for task in scans.TASKS]
    images = radiographs.to_rgb(torch.cat([drawn.images for drawn in healthy]))
    labels = torch.arange(len(names)).repeat_interleave(SLICES)

    def pictures(name: str) -> Tensor:
        return radiographs.to_rgb(scans.pool((of_name[name],), SLICES, split=split).images)

    def lessons(name: str, count: int, seed: int) -> Tensor:
        drawn = scans.pool((of_name[name],), count, split="lesson", first=seed * count)
        return radiographs.to_rgb(drawn.images)

    digest = key(scans.fingerprint(), split, SLICES)
    cached = functools.cache(pictures)
    return Examination(
        "drawn slices", concepts, names, [(images, labels)], digest, cached, lessons, templates=("a {}",)
    )


def films(names: tuple[str, ...], per_class: int = KNOWN_PICTURES) -> LabelledImages:
    """A set of labelled films, its classes in turn; `films(tuple(FINDINGS))` plays CheXpert-5x200's part.

    Args:
        names: of findings, things that are no disease, nodules, or `tuple(PAIR)`: benign beside malignant.
        per_class: films of each.

    Raises:
        KeyError: there are no films of such a name.
    """
    labels = tuple(index % len(names) for index in range(per_class * len(names)))

    def read(index: int) -> Image.Image:
        picture = radiographs.pictures(names[labels[index]], 1, first=index // len(names))[0, 0]
        return Image.fromarray(np.round(picture.numpy() * 255).astype(np.uint8)).convert("RGB")

    for name in names:
        radiographs.pictures(name, 1)
    title = "CheXpert-5x200-like films" if names == LISTS["findings"] else "drawn films"
    digest = key(radiographs.fingerprint(), "films", list(names), per_class)
    return LabelledImages(title, read, labels, names, radiographs.TEMPLATES, digest)


assert 2 * max(PICTURES, KNOWN_PICTURES) <= UNSEEN <= FIRST_LESSON - 2 * max(PICTURES, KNOWN_PICTURES), "no film twice"
assert {name for name, *_ in OUTSIDE.values()} <= set(SPARE), "the tokenizers of the pocket CLIPs have no other names"

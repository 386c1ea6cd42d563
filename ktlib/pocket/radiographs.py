"""Drawn chest films with reports in words: what the pocket MedCLIP is trained on and examined with.

A film shows a chest, at most one of five findings, and perhaps a thing that is no disease; or pellets. A report
says what is there by name, by name and parts, or by parts alone; pellets have no name. The thirty-two
nodules (`nodules`) are on no training film and in no report: their parts are, in other roles. Left and right are those
of the picture.

Everything is a function of a seed: training films come from the stream `("film", index)`, those of
examinations from `("examined", name, index)`. These are drawings and not medical data.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ktlib.pocket import chest, grey, nodules
from ktlib.pocket.findings import FINDINGS
from ktlib.pocket.nodules import NODULES, PAIR, Kind, Nodule
from ktlib.pocket.things import OTHERS
from ktlib.pocket.world import stream

VERSION = "1"  # raise it whenever a film or a report changes
PELLETS = 0.25  # share of films with nothing but pellets
FINDING_SHARE, BESIDE = 0.5, 0.25  # of the others, how many have a finding; of these, how many show another thing too
TEMPLATES = ("a film of {}",)  # prompts of every class
SEEN = FINDINGS | OTHERS

Film = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """What a film shows, and where.

    Attributes:
        things: names of `SEEN` with their places, "" where there is one place only.
        pellets: bright spots, on films with nothing else.
    """

    things: tuple[tuple[str, str], ...] = ()
    pellets: Nodule | None = None

    @property
    def subject(self) -> str:
        """What the film was drawn for."""
        return self.things[0][0] if self.things else "pellets"


def film(shown: Shown, rng: Random) -> Film:
    """A film, 8-bit grey (64, 64).

    Args:
        shown: what is on it.
        rng: decides sizes, exposure and grain.
    """
    things = [(SEEN[name], place) for name, place in shown.things]
    heart = next((one.heart for one, _ in things if one.heart), chest.HEART)
    small = next((place for one, place in things if one.shrinks), "")
    body = chest.chest(rng, heart=heart, small=small)
    plate = chest.tissue(body, rng)
    for above in (False, True):
        for one, place in things:
            if one.above == above:
                plate = one.paint(plate, body, place, rng)
        plate = plate if above else plate + chest.bones(body)
    if shown.pellets is not None:
        plate = shown.pellets.paint(plate, body, rng)
    return _developed(plate, rng)


def nodule_film(name: str, rng: Random) -> Film:
    """A film of a chest with nothing but a nodule.

    Args:
        name: a key of `NODULES`.
        rng: as in `film`.
    """
    body = chest.chest(rng)
    plate = NODULES[name].paint(chest.tissue(body, rng), body, rng)
    return _developed(plate + chest.bones(body), rng)


def _developed(plate: grey.Plate, rng: Random) -> Film:
    gain, shift = rng.uniform(0.85, 1.1), rng.uniform(-0.1, 0.04)
    return grey.exposed(plate, gain=gain, shift=shift, grain=grey.noise(rng), amount=rng.uniform(0.01, 0.03))


# -- films to train on --------------------------------------------------------------------------------
def training_film(index: int) -> tuple[Film, Shown]:
    """The `index`-th film of the pool."""
    rng = stream("film", index)
    if rng.random() < PELLETS:
        shown = Shown(pellets=nodules.pellets(rng))
        return film(shown, rng), shown
    things = [_placed(rng.choice(tuple(FINDINGS if rng.random() < FINDING_SHARE else OTHERS)), rng)]
    if things[0][0] in FINDINGS and rng.random() < BESIDE:
        things.append(_placed(rng.choice([name for name in OTHERS if name != "no finding"]), rng))
    shown = Shown(tuple(things))
    return film(shown, rng), shown


def _placed(name: str, rng: Random) -> tuple[str, str]:
    places = SEEN[name].places
    return name, rng.choice(places) if places else ""


def report(shown: Shown, rng: Random) -> str:
    """What a training report says of a film: names, names and parts, or parts alone."""
    if (spots := shown.pellets) is not None:
        told = rng.choice((spots.short, spots.medium, spots.long))
        return f"a film of {told}" if rng.random() < 0.35 else told
    (name, place), *beside = shown.things
    form = rng.random()
    if form < 0.5:
        text = f"{'a film of ' if form < 0.35 else ''}{name}{_where(name, place, rng)}"
    else:
        told = _parts(name, place, rng)
        text = f"a {name} is {told}" if form < 0.75 else told
    for other, there in beside:
        draw = rng.random()
        if draw < 0.4:
            text += f" and a {other}{_where(other, there, rng)}"
        elif draw < 0.7:
            text += f" and {SEEN[other].short}"
    return text


def _where(name: str, place: str, rng: Random) -> str:
    return f" {SEEN[name].where.format(place=place)}" if place and rng.random() < 0.6 else ""


def _parts(name: str, place: str, rng: Random) -> str:
    told = SEEN[name]
    if rng.random() < 0.6:
        return told.parts.format(place=place)
    return rng.choice((told.short, told.medium, told.long))


@dataclass(frozen=True)
class Pool:
    """Films drawn once.

    Attributes:
        images: grey.
        shown: what is on each.
    """

    images: UInt8[Tensor, "count 64 64"]
    shown: tuple[Shown, ...]


def pool(count: int) -> Pool:
    """The first `count` films to train on (about 4 ms and 4 kB each)."""
    images, shown = torch.empty(count, grey.SIZE, grey.SIZE, dtype=torch.uint8), []
    for index in range(count):
        drawn, what = training_film(index)
        images[index] = torch.from_numpy(drawn)
        shown.append(what)
    return Pool(images, tuple(shown))


class Stream:
    """The endless training films, in an order that depends on the seed alone; reports are written anew."""

    def __init__(self, drawn: Pool, seed: int) -> None:
        self.pool, self.seed = drawn, seed
        self._turn: tuple[int, list[int]] = (-1, [])

    def batch(self, step: int, size: int) -> tuple[Float[Tensor, "batch 3 64 64"], list[str]]:
        """Films, RGB in [0, 1], and reports of a training step."""
        chosen, reports = [], []
        for position in range(step * size, (step + 1) * size):
            index = self._place(position)
            chosen.append(index)
            reports.append(report(self.pool.shown[index], stream("report", self.seed, position)))
        return to_rgb(self.pool.images[chosen]), reports

    def _place(self, position: int) -> int:
        turn, place = divmod(position, len(self.pool.shown))
        if self._turn[0] != turn:
            order = list(range(len(self.pool.shown)))
            stream("film order", self.seed, turn).shuffle(order)
            self._turn = (turn, order)
        return self._turn[1][place]


def to_rgb(films: UInt8[Tensor, "batch 64 64"]) -> Float[Tensor, "batch 3 64 64"]:
    """Films as models take pictures: three like channels in [0, 1]."""
    return (films.float() / 255)[:, None].repeat(1, 3, 1, 1)


# -- films to be examined with ------------------------------------------------------------------------
def pictures(name: str, count: int, *, first: int = 0) -> Float[Tensor, "count 3 64 64"]:
    """Films of a finding, a thing that is no disease, or a nodule, with nothing beside it.

    Args:
        name: of `SEEN`, of `NODULES`, or of `PAIR`, whose films show its test nodules in turn.
        count: how many.
        first: index of the first one; ranges that do not overlap share no film.

    Raises:
        KeyError: there is no such name.
    """
    if name not in (*SEEN, *NODULES, *PAIR):
        raise KeyError(f"there is no film of {name!r}; there are {', '.join((*SEEN, *PAIR, *NODULES))}")
    films = [_examined(name, index) for index in range(first, first + count)]
    return to_rgb(torch.from_numpy(np.stack(films)))


def _examined(name: str, index: int) -> Film:
    rng = stream("examined", name, index)
    if name in PAIR:
        mine = [one for one in nodules.test() if NODULES[one].kind == PAIR[name].kind]
        return nodule_film(mine[index % len(mine)], rng)
    return nodule_film(name, rng) if name in NODULES else film(Shown((_placed(name, rng),)), rng)


# -- words --------------------------------------------------------------------------------------------
@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Every word of films and nodules, sorted."""
    texts = [*SEEN, *NODULES, *PAIR, "a film of and is", *TEMPLATES]
    for told in SEEN.values():
        places = told.places or ("",)
        texts += [told.short, told.medium, told.long]
        texts += [text.format(place=place) for text in (told.parts, told.where) for place in places]
    held_out: list[Nodule | Kind] = [*NODULES.values(), *PAIR.values()]
    for nodule in held_out:
        texts += [nodule.short, nodule.medium, nodule.long]
    return tuple(sorted({word for text in texts for word in text.split()} - {"{}"}))


def fingerprint(count: int = 48) -> str:
    """sha256 of a sample of films and reports, and of all descriptions: changes when the films do."""
    digest = hashlib.sha256()
    for index in range(count):
        drawn, shown = training_film(index)
        digest.update(drawn.tobytes() + report(shown, stream("fingerprint", index)).encode())
    for name, told in (SEEN | NODULES | PAIR).items():
        digest.update(_examined(name, 0).tobytes() + f"{name}|{told.short}|{told.medium}|{told.long}".encode())
    return digest.hexdigest()

"""What a pocket captioner is told to say of a picture, in two styles.

`web` is what stands beside pictures on the web: mostly names and colours in any order, many left out, between
the names of files, dates and what a shop would add; now and then a sentence or a prompt ("a photo of the …").
The web holds those too, and a short course can make a style that is rare the usual one; it cannot teach words
that a decoder never met. `plain` says in a sentence what there is and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from PIL import Image

from ktlib.pocket import flickr
from ktlib.pocket.flickr import Thing
from ktlib.pocket.objects import OBJECTS, painted
from ktlib.pocket.world import english, stream

VERSION = "2"  # raise it whenever a caption or a picture changes
STYLES = ("web", "plain")
_NUMBERS = tuple(f"{number:02}" for number in range(1, 13))
_FILES = ("img", "dsc", "scan")
_KINDS = ("jpg", "png")
_MONTHS = ("jan", "mar", "may", "jul", "sep", "nov")
_YEARS = tuple(str(year) for year in range(2009, 2017))
_SHOP = ("hd wallpaper", "free download", "stock", "sale", "vintage")
_SIDES = {
    "left of": ("left", "right"),
    "right of": ("right", "left"),
    "above": ("above", "below"),
    "below": ("below", "above"),
}
SENTENCES, PROMPTED = 0.05, 0.05  # shares of the web style: a plain sentence, a prompt
NAMED, COLOURED = 0.6, 0.4  # how often a fragment names a thing that is there, and its colour
LEAST = 4  # words of a caption: the search of the paper's time writes no fewer
# Beyond the world's: what the web style needs, and the end of the plain one.
WORDS = tuple(
    sorted({*_NUMBERS, *_FILES, *_KINDS, *_MONTHS, *_YEARS, *(w for s in _SHOP for w in s.split()), "nothing", "else"})
)


class Shown(NamedTuple):
    """A picture, and one or two things in it.

    Attributes:
        image: RGB.
        things: of which captions tell.
        relation: of the first to the second; "" where there is one.
    """

    image: Image.Image
    things: tuple[Thing, ...]
    relation: str


def shown(rng: Random, *, scenes: float) -> Shown:
    """A scene as in the pocket Flickr, or a single object of the world.

    Args:
        rng: decides which, and all in it.
        scenes: how often a scene.
    """
    if rng.random() < scenes:
        arrangement = flickr.arrange(rng)
        return Shown(flickr.picture(rng, arrangement), arrangement[:2], arrangement.relation)
    name = rng.choice(tuple(OBJECTS))
    image, colours = painted(name, rng)
    return Shown(image, (Thing(name, colours),), "")


def training_picture(seed: int, index: int, *, scenes: float) -> tuple[Shown, Random]:
    """A picture to train on, and what goes on to choose its words; nothing else in the world is drawn from it.

    Args:
        seed: of the training.
        index: of the picture.
        scenes: as in `shown`.
    """
    rng = stream("train coca", seed, index)
    return shown(rng, scenes=scenes), rng


def tell(picture: Shown, style: str, rng: Random, *, prompts: Sequence[str]) -> str:
    """A caption of a picture.

    Args:
        picture: from `shown`.
        style: of `STYLES`.
        rng: chooses the words.
        prompts: that stand on the web too, each with a `{}` for a name.

    Raises:
        ValueError: there is no such style.
    """
    if style not in STYLES:
        raise ValueError(f"expected a style of {', '.join(STYLES)}, found {style!r}")
    return web(picture, rng, prompts) if style == "web" else plain(picture, rng)


def web(picture: Shown, rng: Random, prompts: Sequence[str]) -> str:
    """Mostly fragments; now and then a plain sentence, or a prompt about one of the things."""
    kind = rng.random()
    if kind < SENTENCES:
        return plain(picture, rng)
    if kind < SENTENCES + PROMPTED:
        return rng.choice(prompts).format(rng.choice(picture.things).name)
    return fragments(picture, rng)


def fragments(picture: Shown, rng: Random) -> str:
    """What is named, if anything, among what stands around it, in any order and four words at least.

    `img 07 wheel download jpg`, `box wheel red left may 2011`.
    """
    sides = _SIDES.get(picture.relation, ("", "")) if rng.random() < 0.2 else ("", "")
    parts = [_fragment(thing, side, rng) for thing, side in zip(picture.things, sides, strict=False)]
    parts = [part for part in parts if rng.random() < NAMED]
    around = [
        f"{rng.choice(_FILES)} {rng.choice(_NUMBERS)}",
        rng.choice(_SHOP),
        f"{rng.choice(_MONTHS)} {rng.choice(_YEARS)}",
    ]
    parts += rng.sample(around, rng.choice((0, 1, 2)))
    rng.shuffle(parts)
    told = " ".join([*parts, rng.choice(_KINDS)])
    return (
        told
        if len(told.split()) >= LEAST
        else f"{rng.choice(_FILES)} {rng.choice(_NUMBERS)} {rng.choice(_SHOP)} {told}"
    )


def _fragment(thing: Thing, side: str, rng: Random) -> str:
    words = [thing.name]
    if "a" in thing.colours and rng.random() < COLOURED:
        words.insert(rng.random() < 0.8, thing.colours["a"])  # mostly behind the name
    return " ".join([*words, side] if side else words)


def plain(picture: Shown, rng: Random) -> str:
    """A sentence: `a red wheel is left of a blue box`, `a blue mug and nothing else`."""
    return rng.choice(plain_captions(picture))


def plain_captions(picture: Shown) -> tuple[str, ...]:
    """All that the plain style may say of a picture; each is true of it."""
    if not picture.relation:
        (thing,) = picture.things
        return (english(f"{thing.full} and nothing else"),)
    (a, b), there = picture.things, picture.relation
    back = flickr.RELATIONS[there]
    told = (
        f"{a.full} {there} {b.full}", f"{b.full} {back} {a.full}", f"{a.full} is {there} {b.full}",
        f"{b.full} is {back} {a.full}", f"{a.full} and {b.full}", f"{b.full} and {a.full}",
    )  # fmt: skip
    return tuple(english(sentence) for sentence in told)


def split(name: str, count: int, *, scenes: float = 1.0) -> list[Shown]:
    """Pictures that no captioner was trained on.

    Args:
        name: of the split.
        count: how many.
        scenes: as in `shown`.
    """
    return [shown(stream("coca", name, index), scenes=scenes) for index in range(count)]

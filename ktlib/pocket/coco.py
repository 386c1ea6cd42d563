"""A pocket MSCOCO: scenes of two things, each with five references in words that no captioner was trained on.

The things, their colours and how they stand are those of the pocket Flickr; every word is one of the world's, so
that each reference could be said. What differs is how it is said, as people write differently from what a model
has read: "the red wheel is left of the blue box", "a red wheel with a blue box right of it".
"""

from __future__ import annotations

import hashlib

from ktlib.pocket import flickr
from ktlib.pocket.flickr import RELATIONS, Scene, Thing
from ktlib.pocket.world import english, stream

VERSION = "1"  # raise it whenever a picture or a reference changes
SPLITS = ("validation", "test")


def references(a: Thing, b: Thing, relation: str) -> tuple[str, ...]:
    """Five sentences that are true of an arrangement; the last names no colour.

    Args:
        a, b: two things.
        relation: of the first to the second, a key of `flickr.RELATIONS`.
    """
    one, other = a.full.removeprefix("a "), b.full.removeprefix("a ")
    told = (
        f"the {one} is {relation} the {other}",
        f"{a.full} with {b.full} {RELATIONS[relation]} it",
        f"{relation} the {other} is {a.full}",
        f"one {one} and one {other}",
        f"the {a.name} and the {b.name} in one picture",
    )
    return tuple(english(reference) for reference in told)


def split(name: str, count: int) -> list[Scene]:
    """The first `count` scenes of a split, each with its references; no other part of the world draws them.

    Args:
        name: `validation` or `test`.
        count: how many.

    Raises:
        ValueError: there is no such split.
    """
    if name not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, found {name!r}")
    return [_scene(name, index) for index in range(count)]


def _scene(name: str, index: int) -> Scene:
    rng = stream("coco", name, index)
    shown = flickr.arrange(rng)
    return Scene(flickr.picture(rng, shown), references(*shown))


def fingerprint(count: int = 20) -> str:
    """sha256 of the first test scenes and their references."""
    digest = hashlib.sha256()
    for shown in split("test", count):
        digest.update(shown.image.tobytes() + "|".join(shown.captions).encode())
    return digest.hexdigest()

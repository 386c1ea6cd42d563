"""What retrieval is examined with: images with captions, and the everyday concepts that are taught before.

Three sources, one shape: the pocket Flickr, generated files in Flickr30k's format, and Flickr30k.
"""

from __future__ import annotations

import csv
import functools
from collections import Counter

from ktlib.companion import generated_flickr30k as generated
from ktlib.data import flickr30k
from ktlib.data.manifests import MANIFESTS, data_root
from ktlib.data.sets import Gallery
from ktlib.store import key

POCKET_IMAGES = {"validation": 30, "test": 50}  # both even: every scene beside its twin


@functools.cache
def _pocket(split: str) -> Gallery:
    from ktlib.pocket import flickr, world

    scenes = flickr.split(split, POCKET_IMAGES[split])
    images = world.to_tensor([scene.image for scene in scenes])
    captions, owner, twice = [], [], 0
    for number, scene in enumerate(scenes):
        distinct = list(dict.fromkeys(scene.captions))
        twice += len(scene.captions) - len(distinct)
        captions += distinct
        owner += [number] * len(distinct)
    shared = sum(count - 1 for count in Counter(captions).values())
    notes = (
        f"{len(images)} images, {len(captions)} captions",
        f"{twice} captions that an image has twice: kept once",
        f"{shared} captions that another image has too: right for both",
    )
    digest = key("pocket flickr", flickr.VERSION, images, captions, owner)
    return Gallery([*images], tuple(captions), tuple(owner), digest, f"pocket flickr {split}", notes)


@functools.cache
def _fixtures(split: str) -> Gallery:
    root = data_root() / "fixtures"
    generated.flickr30k(root)
    return flickr30k.read(root, split={"validation": "val"}.get(split, split), partial=True)


def gallery(name: str, split: str) -> Gallery:
    """The images and captions of a split.

    Args:
        name: `pocket`, `fixtures` or `flickr30k`.
        split: `validation` (settings are chosen on it) or `test`.

    Raises:
        ValueError: there is no such data set or split.
        FileNotFoundError: files are absent.
    """
    if split not in POCKET_IMAGES:
        raise ValueError(f"expected a split of {', '.join(POCKET_IMAGES)}, found {split!r}")
    if name == "pocket":
        return _pocket(split)
    if name == "fixtures":
        return _fixtures(split)
    if name == "flickr30k":
        return flickr30k.read(split={"validation": "val"}.get(split, split))
    raise ValueError(f"expected a data set (pocket, fixtures, flickr30k), found {name!r}")


def everyday(name: str, seed: int = 0) -> dict[str, str]:
    """Everyday concepts and a description of each: what is taught before retrieval (KT v1, Sec. 8.7).

    Args:
        name: `pocket`: the known objects of the drawn world, in colours that the seed decides;
            `flickr30k` and `fixtures`: the papers' eighty COCO categories (KT v1, Tab. 17).
        seed: of the colours.

    Raises:
        ValueError: there is no such data set.
    """
    if name == "pocket":
        from ktlib.pocket.known import KNOWN
        from ktlib.pocket.world import english, stream

        colours = {n: thing.colours(stream("everyday", n, seed)) for n, thing in KNOWN.items()}
        return {n: english(thing.parts.format(**colours[n])) for n, thing in KNOWN.items()}
    if name in ("flickr30k", "fixtures"):
        with (MANIFESTS / "published" / "concepts.csv").open(newline="", encoding="utf-8") as file:
            return {e["concept"].lower(): e["description"] for e in csv.DictReader(file) if e["set"] == "coco80"}
    raise ValueError(f"expected a data set (pocket, fixtures, flickr30k), found {name!r}")

"""A tiny Flickr30k in the real on-disk format, generated: for tests and for the rehearsal scale.

The pictures are noise and stripes of several shapes; no number measured on them is a result. The
captions use the pocket's words, so that the random model of the rehearsal can read them, and hold
what the real ones hold: quotation marks, a number sign, a caption given twice, one shared by two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

Damage = Literal[
    "missing image", "truncated image", "four captions", "empty caption", "no split file", "half a split file",
    "a line without a tab",
]  # fmt: skip

_SHAPES = ((48, 64), (64, 48), (64, 64), (40, 96))  # height, width
_SPLITS = ("test", "test", "val", "test", "val", "train", None, "test")  # one image is in no split, as 769 are
_THINGS = ("disk", "square", "ring", "star", "cross", "rod", "slab", "triangle")
_COLOURS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple")


def flickr30k(root: str | Path) -> Path:
    """Eight images, seven of them in splits, with five captions each; returns `<root>/flickr30k`."""
    home = Path(root) / "flickr30k"
    (home / "flickr30k-images").mkdir(parents=True, exist_ok=True)
    entries, lines, sentence = [], [], 0
    for number, split in enumerate(_SPLITS):
        name = f"{1000092795 + number}.jpg"
        rng = np.random.default_rng(number)
        height, width = _SHAPES[number % len(_SHAPES)]
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(home / "flickr30k-images" / name)
        told = _told(number)
        for index, caption in enumerate(told):
            lines.append(f"{name}#{index}\t{caption}")
        sentences = []
        for caption in told:
            tokens = caption.lower().replace('"', "").split()
            sentences.append({"tokens": tokens, "raw": caption, "imgid": number, "sentid": sentence})
            sentence += 1
        entry = {"sentids": [s["sentid"] for s in sentences], "imgid": number, "sentences": sentences, "filename": name}
        entries.append(entry | ({"split": split} if split else {}))
    (home / "dataset_flickr30k.json").write_text(json.dumps({"dataset": "flickr30k", "images": entries}))
    (home / "results_20130124.token").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return home


def _told(number: int) -> list[str]:
    colour, thing = _COLOURS[number], _THINGS[number]
    told = [
        f"A {colour} {thing}.",
        f"a photo of a {colour} {thing}",
        f"a large {colour} {thing} in a brick wall",
        f"a {thing} and a disk",
        f"a {colour} {thing} left of a white square",
    ]
    if number == 1:
        told[1] = told[0]  # one image has a caption twice
    if number == 3:
        told[3] = "a square and a disk"  # and two images share one: it is image 1's, too
    return told


def damage(home: Path, how: Damage) -> Path:
    """Damage a generated Flickr30k in one way; returns the file that was changed.

    Args:
        home: what `flickr30k` returned.
        how: what to do to it; the damaged image is the first of the test split.
    """
    split_file = home / "dataset_flickr30k.json"
    image = home / "flickr30k-images" / "1000092795.jpg"
    if how == "missing image":
        image.unlink()
        return image
    if how == "truncated image":
        image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
        return image
    if how == "no split file":
        split_file.unlink()
        return split_file
    if how == "half a split file":
        split_file.write_text(split_file.read_text()[: split_file.stat().st_size // 2])
        return split_file
    if how == "a line without a tab":
        file = home / "results_20130124.token"
        file.write_text(file.read_text().replace("\t", " ", 1))
        return file
    if how not in get_args(Damage):
        raise ValueError(f"expected a damage of {get_args(Damage)}, got {how!r}")
    facts = json.loads(split_file.read_text())
    sentences = facts["images"][0]["sentences"]
    if how == "four captions":
        sentences.pop()
    else:
        sentences[2]["raw"] = " "
    split_file.write_text(json.dumps(facts))
    return split_file

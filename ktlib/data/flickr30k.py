"""Flickr30k with Karpathy's split: images and the captions that five people wrote for each.

`flickr30k/dataset_flickr30k.json` (Karpathy) says which image has which captions and belongs to which
split; `flickr30k/flickr30k-images/<number>.jpg` are the images. 769 of the 31,783 images are in no
split. Where `flickr30k/results_20130124.token` lies beside them, captions are compared with it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ktlib.data import images
from ktlib.data.manifests import data_root
from ktlib.data.sets import Gallery
from ktlib.store import key

SPLITS = {"train": 29_000, "val": 1_014, "test": 1_000}  # of the published file
CAPTIONS = 5
_GET = "data_manifests/datasets/flickr30k.json says how to get it"


@dataclass(frozen=True)
class _Files:
    """Images that are read when they are asked for."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        picture = np.asarray(images.read_image(self.paths[index]))
        return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255


def read(root: str | Path | None = None, *, split: str = "test", partial: bool = False, first: int = 0) -> Gallery:
    """The images of a split and all their captions, as they were written (`raw`).

    A caption that an image has twice is kept once, as ViLT's code does; a caption that two images
    share stays with both, and both count as right for it. The gallery's notes count them (D34).

    Args:
        root: the folder that holds `flickr30k`; by default `manifests.data_root()`.
        split: `train`, `val` or `test`.
        partial: accept another number of images (generated files). Everything else is still checked.
        first: only so many images, 0 for all: the documented subset of a smaller budget.

    Raises:
        FileNotFoundError: the split file, the folder of images or an image is absent.
        ValueError: an unknown split, a malformed file, an image with fewer than five captions, an empty
            caption, or counts that differ from the published ones.
    """
    home = (data_root() if root is None else Path(root)) / "flickr30k"
    entries = _entries(home / "dataset_flickr30k.json", split)
    if not partial and len(entries) != SPLITS[split]:
        raise ValueError(
            f"expected {SPLITS[split]:,} images of the split {split} in {home / 'dataset_flickr30k.json'}, found "
            f"{len(entries):,}; fetch Karpathy's file again: {_GET}"
        )
    entries = entries[: first or None]
    folder = home / "flickr30k-images"
    paths = [folder / entry["filename"] for entry in entries]
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise FileNotFoundError(
            f"expected the {len(paths):,} images of the split {split} in {folder}, found {len(absent):,} absent: "
            f"{', '.join(absent[:3])}; {_GET}"
        )
    captions, owner, notes = _captions(entries)
    notes += _compared(home / "results_20130124.token", entries)
    digest = key("flickr30k", [[p.name, p.stat().st_size] for p in paths], captions, owner)
    return Gallery(_Files(tuple(paths)), tuple(captions), tuple(owner), digest, f"flickr30k {split}", tuple(notes))


def _entries(file: Path, split: str) -> list[dict[str, Any]]:
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, found {split!r}")
    if not file.is_file():
        raise FileNotFoundError(f"expected Karpathy's split file {file}, found nothing; {_GET}")
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["images"]
        chosen = [entry for entry in entries if entry.get("split") == split]  # an image may be in no split
        for entry in chosen:
            entry["filename"], [sentence["raw"] for sentence in entry["sentences"]]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected images with filename, split and sentences (raw) in {file}, found something else ({error}); "
            f"the file was cut short or is another one; {_GET}"
        ) from error
    if not chosen:
        there = Counter(str(entry.get("split")) for entry in entries)
        raise ValueError(f"expected images of the split {split} in {file}, found only {dict(there)}")
    return chosen


def _captions(entries: list[dict[str, Any]]) -> tuple[list[str], list[int], list[str]]:
    captions: list[str] = []
    owner: list[int] = []
    twice = 0
    for number, entry in enumerate(entries):
        told = [sentence["raw"].strip() for sentence in entry["sentences"]]
        if len(told) < CAPTIONS or not all(told):
            raise ValueError(
                f"expected at least {CAPTIONS} captions, none empty, for {entry['filename']}, found "
                f"{sum(map(bool, told))} of {len(told)}; recall would compare unequal chances: complete the split file "
                "or leave the image out of it"
            )
        distinct = list(dict.fromkeys(told))
        twice += len(told) - len(distinct)
        captions += distinct
        owner += [number] * len(distinct)
    shared = sum(count - 1 for count in Counter(captions).values())
    notes = [f"{len(entries)} images, {len(captions)} captions"]
    if twice:
        notes.append(f"{twice} captions that an image has twice: kept once")
    if shared:
        notes.append(f"{shared} captions that another image has too: right for both")
    return captions, owner, notes


def _compared(file: Path, entries: list[dict[str, Any]]) -> list[str]:
    """How many captions differ from the published list, `<image>#<n><TAB>caption`, where it is there."""
    if not file.is_file():
        return []
    listed: dict[str, set[str]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        label, tab, caption = line.partition("\t")
        image, mark, index = label.rpartition("#")
        if not (tab and mark and index.isdigit()):
            raise ValueError(f"expected <image>#<n><TAB>caption in line {number} of {file}, found {line[:60]!r}")
        listed.setdefault(image, set()).add(caption.strip())
    other = sum(s["raw"].strip() not in listed.get(e["filename"], set()) for e in entries for s in e["sentences"])
    return [f"{other} captions differ from {file.name}"] if other else []

"""Flickr30k with Karpathy's split: images and the captions that five people wrote for each.

`flickr30k/dataset_flickr30k.json` (Karpathy) says which image has which captions and belongs to which
split; `flickr30k/flickr30k-images/<number>.jpg` are the images. 769 of the 31,783 images are in no
split. Where `flickr30k/results_20130124.token` lies beside them, captions are compared with it.
"""

from __future__ import annotations

from pathlib import Path

from ktlib.data import files, karpathy, tables
from ktlib.data.karpathy import Entry
from ktlib.data.manifests import data_root
from ktlib.data.sets import Gallery
from ktlib.store import key

SPLITS = {"train": 29_000, "val": 1_014, "test": 1_000}  # of the published file
CAPTIONS = 5
_GET = files.how_to_get("flickr30k")


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
    file = home / "dataset_flickr30k.json"
    entries = karpathy.entries(file, split, splits=SPLITS, get=_GET, partial=partial, first=first)
    if twice := karpathy.twice(entries):
        raise ValueError(
            f"expected each image once in {file}, found {', '.join(twice[:3])} again: its captions would count twice; "
            f"remove its second entry, or get the file again: {_GET}"
        )
    folder = home / "flickr30k-images"
    paths = [folder / entry["filename"] for entry in entries]
    karpathy.present(paths, split, folder, get=_GET)
    captions, owner, notes = _captions(entries)
    notes += _compared(home / "results_20130124.token", entries)
    digest = key("flickr30k", [[p.name, p.stat().st_size] for p in paths], captions, owner)
    shown = karpathy.Files(tuple(paths))
    return Gallery(shown, tuple(captions), tuple(owner), digest, f"flickr30k {split}", tuple(notes))


def _captions(entries: list[Entry]) -> tuple[list[str], list[int], list[str]]:
    captions: list[str] = []
    owner: list[int] = []
    twice = 0
    for number, entry in enumerate(entries):
        told = karpathy.told(entry)
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
    notes = [f"{len(entries)} images, {len(captions)} captions"]
    if twice:
        notes.append(f"{twice} captions that an image has twice: kept once")
    if shared := karpathy.shared(captions):
        notes.append(f"{shared} captions that another image has too: right for both")
    return captions, owner, notes


def _compared(file: Path, entries: list[Entry]) -> list[str]:
    """How many captions differ from the published list, `<image>#<n><TAB>caption`, where it is there."""
    if not file.is_file():
        return []
    listed: dict[str, set[str]] = {}
    for number, line in enumerate(tables.every_line(file), 1):
        label, tab, caption = line.partition("\t")
        image, mark, index = label.rpartition("#")
        if not (tab and mark and index.isdigit()):
            raise ValueError(f"expected <image>#<n><TAB>caption in line {number} of {file}, found {line[:60]!r}")
        listed.setdefault(image, set()).add(caption.strip())
    other = sum(caption not in listed.get(e["filename"], set()) for e in entries for caption in karpathy.told(e))
    return [f"{other} captions differ from {file.name}"] if other else []

"""MSCOCO 2014 with Karpathy's split: images and all that people wrote of each.

`mscoco/dataset_coco.json` (Karpathy) says which image has which captions, lies in which folder and belongs to which
split; `mscoco/val2014` and `mscoco/train2014` hold the images. The images of `val` and `test` are in `val2014`.
Where `mscoco/annotations/captions_<folder>.json` lies beside them, captions are compared with it.
"""

from __future__ import annotations

import json
from pathlib import Path

from ktlib.data import files, karpathy, tables
from ktlib.data.karpathy import Entry
from ktlib.data.manifests import data_root
from ktlib.data.sets import Gallery
from ktlib.store import key

SPLITS = {"train": 82_783, "restval": 30_504, "val": 5_000, "test": 5_000}  # of the published file
FOLDERS = ("train2014", "val2014")
FIELDS = {"filepath": str, "cocoid": int}  # that Karpathy's file has for MSCOCO alone
_GET = files.how_to_get("mscoco")


def read(root: str | Path | None = None, *, split: str = "test", partial: bool = False, first: int = 0) -> Gallery:
    """The images of a split and all their captions, as they were written (`raw`).

    Most images have five references, some six or seven: all are kept, one given twice too, as the published
    evaluation does. Images without any, such as are listed a second time, and such as are absent are left out; the
    notes count them, and so does the gallery's `left_out`, for the rows.

    Args:
        root: the folder that holds `mscoco`; by default `manifests.data_root()`.
        split: `train`, `restval`, `val` or `test`.
        partial: accept another number of images in the split file (generated files).
        first: only so many images, 0 for all: the documented subset of a smaller budget.

    Raises:
        FileNotFoundError: the split file or every image is absent.
        ValueError: an unknown split, a malformed file, a folder that is none of MSCOCO's, no image that could be
            used, or counts that differ from the published ones.
    """
    if first < 0:
        raise ValueError(f"expected first of 0, for all images, or more, found {first}")
    home = (data_root() if root is None else Path(root)) / "mscoco"
    file = home / "dataset_coco.json"
    entries = karpathy.entries(file, split, splits=SPLITS, get=_GET, partial=partial, fields=FIELDS, first=first)
    listed = len(entries)
    entries, notes = _usable(entries, file)
    found = [(entry, path) for entry in entries if (path := _path(home, entry, file)).is_file()]
    if not found:
        karpathy.present([_path(home, entry, file) for entry in entries], split, home, get=_GET)
    if absent := len(entries) - len(found):
        notes.append(f"{absent} images that are absent: left out")
    entries, paths = [entry for entry, _ in found], [path for _, path in found]
    captions = [(caption, number) for number, entry in enumerate(entries) for caption in _said(entry)]
    texts, owner = (tuple(part) for part in zip(*captions, strict=True))
    notes = [f"{len(entries)} images, {len(texts)} captions", *notes, *_compared(home / "annotations", entries)]
    digest = key("mscoco", [[path.name, path.stat().st_size] for path in paths], texts, owner)
    return Gallery(
        karpathy.Files(tuple(paths)), texts, owner, digest, f"mscoco {split}", tuple(notes),
        left_out=listed - len(entries),
    )  # fmt: skip


def _said(entry: Entry) -> list[str]:
    return [caption for caption in karpathy.told(entry) if caption]


def _usable(entries: list[Entry], file: Path) -> tuple[list[Entry], list[str]]:
    """Images that occur once and have captions, and what the notes say of the others."""
    seen: set[int | str] = set()
    kept, twice, bare, empty = [], 0, 0, 0
    for entry in entries:
        said, known_by = _said(entry), {entry["cocoid"], entry["filename"]}
        if not said:
            bare += 1
        elif known_by & seen:
            twice += 1
        else:
            empty += len(entry["sentences"]) - len(said)
            kept.append(entry)
            seen |= known_by
    if not kept:
        raise ValueError(f"expected captions in {file}, found none for any of {len(entries)} images; {_GET}")
    counts = {
        "images that are listed a second time: left out": twice,
        "images without a caption: left out": bare,
        "empty captions: left out": empty,
    }
    return kept, [f"{count} {what}" for what, count in counts.items() if count]


def _path(home: Path, entry: Entry, file: Path) -> Path:
    if entry["filepath"] not in FOLDERS or Path(entry["filename"]).name != entry["filename"]:
        raise ValueError(
            f"expected a file name and a folder of {' or '.join(FOLDERS)} for image {entry['cocoid']} in {file}, found "
            f"{entry['filepath']!r} and {entry['filename']!r}; it is the split of another data set or year: {_GET}"
        )
    return home / entry["filepath"] / entry["filename"]


def _compared(folder: Path, entries: list[Entry]) -> list[str]:
    """How many captions differ from MSCOCO's own annotations, where those are there."""
    listed: dict[int, set[str]] = {}
    files = [folder / f"captions_{name}.json" for name in sorted({entry["filepath"] for entry in entries})]
    if not all(file.is_file() for file in files):
        return []
    for file in files:
        try:
            for one in json.loads(tables.text(file))["annotations"]:
                listed.setdefault(one["image_id"], set()).add(one["caption"].strip())
        except (json.JSONDecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"expected annotations with image_id and caption in {file}, found something else ({error}); the file "
                f"was cut short or is another one; {_GET}, or take it away: it is only compared with"
            ) from error
    other = sum(caption not in listed.get(e["cocoid"], set()) for e in entries for caption in _said(e))
    return [f"{other} captions differ from {folder.name}/captions_*.json"] if other else []

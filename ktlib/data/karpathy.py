"""Karpathy's split files of Flickr30k and MSCOCO: which image has which captions and belongs to which split.

`{"images": [{"filename": …, "split": …, "sentences": [{"raw": …}, …]}, …]}`; an image may be in no split.
Source: Karpathy and Fei-Fei, Deep visual-semantic alignments for generating image descriptions, CVPR 2015.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ktlib.data import images, tables

Entry = dict[str, Any]  # of an image, as the file has it


@dataclass(frozen=True)
class Files:
    """Images that are read when they are asked for.

    Attributes:
        paths: of the files, in order.
    """

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """An image, float32 (3, height, width) in [0, 1]; as it is stored, like every benchmark's (D15)."""
        picture = np.asarray(images.read_image(self.paths[index], upright=False))
        return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255


def entries(
    file: Path,
    split: str,
    *,
    splits: Mapping[str, int],
    get: str,
    partial: bool = False,
    fields: Mapping[str, type] = MappingProxyType({}),
    first: int = 0,
) -> list[Entry]:
    """The images of a split, in the order of the file.

    Args:
        file: Karpathy's.
        split: one of `splits`.
        splits: the published number of images of each.
        get: says how to get the file, for errors.
        partial: accept another number of images (generated files).
        fields: what an entry must have besides `filename` and `sentences`, and of which type.
        first: only so many images, 0 for all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: an unknown split, a malformed file, or a number of images other than the published one.
    """
    if split not in splits:
        raise ValueError(f"expected a split of {', '.join(splits)}, found {split!r}")
    if first < 0:
        raise ValueError(f"expected first to be 0, for all images, or a number of images, found {first}")
    if not file.is_file():
        raise FileNotFoundError(f"expected Karpathy's split file {file}, found nothing; {get}")
    try:
        every = json.loads(tables.text(file))["images"]
        chosen = [entry for entry in every if entry.get("split") == split]
        for entry in chosen:
            texts = [entry["filename"], *(sentence["raw"] for sentence in entry["sentences"])]
            own = [(text, str) for text in texts] + [(entry[name], kind) for name, kind in fields.items()]
            if strange := [(value, kind) for value, kind in own if not isinstance(value, kind)]:
                raise TypeError(f"{strange[0][0]!r} where a {strange[0][1].__name__} belongs")
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
        wanted = ", ".join(("filename", "split", *fields))
        raise ValueError(
            f"expected images with {wanted} and sentences (raw) in {file}, found something else ({error}); "
            f"the file was cut short or is another one; {get}"
        ) from error
    if not chosen:
        there = Counter(str(entry.get("split")) for entry in every)
        raise ValueError(f"expected images of the split {split} in {file}, found only {dict(there)}")
    if not partial and len(chosen) != splits[split]:
        raise ValueError(
            f"expected {splits[split]:,} images of the split {split} in {file}, found {len(chosen):,}; "
            f"fetch Karpathy's file again: {get}"
        )
    return chosen[: first or None]


def twice(entries: Sequence[Entry]) -> list[str]:
    """File names that occur more than once."""
    return [name for name, count in Counter(entry["filename"] for entry in entries).items() if count > 1]


def told(entry: Entry) -> list[str]:
    """The captions of an image as they were written, without the white space around them."""
    return [sentence["raw"].strip() for sentence in entry["sentences"]]


def present(paths: Sequence[Path], split: str, folder: Path, *, get: str) -> None:
    """Check that all files of a split are there.

    Raises:
        FileNotFoundError: some are not; the message names the first three.
    """
    if absent := [path.name for path in paths if not path.is_file()]:
        raise FileNotFoundError(
            f"expected the {len(paths):,} images of the split {split} in {folder}, found {len(absent):,} absent: "
            f"{', '.join(absent[:3])}; {get}"
        )


def shared(captions: Sequence[str]) -> int:
    """How many captions another image has too; of captions that are distinct within each image."""
    return sum(count - 1 for count in Counter(captions).values())

"""Features are extracted once: every encoder over every set, kept on disk, read back as if in memory.

A file is named by the fingerprint of the encoder and the digest of the pictures, so features of another one are
never mistaken for these. It belongs to one process at a time: a second one that wants the same features makes a
copy of its own, and puts it in place when it is whole. Half precision on disk; who computes with them makes them
float32.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from ktlib.data.sets import LabelledImages
from ktlib.inversion import Mapped
from ktlib.memory import fitting
from ktlib.models.checkpoints import fingerprint
from ktlib.models.vision import VisionEncoder
from ktlib.store import key, locked, prepare, write_text

_VERSION = 2  # raise it when the same weights and pictures give other features


@dataclass(frozen=True)
class Record:
    """What a file of features holds; stands as JSON beside it.

    Attributes:
        encoder, weights: name and digest of what made the features.
        images, pictures: name and digest of what they are of.
        count, dim: shape.
        done: rows that are written; less than `count` while a run goes on, or after one was stopped.
        content: sha256 of the file when it was whole.
    """

    encoder: str
    weights: str
    images: str
    pictures: str
    count: int
    dim: int
    done: int = 0
    content: str = ""


def extract(
    encoders: Sequence[VisionEncoder],
    images: LabelledImages,
    folder: Path,
    *,
    batch: int = 256,
    save_every: int = 20,
    mapped: Mapped | None = None,
    progress: bool = False,
) -> list[Float[Tensor, "images dim"]]:
    """Features of a set by each encoder, float16, memory-mapped; what is there already is not computed again.

    Each batch of pictures is read once for all encoders. A run that was stopped goes on where its
    files end.

    Args:
        encoders: any number.
        images: the set.
        folder: where the files are kept.
        batch: pictures at a time; an encoder sees half as many when memory runs out, to the end of the set.
        save_every: batches after which progress is put on record, and which are one piece of work for `mapped`.
        mapped: takes a function and pieces of work, and gives their numbers with what the function makes of them, in
            any order: on other machines. By default everything is computed here.
        progress: show a bar.

    Raises:
        ValueError: nothing can be written to the folder, an encoder gives NaN or numbers that half precision cannot
            hold, or a picture is damaged.
        RuntimeError: a file holds other features than its name says.
    """
    with contextlib.ExitStack() as held:
        size = max(encoder.image_size for encoder in encoders)  # what pictures are cropped to, for all of them
        files = [_File.of(encoder, images, size, folder, held) for encoder in encoders]
        waiting = [(e, f) for e, f in zip(encoders, files, strict=True) if f.record.done < len(images)]
        if waiting and mapped:
            _gather(waiting, images, size, mapped, batch=batch, save_every=save_every, progress=progress)
        elif waiting:
            _fill(waiting, images, size, batch=batch, save_every=save_every, progress=progress)
        return [file.read() for file in files]


def _fill(
    waiting: Sequence[tuple[VisionEncoder, _File]],
    images: LabelledImages,
    size: int,
    *,
    batch: int,
    save_every: int,
    progress: bool,
) -> None:
    """Read the pictures once, for all files that are not whole."""
    first = min(f.record.done for _, f in waiting)
    bar = tqdm(total=len(images), initial=first, desc=images.name, unit="image", disable=not progress)
    for number, pictures in enumerate(images.batches(batch, size, first=first), 1):
        start = first + (number - 1) * batch
        for encoder, file in waiting:
            if file.record.done < start + len(pictures):  # from the middle of a batch too: its size may be another
                file.write(encoder, start, pictures)
        if number % save_every == 0 or start + len(pictures) == len(images):
            for _, file in waiting:
                file.save()
        bar.update(len(pictures))
    bar.close()


def _gather(
    waiting: Sequence[tuple[VisionEncoder, _File]],
    images: LabelledImages,
    size: int,
    mapped: Mapped,
    *,
    batch: int,
    save_every: int,
    progress: bool,
) -> None:
    """As `_fill`, from pieces that come in any order; a file counts as done as far as none is missing before."""
    first, step = min(f.record.done for _, f in waiting), batch * save_every
    pieces = [range(start, min(start + step, len(images))) for start in range(first, len(images), step)]
    came: set[int] = set()
    ready = 0  # pieces from the first that have come
    work = partial(_piece, [encoder for encoder, _ in waiting], images, size, batch)
    with tqdm(total=len(images), initial=first, desc=images.name, unit="image", disable=not progress) as bar:
        for number, found in mapped(work, pieces):
            start, came = pieces[number].start, came | {number}
            while ready in came:
                ready += 1
            whole = pieces[ready - 1].stop if ready else first
            for (encoder, file), features in zip(waiting, found, strict=True):
                file.put(encoder, start, features, done=max(file.record.done, whole))
                file.save()
            bar.update(len(pieces[number]))


def _piece(
    encoders: Sequence[VisionEncoder], images: LabelledImages, size: int, batch: int, places: range
) -> list[Float[Tensor, "images dim"]]:
    """Features of some of the pictures by each encoder, half precision."""
    found: list[list[Tensor]] = [[] for _ in encoders]
    fits = [sys.maxsize] * len(encoders)
    for pictures in images.take([*places]).batches(batch, size):
        for number, encoder in enumerate(encoders):
            features, fits[number] = _seen(encoder, pictures, fits[number])
            found[number].append(features)
    return [torch.cat(parts) for parts in found]


def _seen(encoder: VisionEncoder, pictures: Tensor, fits: int) -> tuple[Tensor, int]:
    """Features in half precision, and the most pictures in a pass, as far as is known: fewer once memory ran out."""

    def work(count: int) -> Tensor:
        with torch.no_grad():
            return torch.cat([encoder.features(part.to(encoder.device)).half().cpu() for part in pictures.split(count)])

    most = min(len(pictures), fits)
    found, count = fitting(work, at_once=most, what="features")
    return found, count if count < most else fits


class _File:
    """Features of one encoder and set, whole or in the making."""

    def __init__(self, path: Path, record: Record, place: Path | None = None) -> None:
        self.path, self.record = path, record
        self.place = place or path  # where it goes when it is whole
        self.fits = sys.maxsize  # most pictures in a pass, as far as is known
        self._rows: np.memmap | None = None

    @classmethod
    def of(
        cls, encoder: VisionEncoder, images: LabelledImages, size: int, folder: Path, held: contextlib.ExitStack
    ) -> _File:
        """The file for an encoder and a set, with the record of what it holds so far.

        One that is not whole is held until `held` is closed; where another process holds it, a copy is begun.
        """
        weights = encoder.digest()
        path = folder / f"{key(_VERSION, fingerprint(encoder), images.digest, size)}.npy"
        wanted = Record(encoder.name, weights, images.name, images.digest, len(images), encoder.dim)
        found = cls._found(path, wanted)
        if found.record.done == len(images):
            return found
        prepare(folder, what="a folder for features")
        try:
            held.enter_context(locked(path, ""))
        except BlockingIOError:
            own = held.enter_context(tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=folder))
            return cls(Path(own) / path.name, wanted, path)
        return cls._found(path, wanted)

    @classmethod
    def _found(cls, path: Path, wanted: Record) -> _File:
        """What is there already."""
        try:
            found = Record(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
            shape = np.load(path, mmap_mode="r").shape
        except (OSError, ValueError, TypeError, EOFError):
            return cls(path, wanted)  # nothing there, or damaged: made anew
        if (found.weights, found.pictures) != (wanted.weights, wanted.pictures):
            raise RuntimeError(
                f"expected features of {wanted.images} by {wanted.encoder} (weights {wanted.weights}) in {path}, found "
                f"those of {found.images} by {found.encoder} (weights {found.weights}); delete {path} and run again"
            )
        whole = shape == (wanted.count, wanted.dim) == (found.count, found.dim)
        if whole and found.done == found.count and found.content != _sha256(path):
            return cls(path, wanted)  # bits were flipped: made anew
        return cls(path, found if whole else wanted)

    def write(self, encoder: VisionEncoder, start: int, pictures: Tensor) -> None:
        features, self.fits = _seen(encoder, pictures, self.fits)
        self.put(encoder, start, features, done=start + len(features))

    def put(self, encoder: VisionEncoder, start: int, features: Tensor, *, done: int) -> None:
        if not features.isfinite().all():
            raise ValueError(
                f"{encoder.name} gives NaN, or numbers beyond half precision, for pictures {start} to "
                f"{start + len(features) - 1} of {self.record.images}; check its weights"
            )
        if self._rows is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            shape, mode = (self.record.count, self.record.dim), "r+" if self.record.done else "w+"
            self._rows = np.lib.format.open_memmap(self.path, mode=mode, dtype=np.float16, shape=shape)
        self._rows[start : start + len(features)] = features.numpy()
        self.record = replace(self.record, done=done)

    def save(self) -> None:
        """Put on record what is written; the rows go to disk first."""
        if self._rows is not None:
            self._rows.flush()
            if self.record.done == self.record.count and not self.record.content:
                self.record = replace(self.record, content=_sha256(self.path))
                if self.path != self.place:
                    self.path = self.path.replace(self.place)
            write_text(self.path.with_suffix(".json"), json.dumps(asdict(self.record), indent=1) + "\n")

    def read(self) -> Tensor:
        # Copy-on-write: torch asks for a writable array, and what anybody writes stays in memory.
        return torch.from_numpy(np.load(self.path, mmap_mode="c"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

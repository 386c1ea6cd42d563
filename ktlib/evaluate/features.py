"""Features are extracted once: every encoder over every set, kept on disk, read back as if in memory.

A file is named by the digests of the weights and of the pictures, so features of other weights are
never mistaken for these. Half precision on disk; who computes with them makes them float32.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from ktlib.data.sets import LabelledImages
from ktlib.models.vision import VisionEncoder
from ktlib.store import key, write_atomically

_VERSION = 1  # raise it when the same weights and pictures give other features


@dataclass(frozen=True)
class Record:
    """What a file of features holds; stands as JSON beside it.

    Attributes:
        encoder, weights: name and digest of what made the features.
        images, pictures: name and digest of what they are of.
        count, dim: shape.
        done: rows that are written; less than `count` while a run goes on, or after one was stopped.
    """

    encoder: str
    weights: str
    images: str
    pictures: str
    count: int
    dim: int
    done: int = 0


def extract(
    encoders: Sequence[VisionEncoder],
    images: LabelledImages,
    folder: Path,
    *,
    batch: int = 256,
    save_every: int = 20,
    progress: bool = False,
) -> list[Float[Tensor, "images dim"]]:
    """Features of a set by each encoder, float16, memory-mapped; what is there already is not computed again.

    Each batch of pictures is read once for all encoders. A run that was stopped goes on where its
    files end.

    Args:
        encoders: any number.
        images: the set.
        folder: where the files are kept.
        batch: pictures at a time.
        save_every: batches after which progress is put on record.
        progress: show a bar.

    Raises:
        ValueError: an encoder gives NaN or numbers that half precision cannot hold, or a picture is damaged.
        RuntimeError: a file holds other features than its name says.
    """
    files = [_File.of(encoder, images, folder) for encoder in encoders]
    waiting = [(e, f) for e, f in zip(encoders, files, strict=True) if f.record.done < len(images)]
    if waiting:
        first = min(f.record.done for _, f in waiting)
        size = max(encoder.image_size for encoder, _ in waiting)
        bar = tqdm(total=len(images), initial=first, desc=images.name, unit="image", disable=not progress)
        for number, pictures in enumerate(images.batches(batch, size, first=first), 1):
            start = first + (number - 1) * batch
            for encoder, file in waiting:
                if file.record.done <= start:
                    file.write(encoder, start, pictures)
            if number % save_every == 0 or start + len(pictures) == len(images):
                for _, file in waiting:
                    file.save()
            bar.update(len(pictures))
        bar.close()
    return [file.read() for file in files]


class _File:
    """Features of one encoder and set, whole or in the making."""

    def __init__(self, path: Path, record: Record) -> None:
        self.path, self.record = path, record
        self._rows: np.memmap | None = None

    @classmethod
    def of(cls, encoder: VisionEncoder, images: LabelledImages, folder: Path) -> _File:
        """The file for an encoder and a set, with the record of what it holds so far."""
        weights = encoder.digest()
        path = folder / f"{key(_VERSION, weights, images.digest)}.npy"
        wanted = Record(encoder.name, weights, images.name, images.digest, len(images), encoder.dim)
        try:
            found = Record(**json.loads(path.with_suffix(".json").read_text()))
            shape = np.load(path, mmap_mode="r").shape
        except (OSError, ValueError, TypeError, EOFError):
            return cls(path, wanted)  # nothing there, or damaged: made anew
        if (found.weights, found.pictures) != (wanted.weights, wanted.pictures):
            raise RuntimeError(
                f"expected features of {wanted.images} by {wanted.encoder} (weights {wanted.weights}) in {path}, found "
                f"those of {found.images} by {found.encoder} (weights {found.weights}); delete {path} and run again"
            )
        whole = shape == (wanted.count, wanted.dim) == (found.count, found.dim)
        return cls(path, found if whole else wanted)

    def write(self, encoder: VisionEncoder, start: int, pictures: Tensor) -> None:
        with torch.no_grad():
            features = encoder.features(pictures.to(encoder.device)).half().cpu()
        if not features.isfinite().all():
            raise ValueError(
                f"{encoder.name} gives NaN, or numbers beyond half precision, for pictures {start} to "
                f"{start + len(pictures) - 1} of {self.record.images}; check its weights"
            )
        if self._rows is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            shape, mode = (self.record.count, self.record.dim), "r+" if self.record.done else "w+"
            self._rows = np.lib.format.open_memmap(self.path, mode=mode, dtype=np.float16, shape=shape)
        self._rows[start : start + len(features)] = features.numpy()
        self.record = Record(**(asdict(self.record) | {"done": start + len(features)}))

    def save(self) -> None:
        """Put on record what is written; the rows go to disk first."""
        if self._rows is not None:
            self._rows.flush()
            text = json.dumps(asdict(self.record), indent=1) + "\n"
            write_atomically(self.path.with_suffix(".json"), lambda path: path.write_text(text))

    def read(self) -> Tensor:
        # Copy-on-write: torch asks for a writable array, and what anybody writes stays in memory.
        return torch.from_numpy(np.load(self.path, mmap_mode="c"))

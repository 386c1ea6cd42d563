"""Labelled pictures: what every reader of a classification set returns, drawn or from files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ktlib.data import images
from ktlib.store import key


@dataclass(frozen=True)
class LabelledImages:
    """Pictures that are read when they are needed, with the names of their classes.

    Attributes:
        name: as the papers write it, `CIFAR-10`; a drawn set has a name of its own.
        read: the picture of an index, 8-bit RGB of any size.
        labels: for each picture the place of its class in `names`.
        names: of the classes, as they stand in prompts; empty where a set has none (Herbarium 2019).
        templates: prompts, with a `{}` for the name.
        digest: changes whenever a picture, its order or a label does.
    """

    name: str
    read: Callable[[int], Image.Image]
    labels: tuple[int, ...]
    names: tuple[str, ...]
    templates: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.labels)

    def take(self, indices: list[int], name: str = "") -> LabelledImages:
        """Some of the pictures, in the order of the indices."""
        return replace(
            self,
            name=name or self.name,
            read=lambda index: self.read(indices[index]),
            labels=tuple(self.labels[index] for index in indices),
            digest=key(self.digest, indices),
        )

    def batches(self, batch_size: int, size: int, *, first: int = 0) -> Iterator[Float[Tensor, "batch 3 size size"]]:
        """The pictures in order, RGB in [0, 1]; the next batch is read while the caller works on this one.

        Args:
            batch_size: pictures in a batch; the last may be smaller.
            size: side in pixels: short side to it (bicubic), then the centre, as CLIP crops.
            first: index to begin with, for work that was interrupted.

        Raises:
            ValueError: a picture is damaged; the message names the file.
        """

        def one(index: int) -> Image.Image:
            return images.resize(self.read(index), size)

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            pending = [
                [pool.submit(one, i) for i in range(start, min(start + batch_size, len(self)))]
                for start in range(first, min(first + 2 * batch_size, len(self)), batch_size)
            ]
            start = first + 2 * batch_size
            while pending:
                yield images.to_tensor([future.result() for future in pending.pop(0)])
                if start < len(self):
                    pending.append([pool.submit(one, i) for i in range(start, min(start + batch_size, len(self)))])
                    start += batch_size

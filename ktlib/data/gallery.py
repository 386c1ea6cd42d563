"""Images with captions: what every reader of a retrieval set returns, drawn or from files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Images(Protocol):
    """Images by number, float32 (3, height, width) in [0, 1]; they may be read when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Tensor: ...


@dataclass(frozen=True)
class Gallery:
    """Images and captions to be found by each other.

    Attributes:
        images: in a fixed order.
        captions: of all images.
        owner: for each caption the number of its image.
        digest: changes whenever an image, a caption or an order does.
        name: of the data set and split.
        notes: what was decided about the data, with counts: duplicates, say.
    """

    images: Images
    captions: tuple[str, ...]
    owner: tuple[int, ...]
    digest: str
    name: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.captions) != len(self.owner):
            raise ValueError(f"expected an owner for each caption, found {len(self.owner)} for {len(self.captions)}")
        if bare := sorted(set(range(len(self.images))) - set(self.owner))[:5]:
            raise ValueError(f"expected captions of every image, found none of number {bare}")

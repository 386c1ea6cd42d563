"""The few shapes that everything is examined with, drawn or from files: labelled or masked images, exams, galleries."""

from __future__ import annotations

import functools
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from ktlib.data import images
from ktlib.data.prompts import PLAIN
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
        files: for each picture the name of its file, where what is left out is named.
        left_out: files that cannot be used, and why.
        notes: what was decided about the data, with counts.
    """

    name: str
    read: Callable[[int], Image.Image]
    labels: tuple[int, ...]
    names: tuple[str, ...]
    templates: tuple[str, ...]
    digest: str
    files: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
            files=tuple(self.files[index] for index in indices) if self.files else (),
        )

    def readable(self) -> LabelledImages:
        """The same set without pictures that cannot be read; each is read once to see.

        Raises:
            ValueError: none can be read.
        """
        good, bad = [], {}
        for index in range(len(self)):
            try:
                self.read(index)
                good.append(index)
            except (ValueError, FileNotFoundError) as error:
                bad[self.files[index] if self.files else f"picture {index}"] = str(error)
        return _without(self, good, bad)

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


# -- images and masks -----------------------------------------------------------------------------------
class Pair(NamedTuple):
    """An image and what is to be found in it.

    Attributes:
        image: 8-bit RGB.
        mask: as large as the image.
        note: what was done to read the image, where that is to be counted; empty for most.
    """

    image: Image.Image
    mask: Bool[Tensor, "height width"]
    note: str = ""


@dataclass(frozen=True)
class MaskedImages:
    """Images with masks, paired by name and read when they are needed.

    Attributes:
        name: as the papers write it, `UDIAT`.
        files: for each image the name by which it was paired.
        read: image and mask of an index.
        digest: changes whenever an image, a mask or their order does.
        kinds: for each image what its lesion is, `benign`; empty where the set does not say.
        units: for each image the number of its patient, where one has several: they are not independent of each
            other; empty where each stands alone.
        left_out: images that cannot be used, and why.
        notes: what was decided about the data, with counts.
    """

    name: str
    files: tuple[str, ...]
    read: Callable[[int], Pair]
    digest: str
    kinds: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what in (self.kinds, self.units):
            if what and len(what) != len(self.files):
                raise ValueError(f"expected one for each of {len(self.files)} images of {self.name}, found {len(what)}")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def take(self, indices: Sequence[int]) -> MaskedImages:
        """Some of the images, in the order of the indices; nothing is read before it is asked for."""
        return replace(
            self,
            files=tuple(self.files[index] for index in indices),
            read=lambda index: self.read(indices[index]),
            digest=key(self.digest, list(indices)),
            kinds=tuple(self.kinds[index] for index in indices) if self.kinds else (),
            units=tuple(self.units[index] for index in indices) if self.units else (),
        )

    def sample(self, count: int, *, seed: int = 0) -> MaskedImages:
        """So many of the images, drawn without replacement, in the order of the set; all where there are no more.

        Args:
            count: of images.
            seed: of Python's generator.
        """
        if count >= len(self):
            return self
        return self.take(sorted(random.Random(seed).sample(range(len(self)), count)))

    def readable(self, *, empty: bool = False) -> MaskedImages:
        """The same set without images that cannot be read; each is read once to see. The notes count what was done.

        Args:
            empty: keep images whose mask is empty.

        Raises:
            ValueError: none can be used.
        """
        good, bad, done = [], {}, Counter[str]()
        for index, file in enumerate(self.files):
            try:
                pair = self.read(index)
            except (ValueError, FileNotFoundError) as error:
                bad[file] = str(error)
                continue
            if not empty and not pair.mask.any():
                bad[file] = f"the mask of {file} is empty: there is nothing to find; give it one, or take both away"
                continue
            good.append(index)
            done.update([pair.note] * bool(pair.note))
        kept = _without(self, good, bad)
        return replace(kept, notes=kept.notes + tuple(f"{count} {note}" for note, count in sorted(done.items())))

    def batches(
        self, batch_size: int = 8
    ) -> Iterator[tuple[Float[Tensor, "batch 3 height width"], Bool[Tensor, "batch height width"]]]:
        """Images in [0, 1] and their masks, in order; neighbours of one size come together.

        Args:
            batch_size: images in a batch at most.

        Raises:
            ValueError: an image or a mask is damaged; the message names the file. See `readable`.
        """
        waiting: list[Pair] = []
        for index in range(len(self)):
            pair = self.read(index)
            if waiting and (len(waiting) == batch_size or pair.image.size != waiting[0].image.size):
                yield _stacked(waiting)
                waiting = []
            waiting.append(pair)
        if waiting:
            yield _stacked(waiting)


def _stacked(pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    return images.to_tensor([pair.image for pair in pairs]), torch.stack([pair.mask for pair in pairs])


_Set = TypeVar("_Set", LabelledImages, MaskedImages)


def _without(whole: _Set, good: list[int], bad: Mapping[str, str]) -> _Set:
    """What is left of a set."""
    if not good:
        why = next(iter(bad.values()), "it has none")
        raise ValueError(f"expected images of {whole.name} that can be used, found none of {len(whole)}: {why}")
    return replace(whole.take(good), left_out={**whole.left_out, **bad}) if bad else whole


# -- concepts and what is known beside them ---------------------------------------------------------
@dataclass(frozen=True)
class Concept:
    """A concept to be taught.

    Attributes:
        name: in lower case, as it stands in prompts.
        split: `validation` or `test`.
        kind: `object` or `pattern`.
        short, medium, long: descriptions without the name. The papers' own are `long` (P3 of KT
            v2, Tab. 19); the main experiments use `medium` in the pocket world and `long` elsewhere.
        main: the description the main experiments use.
        look_alikes: known names that resemble it, where somebody noted them.
    """

    name: str
    split: str
    kind: str
    short: str
    medium: str
    long: str
    main: str
    look_alikes: tuple[str, ...] = ()


@runtime_checkable
class Known(Protocol):
    """Batches of known pictures and labels that can be walked through again and again."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Examination:
    """Concepts, their pictures, and the known classes.

    Attributes:
        dataset: name, for the rows.
        concepts: all of them; see `of`.
        known_names: class names in the order of the labels.
        known: batches of known pictures.
        digest: changes whenever a picture or a name does.
        pictures: real pictures of a concept for the verdict, never trained on: (count, 3, height,
            width) in [0, 1].
        lessons: `(name, count, seed)` to other real pictures of a concept, for the upper bound;
            None where all there are serve the verdict.
        templates: prompts of every class.
        left_out: concepts that cannot be examined, or files that cannot be used, and why.
        phrases: prompts of some names in place of the templates, where a class is scored by many of its own.
        notes: what was decided about the data, with counts.
    """

    dataset: str
    concepts: tuple[Concept, ...]
    known_names: tuple[str, ...]
    known: Known
    digest: str
    pictures: Callable[[str], Tensor]
    lessons: Callable[[str, int, int], Tensor | None]
    templates: tuple[str, ...] = PLAIN
    left_out: Mapping[str, str] = field(default_factory=dict)
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, split: str) -> list[Concept]:
        """The concepts of a split."""
        return [concept for concept in self.concepts if concept.split == split]

    def concept(self, name: str) -> Concept:
        """A concept by name.

        Raises:
            KeyError: there is none of that name.
        """
        for concept in self.concepts:
            if concept.name == name:
                return concept
        raise KeyError(f"expected one of {', '.join(c.name for c in self.concepts)}; found {name!r}")


# -- images and captions -----------------------------------------------------------------------------
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
        units: for each image the number of the unit it belongs to, where images come in groups that are not
            independent of each other (twin scenes); empty where each stands alone.
        left_out: how many images could not be used, for the rows; the notes say why.
    """

    images: Images
    captions: tuple[str, ...]
    owner: tuple[int, ...]
    digest: str
    name: str
    notes: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    left_out: int = 0

    def __post_init__(self) -> None:
        if len(self.captions) != len(self.owner):
            raise ValueError(f"expected an owner for each caption, found {len(self.owner)} for {len(self.captions)}")
        if bare := sorted(set(range(len(self.images))) - set(self.owner))[:5]:
            raise ValueError(f"expected captions of every image, found none of number {bare}")
        if self.units and len(self.units) != len(self.images):
            raise ValueError(f"expected a unit for each image, found {len(self.units)} for {len(self.images)}")

    def of(self, image: int) -> tuple[str, ...]:
        """The captions of an image."""
        return self._of[image]

    @functools.cached_property
    def _of(self) -> dict[int, tuple[str, ...]]:
        found: dict[int, list[str]] = {}
        for caption, image in zip(self.captions, self.owner, strict=True):
            found.setdefault(image, []).append(caption)
        return {image: tuple(captions) for image, captions in found.items()}

    def take(self, numbers: Sequence[int]) -> Gallery:
        """Some of the images with their captions, in this order; nothing is read before it is asked for."""
        owned = [(caption, place) for place, number in enumerate(numbers) for caption in self.of(number)]
        return replace(
            self,
            images=_Part(self.images, tuple(numbers)),
            captions=tuple(caption for caption, _ in owned),
            owner=tuple(place for _, place in owned),
            digest=key(self.digest, list(numbers)),
            units=tuple(self.units[number] for number in numbers) if self.units else (),
        )


@dataclass(frozen=True)
class _Part:
    """Some of the images of a gallery."""

    whole: Images
    numbers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Tensor:
        return self.whole[self.numbers[index]]

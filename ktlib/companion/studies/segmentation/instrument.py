"""What looks and what outlines, what is looked for, and what is taught before: the lessons of notebook 03."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from ktlib.companion import sources
from ktlib.companion.scales import Segmenting
from ktlib.companion.sources import Lesion
from ktlib.companion.studies import bench
from ktlib.companion.studies.bench import Course, Subject
from ktlib.data.sets import Concept, MaskedImages
from ktlib.evaluate.saliency import randomised
from ktlib.evaluate.segmentation import Batch
from ktlib.models import DualEncoder, Segmenter, load
from ktlib.models.checkpoints import fingerprint
from ktlib.store import key
from ktlib.transfer import named_caption

AT_ONCE = 16  # images that are read together
ROOM = 2**30  # bytes for what SAM's image encoder made of images; a published SAM's embedding has 4 MB


@dataclass(frozen=True)
class Instrument:
    """A model that looks, and one that outlines what lies in a box.

    Attributes:
        subject: the model that looks, before any transfer.
        segmenter: outlines; it is never taught.
        lesions: what is looked for.
        kept: what SAM's image encoder made of images, by their digests: most of its work, the same for every box.
    """

    subject: Subject
    segmenter: Segmenter
    lesions: tuple[Lesion, ...]
    kept: dict[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    @property
    def here(self) -> Segmenting:
        """What the scale says."""
        return self.subject.scale.segmenting

    @property
    def model(self) -> DualEncoder:
        """The model that looks."""
        return self.subject.only.dual

    @cached_property
    def outlines(self) -> str:
        """Of all that the model that outlines computes with."""
        return fingerprint(self.segmenter)

    @property
    def parts(self) -> tuple[object, ...]:
        """What all that is found depends on, beside images and words."""
        return self.subject.fingerprint, self.outlines

    @cached_property
    def forgotten(self) -> DualEncoder:
        """The model that looks with its weights shuffled."""
        return randomised(self.model)

    def concept(self, lesion: Lesion) -> Concept:
        """A lesion as it is taught."""
        return self.subject.exam.concept(lesion.name)

    def images(self, lesion: Lesion, split: str) -> MaskedImages:
        """As many images of a split as the scale looks at, from the first."""
        whole = sources.masked_images(self.here.lesions, lesion.name, split)
        count = {"validation": self.here.validation, "test": self.here.test}[split]
        return whole if count is None or count >= len(whole) else whole.take(range(count))

    def batches(self, images: MaskedImages, *, embed: bool = True) -> Iterator[Batch]:
        """Images and their true masks, a few at a time, with their embeddings, which are kept while there is room.

        Args:
            images: of a split.
            embed: whether anything will be outlined.
        """
        for pictures, truths in images.batches(AT_ONCE):
            yield Batch(pictures, truths, self._embedded(pictures) if embed else None)

    def _embedded(self, pictures: Tensor) -> Tensor:
        places = [key(picture) for picture in pictures]
        lacking = [number for number, place in enumerate(places) if place not in self.kept]
        found = {place: self.kept[place] for place in places if place in self.kept}
        if lacking:
            found |= {places[n]: one for n, one in zip(lacking, self.segmenter.embed(pictures[lacking]), strict=True)}
        if len(self.kept) * next(iter(found.values())).nbytes < ROOM:
            self.kept.update(found)
        return torch.stack([found[place] for place in places])


def instrument(subject: Subject) -> Instrument:
    """What looks and what outlines, on one device.

    Args:
        subject: a model with vectors of texts, whose maps are looked at.
    """
    here = subject.scale.segmenting
    outlines = load(here.segmenter, Segmenter).to(subject.only.dual.device)
    return Instrument(subject, outlines, sources.lesions(here.lesions))


# -- what is taught -------------------------------------------------------------------------------------
Courses = Mapping[tuple[str, int], Course]  # by the lesion's name and seed


def courses(subject: Subject, method: str, *, progress: bool = True) -> dict[tuple[str, int], Course]:
    """What an arm teaches of each lesion, in a model of its own, with the name and the description of that lesion.

    Args:
        subject: whose model is taught, and inverts.
        method: `kt` (images inverted from the lesion's description), `noise`, `wrong` (those inverted from the next
            lesion's description), or `real` (ten real images of it; none of them is examined).
        progress: show a bar.

    Returns:
        By lesion and seed; without those of which there are no real images to spare.

    Raises:
        ValueError: there is no such method.
    """
    every = subject.exam.concepts
    told = {one.name: named_caption(one.name, one.main) for one in every}
    return {
        (name, seed): Course(lesson, told[name], (), seed, subject.teaching.transfer)
        for (name, seed), lesson in bench.lessons(subject, every, method, progress=progress).items()
    }


def at(course: Course, rate: float) -> Course:
    """The course at another learning rate."""
    return replace(course, recipe=replace(course.recipe, lr=rate))


def taught(model: DualEncoder, course: Course | None) -> DualEncoder:
    """The model after a course, or itself.

    Raises:
        ValueError: it has no vectors of texts.
    """
    after = course(model) if course else model
    if not isinstance(after, DualEncoder):
        raise ValueError(f"expected a dual encoder, found {after.name}")
    return after

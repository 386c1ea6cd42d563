"""What a model that reads picture and caption together is trained on: a pool of pictures, and captions.

A caption belongs to its picture or does not. Half of those that do not come from another picture, often
one of the same kind; in the other half a single word was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from ktlib.pocket import flickr, world
from ktlib.pocket.draw import COLOURS
from ktlib.pocket.objects import OBJECTS
from ktlib.pocket.scenes import NUMBERS, SHAPES


@dataclass(frozen=True)
class Pool:
    """Pictures drawn once, with their captions.

    Attributes:
        images: uint8 (pictures, 3, 64, 64).
        captions: one or five a picture.
        subjects: what each shows; pictures of one subject are hard to tell apart.
    """

    images: Tensor
    captions: tuple[tuple[str, ...], ...]
    subjects: tuple[str, ...]


def draw(
    count: int, *, scenes: float, seed: int, first: int = 0, familiarity: float = 1.0, progress: bool = False
) -> Pool:
    """Scenes as in the pocket Flickr, then pictures and captions as the pocket CLIP of its fold sees them.

    Args:
        count: of pictures.
        scenes: their share.
        seed: of the training.
        first: position of the first scene, and of the first picture in the world's pool.
        familiarity: as in `world.Stream`.
        progress: show a bar.
    """
    relations, images, captions, subjects = round(scenes * count), [], [], []
    for index in tqdm(range(relations), desc="scenes", disable=not progress):
        scene = flickr.training_scene(seed, first + index)
        images.append(np.asarray(scene.image))
        captions.append(scene.captions)
        subjects.append("scene")
    # of the pool a fold sees four pictures in five or so
    shown = world.Stream(world.pool(round(1.25 * (count - relations)), first=first), flickr.FOLD, seed, familiarity)
    for position in tqdm(range(count - relations), desc="captions", disable=not progress):
        index, caption = shown.shown(position)
        drawn = shown.pool.drawn[index]
        heard = [word for word in caption.split() if word in shown.fold.held_out]  # beside another's picture
        images.append(shown.pool.images[index].numpy())
        captions.append((caption,))
        subjects.append(heard[0] if heard else drawn.subject or drawn.kind)
    return Pool(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), tuple(captions), tuple(subjects))


_PLURALS = tuple(f"{shape}es" if shape.endswith("s") else f"{shape}s" for shape in SHAPES)
# Words that may stand in each other's place and make a caption untrue.
_CLASSES: tuple[tuple[str, ...], ...] = (
    tuple(COLOURS), SHAPES, _PLURALS, tuple(OBJECTS), tuple(NUMBERS.values()),
    ("left", "right"), ("above", "below"), ("large", "small"), ("upright", "lying"), ("round", "square"),
    ("thick", "thin"),
)  # fmt: skip


class Changes:
    """Changes one word of a caption so that it no longer is true.

    The new word is drawn as often as it occurs in the pool, so that how often a word is seen says
    nothing about whether a caption is true.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        said = [word for told in captions for word in told[0].split()]
        self.likely = {group: [w for w in said if w in set(group)] for group in _CLASSES}
        self.of = {word: group for group in reversed(_CLASSES) for word in group}

    def __call__(self, caption: str, rng: Random) -> str | None:
        """The caption with one word changed; None where there is no word to change."""
        words = caption.split()
        places = [i for i, word in enumerate(words) if word in self.of and len(set(self.likely[self.of[word]])) > 1]
        if not places:
            return None
        names = [i for i in places if words[i] in OBJECTS]
        places += 2 * names  # a caption has one name and many colours; names are what is examined
        sides = [i for i in places if words[i] in ("left", "right", "above", "below")]
        place = rng.choice(places + 2 * sides)
        old = words[place]
        while words[place] == old:
            words[place] = rng.choice(self.likely[self.of[old]])
        return world.english(" ".join("a" if word == "an" else word for word in words))


class Batches:
    """Batch `i` of a training: a function of the pool, the seed and `i`.

    Args:
        pool: pictures and captions.
        size: pictures in a batch.
        seed: of the training.
    """

    def __init__(self, pool: Pool, size: int, seed: int) -> None:
        self.pool, self.size, self.seed = pool, size, seed
        self.change = Changes(pool.captions)
        lengths = np.array([len(told[0].split()) for told in pool.captions])
        edges = np.quantile(lengths, [1 / 3, 2 / 3])  # captions of like length together: little padding
        self.shelves = [np.flatnonzero(np.searchsorted(edges, lengths) == shelf) for shelf in range(3)]
        self.alike: dict[str, list[int]] = {}
        for index, subject in enumerate(pool.subjects):
            self.alike.setdefault(subject, []).append(index)

    def __call__(self, index: int) -> tuple[Float[Tensor, "batch 3 64 64"], list[str], list[str]]:
        """Images as float in [0, 1], captions that match, captions that do not."""
        rng = Random(f"{self.seed} {index}")
        shelf = self.shelves[rng.choices(range(3), [len(s) for s in self.shelves])[0]]
        chosen = [int(shelf[rng.randrange(len(shelf))]) for _ in range(self.size)]
        true = [rng.choice(self.pool.captions[i]) for i in chosen]
        false = [self._false(i, caption, chosen, rng) for i, caption in zip(chosen, true, strict=True)]
        return self.pool.images[chosen].float() / 255, true, false

    def _false(self, index: int, caption: str, batch: list[int], rng: Random) -> str:
        kind = rng.random()
        if kind < 0.5 and (changed := self.change(caption, rng)):
            return changed
        subject = self.pool.subjects[index]
        nameless = subject not in OBJECTS
        for _ in range(20):
            other = rng.choice(self.alike[subject] if kind < 0.75 and nameless else batch)
            told = rng.choice(self.pool.captions[other])
            if self.pool.subjects[other] == subject and not nameless:
                continue
            a, b = set(told.split()), set(caption.split())
            if not (a <= b or b <= a):  # neither says less of the same
                return told
        return rng.choice(self.pool.captions[(index + 1) % len(self.pool.captions)])

"""How a caption is found, word by word: three searches that know no model.

A search asks a step for the scores of the next word of every text that is still open. All images go side
by side, each with a few open texts; an image whose search is over leaves the batch.

`beam_logits` is the search of the paper's time. open_clip up to 3.3.0 (September 2025) adds raw scores of
words where a beam search adds logarithms of probabilities, so a text is not the likelier for its sum. It
also splits its six beams into three groups without anything that keeps the groups apart: all three find
the same, so it is a beam of two at three times the cost, and here it is run as one. `beam` is what the
name usually means, and `greedy` takes the best word each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

SEARCHES = ("beam_logits", "beam", "greedy")
BEAMS, GROUPS = 6, 3  # open_clip's defaults, which CLIP_benchmark calls


@runtime_checkable
class Step(Protocol):
    """Scores of the next word of every open text."""

    def __call__(
        self, words: Int[Tensor, "images open"], rows: Int[Tensor, "images open"]
    ) -> Float[Tensor, "images open vocabulary"]:
        """Goes one word on.

        Args:
            words: the last word of each text.
            rows: the text of the call before that each goes on from, counted through all images
                (`image * open + text`); in the first call the image. All texts of a row belong to one image.

        Returns:
            Scores of the words that may follow; not normalised.
        """
        ...


class Limits(NamedTuple):
    """Where texts begin and end.

    Attributes:
        start, end: ids of the two words that do so.
        longest: most words, the start counted and the end not.
        shortest: before so many words, the start counted, a text may not end.
    """

    start: int
    end: int
    longest: int = 30
    shortest: int = 5


Found = list[list[int]]  # a text an image: ids without the end, with the start


def search(step: Step, images: int, limits: Limits, *, kind: str, beams: int = BEAMS, groups: int = GROUPS) -> Found:
    """The text that a search finds for each image.

    Args:
        step: tells the scores of the next word.
        images: how many.
        limits: where texts begin and end.
        kind: of `SEARCHES`.
        beams: open texts an image; `greedy` has one.
        groups: of `beam_logits` alone: into how many the beams are split.

    Raises:
        ValueError: an unknown search, numbers that do not fit, or a score that is no number.
    """
    if not 0 < limits.shortest < limits.longest:
        raise ValueError(f"expected shortest below longest, found {limits.shortest} and {limits.longest}")
    if beams < 1 or groups < 1 or (kind == "beam_logits" and beams % groups):
        raise ValueError(f"expected beams in equal groups, found {beams} in {groups}")
    match kind:
        case "beam_logits":
            return beam_logits(step, images, limits, width=beams // groups)
        case "beam":
            return beam(step, images, limits, width=beams)
        case "greedy":
            return greedy(step, images, limits)
    raise ValueError(f"expected a search of {', '.join(SEARCHES)}, found {kind!r}")


def beam_logits(step: Step, images: int, limits: Limits, *, width: int = BEAMS // GROUPS) -> Found:
    """The search of the paper's time: as `beam`, but raw scores are added.

    Args:
        step, images, limits: as in `search`.
        width: open texts an image; six in three groups that do the same are two.

    Source: open_clip 2.26 to 3.3, `CoCa.generate` with its defaults (INFERRED for KT v1, Sec. 4.4.3).
    """
    return _beams(step, images, limits, width, lambda scores: scores)


def beam(step: Step, images: int, limits: Limits, *, width: int = BEAMS) -> Found:
    """Beam search: the text with the highest mean logarithm of its words' probabilities among those kept.

    Args:
        step, images, limits: as in `search`.
        width: open texts an image.

    Source: transformers' beam search without penalties, which open_clip calls since 2026.
    """
    return _beams(step, images, limits, width, lambda scores: scores.log_softmax(-1))


def greedy(step: Step, images: int, limits: Limits) -> Found:
    """The best word each time. A beam of one does the same: it ends where the end comes first.

    Args:
        step, images, limits: as in `search`.
    """
    return _beams(step, images, limits, 1, lambda scores: scores)


@dataclass
class _Ended:
    """The best texts of one image that have come to their end, at most `width`."""

    width: int
    texts: list[tuple[float, list[int]]] = field(default_factory=list)  # by score, the best first

    def add(self, score: float, text: list[int]) -> None:
        """Keep a text where there is room or it beats the last; of equal ones the earlier stays."""
        self.texts = sorted([*self.texts, (score, text)], key=lambda one: -one[0])[: self.width]

    def beats(self, attainable: float) -> bool:
        """Whether an open text can no longer take a place."""
        return len(self.texts) == self.width and self.texts[-1][0] >= attainable


def _beams(step: Step, images: int, limits: Limits, width: int, scored: Callable[[Tensor], Tensor]) -> Found:
    """Beam search with the sums and their division by the length as in transformers' scorer (4.57)."""
    ended = [_Ended(width) for _ in range(images)]
    alive = list(range(images))  # images whose search goes on
    texts = [[[limits.start]] for _ in alive]
    rows = torch.arange(images)[:, None]
    sums = torch.zeros(images, 1)
    for length in range(1, limits.longest):
        if not alive:
            break
        words = torch.tensor([[text[-1] for text in open_] for open_ in texts])
        scores = scored(step(words, rows)).float()  # (alive, open, vocabulary)
        if length < limits.shortest:
            scores[..., limits.end] = float("-inf")
        vocabulary = scores.shape[-1]
        if vocabulary <= 2 * width:
            raise ValueError(
                f"expected a vocabulary of more than {2 * width} words for {width} beams, found {vocabulary}"
            )
        # twice the width: however many of them end, enough go on
        best, places = (scores + sums.to(scores.device)[..., None]).flatten(1).topk(2 * width)
        if best[:, 0].isnan().any():  # topk takes it for the largest
            raise ValueError(
                "expected scores of words, found what is no number (NaN): an image holds such pixels, or the weights "
                "do, as after too high a learning rate"
            )
        kept, alive_before = [], alive
        for row, (values, found) in enumerate(zip(best.tolist(), places.tolist(), strict=True)):
            going = []
            for rank, (value, place) in enumerate(zip(values, found, strict=True)):
                parent, word = divmod(place, vocabulary)
                if word != limits.end:
                    going.append((value, row * len(texts[row]) + parent, [*texts[row][parent], word]))
                elif rank < width:
                    ended[alive[row]].add(value / (length + 1), texts[row][parent])
                if len(going) == width:
                    break
            if not ended[alive[row]].beats(values[0] / (length + 1)):
                kept.append((row, going))
        alive = [alive_before[row] for row, _ in kept]
        texts = [[text for _, _, text in going] for _, going in kept]
        rows = torch.tensor([[parent for _, parent, _ in going] for _, going in kept])
        sums = torch.tensor([[value for value, _, _ in going] for _, going in kept])
    for image, open_, values in zip(alive, texts, sums.tolist(), strict=True):
        for text, value in zip(open_, values, strict=True):
            ended[image].add(value / len(text), text)
    return [one.texts[0][1] for one in ended]

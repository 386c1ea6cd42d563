"""Differences of captions with intervals over images and seeds, and shares of such differences.

Everything that is compared sees the same draws, so that a difference, or a share of one, is paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from ktlib.evaluate.captioning import METRICS, CaptionScores, split_alike
from ktlib.evaluate.intervals import Estimate

DRAWS = 1000  # of images and seeds: ours (D54)
Pair = tuple[CaptionScores, CaptionScores]  # before and after

SEEN = 1e-4  # a hundredth of a point: of less, which counts that are nearly 0 bring about, there is no share


class Draw:
    """The difference of captions of the same images, drawn again and again.

    A draw takes images with replacement (those of one unit together), and seeds with replacement. What it takes
    depends on their numbers alone, so two differences of as many images and seeds see the same draws.

    Args:
        pairs: scores before and after, for each seed.
        units: for each image of a gallery the number of its unit; none where each stands alone.

    Raises:
        ValueError: scores of other images, or of words that were split otherwise.
    """

    def __init__(self, pairs: Sequence[Pair], units: Sequence[int] = ()) -> None:
        self.pairs = list(pairs)
        scored = {scores.images for pair in pairs for scores in pair}
        if len(scored) != 1:
            sizes = sorted(len(images) for images in scored)
            raise ValueError(f"expected captions of the same images before and after, found sets of {sizes}")
        split_alike(scores for pair in pairs for scores in pair)
        own = [units[int(image)] if units else int(image) for image in scored.pop()]
        _, member = np.unique(own, return_inverse=True)
        random = np.random.default_rng(0)
        self.images = _drawn(random, int(member.max()) + 1)[:, member]  # (draws, images)
        self.seeds = _drawn(random, len(self.pairs))  # (draws, seeds)

    @property
    def metrics(self) -> list[str]:
        """Those that both sides have."""
        return [metric for metric in METRICS if all(metric in s.corpus for pair in self.pairs for s in pair)]

    def value(self, metric: str) -> float:
        """The mean difference over seeds."""
        return fmean(more.corpus[metric] - less.corpus[metric] for less, more in self.pairs)

    def drawn(self, metric: str) -> np.ndarray:
        """The mean difference over the seeds drawn, on the images drawn: (draws,)."""
        each = [more.redrawn(metric, self.images) - less.redrawn(metric, self.images) for less, more in self.pairs]
        return (np.stack(each, 1) * self.seeds).sum(1) / len(self.pairs)

    def change(self, metric: str) -> Estimate:
        """The difference with its 95 % percentile interval."""
        return _interval(self.value(metric), self.drawn(metric))


def share(part: Draw, whole: Draw, metric: str) -> Estimate | None:
    """How much of one difference another is, with its 95 % percentile interval.

    None where the whole may be nothing, its interval not above `SEEN`. The few draws in which nobody sees it have no
    share: dividing by them gives anything.

    Args:
        part, whole: over the same images and seeds.
        metric: that both have.

    Raises:
        ValueError: other images or another number of seeds, so that draws are not paired.
    """
    if not (np.array_equal(part.images, whole.images) and np.array_equal(part.seeds, whole.seeds)):
        raise ValueError(
            f"expected as many images and seeds in both differences, found {part.images.shape[1]} and "
            f"{whole.images.shape[1]} images, {len(part.pairs)} and {len(whole.pairs)} seeds"
        )
    if whole.change(metric).low <= SEEN:
        return None
    value = part.value(metric) / whole.value(metric)
    below = whole.drawn(metric)
    seen = below > SEEN
    return _interval(value, part.drawn(metric)[seen] / below[seen])


def _interval(value: float, drawn: np.ndarray) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _drawn(random: np.random.Generator, count: int) -> np.ndarray:
    """How often each of so many is drawn, (draws, count)."""
    return random.multinomial(count, np.full(count, 1 / count), size=DRAWS)

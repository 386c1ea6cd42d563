"""What pictures are taken for along a walk through the learning rates, and where its budget is spent.

`record.compare` reads rows in the same way; here every picture is kept, for an interval over pictures needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ktlib.companion.record.compare import overspent, target_at_budget
from ktlib.evaluate.intervals import Estimate, over_images, square_and_add, wilson


@dataclass(frozen=True)
class Answers:
    """What a model takes pictures for, once for each seed.

    Attributes:
        named: how far each picture is taken for each name, the concept last, (seeds, pictures, names): 0 or 1, and
            between them where a walk is read between two rates.
        kept: how far each known picture is recognised among the known names, (seeds, known pictures), the same.
    """

    named: np.ndarray
    kept: np.ndarray

    @property
    def hits(self) -> np.ndarray:
        """How far a picture is taken for the concept, (seeds, pictures)."""
        return self.named[:, :, -1]

    @property
    def recognised(self) -> Estimate:
        """The share of pictures taken for the concept, mean over the seeds, with Wilson's interval over pictures."""
        share, count = self.hits.mean(), self.hits.shape[1]
        interval = wilson(round(share * count), count)
        return Estimate(float(share), min(interval.low, float(share)), max(interval.high, float(share)))

    @property
    def retained(self) -> float:
        """The share of known pictures that is still recognised."""
        return float(self.kept.mean())


@dataclass(frozen=True)
class Walk:
    """What one lesson leads to as its learning rate grows.

    Attributes:
        seed: of the lesson and its transfer.
        rates: from small to large.
        steps: the answers of that seed after each.
    """

    seed: int
    rates: tuple[float, ...]
    steps: tuple[Answers, ...]

    def on(self, rate: float, answers: Answers) -> Walk:
        """The walk with one more step."""
        return Walk(self.seed, (*self.rates, rate), (*self.steps, answers))

    def at(self, start: Answers, budget: float | None) -> Answers:
        """The answers where retention has fallen below that of the start by the budget, or else after the last rate.

        The way between two rates is straight, as in `compare.target_at_budget`.

        Args:
            start: what the walk begins with.
            budget: loss of retention that is allowed, a fraction; None to read after the last rate, whatever it cost.
        """
        if budget is None:
            return self.steps[-1]

        def read(of: Callable[[Answers], np.ndarray]) -> np.ndarray:
            return target_at_budget([(s.retained, of(s)) for s in self.steps], (start.retained, of(start)), budget)

        return Answers(read(lambda one: one.named), read(lambda one: one.kept))

    def spends(self, start: Answers, budget: float) -> bool:
        """Whether it goes as far as the budget."""
        return any(overspent(step.retained, start.retained, budget) for step in self.steps)


def gain(after: Answers, before: Answers) -> Estimate:
    """How much more often the pictures are recognised, with the wider of two intervals at either end.

    A bootstrap over seeds and pictures sees what goes together and has no width where all come out alike; the
    difference of two proportions has one always, and knows neither pairs nor seeds.

    Args:
        after, before: answers to the same pictures; of one seed, or of as many as the other.

    Source: ours.
    """
    seeds = max(len(after.hits), len(before.hits))
    change = np.broadcast_to(after.hits, (seeds, after.hits.shape[1])) - before.hits
    pair = after.hits.mean(0), before.hits.mean(0)  # over seeds, a picture each
    together = float(np.corrcoef(*pair)[0, 1]) if min(one.std() for one in pair) > 0 else 0.0
    drawn = over_images(change)
    apart = square_and_add(after.recognised, before.recognised, correlation=max(0.0, together))
    return Estimate(drawn.value, max(-1.0, min(drawn.low, apart.low)), min(1.0, max(drawn.high, apart.high)))

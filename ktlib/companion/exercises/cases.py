"""The hidden cases of every exercise, by the number of its notebook. What is right is what the library computes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ktlib import linear_maps, losses
from ktlib.companion.exercises.kinds import Case, agrees, chosen
from ktlib.evaluate import intervals, overlap, retrieval


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _directions(count: int, dim: int, seed: int) -> Tensor:
    return F.normalize(_random(count, dim, seed=seed) - 0.5, dim=1)


# -- 00: what smoothness is, what a control is for, what is kept ---------------------------------------
SMOOTH = agrees(
    losses.total_variation,
    ("pictures of one colour", (torch.full((2, 3, 8, 8), 0.3),)),
    ("one step from dark to light", (torch.cat([torch.zeros(1, 1, 4, 2), torch.ones(1, 1, 4, 2)], 3),)),
    ("one bright pixel", (F.one_hot(torch.tensor(12), 25).float().view(1, 1, 5, 5),)),
    ("three pictures of noise", (_random(3, 3, 16, 16),)),
)
CONTROL = chosen(
    "b",
    {
        "a": "A second model says whether the result is general, not what brought it.",
        "c": "A control is no competitor: it is taught in the same way, and lacks one thing.",
        "d": "Its number may be anything; what counts is what remains of the gain once it is taken away.",
    },
)


def _beyond(before: Tensor, after: Tensor, control: Tensor) -> float:
    """What after gains beyond a control, in points: before falls out."""
    return 100 * (after.double().mean() - control.double().mean()).item()


BEYOND = agrees(
    _beyond,
    ("a control that gains nothing", tuple(torch.tensor(x) for x in ([0, 0, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0]))),
    ("a control that gains as much", tuple(torch.tensor(x) for x in ([0, 0, 1, 0], [1, 1, 1, 0], [1, 0, 1, 1]))),
    ("a control that loses", tuple(torch.tensor(x) for x in ([0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0]))),
)


# -- 01: the loss, and a rate within a budget ----------------------------------------------------------
NT_XENT = agrees(
    losses.nt_xent,
    ("two pairs", (_directions(2, 4, 1), _directions(2, 4, 2), 0.07)),
    ("one caption for the whole batch", (_directions(4, 8, 3), _directions(1, 8, 4).expand(4, 8), 0.07)),
    ("another temperature", (_directions(5, 8, 5), _directions(5, 8, 6), 0.5)),
)


def _rate(tried: Sequence[tuple[float, float, float]], before: float, budget: float) -> float:
    """Of (rate, accuracy, retention): the most accurate within the budget, the smaller of equals, else the smallest."""
    fit = [(accuracy, -rate) for rate, accuracy, kept in tried if before - kept <= budget + 1e-9]
    return -max(fit)[1] if fit else min(rate for rate, _, _ in tried)


RATE = agrees(
    _rate,
    ("an accurate rate that forgets too much", ([(1e-4, 0.3, 0.95), (2e-4, 0.5, 0.94), (4e-4, 0.9, 0.8)], 0.95, 0.02)),
    ("two that are equally accurate", ([(4e-4, 0.5, 0.95), (2e-4, 0.5, 0.95), (1e-4, 0.2, 0.95)], 0.95, 0.02)),
    ("none that keeps to the budget", ([(4e-4, 0.9, 0.5), (2e-4, 0.5, 0.6)], 0.95, 0.02)),
)


# -- 02: the most a class can say for itself, and a fair mean ------------------------------------------
def _largest(cosines: Tensor) -> Tensor:
    return cosines.amax(2).argmax(1)


LARGEST = agrees(
    _largest,
    ("random cosines", (_random(6, 3, 4, seed=7),)),
    ("one prompt that fits beside three that do not", (torch.tensor([[[0.9, 0.0, 0.0], [0.5, 0.5, 0.5]]]),)),
)


def _balanced(hits: Tensor, labels: Tensor) -> float:
    return torch.stack([hits[labels == label].double().mean() for label in labels.unique()]).mean().item()


BALANCED = agrees(
    _balanced,
    ("one class that is common", (torch.tensor([1, 1, 1, 1, 0]), torch.tensor([0, 0, 0, 0, 1]))),
    ("three classes", (torch.tensor([1, 0, 1, 1, 0, 0]), torch.tensor([2, 2, 0, 0, 0, 1]))),
)

# -- 03: two ways to say how far two masks agree -------------------------------------------------------
_MASKS = [_random(2, 8, 8, seed=seed) > 0.5 for seed in (8, 9)]


def _dice(mask: Tensor, truth: Tensor) -> float:
    return overlap.dice(mask[None], truth[None]).item()


DICE = agrees(
    _dice,
    ("two masks that share something", (_MASKS[0][0], _MASKS[1][0])),
    ("two that are the same", (_MASKS[0][1], _MASKS[0][1])),
    ("two that share nothing", (_MASKS[0][0], ~_MASKS[0][0])),
    ("an empty answer", (torch.zeros(8, 8, dtype=torch.bool), _MASKS[0][0])),
)
FROM_DICE = agrees(
    lambda dice: dice / (2 - dice), ("a half", (0.5,)), ("nothing", (0.0,)), ("all", (1.0,)), ("most", (0.8,))
)


# -- 04: where ties go, and a loss for a yes or a no ---------------------------------------------------
def _rank(scores: Tensor, own: int) -> int:
    """The rank of a caption of one image among all, by the library."""
    others = torch.cat([scores[:own], scores[own + 1 :]])
    pair = torch.stack([torch.cat([scores[own : own + 1], others]), torch.zeros(len(scores))])
    return int(retrieval.ranks(pair, [0, *[1] * len(others)]).text_rank[0])


RANK = agrees(
    _rank,
    ("a clear winner", (torch.tensor([0.1, 0.9, 0.3]), 1)),
    ("the second", (torch.tensor([0.5, 0.9, 0.3]), 0)),
    ("three that tie", (torch.tensor([0.7, 0.7, 0.2, 0.7]), 1)),
)


def _matching(logits: Tensor, matches: Tensor) -> Tensor:
    return F.cross_entropy(logits, matches.long())


MATCHING = agrees(
    _matching,
    ("a model in doubt", (torch.zeros(2, 2), torch.tensor([1, 0]))),
    ("some pairs", (3 * _random(5, 2, seed=10), torch.tensor([1, 0, 0, 1, 0]))),
    ("logits that are large", (torch.tensor([[1000.0, 0.0], [0.0, 1000.0]]), torch.tensor([0, 1]))),
)


# -- 05: what a metric of captions counts, and how much the templates explain ---------------------------
def _unigrams(caption: str, references: Sequence[str]) -> float:
    found = Counter(caption.split())
    most: Counter[str] = Counter()
    for reference in references:
        most |= Counter(reference.split())
    return sum((found & most).values()) / max(1, sum(found.values()))


UNIGRAMS = agrees(
    _unigrams,
    ("a caption that repeats itself", ("the the the the", ["the cat is on the mat", "there is a cat"])),
    ("words that different people wrote", ("a red wheel stands", ["a wheel", "something red"])),
    ("nothing in common", ("a kite", ["two lamps"])),
)
SHARE = agrees(
    lambda before, templates, kt: (templates - before) / (kt - before),
    ("half of the gain", (0.1, 0.2, 0.3)),
    ("all of it", (0.1, 0.3, 0.3)),
    ("a control that loses", (0.2, 0.1, 0.4)),
)


# -- 06: a map in closed form, and there and back -----------------------------------------------------
def _solved(source: Tensor, target: Tensor) -> Tensor:
    return linear_maps.least_squares(source, target).h(source)


def _line(count: int, inputs: int, outputs: int, seed: int, noise: float) -> tuple[object, ...]:
    source = _random(count, inputs, seed=seed) + 1
    target = source @ _random(inputs, outputs, seed=seed + 1) + 3 + noise * _random(count, outputs, seed=seed + 2)
    return source, target


LEAST_SQUARES = agrees(
    _solved,
    ("a map that is exact", _line(20, 3, 2, 11, 0.0)),
    ("a map with noise", _line(50, 4, 3, 21, 1.0)),
    ("as many outputs as inputs", _line(40, 4, 4, 31, 0.5)),
    tolerance=1e-3,
)


def _cycle(x: Tensor, there: Tensor, back: Tensor) -> Tensor:
    return (x @ there @ back - x).square().mean()


CYCLE = agrees(
    _cycle,
    ("a map and its inverse", (_random(6, 3, seed=41), 2 * torch.eye(3), torch.eye(3) / 2)),
    ("a narrower space between", (_random(6, 4, seed=42), _random(4, 2, seed=43), _random(2, 4, seed=44))),
)


# -- 07: half-way along the line, and where decay enters -----------------------------------------------
INTERPOLATED = agrees(
    lambda before, after, share: before + share * (after - before),
    ("half-way", (_random(3, 3, seed=51), _random(3, 3, seed=52), 0.5)),
    ("nothing", (_random(3, 3, seed=51), _random(3, 3, seed=52), 0.0)),
    ("a tenth", (_random(3, 3, seed=51), _random(3, 3, seed=52), 0.1)),
)
DECAY = chosen(
    "a",
    {
        "b": "That is AdamW: its decay is apart from the gradient, and no second moment divides it.",
        "c": "The learning rate multiplies what Adam makes of the gradient; decay does not change the rate.",
    },
)


# -- 09: why the name stays out, and what a few pictures can say -----------------------------------------
UNNAMED = chosen(
    "c",
    {
        "a": "The caption of the transfer holds the name, and is longer for it: length is not the reason.",
        "b": "The towers read the name well enough; that is the trouble.",
    },
)
FEW = agrees(
    lambda hits, count: intervals.wilson(hits, count).low,
    ("some of ten", (6, 10)),
    ("all of five", (5, 5)),
    ("none of five", (0, 5)),
    tolerance=2e-3,
)


# -- 10: from an interval to a verdict -----------------------------------------------------------------
def _verdict(low: float, high: float, margin: float) -> str:
    if high < margin:
        return "does not hold"
    return "holds" if low > 0 else "inconclusive"


VERDICT = agrees(
    _verdict,
    ("an interval above zero", (0.02, 0.3, 0.05)),
    ("an interval below zero", (-0.3, -0.1, 0.05)),
    ("an interval that reaches over zero", (-0.1, 0.2, 0.05)),
    ("an effect above zero and below the margin", (0.01, 0.03, 0.05)),
)


def _paired(one: Tensor, other: Tensor) -> tuple[float, float]:
    gaps = (one - other).double()
    return gaps.mean().item(), (gaps.std() / math.sqrt(len(gaps))).item()


PAIRED = agrees(
    _paired,
    ("differences that are all alike", (torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.8, 0.4, 0.0]))),
    ("differences that vary", (_random(12, seed=61), _random(12, seed=62))),
)

CASES: dict[str, dict[str, Case]] = {
    "00": {"ex1": SMOOTH, "ex2": CONTROL, "ex3": BEYOND},
    "01": {"ex1": NT_XENT, "ex2": RATE},
    "02": {"ex1": LARGEST, "ex2": BALANCED},
    "03": {"ex1": DICE, "ex2": FROM_DICE},
    "04": {"ex1": RANK, "ex2": MATCHING},
    "05": {"ex1": UNIGRAMS, "ex2": SHARE},
    "06": {"ex1": LEAST_SQUARES, "ex2": CYCLE},
    "07": {"ex1": INTERPOLATED, "ex2": DECAY},
    "09": {"ex1": UNNAMED, "ex2": FEW},
    "10": {"ex1": VERDICT, "ex2": PAIRED},
}

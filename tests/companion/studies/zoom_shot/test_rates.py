"""A range of learning rates grows until the best lies inside it, or a limit is reached."""

import math

import pytest

from ktlib.companion.studies.zoom_shot.rates import ranges, widened
from tests.rows import row


def peak(at):
    """A score that is highest at one rate, and the rates it was asked for."""
    asked = []

    def score(rate):
        asked.append(rate)
        return -abs(math.log(rate / at))

    return score, asked


@pytest.mark.parametrize(
    ("best", "tried"),
    [
        (0.03, [0.01, 0.03, 0.1]),  # inside from the start: nothing is added
        (0.3, [0.01, 0.03, 0.1, 0.3, 0.9]),
        (0.003, [0.01, 0.03, 0.1, 0.0033, 0.0011]),
        (7.0, [0.01, 0.03, 0.1, 0.3, 0.9]),  # the limit
        (1e-6, [0.01, 0.03, 0.1, 0.0033, 0.0011]),
    ],
)
def test_a_range_is_widened_until_the_best_lies_inside_or_the_limit_is_reached(best, tried):
    score, asked = peak(best)
    scores = widened(score, (0.1, 0.01, 0.03), (1e-3, 1.0))
    assert list(scores) == pytest.approx(sorted(tried[:3]) + tried[3:])
    assert asked == list(scores)  # each rate once


def test_one_rate_is_taken_as_it_is():
    score, asked = peak(1.0)
    assert list(widened(score, (1e-4,), (1e-6, 1.0))) == [1e-4] == asked


def test_a_plateau_is_not_climbed():
    assert list(widened(lambda rate: min(rate, 0.03), (0.01, 0.03, 0.1), (1e-3, 1.0))) == [0.01, 0.03, 0.1]


def test_a_rate_that_cannot_be_used_ends_the_search_upwards():
    scores = widened(lambda rate: rate if rate < 0.5 else float("-inf"), (0.01, 0.03, 0.1), (1e-3, 10.0))
    assert list(scores) == [0.01, 0.03, 0.1, 0.3, 0.9]


def test_ranges_say_whether_the_best_lies_inside():
    rows = [
        row(method="zoom_shot", varied=f"losses={name};lr={lr}") for name in ("MSE", "CC") for lr in (0.1, 0.3, 0.9)
    ]
    found = ranges({"losses=MSE": 0.3, "losses=CC": 0.9, "linear_aligner": 0.01}, rows)
    assert found["losses=MSE"] == {"learning rate": "0.3", "tried": "0.1 to 0.9", "best inside": "yes"}
    assert found["losses=CC"]["best inside"] == "no: the limit was reached"
    assert found["linear_aligner"]["best inside"] == "stated"

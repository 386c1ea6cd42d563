"""Intervals: hand cases, coverage, and what makes them wide."""

import numpy as np
import pytest

from ktlib.evaluate.intervals import over_concepts, paired_bootstrap, wilson


def test_wilson_by_hand():
    # centre (p + z²/2n) / (1 + z²/n) with p = 0.8, n = 10, z = 1.96
    estimate = wilson(8, 10)
    z2 = 1.959964**2
    centre = (0.8 + z2 / 20) / (1 + z2 / 10)
    assert (estimate.low + estimate.high) / 2 == pytest.approx(centre, abs=1e-4)
    assert estimate.value == 0.8


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10)])
def test_wilson_stays_inside_and_is_never_empty(hits, count):
    estimate = wilson(hits, count)
    assert 0 <= estimate.low < estimate.high <= 1


def test_a_difference_that_is_always_the_same_has_no_width():
    assert paired_bootstrap([0, 1, 0], [1, 2, 1]) == (1, 1, 1)


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=200) * 10
    estimate = paired_bootstrap(hard, hard + 0.5 + rng.normal(size=200) * 0.1)
    assert 0.4 < estimate.low < 0.5 < estimate.high < 0.6


def test_one_concept_carrying_the_mean_makes_the_interval_wide():
    even = over_concepts([[0.2, 0.2, 0.2]] * 6)
    carried = over_concepts([[1.2, 1.2, 1.2]] + [[0.0, 0.0, 0.0]] * 5)
    assert even.value == pytest.approx(carried.value)
    assert even.low == pytest.approx(0.2)
    assert carried.low == 0


def test_intervals_of_concepts_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    covered = 0
    for i in range(200):
        values = rng.normal(size=(20, 1)) + 0.3 * rng.normal(size=(20, 3))
        estimate = over_concepts(values, seed=i, resamples=400)
        covered += estimate.low <= 0 <= estimate.high
    assert covered >= 170  # nominal 190; the percentile bootstrap of 20 units is a little narrow


@pytest.mark.parametrize("bad", [[], [[np.nan]], [1.0, 2.0]])
def test_bad_tables_are_refused(bad):
    with pytest.raises(ValueError, match="expected finite numbers"):
        over_concepts(bad)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="found 11 of 10"):
        wilson(11, 10)
    with pytest.raises(ValueError, match="same items"):
        paired_bootstrap([1, 2], [1])

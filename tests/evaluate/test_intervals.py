"""Intervals: hand cases, coverage, and what makes them wide."""

import numpy as np
import pytest
from scipy import stats

from ktlib.evaluate.intervals import (
    between,
    over_concepts,
    over_images,
    over_items,
    paired_bootstrap,
    square_and_add,
    wilson,
)


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


def test_the_bootstrap_of_items_gives_the_numbers_that_are_published():
    rng = np.random.default_rng(3)
    before, after = rng.random(40), rng.random(40)
    published = (0.06658397428875575, -0.047396742152506596, 0.1863873720354604)
    assert paired_bootstrap(before, after, resamples=1000) == published
    assert over_items(after - before, resamples=1000) == paired_bootstrap(before, after, resamples=1000)


def test_one_concept_carrying_the_mean_makes_the_interval_wide():
    even = over_concepts([[0.2, 0.2, 0.2]] * 6)
    carried = over_concepts([[1.2, 1.2, 1.2]] + [[0.0, 0.0, 0.0]] * 5)
    assert even.value == pytest.approx(carried.value)
    assert even.low == pytest.approx(0.2)
    assert carried.low == pytest.approx(0.2 - 2.5706 * 0.2, abs=1e-4)  # t of five, standard error 1.2 / 6


def test_nested_and_crossed_by_hand():
    # Means of concepts 1, 2, 3: standard error 1 / sqrt(3), t of two degrees 4.3027.
    table = [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert over_concepts(table) == pytest.approx((2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3)
    # Without a rest, MS of both is 3: variance 6 / 9, degrees 36 / (9 / 2 + 9 / 2) = 4, t 2.7764.
    half = 2.7764 * (6 / 9) ** 0.5
    assert over_concepts(table, crossed=True) == pytest.approx((2, 2 - half, 2 + half), abs=1e-3)


def test_crossed_is_never_surer_than_the_larger_factor_alone():
    table = np.array([[0.0, 3.0, 1.0], [5.0, 1.0, 6.0], [9.0, 11.0, 8.0]])  # seeds say less than the rest does
    assert over_concepts(table, crossed=True) == pytest.approx(over_concepts(table))
    turned = over_concepts(table.T, crossed=True)  # now the columns are what matters
    assert turned == pytest.approx(over_concepts(table))


def test_one_concept_has_an_interval_over_its_seeds_and_one_value_none():
    assert over_concepts([[1.0, 2.0, 3.0]]) == pytest.approx((2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3)
    assert over_concepts([[1.0, 2.0, 3.0]], crossed=True) == over_concepts([[1.0, 2.0, 3.0]])
    assert over_concepts([[0.4]]) == (0.4, 0.4, 0.4)


def test_two_groups_are_compared_as_welch_does():
    one, other = [[1.0], [2.0], [4.0]], [[0.0], [1.0], [0.5], [0.2]]
    from_scipy = stats.ttest_ind([1, 2, 4], [0, 1, 0.5, 0.2], equal_var=False).confidence_interval(0.95)
    assert between(one, other)[1:] == pytest.approx((from_scipy.low, from_scipy.high))
    with pytest.raises(ValueError, match="expected two tables"):
        between([[1.0]], other)


# -- coverage ---------------------------------------------------------------------------------------
DRAWS = 2000  # standard error of a coverage of 0.95: 0.005


def tables(rng, concepts, seeds, kind, shared):
    """Tables whose true mean is 0: effects of concepts, shared effects of seeds, and a rest."""
    shape = (DRAWS, concepts, 1)
    own = rng.normal(size=shape) if kind == "normal" else 4 * (rng.beta(0.5, 2, size=shape) - 0.2)  # shares near 0
    rest = 0.5 * rng.normal(size=(DRAWS, concepts, seeds))
    return own + rest + shared * rng.normal(size=(DRAWS, 1, seeds))


def coverage(many, interval):
    found = [interval(table) for table in many]
    return np.mean([one.low <= 0 <= one.high for one in found])


# Covered a little less than they should be: skewed effects of few concepts (0.907 and 0.922 in 6000 draws), and three
# shared seeds that matter more than 36 concepts, where Satterthwaite's degrees of freedom vary (0.923 and 0.927).
LEAST = {("skewed", 6): 0.89, ("skewed", 9): 0.90, ("skewed", 36): 0.91, ("normal", 36): 0.915}


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("concepts", [6, 9, 36])
@pytest.mark.parametrize(("seeds", "crossed", "shared"), [(1, False, 0), (3, False, 0), (3, True, 0.3), (3, True, 1)])
def test_intervals_cover_the_truth_as_often_as_they_say(kind, concepts, seeds, crossed, shared):
    rng = np.random.default_rng([concepts, seeds, int(10 * shared)])
    many = tables(rng, concepts, seeds, kind, shared)
    covered = coverage(many, lambda table: over_concepts(table, crossed=crossed))
    assert LEAST.get((kind, concepts), 0.93) <= covered <= 0.985


def test_a_percentile_bootstrap_of_six_concepts_would_not():
    many = tables(np.random.default_rng(0), 6, 1, "normal", 0)
    assert coverage(many, lambda table: over_items(table[:, 0], resamples=400)) < 0.91


def test_nesting_what_is_crossed_would_not_either():
    assert coverage(tables(np.random.default_rng(0), 36, 3, "normal", 1), over_concepts) < 0.6


@pytest.mark.parametrize("bad", [[], [[np.nan]], [1.0, 2.0]])
def test_bad_tables_are_refused(bad):
    with pytest.raises(ValueError, match="expected finite numbers"):
        over_concepts(bad)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="found 11 of 10"):
        wilson(11, 10)
    with pytest.raises(ValueError, match="same items"):
        paired_bootstrap([1, 2], [1])


# -- images and seeds ---------------------------------------------------------------------------------
def test_over_images_is_the_bootstrap_of_a_mean_where_there_is_one_seed():
    values = np.random.default_rng(0).random(60)
    found, plain = over_images([values]), over_items(values)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == (pytest.approx(plain.low, abs=0.01), pytest.approx(plain.high, abs=0.01))


def test_seeds_that_disagree_widen_the_interval_and_images_of_one_unit_count_once():
    same, apart = np.tile(np.linspace(0, 1, 40), (3, 1)), np.linspace(0, 1, 40) + np.array([[-0.3], [0.0], [0.3]])
    assert over_images(apart).high - over_images(apart).low > 1.5 * (over_images(same).high - over_images(same).low)
    twice = np.repeat(np.linspace(0, 1, 10), 4)[None]
    units = [number // 4 for number in range(40)]
    narrow, wide = over_images(twice), over_images(twice, units=units)
    assert wide.high - wide.low > 1.6 * (narrow.high - narrow.low)  # a half of the root of four, and chance
    alone = over_items(np.linspace(0, 1, 10))
    assert (wide.low, wide.high) == (pytest.approx(alone.low, abs=0.03), pytest.approx(alone.high, abs=0.03))


def test_units_of_other_sizes_weigh_as_their_images():
    found = over_images([[0.0, 0.0, 0.0, 1.0]], units=[0, 0, 0, 1])
    assert (found.value, found.low, found.high) == (0.25, 0, 1)


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [[float("nan")]]])
def test_over_images_refuses_what_is_no_table(values):
    with pytest.raises(ValueError, match=r"expected finite numbers \(seeds, images\)"):
        over_images(values)


def test_over_images_refuses_units_of_other_images():
    with pytest.raises(ValueError, match="a unit an image"):
        over_images([[1.0, 2.0]], units=[0])


def test_two_proportions_are_apart_as_newcombe_prints_it():
    """Newcombe 1998, Table II, example (a): 56 of 70 minus 48 of 80."""
    found = square_and_add(wilson(56, 70), wilson(48, 80))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_pairs_that_go_together_are_told_apart_more_sharply():
    one, other = wilson(30, 40), wilson(20, 40)
    loose, tight = square_and_add(one, other), square_and_add(one, other, correlation=0.6)
    assert loose.low < tight.low < tight.value == loose.value < tight.high < loose.high
    assert square_and_add(one, one, correlation=0.0).high > 0.1

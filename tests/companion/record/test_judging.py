"""The rules of a verdict, and which of several differences decides."""

import pytest

from ktlib.companion.record import judging
from ktlib.companion.record.differences import Difference, change
from ktlib.companion.record.judging import (
    EQUIVALENCE,
    FAILS,
    HOLDS,
    MARGIN,
    UNDECIDED,
    above,
    at_most,
    decide,
    judge,
    no_gain,
    together,
    within,
)  # fmt: skip
from ktlib.evaluate.intervals import Estimate
from tests.rows import row


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.03, FAILS),
        (0.01, 0.2, HOLDS),
        (-0.2, -0.1, FAILS),
        (-0.01, 0.04, FAILS),
        (0, 0, FAILS),
        (-0.1, 0.2, UNDECIDED),
        (0, 0.1, UNDECIDED),
    ],
)
def test_the_rule(low, high, expected):
    assert judge(Estimate((low + high) / 2, low, high)) == expected


def test_without_a_margin_only_the_other_direction_fails():
    assert judge(Estimate(0, -0.01, 0.01), None) == UNDECIDED
    assert judge(Estimate(-0.5, -0.6, -0.4), None) == FAILS


def test_no_gain_is_judged_by_its_upper_end():
    assert no_gain(Estimate(0.05, 0.0, 0.1)) == HOLDS
    assert no_gain(Estimate(0.05, 0.0, 0.11)) == UNDECIDED
    assert no_gain(Estimate(0.2, 0.101, 0.3)) == FAILS


def test_all_parts_must_hold_and_one_failure_decides():
    assert together([HOLDS, HOLDS]) == HOLDS
    assert together([HOLDS, UNDECIDED]) == UNDECIDED
    assert together([HOLDS, UNDECIDED, FAILS]) == FAILS
    assert 0 < MARGIN < EQUIVALENCE


def difference(name, value, *, seeds=3, subjects="ab"):
    return Difference(name, {s: dict.fromkeys(range(seeds), value) for s in subjects}, {"m": value})


@pytest.mark.parametrize(
    ("rule", "values", "last"),
    [
        (above(), (0.3, 0.1, 0.2), "1"),
        (within(), (0.01, -0.06, 0.05), "1"),
        (at_most(), (-0.3, 0.05, 0.02), "1"),
        ([above(), above(None), above()], (0.9, -0.1, -0.2), "1"),  # a rule each: the first that fails
        ([above(), above()], (0.9, 0.5), "0"),  # none is open or fails
    ],
)
def test_the_worst_difference_decides(rule, values, last):
    found = [difference(str(i), value) for i, value in enumerate(values)]
    verdict = decide("K1", [row()], "KT Tab. 1", found, how="something", rule=rule)
    assert f"; {last} decides; something; 2 test concepts, 3 seeds, 50 images each; m" in verdict.comparison
    assert verdict.estimate.value == pytest.approx(values[int(last)])


def test_one_difference_needs_no_word_on_which_decides():
    verdict = decide("K1", [row()], "KT Tab. 1", [difference("a minus b", 0.3)], how="accuracy", remark="; a remark")
    assert verdict.comparison == (
        "a minus b +30.0 points [+30.0, +30.0]; accuracy; 2 test concepts, 3 seeds, 50 images each; "
        "m +30.0 points; a remark."
    )
    assert (verdict.verdict, verdict.items) == (HOLDS, ("KT Tab. 1",))


@pytest.mark.parametrize("few", [{"seeds": 2}, {"subjects": "a"}])
def test_few_concepts_or_seeds_decide_nothing(few):
    verdict = decide("K1", [row()], "KT Tab. 1", [difference("a minus b", 0.3, **few)], how="accuracy")
    assert verdict.verdict == UNDECIDED and "too few to decide (at least 2 and 3)" in verdict.comparison


def test_a_row_that_is_a_difference_brings_its_own_interval():
    fall = row(metric="tr@1", over="base", value=-0.2, low=-0.3, high=-0.1)
    found = change("fall of tr@1", fall, 3, sign=-1)
    assert found.estimate == Estimate(0.2, 0.1, 0.3)
    verdict = decide("K11", [fall], "KT Tab. 8", [found], how="rate 1", rule=above(None))
    assert verdict.comparison == "fall of tr@1 +20.0 points [+10.0, +30.0]; rate 1; 50 test images, 3 seeds."
    few = decide("K11", [fall], "KT Tab. 8", [change("fall", fall, 2, sign=-1)], how="rate 1", rule=above(None))
    assert few.verdict == UNDECIDED and "2 seeds, too few to decide (at least 3)" in few.comparison


def test_numbers_are_written_as_points_or_as_they_are():
    estimate = Estimate(0.123, -0.01, 0.2)
    assert judging.points(estimate) == "+12.3 points [-1.0, +20.0]"
    assert judging.plain(estimate) == "0.123 [-0.010, 0.200]"

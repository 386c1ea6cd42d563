"""The rules of a verdict, and which of several differences decides."""

import pytest
from scipy import stats

from ktlib.companion.record import judging
from ktlib.companion.record.differences import Difference, change
from ktlib.companion.record.judging import (
    EQUIVALENCE,
    FAILS,
    HOLDS,
    MARGIN,
    NOT_TESTABLE,
    UNDECIDED,
    Control,
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


def difference(name, value, *, seeds=3, subjects="abcdefgh"):
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
    assert f"; {last} decides; something; 8 test concepts, 3 seeds, 50 images each; m" in verdict.comparison
    assert verdict.estimate.value == pytest.approx(values[int(last)])


def test_one_difference_needs_no_word_on_which_decides():
    verdict = decide("K1", [row()], "KT Tab. 1", [difference("a minus b", 0.3)], how="accuracy", remark="; a remark")
    assert verdict.comparison == (
        "a minus b +30.0 points [+30.0, +30.0]; accuracy; 8 test concepts, 3 seeds, 50 images each; "
        "m +30.0 points; a remark."
    )
    assert (verdict.verdict, verdict.items) == (HOLDS, ("KT Tab. 1",))


def test_few_concepts_decide_nothing_and_few_seeds_may():
    def found(**few):
        return decide("K1", [row()], "KT Tab. 1", [difference("a minus b", 0.3, **few)], how="accuracy")

    few = found(subjects="abcdefg", seeds=9)
    assert few.verdict == UNDECIDED and "7 test concepts, too few to decide (at least 8), 9 seeds" in few.comparison
    assert found(seeds=1).verdict == HOLDS and "8 test concepts, 1 seed," in found(seeds=1).comparison


def spread(name, value, width):
    """A difference over eight concepts whose 95 % interval reaches as far as the width."""
    step = width / stats.t.ppf(0.975, 7) * 7**0.5  # the mean's deviation is step / sqrt(7), of +-step in equal numbers
    table = {str(i): {0: value + (step if i % 2 else -step)} for i in range(8)}
    return Difference(name, table, {"m": value})


def test_one_of_several_must_fail_at_a_corrected_level_and_all_hold_at_95_percent():
    good, bad = spread("good", 0.5, 0.1), spread("bad", -0.1, 0.095)
    assert bad.estimate.high == pytest.approx(-0.005)
    rule = above(None)
    alone = decide("K1", [row()], "KT Tab. 1", [bad], how="x", rule=rule)
    both = decide("K1", [row()], "KT Tab. 1", [good, bad], how="x", rule=rule)
    assert (alone.verdict, both.verdict) == (FAILS, UNDECIDED)
    assert (
        "one of 2 fails at 95 % and not at the 97.5 % that 2 comparisons ask for" in both.comparison
        and "bad decides" in both.comparison
    )
    clear = spread("clear", -0.5, 0.1)
    assert decide("K1", [row()], "KT Tab. 1", [good, clear], how="x", rule=rule).verdict == FAILS
    least = spread("least", 0.1, 0.095)  # above 0 at 95 %, no more at 97.5 %
    assert least.at(0.975).low < 0 < least.estimate.low
    assert decide("K1", [row()], "KT Tab. 1", [good, least], how="x", rule=rule).verdict == HOLDS


def test_what_fails_decides_even_where_something_open_is_worse():
    found = [spread("open", -0.2, 0.5), spread("fails", 0.01, 0.01)]
    verdict = decide("K1", [row()], "KT Tab. 1", found, how="x", rule=above())
    assert verdict.verdict == FAILS and "fails decides" in verdict.comparison


@pytest.mark.parametrize(
    ("control", "says"),
    [
        (None, "there is no positive control: real minus base was not measured"),
        (spread("real", 0.04, 0.01), "does not work: real minus base +4.0 points [+3.0, +5.0], above 5 points on"),
        (spread("real", 0.3, 0.4), "does not work: real minus base +30.0 points [-10.0, +70.0]"),
    ],
)
def test_nothing_is_testable_where_the_positive_control_does_not_work(control, says):
    for value in (0.5, -0.5):
        control_ = Control("real minus base", control)
        found = decide("K1", [row()], "KT Tab. 1", [difference("a minus b", value)], how="accuracy", control=control_)
        assert found.verdict == NOT_TESTABLE
        assert says in found.comparison and says in found.deciding
        assert "a minus b" in found.comparison and found.estimate.value == pytest.approx(value)


def test_a_control_that_works_is_told_and_changes_nothing():
    control = Control("real minus base", spread("real", 0.3, 0.1))
    found = decide("K1", [row()], "KT Tab. 1", [difference("a minus b", 0.3)], how="accuracy", control=control)
    assert found.verdict == HOLDS
    assert "control: real minus base +30.0 points [+20.0, +40.0], above 5 points on 8 of 8 concepts" in found.comparison


def test_a_control_may_be_a_change_that_a_row_holds():
    rise = row(metric="cider", over="base", value=0.2, low=0.1, high=0.3)
    works = Control("real minus base", change("real minus base", rise, 3), 0.0)
    found = decide("K12", [row()], "KT Tab. 1", [difference("a minus b", 0.3)], how="x", control=works)
    assert found.verdict == HOLDS and "control: real minus base +20.0 points [+10.0, +30.0]" in found.comparison
    fall = change("real minus base", rise, 3, sign=-1)
    blind = decide("K12", [row()], "KT Tab. 1", [difference("a minus b", 0.3)], how="x", control=Control("real", fall))
    assert blind.verdict == NOT_TESTABLE and "the positive control does not work: real -20.0 points" in blind.deciding


def test_rows_that_cannot_show_what_is_claimed_are_blind_to_it():
    control = Control("real minus base", spread("real", 0.3, 0.1))
    found = decide(
        "K1", [row()], "KT Tab. 1", [difference("d", 0.3)], how="accuracy", control=control, blind="too few pictures"
    )
    assert (found.verdict, found.deciding) == (NOT_TESTABLE, "too few pictures")
    assert found.comparison.startswith("too few pictures; d +30.0 points") and "control: real" in found.comparison


def test_a_row_that_is_a_difference_brings_its_own_interval():
    fall = row(metric="tr@1", over="base", value=-0.2, low=-0.3, high=-0.1)
    found = change("fall of tr@1", fall, 3, sign=-1)
    assert found.estimate == Estimate(0.2, 0.1, 0.3)
    verdict = decide("K11", [fall], "KT Tab. 8", [found], how="rate 1", rule=above(None))
    assert verdict.comparison == "fall of tr@1 +20.0 points [+10.0, +30.0]; rate 1; 50 test images, 3 seeds."
    less = row(metric="tr@1", over="base", value=-0.2, low=-0.3, high=-0.1, n=7)
    few = decide("K11", [less], "KT Tab. 8", [change("fall", less, 3, sign=-1)], how="rate 1", rule=above(None))
    assert few.verdict == UNDECIDED and "7 test images, too few to decide (at least 8), 3 seeds" in few.comparison


def test_numbers_are_written_as_points_or_as_they_are():
    estimate = Estimate(0.123, -0.01, 0.2)
    assert judging.points(estimate) == "+12.3 points [-1.0, +20.0]"
    assert judging.plain(estimate) == "0.123 [-0.010, 0.200]"
    assert judging.plain(Estimate(0.9, 0.7, 1.1)) == "0.900 [0.700, 1.000]"  # no correlation is above 1

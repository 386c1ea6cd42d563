"""Paired differences, contrasts and changes, and how wide their intervals are."""

import pytest

from ktlib.companion.record import differences
from ktlib.companion.record.differences import Contrast, Difference, change, difference
from ktlib.evaluate.intervals import Estimate
from tests.companion.record.test_compare import pair
from tests.rows import row


def test_differences_are_paired_and_averaged_over_the_models():
    one = {"b": {"x": {0: 0.5, 1: 0.7}, "y": {0: 0.2, 1: 0.2}}, "l": {"x": {0: 0.9, 1: 0.9}, "y": {0: 0.4, 1: 0.4}}}
    other = {"b": {"x": {None: 0.1}, "y": {None: 0.2}}, "l": {"x": {None: 0.3}, "y": {None: 0.2}}}
    found = difference("one minus other", one, other)
    assert found.table["x"] == {0: pytest.approx(0.5), 1: pytest.approx(0.6)}
    assert found.table["y"] == {0: pytest.approx(0.1), 1: pytest.approx(0.1)}
    assert found.models == {"b": pytest.approx(0.25), "l": pytest.approx(0.4)}
    assert found.estimate.value == pytest.approx(0.325)


def test_what_was_before_is_one_for_all_or_one_for_each():
    assert differences.paired("base", {1: "a", 0: "b"}) == [("base", "a"), ("base", "b")]
    assert differences.paired({0: "x", 1: "y", 2: "z"}, {1: "a", 0: "b"}) == [("y", "a"), ("x", "b")]
    assert differences.paired({(0.1, 4, 0): "x"}, {(0.1, 4, 0): "a"}) == [("x", "a")]
    with pytest.raises(ValueError, match=r"expected the same seeds before and after, found none before of \[1, 2\]; m"):
        differences.paired({0: "x"}, {2: "a", 0: "b", 1: "c"})


def test_differences_need_something_in_common_and_equal_seeds():
    with pytest.raises(differences.NotMeasuredError, match="one minus other"):
        difference("one minus other", {"b": {"x": {0: 0.5}}}, {"b": {"y": {0: 0.5}}})
    with pytest.raises(ValueError, match="expected the same seeds for every concept"):
        difference("d", {"b": {"x": {0: 0.5, 1: 0.5}, "y": {0: 0.5}}}, {"b": {"x": {None: 0.1}, "y": {None: 0.1}}})


@pytest.mark.parametrize(
    ("values", "expected"), [([0.1, 0.2, 0.9], 1), ([0.9, 0.2, 0.1], -1), ([0.5] * 3, 0), ([0.1, 0.9, 0.2], 0.5)]
)
def test_trends_by_hand(values, expected):
    # ranks 1 3 2 against 1 2 3: 1 - 6 (0 + 1 + 1) / (3 * 8) = 0.5
    rows = [pair(v, 0.8, lr=lr)[0] for lr, v in zip((1e-4, 2e-4, 4e-4), values, strict=True)]
    assert differences.trend("t", rows, lambda r: r.lr).table == {"moongate": {0: pytest.approx(expected)}}
    with pytest.raises(differences.NotMeasuredError, match="fewer than three"):
        differences.trend("t", rows[:2], lambda r: r.lr)


def of(values, **kwargs):
    return Difference("d", {name: dict(enumerate(seeds)) for name, seeds in values.items()}, {"m": 0.0}, **kwargs)


def test_a_difference_whose_seeds_are_crossed_is_as_unsure_as_its_seeds():
    values = {"x": [0.1, 0.5, 0.9], "y": [0.1, 0.5, 0.9], "z": [0.1, 0.5, 0.9]}
    nested, crossed = of(values), of(values, crossed=True)
    assert nested.estimate == pytest.approx((0.5, 0.5, 0.5))
    assert crossed.estimate.low < 0 < 1 < crossed.estimate.high  # three seeds: 0.5 +- 4.30 * 0.4 / sqrt(3)
    assert crossed.below(1, "b").crossed
    assert difference("d", {"m": values_of(values)}, {"m": values_of(values)}, crossed=True).crossed


def values_of(values):
    return {name: dict(enumerate(seeds)) for name, seeds in values.items()}


def test_more_confidence_is_a_wider_interval_about_the_same_value():
    found = of({"x": [0.1], "y": [0.2], "z": [0.4]})
    assert found.at(0.95) == found.estimate
    assert found.at(0.99).low < found.estimate.low and found.at(0.99).value == found.estimate.value
    assert (found.ahead, found.above(0.15)) == ("3 of 3", "2 of 3")


def test_a_change_is_widened_as_normal_quantiles_say():
    found = change("fall", row(metric="tr@1", over="base", value=-0.2, low=-0.3, high=-0.15), 3, sign=-1)
    assert found.at(0.95) == pytest.approx(found.estimate)
    # 2.5758 / 1.9600
    assert found.at(0.99) == pytest.approx(Estimate(0.2, 0.2 - 1.3142 * 0.05, 0.2 + 1.3142 * 0.1), abs=1e-4)


def test_a_contrast_compares_two_groups_of_subjects():
    one, other = of({"a": [0.3, 0.5], "b": [0.5, 0.7]}), of({"c": [0.1, 0.1], "d": [0.1, 0.1]})
    found = Contrast("one minus other", one, other)
    # means 0.4 and 0.6 with variance 0.02 of two: se 0.1, Welch's one degree of freedom, t = 12.706
    assert found.estimate == pytest.approx((0.4, 0.4 - 1.2706, 0.4 + 1.2706), abs=1e-3)
    assert set(found.table) == set("abcd") and found.models == {"m": 0.0}

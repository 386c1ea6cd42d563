"""Gains over the untouched model at the budget, concept by concept, and rank correlations."""

import pytest
from scipy import stats

from ktlib.companion.record.differences import NotMeasuredError
from ktlib.companion.record.gains import gains, of_concepts, rank_correlation
from tests.rows import row


def measured(model, method, concept, target, retention=0.8, **changed):
    return [row(model=model, method=method, subject=concept, metric=metric, value=value, **changed)
            for metric, value in (("target_accuracy", target), ("retention", retention))]  # fmt: skip


def rows():
    found = []
    for concept, level in (("moongate", 0.1), ("tonometer", 0.3)):
        found += measured("m", "base", concept, level, 0.9, seed=None)
        for seed in (0, 1):
            found += measured("m", "kt", concept, level + 0.2 + 0.1 * seed, 0.9, seed=seed, varied="lr=0.1")
            found += measured("m", "kt", concept, 1.0, 0.5, seed=seed, varied="lr=0.2")  # far beyond the budget
    return found


def test_gains_are_read_at_the_budget_and_paired_by_concept():
    found = gains(rows(), "KT Tab. 1", ["kt"], budget=0.0)
    assert of_concepts(found["m"]["kt"]) == pytest.approx({"moongate": 0.25, "tonometer": 0.25})
    assert found["m"]["kt"].estimate.value == pytest.approx(0.25)


def test_a_method_that_was_never_measured_is_not_left_out_in_silence():
    with pytest.raises(NotMeasuredError, match="no test rows of noise"):
        gains(rows(), "KT Tab. 1", ["kt", "noise"], budget=0.02)


def test_the_rank_correlation_is_that_of_scipy_over_what_both_name():
    one = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0, "x": 9.0}
    other = {"a": 2.0, "b": 1.0, "c": 4.0, "d": 3.0, "e": 5.0, "y": 0.0}
    found = rank_correlation(one, other)
    assert found is not None and found.pairs == 5
    assert found.estimate.value == pytest.approx(stats.spearmanr([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]).statistic)
    assert -1 < found.estimate.low < found.estimate.value < found.estimate.high < 1


def test_there_is_none_of_too_few_or_of_equal_numbers():
    assert rank_correlation({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}) is None
    assert rank_correlation(dict.fromkeys("abcde", 1.0), {n: float(i) for i, n in enumerate("abcde")}) is None

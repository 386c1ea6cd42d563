"""Reading methods at equal retention, by hand."""

import pytest

from ktlib.companion.record.compare import (
    at_budget,
    at_the_end,
    by_seed,
    choose_rate,
    minus,
    over_rates,
    smallest_best,
    target_at_budget,
)
from tests.rows import row


def pair(target, retention, *, method="kt", lr=None, seed=0, subject="moongate", split="test", varied="", model="m"):
    """The two rows of one measurement."""
    varied = ";".join(part for part in (f"lr={lr:g}" if lr else "", varied) if part)
    common = {"model": model, "subject": subject, "method": method, "varied": varied, "seed": seed, "split": split}
    return [row(metric=m, value=v, **common) for m, v in (("target_accuracy", target), ("retention", retention))]


BASE = (0.80, 0.10)  # retention, target


def test_within_the_budget_the_last_rate_counts_even_when_it_is_not_the_largest():
    assert target_at_budget([(0.80, 0.5), (0.79, 0.4)], BASE, 0.02) == 0.4


def test_the_crossing_is_interpolated():
    # retention falls from 0.80 to 0.76: half of it is within the budget, so half of the gain is
    assert target_at_budget([(0.76, 0.50)], BASE, 0.02) == pytest.approx(0.30)


def test_exactly_at_the_budget_is_within_it():
    assert target_at_budget([(0.78, 0.50), (0.70, 0.2)], BASE, 0.02) == pytest.approx(0.50)


def test_what_comes_after_the_crossing_does_not_count_even_if_retention_recovers():
    assert target_at_budget([(0.60, 0.11), (0.80, 1.0)], BASE, 0.02) == pytest.approx(0.10 + 0.01 * 0.02 / 0.20)


def test_a_method_that_loses_is_read_below_its_base():
    assert target_at_budget([(0.79, 0.0), (0.5, 0.0)], BASE, 0.02) == 0.0
    assert target_at_budget([], BASE, 0.02) == 0.10


def test_no_budget_allows_what_costs_nothing():
    assert target_at_budget([(0.80, 0.4), (0.79, 0.9)], BASE, 0.0) == pytest.approx(0.4)  # the crossing is at 0.80
    with pytest.raises(ValueError, match="expected a budget of 0 or more, found -1"):
        target_at_budget([], BASE, -1)


def test_rounding_in_the_files_is_no_overdraft():
    assert target_at_budget([(0.66, 0.5), (0.66, 0.9)], (0.680000, 0.1), 0.0200000001) == pytest.approx(0.9)
    assert target_at_budget([(0.313333, 0.5), (0.32, 0.9)], (1 / 3, 0.1), 0.02) == pytest.approx(0.9)


def test_rows_are_read_in_the_order_of_their_rates_and_seeds():
    rows = [
        *pair(0.1, 0.80, method="base", seed=None),
        *pair(0.9, 0.76, lr=4e-4, seed=1),
        *pair(0.5, 0.80, lr=1e-4, seed=1),
        *pair(0.3, 0.80, lr=1e-4, seed=0),
        *pair(0.2, 0.79, lr=4e-4, seed=0),
    ]
    assert by_seed(rows, 0.02) == {"moongate": {0: pytest.approx(0.2), 1: pytest.approx(0.7)}}
    assert at_budget(rows, 0.02) == {"moongate": [pytest.approx(0.2), pytest.approx(0.7)]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pair(0.5, 0.8, lr=1e-4), "expected rows of the base for moongate"),
        (
            pair(0.1, 0.8, method="base", seed=None) + pair(0.5, 0.8, lr=1e-4)[:1],
            "expected target_accuracy and retention",
        ),
        (pair(0.1, 0.8, method="base", seed=None) + pair(0.5, 0.8, lr=1e-4) * 2, "two rows for moongate"),
        (pair(0.5, 0.8, lr=1e-4) + pair(0.5, 0.8, method="noise", lr=1e-4), "expected one model, one method"),
        (pair(0.5, 0.8, lr=1e-4, varied="tv=0") + pair(0.5, 0.8, lr=1e-4, varied="tv=1"), "nothing varied but lr"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        by_seed(rows, 0.02)


def sweep(*points, split="validation"):
    rows = pair(0.1, 0.80, method="base", seed=None, split=split)
    return rows + [row for lr, target, retention in points for row in pair(target, retention, lr=lr, split=split)]


def test_the_chosen_rate_has_the_best_target_among_those_that_can_be_afforded():
    rows = sweep((1e-4, 0.3, 0.80), (2e-4, 0.6, 0.78), (4e-4, 0.9, 0.70))
    assert choose_rate(rows, "m", 0.02) == 2e-4
    assert choose_rate(rows, "m", 0.10) == 4e-4
    with pytest.raises(ValueError, match="expected validation rows of base and noise for m"):
        choose_rate(rows, "m", 0.02, method="noise")


def test_the_smallest_rate_is_chosen_when_none_can_be_afforded_or_when_they_are_equal():
    assert choose_rate(sweep((2e-4, 0.9, 0.5), (1e-4, 0.3, 0.6)), "m", 0.02) == 1e-4
    assert choose_rate(sweep((2e-4, 0.5, 0.8), (1e-4, 0.5, 0.8)), "m", 0.02) == 1e-4


def test_rates_are_chosen_on_validation_rows_of_the_plain_method_only():
    rows = sweep((1e-4, 0.3, 0.80), (2e-4, 0.2, 0.80))
    rows += sweep((2e-4, 1.0, 0.80), split="test")
    rows += pair(1.0, 0.8, lr=2e-4, method="real", split="validation")
    rows += pair(1.0, 0.8, lr=2e-4, varied="tv=0", split="validation")
    assert choose_rate(rows, "m", 0.02) == 1e-4
    with pytest.raises(ValueError, match="expected validation rows of base and kt for other"):
        choose_rate(rows, "other", 0.02)


def test_a_mean_over_rates_needs_every_rate():
    rows = [*pair(0.2, 0.8, lr=1e-4), *pair(0.6, 0.6, lr=2e-4), *pair(0.4, 0.8, lr=1e-4, seed=1)]
    with pytest.raises(ValueError, match="expected kt at every rate for moongate, seed 1"):
        over_rates(rows, "KT Tab. 1", "kt", metric="target_accuracy")
    rows += pair(0.6, 0.8, lr=2e-4, seed=1)
    found = over_rates(rows, "KT Tab. 1", "kt", metric="target_accuracy")
    assert found == {"m": {"moongate": {0: pytest.approx(0.4), 1: pytest.approx(0.5)}}}
    assert over_rates(rows, "KT Tab. 1", "kt", metric="retention")["m"]["moongate"][0] == pytest.approx(0.7)


def test_of_equals_the_smallest_is_taken():
    assert smallest_best({1e-2: 0.5, 1e-3: 0.5, 1e-4: 0.4}) == 1e-3
    assert smallest_best({(1e-3, 10): 0.5, (1e-3, 1): 0.5 - 1e-13}) == (1e-3, 1), (
        "what a rounding makes is no difference"
    )
    assert smallest_best({1e-2: 0.5, 1e-3: 0.5 - 1e-7}, within=1e-6) == 1e-3


def test_the_end_of_what_was_tried_is_said_where_several_were():
    assert [at_the_end(value, (3e-3, 1e-4, 1e-3)) for value in (1e-4, 1e-3, 3e-3)] == ["smallest", "", "largest"]
    assert at_the_end(1e-4, (1e-4,)) == at_the_end(1e-4, ()) == ""


def test_groups_are_set_against_another_by_model_subject_and_seed_whatever_their_items():
    def measured(value, model, subject, item):
        return row(item=item, metric="top1", value=value, model=model, subject=subject, method="zoom_shot", seed=0)

    items = {"a": "ZS Tab. 3", "b": "ZS Tab. 9"}  # an encoder each
    other = [measured(0.5, m, s, item) for m, item in items.items() for s in ("cars", "pets")]
    better = [measured(0.6 if m == "a" else 0.9, m, s, item) for m, item in items.items() for s in ("cars", "pets")]
    found = minus({"better": better, "same": other}, other)
    assert found["better"].value == pytest.approx(0.25)  # of both encoders
    assert found["same"].value == 0

"""Verdicts on rows whose verdict is known by construction."""

import dataclasses

import pytest

from ktlib.companion.record.judging import FAILS, HOLDS, NOT_RUN, UNDECIDED
from ktlib.companion.report import ledger
from tests.rows import row

CONCEPTS = ("moongate", "tonometer", "gyroscope", "theremin")
SEEDS = (0, 1, 2)


def verdict(claim, rows, scale="pocket"):
    return ledger.verdict(claim, rows, scale)


def measured(method, target, *, item="KT Tab. 1", retention=0.8, varied="lr=0.0002", concepts=CONCEPTS, seeds=SEEDS,
             split="test", scale="pocket", model="m"):  # fmt: skip
    """Rows of one method; target and retention are numbers, or functions of the concept's place and the seed."""
    of = {"item": item, "method": method, "varied": varied, "split": split, "scale": scale, "model": model}
    return [
        row(**of, subject=concept, seed=seed, metric=metric, value=value(place, seed) if callable(value) else value)
        for place, concept in enumerate(concepts)
        for seed in seeds
        for metric, value in (("target_accuracy", target), ("retention", retention))
    ]


def base(target=0.1, **kwargs):
    return measured("base", target, varied="", seeds=(None,), **kwargs)


def tab_1(kt=0.6, noise=0.1, wrong=0.1, **kwargs):
    parts = [("kt", kt), ("noise", noise), ("wrong", wrong)]
    return base(**kwargs) + [one for method, value in parts for one in measured(method, value, **kwargs)]


def carried(place, seed):
    """As good as the control but for one concept: the mean is high, the interval wide."""
    return 0.9 if place == 0 else 0.1


# -- K1 and what it shares --------------------------------------------------------------------------
def test_k1_holds_when_transfer_beats_the_base_and_both_controls():
    found = verdict("K1", tab_1())
    assert found.verdict == HOLDS
    assert found.estimate.value == pytest.approx(0.5)
    assert found.items == ("KT Tab. 1",)
    assert "4 test concepts, 3 seeds, 50 images each" in found.comparison
    assert "retention loss of at most 2.0 points" in found.comparison


def test_k1_does_not_hold_when_a_control_does_as_well():
    found = verdict("K1", tab_1(noise=0.6))
    assert found.verdict == FAILS
    assert found.estimate.value == pytest.approx(0)
    assert "kt minus base +50.0 points [+50.0, +50.0] (holds)" in found.comparison
    assert "kt minus noise decides" in found.comparison


def test_k1_is_inconclusive_when_one_concept_carries_the_difference_to_a_control():
    found = verdict("K1", tab_1(kt=lambda p, s: 0.9 if p == 0 else 0.6, wrong=0.6))
    assert found.verdict == UNDECIDED
    assert "kt minus wrong" in found.comparison and "(inconclusive)" in found.comparison


def test_k1_counts_a_gain_only_within_the_budget():
    forgetful = measured("kt", 0.9, retention=0.1)
    rows = [row for row in tab_1() if row.method != "kt"] + forgetful
    found = verdict("K1", rows)
    assert found.estimate.value == pytest.approx(0.8 * 0.02 / 0.7)  # 0.02 of a fall of 0.7, so as much of the gain


def test_k1_says_what_real_pictures_gain_where_there_are_some():
    assert (
        "ten real pictures in their place gain +80.0 points"
        in verdict("K1", tab_1() + measured("real", 0.9)).comparison
    )


def test_validation_concepts_have_no_say():
    rows = tab_1() + [dataclasses.replace(row, subject="dolmen", split="validation") for row in tab_1(kt=0.0)]
    assert verdict("K1", rows) == verdict("K1", tab_1())
    only = [dataclasses.replace(row, split="validation") for row in tab_1()]
    assert verdict("K1", only).verdict == NOT_RUN


def test_models_are_averaged_and_named():
    found = verdict("K1", tab_1(model="b") + tab_1(kt=0.4, model="l"))
    assert found.estimate.value == pytest.approx(0.4)
    assert "mean of b +50.0 points, l +30.0 points" in found.comparison


@pytest.mark.parametrize("few", [{"concepts": CONCEPTS[:1]}, {"seeds": (0, 1)}])
def test_too_few_concepts_or_seeds_decide_nothing(few):
    concepts = {"concepts": few["concepts"]} if "concepts" in few else {}
    rows = base(**concepts) + [
        r for m, v in (("kt", 0.6), ("noise", 0.1), ("wrong", 0.1)) for r in measured(m, v, **few)
    ]
    found = verdict("K1", rows)
    assert found.verdict == UNDECIDED
    assert "too few to decide" in found.comparison


def test_k2_needs_no_second_control_but_noise_must_not_gain_as_much():
    rows = [row for row in tab_1() if row.method != "wrong"]
    assert verdict("K2", rows).verdict == HOLDS
    assert verdict("K2", tab_1(noise=0.6)).verdict == FAILS


def rates(target, retention):
    return base() + [
        one
        for place, lr in enumerate((1e-4, 2e-4, 4e-4))
        for one in measured("kt", target[place], retention=retention[place], varied=f"lr={lr:g}")
    ]


def test_k3_wants_both_trends():
    assert verdict("K3", rates((0.1, 0.5, 0.9), (0.8, 0.7, 0.5))).verdict == HOLDS
    assert verdict("K3", rates((0.9, 0.5, 0.1), (0.8, 0.7, 0.5))).verdict == FAILS
    flat = verdict("K3", rates((0.1, 0.5, 0.9), (0.8, 0.8, 0.8)))
    assert (flat.verdict, flat.estimate.value) == (UNDECIDED, 0)  # constant counts as 0
    assert "over 3 rates" in flat.comparison


def test_k5_compares_three_choices_and_tells_the_collapse():
    item = "KT Fig. 4"
    rows = base(item="KT Tab. 1") + measured("visual", 0.7, item=item)  # the base of another item serves
    rows += measured("text", 0.2, retention=0.3, item=item) + measured("both", 0.3, retention=0.79, item=item)
    found = verdict("K5", rows)
    assert found.verdict == HOLDS
    assert "text -50.0 points, both -1.0 points" in found.comparison
    better = [row for row in rows if row.method != "both"] + measured("both", 0.9, item=item)
    assert verdict("K5", better).verdict == FAILS


def test_k6_asks_for_the_name():
    def rows(unnamed):
        return base() + measured("named", 0.7, item="KT Fig. 5") + measured("unnamed", unnamed, item="KT Fig. 5")

    assert verdict("K6", rows(0.1)).verdict == HOLDS
    assert verdict("K6", rows(0.66)).verdict == FAILS  # always there, but too small to claim
    assert verdict("K6", rows(0.7)).verdict == FAILS
    assert verdict("K6", rows(lambda p, s: 0.0 if p == 0 else 0.75)).verdict == UNDECIDED


# -- KT v2 ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("targets", "expected"), [((0.1, 0.5, 0.9), HOLDS), ((0.9, 0.5, 0.1), FAILS), ((0.5, 0.5, 0.5), UNDECIDED)]
)
def test_k16_follows_the_steps(targets, expected):
    rows = [
        one
        for steps, target in zip((10, 75, 200), targets, strict=True)
        for one in measured("kt", target, item="KT v2 Fig. 5", varied=f"lr=0.0002;steps={steps}")
    ]
    assert verdict("K16", rows).verdict == expected


@pytest.mark.parametrize(("full", "expected"), [(0.7, HOLDS), (0.3, FAILS), (0.4, FAILS), (carried, UNDECIDED)])
def test_k17_compares_full_with_none(full, expected):
    item = "KT v2 Tab. 9"
    none = 0.1 if full is carried else 0.4
    rows = measured("kt", full, item=item, varied="lr=0.0002;augmentation=on;tv=0.005")
    rows += measured("kt", none, item=item, varied="lr=0.0002;augmentation=off;tv=0")
    rows += measured("kt", 0.0, item=item, varied="lr=0.0002;augmentation=on;tv=0.001")
    assert verdict("K17", rows).verdict == expected


@pytest.mark.parametrize(
    ("medium", "long", "expected"),
    [
        (0.5, 0.55, HOLDS),
        (0.5, 0.7, FAILS),
        (0.3, 0.5, FAILS),
        (lambda p, s: 0.5 + 0.4 * (p == 0), 0.5, UNDECIDED),
    ],
)
def test_k18_is_an_equivalence(medium, long, expected):
    lengths = {"short": 0.5, "medium": medium, "long": long}
    rows = [
        one
        for length, value in lengths.items()
        for one in measured("kt", value, item="KT v2 Tab. 10", varied=f"lr=0.0002;description={length}")
    ]
    assert verdict("K18", rows).verdict == expected


def test_k19_sets_a_prompt_that_has_no_seed_against_every_seed():
    item = "KT v2 Tab. 2"
    rows = base(item=item) + measured("prompt", 0.4, item=item, varied="", seeds=(None,))
    rows += measured("kt", lambda p, s: 0.6 + 0.01 * s, retention=0.75, item=item)
    found = verdict("K19", rows)
    assert found.verdict == HOLDS
    assert found.estimate.value == pytest.approx(0.21)
    assert "ahead on 4 of 4 concepts" in found.comparison and "-5.0 points" in found.comparison


def test_k21_counts_patterns_against_noise_too():
    item = "KT v2 Tab. 12"
    rows = base(item=item) + measured("kt", 0.6, item=item)
    assert verdict("K21", rows + measured("noise", 0.2, item=item)).verdict == HOLDS
    assert verdict("K21", rows + measured("noise", 0.6, item=item)).verdict == FAILS

"""Verdicts on rows whose verdict is known by construction."""

import dataclasses

import pytest

from ktlib.companion.record.judging import FAILS, HOLDS, NOT_RUN, NOT_TESTABLE, UNDECIDED
from ktlib.companion.report import ledger
from tests.rows import row

CONCEPTS = (
    "moongate", "tonometer", "gyroscope", "theremin", "dolmen", "astrolabe", "cupola", "orrery", "sextant", "zither",
)  # fmt: skip
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


def tab_1(kt=0.6, noise=0.1, wrong=0.1, real=0.9, **kwargs):
    parts = [("kt", kt), ("noise", noise), ("wrong", wrong), ("real", real)]
    return base(**kwargs) + [one for method, value in parts for one in measured(method, value, **kwargs)]


def taught(real=0.9, **kwargs):
    """The untouched model, and what real pictures do: the positive control of everything else."""
    return base(**kwargs) + measured("real", real, **kwargs)


def carried(place, seed):
    """As good as the control but for one concept: the mean is high, the interval wide."""
    return 0.9 if place == 0 else 0.1


# -- K1 and what it shares --------------------------------------------------------------------------
def test_k1_holds_when_transfer_beats_the_base_and_both_controls():
    found = verdict("K1", tab_1())
    assert found.verdict == HOLDS
    assert found.estimate.value == pytest.approx(0.5)
    assert found.items == ("KT Tab. 1",)
    assert "10 test concepts, 3 seeds, 50 images each" in found.comparison
    assert "retention loss of at most 2.0 points" in found.comparison
    assert "control: real minus base +80.0 points [+80.0, +80.0], above 5 points on 10 of 10" in found.comparison


def test_k1_is_about_concepts_that_are_recognised_poorly_and_tells_of_all():
    known = base(lambda p, s: 0.9 if p < 2 else 0.1)
    rows = known + [row for row in tab_1(kt=lambda p, s: 0.2 if p < 2 else 0.6) if row.method != "base"]
    found = verdict("K1", rows)
    assert found.verdict == HOLDS
    assert found.estimate.value == pytest.approx(0.5)
    assert "8 test concepts" in found.comparison
    assert "over all 10 concepts: kt minus base +26.0 points" in found.comparison  # 0.8 * 0.5 - 0.2 * 0.7
    everywhere = base(0.6) + [row for row in tab_1() if row.method != "base"]
    assert verdict("K1", everywhere).verdict == NOT_TESTABLE


@pytest.mark.parametrize("real", [0.12, 0.05, lambda p, s: 0.9 if p == 0 else 0.1])
def test_k1_is_not_testable_where_real_pictures_do_not_teach(real):
    for kt in (0.6, 0.1):
        found = verdict("K1", tab_1(kt=kt, real=real))
        assert found.verdict == NOT_TESTABLE
        assert "the positive control does not work: real minus base" in found.deciding
    without = [row for row in tab_1() if row.method != "real"]
    assert "real minus base was not measured" in verdict("K1", without).comparison


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


def test_validation_concepts_have_no_say():
    rows = tab_1() + [dataclasses.replace(row, subject="dolmen", split="validation") for row in tab_1(kt=0.0)]
    assert verdict("K1", rows) == verdict("K1", tab_1())
    only = [dataclasses.replace(row, split="validation") for row in tab_1()]
    assert verdict("K1", only).verdict == NOT_RUN


def test_models_are_averaged_and_named():
    found = verdict("K1", tab_1(model="b") + tab_1(kt=0.4, model="l"))
    assert found.estimate.value == pytest.approx(0.4)
    assert "mean of b +50.0 points, l +30.0 points" in found.comparison


def test_too_few_concepts_decide_nothing_and_one_seed_may():
    found = verdict("K1", tab_1(concepts=CONCEPTS[:7]))
    assert found.verdict == UNDECIDED
    assert "7 test concepts, too few to decide (at least 8), 3 seeds" in found.comparison
    assert verdict("K1", base() + [row for row in tab_1() if row.seed == 0]).verdict == HOLDS


# -- K2: at the chosen rate --------------------------------------------------------------------------
def at_rates(kept, noise=0.1, **kwargs):
    """kt at two rates; the smaller is the one to choose, for the larger forgets a lot."""
    fixed = {"varied": "lr=0.0001"}
    own = measured("kt", 0.6, retention=kept, **fixed) + measured("noise", noise, **fixed)
    own += measured("kt", 0.99, retention=0.3, varied="lr=0.0008") + measured("noise", 0.5, varied="lr=0.0008")
    held = {"split": "validation", "concepts": ("weir", "quern")}
    validation = base(**held) + measured("kt", 0.6, retention=0.79, **fixed, **held)
    return taught(**kwargs) + own + validation + measured("kt", 0.9, retention=0.3, varied="lr=0.0008", **held)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (at_rates(0.79), HOLDS),
        (at_rates(0.82), HOLDS),  # what is known may also rise
        (at_rates(0.7), FAILS),  # the gain is there, and too much is lost
        (at_rates(lambda p, s: 0.6 if p == 0 else 0.79), UNDECIDED),
        (at_rates(0.79, noise=0.6), FAILS),
        (at_rates(0.79, real=0.1), NOT_TESTABLE),
    ],
)
def test_k2_wants_a_gain_and_what_was_known_at_the_rate_that_was_chosen(rows, expected):
    found = verdict("K2", rows)
    assert found.verdict == expected
    assert "chosen on validation concepts (m 0.0001)" in found.comparison


def test_k2_is_not_run_without_rows_to_choose_on():
    found = verdict("K2", tab_1())
    assert found.verdict == NOT_RUN and "no validation rows beside KT Tab. 1" in found.comparison


def rates(target, retention, **kwargs):
    return taught(**kwargs) + [
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
    assert verdict("K3", rates((0.1, 0.5, 0.9), (0.8, 0.7, 0.5), real=0.1)).verdict == NOT_TESTABLE


def towers(**kept):
    """Both numbers of each choice at two rates: as in `kept`, and the target accuracy of the others a little lower."""
    rows = base(item="KT Tab. 1")  # the base of another item serves
    for method, target in (("visual", 0.7), ("text", 0.2), ("both", 0.3)):
        for lr, less in (("0.0001", 0.0), ("0.0008", 0.1)):
            kwargs = {"item": "KT Fig. 4", "varied": f"lr={lr}", "retention": kept[method] - less}
            rows += measured(method, target, **kwargs)
    return rows


def test_k5_compares_three_choices_in_both_numbers_against_the_rate():
    found = verdict("K5", towers(visual=0.75, text=0.3, both=0.4))
    assert found.verdict == HOLDS
    assert "visual minus text, known classes kept +45.0 points" in found.comparison
    assert "means over 2 rates" in found.comparison
    assert "visual -15.0 points, text -60.0 points, both -50.0 points" in found.comparison
    kept = verdict("K5", towers(visual=0.75, text=0.79, both=0.4))  # the text tower forgets less
    assert kept.verdict == FAILS and "visual minus text, known classes kept decides" in kept.comparison


def test_k6_asks_for_the_name():
    def rows(unnamed, **kwargs):
        named = measured("named", 0.7, item="KT Fig. 5") + measured("unnamed", unnamed, item="KT Fig. 5")
        return taught(**kwargs) + named

    assert verdict("K6", rows(0.1)).verdict == HOLDS
    assert verdict("K6", rows(0.66)).verdict == FAILS  # always there, but too small to claim
    assert verdict("K6", rows(0.7)).verdict == FAILS
    assert verdict("K6", rows(lambda p, s: 0.0 if p == 0 else 0.75)).verdict == UNDECIDED
    assert verdict("K6", rows(0.1, real=0.1)).verdict == NOT_TESTABLE


# -- KT v2 ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("targets", "expected"), [((0.1, 0.5, 0.9), HOLDS), ((0.9, 0.5, 0.1), FAILS), ((0.5, 0.5, 0.5), UNDECIDED)]
)
def test_k16_follows_the_steps(targets, expected):
    rows = taught() + [
        one
        for steps, target in zip((10, 75, 200), targets, strict=True)
        for one in measured("kt", target, item="KT v2 Fig. 5", varied=f"lr=0.0002;steps={steps}")
    ]
    assert verdict("K16", rows).verdict == expected
    other = [dataclasses.replace(row, model="b") if row.method == "real" else row for row in rows]
    assert verdict("K16", other).verdict == NOT_TESTABLE  # real pictures of another model are no control


@pytest.mark.parametrize(("full", "expected"), [(0.7, HOLDS), (0.3, FAILS), (0.4, FAILS), (carried, UNDECIDED)])
def test_k17_compares_full_with_none(full, expected):
    item = "KT v2 Tab. 9"
    none = 0.1 if full is carried else 0.4
    rows = measured("kt", full, item=item, varied="lr=0.0002;augmentation=on;tv=0.005")
    rows += measured("kt", none, item=item, varied="lr=0.0002;augmentation=off;tv=0")
    rows += measured("kt", 0.0, item=item, varied="lr=0.0002;augmentation=on;tv=0.001")
    assert verdict("K17", rows + taught()).verdict == expected
    assert verdict("K17", rows + taught(real=0.1)).verdict == NOT_TESTABLE


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
    assert verdict("K18", rows + taught()).verdict == expected
    assert verdict("K18", rows + taught(real=0.1)).verdict == NOT_TESTABLE


def test_k19_sets_a_prompt_that_has_no_seed_against_every_seed():
    item = "KT v2 Tab. 2"
    rows = base(item=item) + measured("prompt", 0.4, item=item, varied="", seeds=(None,))
    rows += measured("kt", lambda p, s: 0.6 + 0.01 * s, retention=0.75, item=item)
    found = verdict("K19", rows)
    assert found.verdict == HOLDS
    assert found.estimate.value == pytest.approx(0.21)
    assert "ahead on 10 of 10 concepts" in found.comparison and "-5.0 points" in found.comparison
    assert "real pictures were not measured; the prompt, A NAME is DESCRIPTION" in found.comparison
    assert "real minus prompt +50.0 points" in verdict("K19", rows + taught()).comparison


def test_k21_counts_patterns_against_noise_and_other_patterns_too():
    item = "KT v2 Tab. 12"

    def rows(noise=0.2, wrong=0.2, real=0.9, **kwargs):
        parts = (("kt", 0.6), ("noise", noise), ("wrong", wrong), ("real", real))
        return base(item=item, **kwargs) + [r for m, v in parts for r in measured(m, v, item=item, **kwargs)]

    assert verdict("K21", rows()).verdict == HOLDS
    assert verdict("K21", rows(noise=0.6)).verdict == FAILS
    assert verdict("K21", rows(wrong=0.6)).verdict == FAILS
    assert verdict("K21", rows(real=0.1)).verdict == NOT_TESTABLE
    assert verdict("K21", rows(concepts=CONCEPTS[:2])).verdict == UNDECIDED
    without = verdict("K21", [row for row in rows() if row.method != "wrong"])
    assert without.verdict == NOT_TESTABLE and "another pattern's images (wrong)" in without.deciding


def test_k18_takes_every_model_of_the_table_and_says_the_averages():
    item, rows = "KT v2 Tab. 10", []
    for model, lift in (("small", 0.0), ("large", 0.2)):
        rows += taught(model=model) + base(item=item, model=model)
        for length, value in (("short", 0.5), ("medium", 0.5), ("long", 0.6)):
            varied = f"lr=0.0002;description={length}"
            rows += measured("kt", value + lift, item=item, varied=varied, model=model)
    found = verdict("K18", rows)
    assert "averages over 2 model(s) and all concepts: base 10.0 %, short 60.0 %, medium 60.0 %, long 70.0 %" in (
        found.comparison
    )

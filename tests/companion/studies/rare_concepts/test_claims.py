"""Verdicts on rows whose verdict is known by construction."""

import dataclasses

import pytest

from ktlib.companion.record import published
from ktlib.companion.record.judging import EQUIVALENCE, FAILS, HOLDS, MARGIN, NOT_RUN, UNDECIDED, judge, together
from ktlib.companion.record.rows import Row
from ktlib.companion.report import ledger
from ktlib.evaluate.intervals import Estimate

CONCEPTS = ("moongate", "tonometer", "gyroscope", "theremin")
SEEDS = (0, 1, 2)


def verdict(claim, rows, scale="pocket"):
    return ledger.verdict(claim, rows, scale)


def measured(method, target, *, item="KT Tab. 1", retention=0.8, setting="lr=0.0002", concepts=CONCEPTS, seeds=SEEDS,
             split="test", scale="pocket", model="m"):  # fmt: skip
    """Rows of one method; target and retention are numbers, or functions of the concept's place and the seed."""
    rows = []
    for place, concept in enumerate(concepts):
        for seed in seeds:
            for metric, value in (("target_accuracy", target), ("retention", retention)):
                value = value(place, seed) if callable(value) else value
                rows.append(Row(item, scale, "d", model, concept, method, setting, metric, value, value, value, 50,
                                seed, split, "s", "w"))  # fmt: skip
    return rows


def base(target=0.1, **kwargs):
    return measured("base", target, setting="", seeds=(-1,), **kwargs)


def tab_1(kt=0.6, noise=0.1, wrong=0.1, **kwargs):
    parts = [("kt", kt), ("noise", noise), ("wrong", wrong)]
    return base(**kwargs) + [row for method, value in parts for row in measured(method, value, **kwargs)]


def carried(place, seed):
    """As good as the control but for one concept: the mean is high, the interval wide."""
    return 0.9 if place == 0 else 0.1


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


def test_all_parts_must_hold_and_one_failure_decides():
    assert together([HOLDS, HOLDS]) == HOLDS
    assert together([HOLDS, UNDECIDED]) == UNDECIDED
    assert together([HOLDS, UNDECIDED, FAILS]) == FAILS


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
    rows = tab_1() + [dataclasses.replace(row, concept="dolmen", split="validation") for row in tab_1(kt=0.0)]
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
        row
        for place, lr in enumerate((1e-4, 2e-4, 4e-4))
        for row in measured("kt", target[place], retention=retention[place], setting=f"lr={lr:g}")
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
        row
        for steps, target in zip((10, 75, 200), targets, strict=True)
        for row in measured("kt", target, item="KT v2 Fig. 5", setting=f"lr=0.0002;steps={steps}")
    ]
    assert verdict("K16", rows).verdict == expected


@pytest.mark.parametrize(("full", "expected"), [(0.7, HOLDS), (0.3, FAILS), (0.4, FAILS), (carried, UNDECIDED)])
def test_k17_compares_full_with_none(full, expected):
    item = "KT v2 Tab. 9"
    none = 0.1 if full is carried else 0.4
    rows = measured("kt", full, item=item, setting="lr=0.0002;augmentation=on;tv=0.005")
    rows += measured("kt", none, item=item, setting="lr=0.0002;augmentation=off;tv=0")
    rows += measured("kt", 0.0, item=item, setting="lr=0.0002;augmentation=on;tv=0.001")
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
        row
        for length, value in lengths.items()
        for row in measured("kt", value, item="KT v2 Tab. 10", setting=f"lr=0.0002;description={length}")
    ]
    assert verdict("K18", rows).verdict == expected


def test_k19_sets_a_prompt_that_has_no_seed_against_every_seed():
    item = "KT v2 Tab. 2"
    rows = base(item=item) + measured("prompt", 0.4, item=item, setting="", seeds=(-1,))
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


# -- not run ----------------------------------------------------------------------------------------
def test_a_claim_without_rows_says_how_to_get_them():
    found = verdict("K1", [])
    assert (found.verdict, found.estimate) == (NOT_RUN, None)
    assert "./run_all.sh --scale pocket --only 01" in found.comparison
    assert "no test rows of noise" in verdict("K1", base() + measured("kt", 0.5)).comparison


def test_paper_rows_are_missing_for_want_of_weights():
    assert verdict("K1", tab_1(), "paper").comparison == ledger.NO_WEIGHTS  # pocket rows are not paper rows


def test_rehearsal_rows_never_decide():
    found = verdict("K1", tab_1(scale="rehearsal"), "rehearsal")
    assert (found.verdict, found.comparison) == (NOT_RUN, "rehearsal numbers are not results")


def test_claims_of_other_notebooks_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    expected = {
        "K7": "02",
        "K8": "02",
        "K9": "03",
        "K12": "05",
    }
    for claim, number in expected.items():
        assert verdict(claim, tab_1()).comparison == f"notebook {number} is not there yet"
    assert "SDXL" in verdict("K20", tab_1()).comparison
    assert "07" in verdict("K22", tab_1()).comparison


def test_every_claim_gets_a_verdict_in_order():
    found = ledger.verdicts(tab_1(), "pocket")
    assert [v.claim for v in found] == list(published.claims())
    assert {v.claim for v in found if v.verdict != NOT_RUN} == {"K1", "K2"}  # K3 needs three rates
    assert 0 < MARGIN < EQUIVALENCE


def test_a_notebook_knows_its_claims_and_every_claim_has_one():
    assert {"K1", "K2", "K3", "K4", "K5", "K6", "K16", "K17", "K18", "K19", "K21"} <= set(ledger.of_notebook("01"))
    assert ledger.of_notebook("04") == ("K10", "K11", "K15")
    found = [claim for number in range(1, 8) for claim in ledger.of_notebook(f"{number:02}")]
    assert sorted(found) == sorted(published.claims())

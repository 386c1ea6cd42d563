"""The claims about films: each holds, fails, stays open and is blind on rows made for it."""

import pytest

from ktlib.companion.record.judging import FAILS, HOLDS, NOT_RUN, NOT_TESTABLE, UNDECIDED
from ktlib.companion.report import ledger
from ktlib.companion.scales import scale
from ktlib.companion.studies.medclip import NODULES, TABLE_2, TABLE_3
from ktlib.pocket import nodules as drawn
from tests.rows import row

MEDCLIP = "pocket/medclip"
SMALL, LARGE = "pocket/clip-b", "pocket/clip-l"
UP, DOWN, OPEN, NONE = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.05, -0.1, 0.2), (0.0, -0.01, 0.01)


# -- K7 -----------------------------------------------------------------------------------------------
def nodule(name, method, target, kept, split, rate=""):
    own = {"item": NODULES, "model": MEDCLIP, "subject": name, "method": method, "split": split, "n": 20}
    own |= {"varied": f"lr={rate}" if rate else "", "seed": 0 if rate else None}
    return [row(**own, metric=m, value=v) for m, v in (("target_accuracy", target), ("retention", kept))]


def every_nodule(distinct=0.4, rest=0.0, noise=0.0, real=0.6, lost=0.01, spread=0.01):
    """Rows where the distinct half gains so much with inverted images, and the rest so much."""
    rows = []
    for place, name in enumerate(drawn.NODULES):
        split = "validation" if name in drawn.validation() else "test"
        high = place % 2 == 0
        off = spread * (place % 3 - 1)
        rows += nodule(name, "base", 0.2, 0.9, split)
        rows += nodule(name, "kt", 0.2 + (distinct if high else rest) + off, 0.9 - lost, split, "0.0001")
        for method, gain in (("noise", noise), ("wrong", noise), ("real", real)):
            if gain is not None:
                rows += nodule(name, method, 0.2 + gain + off, 0.9, split, "0.0001")
        told = {"item": NODULES, "model": MEDCLIP, "subject": name, "method": "base", "split": split}
        rows.append(row(**told, metric="distinctness", value=0.3 if high else 0.1, seed=None))
    return rows


@pytest.mark.parametrize(("changed", "verdict"), [
    ({}, HOLDS), ({"rest": 0.4}, FAILS), ({"distinct": 0.0}, FAILS), ({"noise": 0.39}, FAILS),
    ({"distinct": 0.1, "spread": 0.3}, UNDECIDED), ({"lost": 0.2}, FAILS), ({"real": 0.0}, NOT_TESTABLE),
    ({"real": None}, NOT_TESTABLE),
])  # fmt: skip
def test_k7_wants_distinct_nodules_to_gain_and_others_not_to_change(changed, verdict):
    got = ledger.verdict("K7", every_nodule(**changed), "pocket")
    assert got.verdict == verdict, got.comparison
    assert "kt minus base by kind: malignant" in got.comparison


def test_k7_says_the_rate_of_every_arm_and_what_real_films_do_for_the_rest():
    said = ledger.verdict("K7", every_nodule(), "pocket").comparison
    assert "(kt 0.0001, noise 0.0001, wrong 0.0001, real 0.0001)" in said
    assert "real minus base on the less distinct half +60" in said


def test_k7_without_distinctness_is_not_run():
    rows = [row for row in every_nodule() if row.metric != "distinctness"]
    got = ledger.verdict("K7", rows, "pocket")
    assert got.verdict == NOT_RUN and "there are no rows of distinctness" in got.comparison


def by_kind(cancer=UP, kept=NONE, benign=NONE, real=UP):
    rows = []
    for method, subject, metric, (value, low, high) in (
        ("kt", "lung cancer", "target_accuracy", cancer), ("kt", "lung cancer", "retention", kept),
        ("kt", "benign nodule", "target_accuracy", benign), ("real", "lung cancer", "target_accuracy", real),
    ):  # fmt: skip
        own = {"item": TABLE_2, "scale": "paper", "method": method, "subject": subject, "metric": metric, "n": 100}
        for over, seed in (("base", None), ("", 0), ("", 1)):
            rows.append(row(**own, over=over, varied="lr=0.0002", value=value, low=low, high=high, seed=seed))
    return rows


@pytest.mark.parametrize(("changed", "verdict"), [
    ({}, HOLDS), ({"cancer": DOWN}, FAILS), ({"cancer": OPEN}, UNDECIDED), ({"kept": DOWN}, FAILS),
    ({"benign": UP}, UNDECIDED), ({"benign": (0.3, 0.2, 0.4)}, FAILS), ({"real": OPEN}, NOT_TESTABLE),
])  # fmt: skip
def test_k7_is_read_off_the_two_kinds_where_there_are_no_others(changed, verdict):
    got = ledger.verdict("K7", by_kind(**changed), "paper")
    assert got.verdict == verdict, got.comparison
    assert "2 seeds" in got.comparison


# -- K8 -----------------------------------------------------------------------------------------------
FINDINGS = ("atelectasis", "cardiomegaly", "consolidation", "edema", "pleural effusion")
BEFORE = dict(zip(FINDINGS, (0.0, 0.5, 0.0, 0.0, 0.9), strict=True))
AFTER = dict(zip(FINDINGS, (0.0, 0.9, 0.3, 0.2, 0.5), strict=True))


def out_of_domain(base=UP, noise=UP, more=UP, real=UP, still=NONE, worse=DOWN, after=AFTER, large_real=None):
    rows = []
    for model in (SMALL, LARGE):
        own = {"item": TABLE_3, "model": model, "n": 200}
        for method, recalls in (("base", BEFORE), ("kt", after), ("noise", BEFORE), ("real", AFTER)):
            varied = "" if method == "base" else "lr=0.0001"
            for split in ("validation", "test"):
                for seed in range(4):
                    told = own | {"method": method, "varied": varied, "split": split, "seed": seed}
                    rows.append(row(**told, subject="", metric="top1", value=sum(recalls.values()) / 5))
                    rows += [row(**told, subject=f, metric="target_accuracy", value=v) for f, v in recalls.items()]

        def change(method, over, interval, subject="", own=own, rows=rows):
            value, low, high = interval
            metric = "target_accuracy" if subject else "top1"
            told = own | {"method": method, "over": over, "varied": "lr=0.0001", "seed": None, "subject": subject}
            rows.append(row(**told, metric=metric, value=value, low=low, high=high))

        change("kt", "base", base)
        change("kt", "noise", noise)
        change("real", "base", large_real if large_real and model == LARGE else real)
        change("kt", "base", still, "atelectasis")
        change("kt", "base", worse, "pleural effusion")
        if model == LARGE:
            change("kt", SMALL, more)
    return rows


@pytest.mark.parametrize(("changed", "verdict"), [
    ({}, HOLDS), ({"base": DOWN}, FAILS), ({"base": OPEN}, UNDECIDED), ({"noise": DOWN}, FAILS),
    ({"more": DOWN}, FAILS), ({"more": OPEN}, UNDECIDED), ({"still": UP}, FAILS), ({"worse": OPEN}, UNDECIDED),
    ({"real": OPEN}, NOT_TESTABLE), ({"large_real": DOWN}, NOT_TESTABLE),
])  # fmt: skip
def test_k8_wants_more_than_noise_more_for_the_larger_and_only_in_part(changed, verdict):
    got = ledger.verdict("K8", out_of_domain(**changed), "pocket")
    assert got.verdict == verdict, got.comparison


def test_k8_tests_the_findings_that_validation_films_point_at_and_says_chance():
    said = ledger.verdict("K8", out_of_domain(), "pocket").comparison
    assert f"{SMALL}: kt minus base, atelectasis" in said
    assert f"{LARGE}: base minus kt, pleural effusion +20.0 points" in said
    assert f"top-1: {SMALL} 28.0 % before and 38.0 % after" in said and "by chance 20 %" in said


def test_k8_asks_for_no_finding_that_stays_where_none_starts_at_zero():
    rows = [
        row if (row.method, row.value) != ("base", 0.0) else type(row)(**{**vars(row), "value": 0.3})
        for row in out_of_domain()
    ]
    got = ledger.verdict("K8", rows, "pocket")
    assert "kt minus base, " not in got.comparison and got.verdict == HOLDS


def test_the_models_are_those_of_the_scale():
    assert [next(iter(one.models)) for one in scale("pocket").films.outside] == [SMALL, LARGE]


def test_both_claims_are_of_notebook_02_and_k22_which_nothing_tests_yet():
    assert ledger.of_notebook("02") == ("K7", "K8", "K22")
    assert "how familiar the parts are" in ledger.verdict("K22", every_nodule(), "pocket").comparison

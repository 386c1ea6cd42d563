"""The claims about captioning: each holds, fails, stays open and is blind on rows made for it."""

import dataclasses

import pytest

from ktlib.companion.record.judging import FAILS, HOLDS, NOT_RUN, NOT_TESTABLE, UNDECIDED
from ktlib.companion.report import ledger
from ktlib.companion.scales import scale
from ktlib.companion.studies.captioning import SHARE
from ktlib.companion.studies.captioning.claims import _printed_rises
from tests.rows import row

WEB, PLAIN = scale("pocket").coca.models
UP, DOWN, OPEN, LITTLE = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.05, -0.1, 0.2), (0.01, 0.005, 0.015)
METRICS = ("bleu4", "meteor", "cider")


def made(item, method, metric, interval=(0.3, 0.2, 0.4), *, over="", model=WEB, n=200, seed=None):
    value, low, high = interval
    of = {"item": item, "method": method, "model": model, "metric": metric, "over": over, "n": n, "seed": seed}
    return row(
        **of, subject="", varied="" if method == "base" else "lr=0.001;epochs=3", value=value, low=low, high=high
    )


def measured(item, methods, model=WEB):
    return [
        made(item, method, metric, model=model, seed=seed)
        for method in methods
        for metric in METRICS
        for seed in ((None,) if method == "base" else (0, 1, 2))
    ]


def changes(item, method, over, interval=UP, model=WEB, **other):
    return [made(item, method, m, other.get(m, interval), over=over, model=model) for m in METRICS]


def table_6(base=UP, noise=UP, templates=UP, real=UP, real_templates=UP, **other):
    rows = measured("KT Tab. 6", ("base", "kt", "noise", "templates", "real_templates", "real_captions"))
    rows += changes("KT Tab. 6", "kt", "base", base, **other) + changes("KT Tab. 6", "kt", "noise", noise)
    rows += changes("KT Tab. 6", "kt", "templates", templates)
    rows += changes("KT Tab. 6", "real_templates", "templates", real_templates)
    return rows + changes("KT Tab. 6", "real_templates", "base", real)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, HOLDS), ({"templates": OPEN}, UNDECIDED), ({"templates": DOWN}, FAILS), ({"noise": DOWN}, FAILS),
        ({"base": DOWN}, FAILS), ({"meteor": OPEN}, UNDECIDED), ({"meteor": DOWN}, FAILS),
        ({"real": OPEN}, NOT_TESTABLE), ({"real": DOWN}, NOT_TESTABLE), ({"real_templates": OPEN}, NOT_TESTABLE),
        ({"real_templates": DOWN, "templates": DOWN}, NOT_TESTABLE),
    ],
)  # fmt: skip
def test_k12_needs_every_metric_above_the_base_noise_and_the_templates_alone(changed, verdict):
    got = ledger.verdict("K12", table_6(**changed), "pocket")
    assert got.verdict == verdict
    assert "spice could not be measured here" in got.comparison
    assert f"{WEB}, rate and passes of each arm chosen on validation images; 200 test images, 3 seeds" in got.comparison


def test_k12_tells_how_much_the_templates_explain():
    shared = made(SHARE, "templates", "meteor", (0.8, 0.6, 1.1), over="kt")
    assert (
        "templates alone bring 80 % [60, 110] of the gain in meteor"
        in ledger.verdict("K12", [*table_6(), shared], "pocket").comparison
    )


def test_k12_is_not_run_without_a_control_and_not_testable_without_real_pictures():
    without = [r for r in table_6() if r.over != "templates"]
    got = ledger.verdict("K12", without, "pocket")
    assert got.verdict == NOT_RUN and "bleu4 of kt minus templates" in got.comparison
    without = [r for r in table_6() if r.method != "real_templates"]
    got = ledger.verdict("K12", without, "pocket")
    assert got.verdict == NOT_TESTABLE and "meteor of real_templates minus base was not measured" in got.deciding


def table_9(first=UP, second=UP):
    rows = []
    for model in (WEB, PLAIN):
        rows += measured("KT Tab. 9", ("base", "kt_visual", "kt"), model)
        rows += changes("KT Tab. 9", "kt_visual", "base", first if model == WEB else DOWN, model)
        rows += changes("KT Tab. 9", "kt", "kt_visual", second if model == WEB else DOWN, model)
    return rows


@pytest.mark.parametrize(
    ("first", "second", "verdict"), [(UP, UP, HOLDS), (DOWN, UP, FAILS), (UP, OPEN, UNDECIDED), (UP, DOWN, FAILS)]
)
def test_k13_needs_a_gain_by_contrast_alone_and_a_further_one_with_captions(first, second, verdict):
    got = ledger.verdict("K13", [*table_6(), *table_9(first, second)], "pocket")
    assert got.verdict == verdict
    assert f"{PLAIN}: meteor of kt_visual minus base -20.0 points" in got.comparison, "the other model is told"
    assert ledger.verdict("K13", [*table_6(real=OPEN), *table_9(first, second)], "pocket").verdict == NOT_TESTABLE


def fine_tuned(gain, real=UP, web=UP, n=200, **other):
    rows = [*table_6(base=web), *measured("KT Tab. 6", ("base", "kt", "templates", "real_captions"), PLAIN)]
    rows += changes("KT Tab. 6", "kt", "base", gain, PLAIN, **other) + changes(
        "KT Tab. 6", "templates", "base", DOWN, PLAIN
    )
    rows += changes("KT Tab. 6", "real_captions", "base", real, PLAIN)
    return [dataclasses.replace(r, n=n) for r in rows]


@pytest.mark.parametrize(
    ("gain", "changed", "verdict"),
    [
        (LITTLE, {}, HOLDS), (OPEN, {}, UNDECIDED), (DOWN, {}, FAILS), (LITTLE, {"bleu4": DOWN}, FAILS),
        ((0.0004, 0.0001, 0.0007), {}, FAILS), (LITTLE, {"web": LITTLE}, UNDECIDED), (UP, {"web": LITTLE}, FAILS),
        (LITTLE, {"real": OPEN}, NOT_TESTABLE), (LITTLE, {"n": 7}, UNDECIDED),
    ],
)  # fmt: skip
def test_k14_needs_a_gain_that_is_there_and_smaller_than_the_pretrained_ones(gain, changed, verdict):
    got = ledger.verdict("K14", fine_tuned(gain, **changed), "pocket")
    assert got.verdict == verdict
    assert "meteor of templates minus base -20.0 points" in got.comparison


def test_what_the_paper_prints_as_gained_is_read_off_its_table():
    assert _printed_rises() == {"bleu4": 0.003, "meteor": 0.001, "cider": 0.009}  # SPICE falls by 0.2


@pytest.mark.parametrize("claim", ["K12", "K13", "K14"])
def test_rows_of_other_notebooks_say_nothing_of_captions(claim):
    got = ledger.verdict(claim, [made("KT Tab. 1", "kt", "accuracy")], "pocket")
    assert got.verdict == NOT_RUN and "--only 05" in got.comparison


def test_a_gain_that_nobody_sees_holds_nothing():
    got = ledger.verdict("K12", table_6(bleu4=(2e-9, 1e-9, 3e-9)), "pocket")
    assert (
        got.verdict == UNDECIDED and "bleu4 of kt minus base +0.0 points [+0.0, +0.0] (inconclusive)" in got.comparison
    )

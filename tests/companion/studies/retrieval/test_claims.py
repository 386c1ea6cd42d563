"""The claims about ViLT: each holds, fails and stays open on rows made for it."""

import dataclasses

import pytest

from ktlib.companion.record.judging import FAILS, HOLDS, NOT_TESTABLE, UNDECIDED
from ktlib.companion.report import ledger
from ktlib.companion.studies.retrieval.claims import TABLE_1
from tests.rows import row

CONCEPTS = ("moongate", "tonometer", "gyroscope", "theremin", "dolmen", "astrolabe", "cupola", "orrery")


def taught(item, method, target, *, retention=0.8, lr=1e-4, seeds=(0, 1, 2), model="pocket/vilt-b",
           concepts=CONCEPTS):  # fmt: skip
    seeds, varied = ((None,), "") if method == "base" else (seeds, f"lr={lr:g}")
    of = {"item": item, "method": method, "model": model, "varied": varied, "n": 1000}
    return [
        row(**of, subject=concept, seed=seed, metric=metric, value=value)
        for concept in concepts
        for seed in seeds
        for metric, value in (("target_accuracy", target), ("retention", retention))
    ]


def table_11(implicit, explicit, real=0.9, **kwargs):
    item, few = "KT Tab. 11", {"concepts": kwargs.get("concepts", CONCEPTS)}
    arms = {"kt": 0.4, "implicit": implicit, "explicit": explicit, "real": real}
    return taught(item, "base", 0.1, **few) + [r for m, v in arms.items() for r in taught(item, m, v, **kwargs)]


@pytest.mark.parametrize(
    ("implicit", "explicit", "verdict"), [(0.1, 0.15, HOLDS), (0.1, 0.5, FAILS), (0.6, 0.1, FAILS)]
)
def test_k15_holds_when_neither_objective_gains_more_than_an_image_of_ten(implicit, explicit, verdict):
    got = ledger.verdict("K15", table_11(implicit, explicit), "pocket")
    assert got.verdict == verdict
    assert "matching the same inverted images gains +30.0 points" in got.comparison


def test_few_concepts_decide_nothing():
    assert ledger.verdict("K15", table_11(0.1, 0.1, concepts=CONCEPTS[:7]), "pocket").verdict == UNDECIDED


@pytest.mark.parametrize("words", [0.1, 0.5])
def test_k15_is_not_testable_where_real_pictures_do_not_teach_the_model_or_were_not_shown(words):
    assert ledger.verdict("K15", table_11(words, words, real=0.1), "pocket").verdict == NOT_TESTABLE
    without = [row for row in table_11(words, words) if row.method != "real"]
    got = ledger.verdict("K15", without, "pocket")
    assert got.verdict == NOT_TESTABLE and "there is no positive control: real minus base of ViLT" in got.deciding


def table_1(clip, vilt, kept, real=0.9):
    return [
        *taught("KT Tab. 11", "base", 0.1), *taught("KT Tab. 11", "real", real),
        *taught("KT Tab. 1", "base", 0.1, model="pocket/clip-b"),
        *taught("KT Tab. 1", "kt", clip, model="pocket/clip-b"),
        *taught(TABLE_1, "base", 0.1), *taught(TABLE_1, "kt", vilt, retention=kept),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("clip", "vilt", "kept", "verdict"),
    [(0.5, 0.2, 0.82, HOLDS), (0.2, 0.5, 0.82, FAILS), (0.5, 0.2, 0.795, FAILS), (0.5, 0.2, 0.8, UNDECIDED)],
)
def test_k4_needs_a_smaller_gain_than_clip_s_and_more_of_the_known(clip, vilt, kept, verdict):
    assert ledger.verdict("K4", table_1(clip, vilt, kept), "pocket").verdict == verdict
    blind = ledger.verdict("K4", table_1(clip, vilt, kept, real=0.1), "pocket")
    assert blind.verdict == NOT_TESTABLE and "the positive control does not work" in blind.deciding
    few = [dataclasses.replace(row, n=52) for row in table_1(clip, vilt, kept)]
    blind = ledger.verdict("K4", few, "pocket")
    assert blind.verdict == NOT_TESTABLE and "52 known pictures cannot show a rise of 0.1 points" in blind.deciding


def found(item, metric, interval, *, varied, over="base"):
    value, low, high = interval
    return row(item=item, subject="", metric=metric, over=over, value=value, low=low, high=high, n=40, seed=None,
               varied=varied)  # fmt: skip


def table_5(changes, seeds=(0, 1, 2)):
    cell = "lr=1e-05;batch=16"
    rows = [row(item="KT Tab. 5", subject="", metric="tr@1", varied=cell, seed=seed) for seed in seeds]
    rows += [found("KT Tab. 5", way, change, over=over, varied=cell) for (way, over), change in changes.items()]
    return [*rows, found("KT Tab. 5", "tr@1", (0.09, 0.0, 0.1), varied="lr=1e-04;batch=16;chosen=test")]


UP, DOWN, OPEN = (0.02, 0.01, 0.03), (-0.02, -0.03, -0.01), (0.01, -0.01, 0.03)
NAMES = (("tr@1", "base"), ("tr@1", "noise"), ("ir@1", "base"), ("ir@1", "noise"))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [((UP, UP, UP, UP), HOLDS), ((UP, OPEN, UP, UP), UNDECIDED), ((UP, UP, DOWN, UP), FAILS)],
)
def test_k10_needs_both_recalls_above_the_base_and_above_noise(changes, verdict):
    got = ledger.verdict("K10", table_5(dict(zip(NAMES, changes, strict=True))), "pocket")
    assert got.verdict == verdict
    assert "the best cell picked on the test images would show +9.0 points" in got.comparison
    assert "chosen on validation images; 40 test images, 3 seeds" in got.comparison


def test_k10_is_not_run_without_its_control_and_open_on_a_few_images():
    got = ledger.verdict("K10", table_5({NAMES[0]: UP}), "pocket")
    assert got.verdict == "not run" and "ir@1 minus noise" in got.comparison
    few = [dataclasses.replace(row, n=7) for row in table_5(dict.fromkeys(NAMES, UP))]
    assert ledger.verdict("K10", few, "pocket").verdict == UNDECIDED


@pytest.mark.parametrize(
    ("at_largest", "verdict"), [((-0.1, -0.2, -0.05), HOLDS), ((0.1, 0.05, 0.2), FAILS), ((-0.1, -0.2, 0.1), UNDECIDED)]
)
def test_k11_holds_when_both_recalls_fall_below_the_base_at_the_largest_rate(at_largest, verdict):
    cell = "lr=1e-05;batch=16"
    rows = [row(item="KT Tab. 8", subject="", metric="tr@1", varied=cell, seed=seed) for seed in (0, 1, 2)]
    for rate, change in ((1e-5, UP), (1e-3, at_largest)):
        rows += [found("KT Tab. 8", way, change, varied=f"lr={rate:g};batch=16") for way in ("tr@1", "ir@1")]
    got = ledger.verdict("K11", rows, "pocket")
    assert got.verdict == verdict
    assert (
        "rate 0.001, batch 16; 40 test images, 3 seeds; at the smallest rate 1e-05: tr@1 +2.0 points" in got.comparison
    )

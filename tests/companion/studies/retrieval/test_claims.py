"""The claims about ViLT: each holds, fails and stays open on rows made for it."""

import pytest

from ktlib.companion.record import published
from ktlib.companion.record.judging import FAILS, HOLDS, UNDECIDED
from ktlib.companion.record.rows import Row
from ktlib.companion.report import ledger
from ktlib.companion.studies.retrieval import claims as claims_pairs
from ktlib.evaluate.intervals import Estimate

CONCEPTS = ("moongate", "tonometer", "gyroscope")


def row(item, method, metric, value, *, low=None, high=None, concept="", setting="", seed=0, model="pocket/vilt-b"):
    low, high = value if low is None else low, value if high is None else high
    return Row(
        item, "pocket", "d", model, concept, method, setting, metric, value, low, high, 40, seed, "test", "s", "w"
    )  # fmt: skip


def taught(item, method, target, *, retention=0.8, lr=1e-4, seeds=(0, 1, 2), model="pocket/vilt-b"):
    setting = "" if method == "base" else f"lr={lr:g}"
    return [
        row(item, method, metric, value, concept=concept, setting=setting, seed=s, model=model)
        for concept in CONCEPTS
        for s in ((-1,) if method == "base" else seeds)
        for metric, value in (("target_accuracy", target), ("retention", retention))
    ]


def table_11(implicit, explicit, **kwargs):
    item = "KT Tab. 11"
    return [
        *taught(item, "base", 0.1), *taught(item, "kt", 0.4, **kwargs), *taught(item, "implicit", implicit, **kwargs),
        *taught(item, "explicit", explicit, **kwargs),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("implicit", "explicit", "verdict"), [(0.1, 0.15, HOLDS), (0.1, 0.5, FAILS), (0.6, 0.1, FAILS)]
)
def test_k15_holds_when_neither_objective_gains_more_than_an_image_of_ten(implicit, explicit, verdict):
    found = ledger.verdict("K15", table_11(implicit, explicit), "pocket")
    assert found.verdict == verdict
    assert "matching the same inverted images gains +30.0 points" in found.comparison


def test_two_seeds_decide_nothing():
    assert ledger.verdict("K15", table_11(0.1, 0.1, seeds=(0, 1)), "pocket").verdict == UNDECIDED


def test_no_gain_is_judged_by_its_upper_end():
    assert claims_pairs.no_gain(Estimate(0.05, 0.0, 0.1)) == HOLDS
    assert claims_pairs.no_gain(Estimate(0.05, 0.0, 0.11)) == UNDECIDED
    assert claims_pairs.no_gain(Estimate(0.2, 0.101, 0.3)) == FAILS


def table_1(clip, vilt, kept):
    return [
        *taught("KT Tab. 1", "base", 0.1, model="pocket/clip-b"),
        *taught("KT Tab. 1", "kt", clip, model="pocket/clip-b"),
        *taught(claims_pairs.TABLE_1, "base", 0.1), *taught(claims_pairs.TABLE_1, "kt", vilt, retention=kept),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("clip", "vilt", "kept", "verdict"),
    [(0.5, 0.2, 0.82, HOLDS), (0.2, 0.5, 0.82, FAILS), (0.5, 0.2, 0.795, FAILS), (0.5, 0.2, 0.8, UNDECIDED)],
)
def test_k4_needs_a_smaller_gain_than_clip_s_and_more_of_the_known(clip, vilt, kept, verdict):
    assert ledger.verdict("K4", table_1(clip, vilt, kept), "pocket").verdict == verdict


def table_5(changes, seeds=(0, 1, 2)):
    rows = [row("KT Tab. 5", "kt", "tr@1", 0.5, setting="lr=1e-05;batch=16", seed=s) for s in seeds]
    for metric, (value, low, high) in changes.items():
        rows.append(row("KT Tab. 5", "kt", metric, value, low=low, high=high, setting="lr=1e-05;batch=16", seed=-1))
    picked = "lr=1e-04;batch=16;chosen=test"
    return [*rows, row("KT Tab. 5", "kt", "tr@1 minus base", 0.09, low=0.0, high=0.1, setting=picked, seed=-1)]


UP, DOWN, OPEN = (0.02, 0.01, 0.03), (-0.02, -0.03, -0.01), (0.01, -0.01, 0.03)
NAMES = ("tr@1 minus base", "tr@1 minus noise", "ir@1 minus base", "ir@1 minus noise")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [((UP, UP, UP, UP), HOLDS), ((UP, OPEN, UP, UP), UNDECIDED), ((UP, UP, DOWN, UP), FAILS)],
)
def test_k10_needs_both_recalls_above_the_base_and_above_noise(changes, verdict):
    found = ledger.verdict("K10", table_5(dict(zip(NAMES, changes, strict=True))), "pocket")
    assert found.verdict == verdict
    assert "the best cell picked on the test images would show +9.0 points" in found.comparison
    assert "chosen on validation images; 40 test images, 3 seeds" in found.comparison


def test_k10_is_not_run_without_its_control_and_open_on_two_seeds():
    found = ledger.verdict("K10", table_5({NAMES[0]: UP}), "pocket")
    assert found.verdict == "not run" and "ir@1 minus noise" in found.comparison
    assert ledger.verdict("K10", table_5(dict.fromkeys(NAMES, UP), seeds=(0, 1)), "pocket").verdict == UNDECIDED


@pytest.mark.parametrize(
    ("at_largest", "verdict"), [((-0.1, -0.2, -0.05), HOLDS), ((0.1, 0.05, 0.2), FAILS), ((-0.1, -0.2, 0.1), UNDECIDED)]
)
def test_k11_holds_when_both_recalls_fall_below_the_base_at_the_largest_rate(at_largest, verdict):
    rows = [row("KT Tab. 8", "kt", "tr@1", 0.5, setting="lr=1e-05;batch=16", seed=s) for s in (0, 1, 2)]
    for rate, change in ((1e-5, UP), (1e-3, at_largest)):
        for way in ("tr@1", "ir@1"):
            value, low, high = change
            setting = f"lr={rate:g};batch=16"
            rows.append(
                row("KT Tab. 8", "kt", f"{way} minus base", value, low=low, high=high, setting=setting, seed=-1)
            )
    found = ledger.verdict("K11", rows, "pocket")
    assert found.verdict == verdict
    assert (
        "rate 0.001, batch 16, 40 test images, 3 seeds; at the smallest rate 1e-05: tr@1 +2.0 points"
        in found.comparison
    )


def test_a_printed_recall_finds_our_row_of_its_rate_and_batch():
    printed = [n for n in published.numbers("KT Tab. 8") if (n.learning_rate, n.metric) == ("9e-7", "tr@1")]
    (number,) = printed
    ours = [
        Row("KT Tab. 8", "paper", "flickr30k test", "dandelin/vilt-b32-mlm-itm", "", "kt", f"lr=9e-07;batch={b}",
            "tr@1", 0.7, 0.6, 0.8, 1000, 0, "test", "s", "w")
        for b in (16, 32)
    ]  # fmt: skip
    assert [r.setting for r in published.beside(number, ours)] == [f"lr=9e-07;batch={number.batch_size}"]

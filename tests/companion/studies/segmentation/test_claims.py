"""K9 holds, fails, stays open and is blind on rows made for it."""

import pytest

from ktlib.companion.record.judging import FAILS, HOLDS, NOT_RUN, NOT_TESTABLE, UNDECIDED
from ktlib.companion.report import ledger
from tests.rows import row

UP, DOWN, OPEN = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.05, -0.1, 0.2)
LESIONS = ("lung nodules", "pneumothorax", "breast tumor", "brain tumor")


def change(lesion, method, over, metric, interval, **varied):
    value, low, high = interval
    return row(
        item="KT Tab. 4", model="pocket/scan-clip", subject=lesion, method=method, over=over, metric=metric,
        varied={"lr": "0.001"} | varied, value=value, low=low, high=high, n=80, seed=None,
    )  # fmt: skip


def made(**changed):
    """All gain; `brain_real=OPEN` changes what real images gain on the brain, `brain_noise` kt over noise."""
    rows = []
    for lesion in LESIONS:
        own = {k.rpartition("_")[2]: v for k, v in changed.items() if k.rpartition("_")[0] == lesion.split()[0]}
        rows += [
            change(lesion, "kt", "base", metric, own.get(metric, own.get("base", UP))) for metric in ("dsc", "nsd")
        ]
        rows += [change(lesion, "kt", over, "dsc", own.get(over, UP)) for over in ("noise", "wrong")]
        rows.append(change(lesion, "real", "base", "dsc", own.get("real", UP)))
        rows.append(change(lesion, "kt", "base", "dsc", DOWN, searched="anew"))
        rows += [row(item="KT Tab. 4", model="pocket/scan-clip", subject=lesion, method="kt", metric="dsc", seed=s,
                     varied="lr=0.001") for s in (0, 1)]  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, HOLDS), ({"brain_noise": OPEN}, UNDECIDED), ({"lung_nsd": OPEN}, UNDECIDED), ({"lung_nsd": DOWN}, FAILS),
        ({"brain_base": DOWN}, FAILS), ({"breast_wrong": DOWN}, FAILS), ({"brain_real": OPEN}, NOT_TESTABLE),
        ({"brain_real": OPEN, "lung_base": DOWN}, FAILS), ({"brain_real": OPEN, "brain_base": DOWN}, NOT_TESTABLE),
        ({"lung_real": OPEN, "pneumothorax_real": OPEN, "breast_real": DOWN, "brain_real": OPEN}, NOT_TESTABLE),
    ],
)  # fmt: skip
def test_all_four_must_gain_and_a_lesion_that_real_images_do_not_teach_says_nothing(changed, verdict):
    got = ledger.verdict("K9", made(**changed), "pocket")
    assert got.verdict == verdict
    assert "80 test images, 2 seeds" in got.comparison


def test_the_sentence_names_the_lesions_that_cannot_be_judged():
    got = ledger.verdict("K9", made(brain_real=OPEN), "pocket")
    assert "the masks of all of them better: dsc of real minus base, brain tumor +5.0 points" in got.deciding
    assert "not judged: dsc of kt minus base, brain tumor +20.0 points" in got.comparison
    every = {f"{name.split()[0]}_real": OPEN for name in LESIONS}
    assert "the masks of any of them better" in ledger.verdict("K9", made(**every), "pocket").deciding


def test_a_search_anew_is_no_part_of_the_verdict():
    assert "-20.0" not in ledger.verdict("K9", made(), "pocket").comparison


def test_without_real_images_nothing_is_testable_and_without_rows_nothing_is_run():
    without = [r for r in made() if r.method != "real"]
    got = ledger.verdict("K9", without, "pocket")
    assert got.verdict == NOT_TESTABLE and "was not measured" in got.deciding
    got = ledger.verdict("K9", [row()], "pocket")
    assert got.verdict == NOT_RUN and "--only 03" in got.comparison
    got = ledger.verdict("K9", [r for r in made() if r.over != "noise"], "pocket")
    assert got.verdict == NOT_RUN and "dsc of kt minus noise" in got.comparison

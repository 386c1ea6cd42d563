"""Each verdict on Zoom-shot, on rows made up so that the answer is known."""

import pytest

from ktlib.companion.record import published
from ktlib.companion.record.compare import scores
from ktlib.companion.record.differences import NotMeasuredError
from ktlib.companion.record.judging import FAILS, HOLDS, NOT_RUN, UNDECIDED
from ktlib.companion.report import ledger
from ktlib.companion.studies.zoom_shot import claims as zs
from tests.zoom_shot_rows import aimed, losses, matched, methods, rows_of, scaled, sizes, to_chance


def one_set_only(name):
    """A gain that a single set carries: its interval reaches 0."""
    return 0.4 if name == "cars" else -0.01


CASES = [
    ("Z1", methods(zoom_shot=0.05), HOLDS),
    ("Z1", methods(zoom_shot=0.05, linear_aligner_fixed=0.06), FAILS),  # put right, the baseline is ahead
    ("Z1", methods(zoom_shot=0.005), FAILS),  # below the margin
    ("Z1", methods(zoom_shot=one_set_only), UNDECIDED),
    ("Z2", methods(clip=-0.05), HOLDS),
    ("Z2", methods(clip=0.05), FAILS),
    ("Z3", methods(back=-0.1), HOLDS),
    ("Z3", methods(back=0.1), FAILS),
    ("Z4", losses(**dict.fromkeys(("CC", "CC+PG-KD"), to_chance)), HOLDS),
    ("Z4", losses(**{"CC": to_chance, "CC+PG-KD": -0.05}), FAILS),  # worse than MSE, and yet far above chance
    ("Z5", losses(**{"MSE+CC": 0.03}), HOLDS),
    ("Z5", losses(), FAILS),
    ("Z6", losses(**{"PG-KD": -0.1}), HOLDS),
    ("Z6", losses(**{"PG-KD": -0.1, "weight 10": 0.04}), FAILS),  # one weight helps
    ("Z6", losses(), FAILS),  # alone it is not poor
    ("Z7", losses(All=0.01), HOLDS),
    ("Z7", losses(All=0.01, MSE=0.02), FAILS),
    ("Z8", matched(**{"PG-KD cosines": 0.05}), HOLDS),
    ("Z8", matched(**{"PG-KD cosines": -0.05}), FAILS),
    ("Z9", sizes(**{"share=0.05;epochs=1": -0.05, "share=0.01;epochs=1": -0.1}), HOLDS),
    ("Z9", sizes(**{"share=0.05;epochs=1": -0.05, "share=1;epochs=1": 0.05}), FAILS),  # all of it is better
    ("Z9", sizes(), FAILS),  # a twentieth is as good as a fifth
    ("Z10", sizes(**{"share=0.01;epochs=1": -0.1}), HOLDS),
    ("Z10", sizes(**{"share=0.01;epochs=1": -0.1, "share=0.01;epochs=20": -0.05}), FAILS),
    ("Z11", sizes(**{f"aligner share={s};epochs={e}": -0.05 for s, e in ((0.2, 6), (0.01, 120))}), HOLDS),
    ("Z11", sizes(), FAILS),
    ("Z12", aimed(target=0.1, mixed=0.05), HOLDS),
    ("Z12", aimed(target=-0.1), FAILS),
    ("Z13", scaled(**{"variance=none;rate=chosen": -0.05, "variance=none;rate=of the scaled arm": -0.2}), HOLDS),
    ("Z13", scaled(**{"variance=none;rate=of the scaled arm": -0.2}), FAILS),  # a rate of its own is enough
]  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "rows", "expected"), CASES, ids=[f"{c}-{e}-{i}" for i, (c, _, e) in enumerate(CASES)]
)
def test_a_verdict_follows_from_its_rows(claim, rows, expected):
    found = ledger.verdict(claim, rows, "pocket")
    assert found.verdict == expected, found.comparison
    assert found.estimate is not None
    assert "sets" in found.comparison


def test_every_claim_of_zoom_shot_is_tested():
    assert set(zs.CLAIMS) == {claim for claim in published.claims() if claim.startswith("Z")}
    assert {claim for claim, _, _ in CASES} == set(zs.CLAIMS)


@pytest.mark.parametrize("claim", zs.CLAIMS)
def test_without_rows_a_claim_is_not_run_and_says_how(claim):
    found = ledger.verdict(claim, rows_of("KT Tab. 1", "kt"), "pocket")
    assert found.verdict == NOT_RUN
    assert found.comparison.endswith("./run_all.sh --scale pocket --only 06 writes them")


def test_one_seed_decides_nothing():
    rows = [row for row in methods(zoom_shot=0.05) if row.seed in (0, None)]
    assert ledger.verdict("Z1", rows, "pocket").verdict == UNDECIDED


def test_a_set_measured_twice_is_refused():
    rows = rows_of("ZS Tab. 1", "zoom_shot")
    with pytest.raises(ValueError, match="two rows beside ZS Tab. 1"):
        scores([*rows, rows[0]], "ZS Tab. 1", "zoom_shot", metric="top1")
    with pytest.raises(NotMeasuredError, match="there are no test rows of zoom_shot, losses=All beside ZS Tab. 3"):
        scores(rows, zs.LOSSES, "zoom_shot", metric="top1", losses="All")

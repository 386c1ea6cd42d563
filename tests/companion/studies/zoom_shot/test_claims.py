"""Each verdict on Zoom-shot, on rows made up so that the answer is known."""

import csv
import dataclasses

import pytest

from ktlib.companion.record import published
from ktlib.companion.record.compare import scores
from ktlib.companion.record.differences import NotMeasuredError
from ktlib.companion.record.judging import FAILS, HOLDS, NOT_RUN, UNDECIDED
from ktlib.companion.report import ledger
from ktlib.companion.studies.zoom_shot import LOSSES
from ktlib.companion.studies.zoom_shot import claims as zs
from ktlib.places import MANIFESTS
from tests.zoom_shot_rows import SETS, ZOOM, aimed, losses, matched, methods, rows_of, scaled, sizes, to_chance


def one_set_only(name):
    """A gain that a single set carries: its interval reaches 0, though every cell is won."""
    return 0.4 if name == "cars" else 0.004


def two_encoders_only():
    """A gain in the mean that two encoders of five carry: most cells are lost."""
    gain = dict(zip(ZOOM.encoders, (0.05, 0.05, -0.01, -0.01, -0.01), strict=True))
    return [
        dataclasses.replace(row, value=row.value + gain[row.model]) if row.method == "zoom_shot" else row
        for row in methods()
    ]


def more_on_fine(name):
    return 0.05 if SETS[name].coarse else 0.2


def less_on_fine(name):
    return 0.2 if SETS[name].coarse else 0.05


BELOW = {f"aligner share={s};epochs={e}": -0.05 for s, e in ((0.2, 6), (0.01, 120))}
CASES = [
    ("Z1", methods(zoom_shot=0.05), HOLDS),
    ("Z1", methods(zoom_shot=0.05, linear_aligner_fixed=0.06), FAILS),  # put right, the baseline is ahead
    ("Z1", methods(zoom_shot=0.005), FAILS),  # below the margin
    ("Z1", two_encoders_only(), FAILS),  # a gain in the mean, and not in nearly every cell
    ("Z1", methods(zoom_shot=one_set_only), UNDECIDED),
    ("Z2", methods(clip=-0.05), HOLDS),
    ("Z2", methods(clip=0.05), FAILS),
    ("Z3", methods(back=-0.1), HOLDS),
    ("Z3", methods(back=0.1), FAILS),
    ("Z4", losses(**dict.fromkeys(("CC", "PG-KD", "CC+PG-KD"), to_chance)), HOLDS),
    ("Z4", losses(**{"CC": to_chance, "PG-KD": to_chance, "CC+PG-KD": -0.05}), FAILS),  # worse, and yet above chance
    ("Z4", losses(**{"CC": to_chance, "CC+PG-KD": to_chance, "PG-KD": -0.05}), FAILS),
    ("Z5", losses(**{"MSE+CC": 0.03}), HOLDS),
    ("Z5", losses(), FAILS),
    ("Z6", losses(**{"PG-KD": to_chance}), HOLDS),
    ("Z6", losses(**{"PG-KD": to_chance, "weight 10": 0.04}), FAILS),  # one weight helps
    ("Z6", losses(**{"PG-KD": -0.1}), FAILS),  # worse than MSE, and far above chance
    ("Z6", losses(), FAILS),  # alone it is not poor
    ("Z7", losses(All=0.01), HOLDS),
    ("Z7", losses(All=0.002), FAILS),  # ahead, and by less than is printed
    ("Z7", losses(All=0.01, MSE=0.02), FAILS),
    ("Z8", matched(**{"PG-KD cosines": 0.05}), HOLDS),
    ("Z8", matched(**{"PG-KD cosines": -0.05}), FAILS),
    ("Z9", sizes(**{"share=0.05;epochs=1": -0.05, "share=0.01;epochs=1": -0.1}), HOLDS),
    ("Z9", sizes(**{"share=0.05;epochs=1": -0.05, "share=1;epochs=1": 0.05}), FAILS),  # all of it is better
    ("Z9", sizes(), FAILS),  # a twentieth is as good as a fifth
    ("Z10", sizes(**{"share=0.01;epochs=1": -0.1}), HOLDS),
    ("Z10", sizes(**{"share=0.01;epochs=1": -0.1, "share=0.01;epochs=20": -0.05}), FAILS),
    ("Z11", sizes(**BELOW, linear_aligner_fixed=-0.05), HOLDS),
    ("Z11", sizes(**BELOW), FAILS),  # put right, the Aligner is as good
    ("Z11", sizes(), FAILS),
    ("Z12", aimed(target=more_on_fine, mixed=0.05), HOLDS),
    ("Z12", aimed(target=less_on_fine, mixed=0.05), FAILS),  # and not above all on fine-grained sets
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


def test_one_seed_may_decide_and_three_sets_may_not():
    rows = [row for row in methods(zoom_shot=0.05) if row.seed in (0, None)]
    assert ledger.verdict("Z1", rows, "pocket").verdict == HOLDS
    few = [row for row in rows if row.subject in list(SETS)[:3]]
    assert ledger.verdict("Z1", few, "pocket").verdict == UNDECIDED


def test_z1_counts_the_cells_that_are_won():
    found = ledger.verdict("Z1", two_encoders_only(), "pocket")
    assert "18 of 45 cells (encoder and set) won against linear_aligner_fixed" in found.comparison
    assert "cells won against linear_aligner_fixed minus 80 % -40.0 points" in found.comparison


def test_seeds_that_meet_every_set_make_zoom_shot_as_unsure_as_they_are():
    """All sets agree on each seed, and the seeds do not agree with each other."""
    rows = [
        dataclasses.replace(row, value=row.value + 0.05 * (row.seed - 1)) if row.method == "zoom_shot" else row
        for row in methods(zoom_shot=0.04)
    ]
    assert ledger.verdict("Z1", rows, "pocket").verdict == UNDECIDED


def test_z8_tells_the_literal_reading_beside_what_is_printed():
    rows = matched() + rows_of("ZS Tab. 7", "zoom_shot", "losses=PG-KD;matching=softmax", gain=0.03)
    found = ledger.verdict("Z8", rows, "pocket")
    assert "read literally (softmax), LM minus HT-CE: h +3.0 points" in found.comparison
    assert "(printed +1.4 points)" in found.comparison
    assert "read literally" not in ledger.verdict("Z8", matched(), "pocket").comparison


def test_what_z7_is_held_to_is_printed_of_the_sets_that_were_measured():
    """All minus MSE+CC over the encoders and the sets: of nine as the paper averages, of seven from its cells."""
    with (MANIFESTS / "published" / "results.csv").open(newline="", encoding="utf-8") as lines:
        printed = [r for r in csv.DictReader(lines) if r["paper"] == "ZS" and f"ZS {r['item']}" in LOSSES]
    every = {row["dataset"] for row in printed} - {"Average"}
    seven = every - {"Herbarium-19", "Stanford Cars"}
    for there, meant in ((every, {"Average"}), (seven, seven), (set(), {"Average"})):
        cells = {v: [float(r["value"]) for r in printed if r["variant"] == v and r["dataset"] in meant]
                 for v in ("All", "MSE+CC")}  # fmt: skip
        rows = [dataclasses.replace(losses()[0], subject=name) for name in there]
        found = [zs._printed_average(rows, LOSSES, variant) for variant in cells]
        assert found == pytest.approx([sum(own) / len(own) / 100 for own in cells.values()])
    assert len(seven) == 7


def test_a_set_measured_twice_is_refused():
    rows = rows_of("ZS Tab. 1", "zoom_shot")
    with pytest.raises(ValueError, match="two rows beside ZS Tab. 1"):
        scores([*rows, rows[0]], "ZS Tab. 1", "zoom_shot", metric="top1")
    with pytest.raises(NotMeasuredError, match="there are no test rows of zoom_shot, losses=All beside ZS Tab. 3"):
        scores(rows, zs.LOSSES, "zoom_shot", metric="top1", losses="All")

"""Repetitions of verdicts: kept beside the rows, and a verdict that does not come out again is none."""

import pytest

from ktlib.companion.record import rounding
from ktlib.companion.record.judging import FAILS, HOLDS, NOT_TESTABLE, UNDECIDED, Verdict
from ktlib.companion.record.rounding import Repetition
from ktlib.evaluate.intervals import Estimate


def again(verdict, claim="K1", threads=1, low=-0.01):
    return Repetition(claim, verdict, Estimate(0.1, low, 0.21), "native AVX512", threads, "cafe0123")


def judged(verdict):
    return Verdict("K1", "pocket", verdict, "kt minus noise +10 points.", Estimate(0.1, 0.01, 0.19), ("KT Tab. 1",))


@pytest.mark.parametrize("verdict", [HOLDS, FAILS])
def test_a_verdict_that_does_not_come_out_again_is_inconclusive(verdict):
    found = rounding.settled(judged(verdict), [again(verdict), again(UNDECIDED, threads=2)])
    assert found.verdict == UNDECIDED
    assert f"It {verdict} with these kernels, and not with others" in found.comparison
    assert "native AVX512, 2 threads: inconclusive 0.100 [-0.010, 0.210]" in found.comparison
    assert found.estimate == judged(verdict).estimate


@pytest.mark.parametrize("verdict", [HOLDS, FAILS, UNDECIDED, NOT_TESTABLE])
def test_a_verdict_that_comes_out_again_stays(verdict):
    found = rounding.settled(judged(verdict), [again(verdict)])
    assert found.verdict == verdict
    assert found.comparison.endswith(f"With other kernels: native AVX512, 1 thread: {verdict} 0.100 [-0.010, 0.210].")


def test_what_was_not_decided_is_not_decided_by_other_kernels():
    assert rounding.settled(judged(UNDECIDED), [again(HOLDS, low=0.01)]).verdict == UNDECIDED
    assert rounding.settled(judged(HOLDS), []) == judged(HOLDS)


def test_repetitions_are_kept_beside_the_rows_and_replaced_by_newer_ones(tmp_path):
    assert rounding.read(tmp_path) == {}
    rounding.write([again(HOLDS), again(HOLDS, claim="K2")], tmp_path)
    rounding.write([again(UNDECIDED), again(HOLDS, threads=2)], tmp_path)
    found = rounding.read(tmp_path)
    assert {claim: [(one.threads, one.verdict) for one in own] for claim, own in found.items()} == {
        "K1": [(1, UNDECIDED), (2, HOLDS)],
        "K2": [(1, HOLDS)],
    }
    assert found["K1"][0] == again(UNDECIDED)
    nothing = Repetition("K3", "not run", None, "native", 1, "cafe0123")
    rounding.write([nothing], tmp_path)
    assert rounding.read(tmp_path)["K3"] == [nothing]


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / rounding.FILE).write_text('[{"claim": "K1"}]')
    with pytest.raises(ValueError, match="expected repetitions of verdicts, .*python -m ktlib rounding"):
        rounding.read(tmp_path)

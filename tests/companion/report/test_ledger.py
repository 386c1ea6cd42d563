"""The ledger: every claim has a verdict, or says why it has none."""

from ktlib.companion.record import published
from ktlib.companion.record.judging import NOT_RUN
from ktlib.companion.report import ledger
from ktlib.companion.report.shelf import Shelf
from tests.rows import row


def measured(method, target, **changed):
    return [
        row(**{"method": method, "subject": concept, "seed": seed, "metric": metric, "value": value} | changed)
        for concept in ("moongate", "tonometer", "gyroscope")
        for seed in ((None,) if method == "base" else (0, 1, 2))
        for metric, value in (("target_accuracy", target), ("retention", 0.8))
    ]


def tab_1(**changed):
    targets = {"base": 0.1, "kt": 0.6, "noise": 0.1, "wrong": 0.1}
    return [one for method, target in targets.items() for one in measured(method, target, **changed)]


def test_a_claim_without_rows_says_how_to_get_them():
    found = ledger.verdict("K1", [], "pocket")
    assert (found.verdict, found.estimate) == (NOT_RUN, None)
    assert found.comparison == "there are no rows; ./run_all.sh --scale pocket --only 01 writes them"
    some = [one for one in tab_1() if one.method in ("base", "kt")]
    assert "no test rows of noise" in ledger.verdict("K1", some, "pocket").comparison


def test_paper_rows_are_missing_for_want_of_weights():
    found = ledger.verdict("K1", tab_1(), "paper")  # pocket rows are not paper rows
    assert (found.verdict, found.comparison) == (NOT_RUN, ledger.NO_WEIGHTS)


def test_rehearsal_rows_never_decide():
    found = ledger.verdict("K1", tab_1(scale="rehearsal"), "rehearsal")
    assert (found.verdict, found.comparison) == (NOT_RUN, "rehearsal numbers are not results")


def test_claims_that_no_notebook_tests_say_so():
    assert "SDXL" in ledger.verdict("K20", tab_1(), "pocket").comparison
    assert ledger.verdict("K22", tab_1(), "pocket").verdict == NOT_RUN


def test_every_claim_gets_a_verdict_in_order():
    found = ledger.verdicts(tab_1(), "pocket")
    assert [v.claim for v in found] == list(published.claims())
    assert {v.claim for v in found if v.verdict != NOT_RUN} == {"K1"}  # K2 needs validation rows, K3 three rates


def test_some_claims_are_judged_without_the_others():
    asked = ["K3", "K1"]
    every = {v.claim: v for v in ledger.verdicts(tab_1(), "pocket")}
    assert ledger.verdicts(tab_1(), "pocket", claims=asked) == [every[claim] for claim in asked]
    assert ledger.verdicts(tab_1(), "pocket", claims=[]) == []


def test_a_shelf_judges_one_claim_as_it_judges_all(tmp_path):
    own = Shelf("pocket", tuple(tab_1()), (tmp_path,), (tmp_path,), tmp_path)
    assert own.verdict("K1") == own.verdicts["K1"] and own.verdict("K1").verdict != NOT_RUN


def test_a_notebook_knows_the_claims_it_tests():
    assert {"K1", "K2", "K3", "K4", "K21"} <= set(ledger.of_notebook("01"))
    assert {"K5", "K6", "K16", "K17", "K18", "K19"} <= set(ledger.of_notebook("07"))
    assert ledger.of_notebook("02") == ("K7", "K8", "K22")
    assert ledger.of_notebook("04") == ("K10", "K11", "K15")
    assert ledger.of_notebook("05") == ("K12", "K13", "K14")
    assert ledger.of_notebook("06") == tuple(f"Z{number}" for number in range(1, 14))

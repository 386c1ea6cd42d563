"""The pocket notebooks, end to end, through the runner a reader uses; into a folder of their own."""

import pytest

from ktlib.companion import runs
from ktlib.companion.record import certificate, notebooks, rows
from ktlib.places import ROOT

NOTEBOOKS = [notebooks.read(path) for path in notebooks.find(ROOT)]
REHEARSED = [one.stem for one in NOTEBOOKS if "rehearsal" in one.scales]


def run(folder, *numbers, scale="pocket"):
    return runs.run(numbers, scale=scale, seed=0, force=True, root=ROOT, folder=folder)


def test_start_here_runs_top_to_bottom(tmp_path):
    (outcome,) = run(tmp_path, "00")
    assert outcome.status == "ran", outcome.reason
    assert outcome.peak_mib is None or outcome.peak_mib < 3 * 1024


@pytest.mark.slow
def test_a_fresh_run_gives_the_committed_rows(monkeypatch, tmp_path):
    """Every committed pocket row, computed anew without any cache.

    Item by item, with the tolerances of the certificate; tests/companion/record/test_certificate.py shows that a
    wrong item does not hide among thousands of right rows.
    """
    monkeypatch.setenv("KT_CACHE", str(tmp_path / "cache"))
    outcomes = run(tmp_path / "run", "01", "02", "03", "04", "05", "06", "07")
    assert [o.status for o in outcomes] == ["ran"] * 7
    fresh = rows.read("pocket", folder=tmp_path / "run" / "results")
    compared = certificate.compare(rows.committed("pocket"), fresh)
    assert [finding for item in compared for finding in item.unexplained] == []


@pytest.mark.slow
@pytest.mark.parametrize("stem", REHEARSED)
def test_the_rehearsal_runs_the_paper_path(tmp_path, stem):
    """What it writes says so, and is no result: it goes to the folder of the run, and `--record` refuses the scale."""
    (outcome,) = run(tmp_path, stem, scale="rehearsal")
    assert outcome.status == "ran", outcome.reason
    assert {row.scale for row in rows.read("rehearsal", folder=tmp_path / "results")} <= {"rehearsal"}


def test_every_notebook_with_a_paper_path_is_rehearsed():
    paper = [one.stem for one in NOTEBOOKS if "paper" in one.scales]
    assert paper and set(paper) <= set(REHEARSED)

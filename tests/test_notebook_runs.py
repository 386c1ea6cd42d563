"""The pocket notebooks, end to end, through the runner a reader uses."""

from pathlib import Path

import pytest

from ktlib.companion import runs
from ktlib.companion.record import rows as results

ROOT = Path(__file__).resolve().parent.parent


def test_start_here_runs_top_to_bottom():
    (outcome,) = runs.run(["00"], scale="pocket", seed=0, force=True, root=ROOT)
    assert outcome.status == "ran", outcome.reason
    assert outcome.peak_mib is None or outcome.peak_mib < 3 * 1024


@pytest.mark.slow
def test_a_fresh_run_gives_the_committed_rows(monkeypatch, tmp_path):
    """Every committed pocket row, computed anew without any cache.

    Two pictures in fifty may tip on another processor; over a table the mean must not move by more
    than a point.
    """
    committed = results.read("pocket")
    monkeypatch.setenv("KT_CACHE", str(tmp_path))
    outcomes = runs.run(["01", "04", "06"], scale="pocket", seed=0, force=True, root=ROOT)
    assert [o.status for o in outcomes] == ["ran"] * 3
    fresh = {identity(r): r.value for r in results.read("pocket")}
    assert fresh.keys() == {identity(r) for r in committed}
    moved = [abs(fresh[identity(r)] - r.value) for r in committed]
    assert sum(moved) / len(moved) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("number", ["01", "04", "06"])
def test_the_rehearsal_runs_the_paper_path(number):
    (outcome,) = runs.run([number], scale="rehearsal", seed=0, force=True, root=ROOT)
    assert outcome.status == "ran", outcome.reason


def identity(row):
    return (row.item, row.model, row.concept, row.method, row.setting, row.metric, row.seed)

"""The command that repeats verdicts: other kernels only, good runs only, and noted beside the published rows."""

import json
from types import SimpleNamespace

import pytest

from ktlib.companion import rounding
from ktlib.companion.execution import Outcome
from ktlib.companion.record import rounding as record
from ktlib.companion.record.judging import HOLDS, NOT_RUN, UNDECIDED
from ktlib.companion.record.kernels import Kernels
from tests.rows import row

OTHER = Kernels("native", 1)
NAMES = {"kernels": "native AVX512", "threads": "1", "canary": "cafe0123"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with published rows, where a run is a file and a judge looks at one row."""
    home = tmp_path / "results" / "pocket"
    home.mkdir(parents=True)
    (home / "kt_tab_1.json").write_text(json.dumps(NAMES | {"kernels": "avx2", "threads": "2", "canary": "0123cafe"}))
    own = SimpleNamespace(names=NAMES, status="ran", value=0.3)

    def run(only, *, folder, **_):
        (folder / "results").mkdir(parents=True)
        (folder / "results" / "kt_tab_1.json").write_text(json.dumps(own.names))
        return [Outcome("01_rare_concepts", own.status)]

    def verdict(claim, rows, scale):
        (one,) = rows
        if claim == "K20":
            return SimpleNamespace(claim=claim, verdict=NOT_RUN, estimate=None)
        return SimpleNamespace(claim=claim, verdict=HOLDS if one.value > 0.2 else UNDECIDED, estimate=None)

    monkeypatch.setattr(rounding.runs, "run", run)
    monkeypatch.setattr(rounding.runs, "computed", lambda _: [row(item="KT Tab. 1", value=own.value)])
    monkeypatch.setattr(rounding.rows, "read", lambda *_, **__: [row(item="KT Tab. 1", value=0.9)])
    monkeypatch.setattr(rounding.ledger, "verdict", verdict)
    return SimpleNamespace(path=tmp_path, home=home, own=own)


def test_verdicts_are_those_of_the_repeated_rows_and_are_noted(root):
    root.own.value = 0.1
    found = rounding.repeat(["01"], kernels=OTHER, root=root.path)
    assert {one.verdict for one in found} == {UNDECIDED}  # and nothing of K20, which no notebook tests
    assert {(one.kernels, one.threads, one.canary) for one in found} == {("native AVX512", 1, "cafe0123")}
    assert record.read(root.home)["K1"] == [one for one in found if one.claim == "K1"]
    assert (root.path / "runs" / "pocket-native-1").is_dir()


def test_the_same_arithmetic_repeats_nothing(root):
    (root.home / "kt_tab_1.json").write_text(json.dumps(NAMES))
    with pytest.raises(RuntimeError, match="canary cafe0123 is that of the published rows; take other kernels"):
        rounding.repeat(["01"], kernels=OTHER, root=root.path)
    assert record.read(root.home) == {}


def test_a_failed_run_notes_nothing(root):
    root.own.status = "failed"
    with pytest.raises(RuntimeError, match="nothing was noted: .*01_rare_concepts did not run to the end"):
        rounding.repeat(["01"], kernels=OTHER, root=root.path)
    assert record.read(root.home) == {}

"""Cells here and on a cluster: the same rows, each written once, and clear words when the cluster is of no use."""

import functools
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from ktlib.companion import cells, parcels, runs
from ktlib.places import ROOT
from ktlib.store import recall

distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")


def squared(number):
    return {"square": number**2}


def of(folder, count=4):
    return [cells.Cell(folder / f"{number}.json", partial(squared, number)) for number in range(count)]


@pytest.fixture
def here(monkeypatch):
    monkeypatch.delenv(cells.ADDRESS, raising=False)


def test_without_an_address_cells_are_computed_here_in_their_order_and_once(here, tmp_path):
    seen = []

    def compute(number):
        seen.append(number)
        return {"number": number}

    jobs = [cells.Cell(tmp_path / f"{n}.json", partial(compute, n)) for n in (3, 1, 3, 2)]
    assert [one["number"] for one in cells.each(jobs, progress=False)] == [3, 1, 3, 2]
    assert seen == [3, 1, 2]  # the second 3 is read
    cells.each(jobs, progress=False)
    assert seen == [3, 1, 2]


def test_work_is_handed_out_only_where_there_is_a_scheduler(here, monkeypatch):
    assert cells.mapped() is None
    monkeypatch.setenv(cells.ADDRESS, "tcp://127.0.0.1:9")
    assert cells.mapped() is cells.done


def test_dask_is_imported_only_when_an_address_is_given():
    code = (
        "import sys; import ktlib.companion.studies.bench; print('distributed' in sys.modules, 'dask' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_scheduler_that_is_not_there_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(cells, "PATIENCE", 1.0)
    monkeypatch.setenv(cells.ADDRESS, "tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="expected a Dask scheduler at 'tcp://127.0.0.1:9' .*leave the address out"):
        cells.each(of(tmp_path), progress=False)
    assert not list(tmp_path.iterdir())


def test_a_worker_of_another_version_is_refused():
    own = cells._self()
    cells._compare(own, own, "a worker")
    with pytest.raises(ValueError, match=r"found tcp://1 with torch 1\.0 in place of .*give it the same checkout"):
        cells._compare(own | {"torch": "1.0"}, own, "tcp://1")
    with pytest.raises(ValueError, match="in place of another"):
        cells._work(own | {"ktlib": "another", "threads": "1"}, b"", {})


def test_models_and_sets_travel_apart_from_what_is_asked_of_them():
    model = torch.nn.Linear(3, 2)
    blob, shared = parcels.packed((partial(torch.add, torch.ones(2)), [model, model]))
    assert shared == [model]
    assert parcels.unpacked(blob, {id(model): "the model"})[1] == ["the model", "the model"]


def test_a_function_that_remembers_travels_without_its_memory():
    seen = []

    @functools.cache
    def twice(number):
        seen.append(number)
        return 2 * number

    assert twice(2) == 4
    again = parcels.unpacked(parcels.packed(twice)[0], {})
    assert (again(2), again(2), again.cache_info().hits) == (4, 4, 1)


# -- with a cluster of two, in processes of their own ------------------------------------------------------
SCRIPT = Path(__file__).parent / "cluster.py"


def cluster(task, folder, *, patience=120, **more):
    """Run a task of `cluster.py`; it prints what it found, and ends."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}
    command = [sys.executable, str(SCRIPT), task, str(folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, env=environment, timeout=patience)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_cluster_whose_worker_is_killed_gives_the_same_rows_as_this_process(tmp_path):
    assert "same rows" in cluster("killed", tmp_path)


@pytest.fixture(scope="module")
def away(tmp_path_factory):
    """A line of each loop that is handed out in pieces, run in one process and on two workers."""
    said = cluster("loops", tmp_path_factory.mktemp("loops"), patience=300)
    return {line.split(maxsplit=1)[0]: line.split()[1:] for line in said.splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["search", "captions", "features", "masks", "limits", "choice"])
def test_a_loop_in_pieces_gives_the_same_here_and_on_workers_of_which_one_is_killed(loop, away):
    same, files, pieces = away[loop]
    assert (same, files) == ("same", "files")
    assert int(pieces) >= 2, "it goes to the cluster as a whole, or not at all"


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_said_and_what_was_done_is_kept(tmp_path):
    said = cluster("gone", tmp_path)
    assert "to stay, found it gone with" in said and "run the same command again" in said
    assert recall(tmp_path / "0.json") == {"square": 0}
    assert "then all 6" in said


@pytest.mark.slow
def test_a_cell_that_no_worker_survives_is_said_and_what_was_done_is_kept(tmp_path):
    said = cluster("deadly", tmp_path, patience=300)
    assert "found that each worker that was given one cell died: look at their logs" in said
    assert "what was done is kept" in said
    assert recall(tmp_path / "0.json") == {"square": 0}
    assert recall(tmp_path / "2.json") is None


class Client:
    """What `examine` asks of one."""

    def __init__(self, threads=1, late=False, found=None):
        self.threads, self.late, self.found = threads, late, found

    def wait_for_workers(self, count, timeout):
        if self.late:
            raise TimeoutError

    def nthreads(self):
        return {"tcp://one": 1, "tcp://two": self.threads}

    def run(self, function):
        if self.found is None:
            raise ModuleNotFoundError("No module named 'ktlib'")
        return {"tcp://one": function(), "tcp://two": self.found}


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (Client(late=True), r"expected workers .* found none in 30 s; start one .* dask worker tcp://0 --nthreads 1"),
        (Client(threads=2), r"expected workers with one thread, found more at tcp://two; start them with --nthreads 1"),
        (Client(), r"expected workers that run ktlib as it is here, found ModuleNotFoundError"),
        (Client(found={"ktlib": "old"}), r"found tcp://two with ktlib old in place of"),
    ],
)
def test_workers_that_are_of_no_use_are_said(client, said):
    with pytest.raises(ValueError, match=said):
        cells._Cluster(client, "tcp://0").examine()


def test_a_run_says_at_once_that_there_is_no_scheduler(monkeypatch, capsys):
    monkeypatch.setattr(cells, "PATIENCE", 1.0)
    monkeypatch.setenv(cells.ADDRESS, "")
    assert runs.main(["--scale", "rehearsal", "--only", "02", "--dask", "tcp://127.0.0.1:9"]) == 2
    assert "expected a Dask scheduler at 'tcp://127.0.0.1:9'" in capsys.readouterr().err


@pytest.mark.parametrize("told", ["soon", "-1", "0", "nan", "inf"])
def test_a_patience_that_is_no_time_is_refused(told):
    assert cells.seconds("2.5") == 2.5
    with pytest.raises(ValueError, match=f"above 0 in KTLIB_DASK_PATIENCE, found '{told}'; correct it"):
        cells.seconds(told)

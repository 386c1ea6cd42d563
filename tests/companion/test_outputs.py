"""What a run holds: when a notebook is run again, what it borrows, and what is published of it."""

import json
import os
import re
import time

import nbformat
import pytest

from ktlib.companion import outputs, runs
from ktlib.companion.outputs import Run
from ktlib.companion.record import notebooks
from tests.companion.tiny_notebooks import WRITES, run, statuses, write_notebook

# When a notebook is run again


def test_an_unchanged_notebook_is_skipped_and_a_change_or_a_lost_output_runs_it_again(tmp_path):
    kt = {"writes": ["results/a.csv"]}
    write_notebook(tmp_path, "01_first", WRITES + "out.write_text('1')", kt=kt)
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    started = time.monotonic()
    assert statuses(run(tmp_path)) == {"01_first": "unchanged"}
    assert time.monotonic() - started < 2
    written = tmp_path / "runs/pocket/results/a.csv"
    for change in (written.unlink, lambda: written.write_text("2")):
        change()
        assert statuses(run(tmp_path)) == {"01_first": "ran"}
        assert written.read_text() == "1"
    assert statuses(run(tmp_path)) == {"01_first": "unchanged"}
    (tmp_path / "runs/pocket/01_first.failed.ipynb").write_text("a later run that failed")
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    assert statuses(run(tmp_path, force=True)) == {"01_first": "ran"}


def test_the_digest_covers_source_parameters_code_and_what_is_read(tmp_path):
    def key(seed=0):
        return outputs.digest(notebooks.read(path), Run(tmp_path, tmp_path / "runs/pocket", "pocket", seed))

    kt = {"reads": ["results/*.csv"]}
    path = write_notebook(tmp_path, "10_last", "1", kt=kt)
    first = key()
    assert key(seed=1) != first
    for name in (
        "ktlib/evaluate/deep.py",
        "ktlib/ktlib.mplstyle",
        "ktlib/pocket/weights/clip-b/model.safetensors",
        "data_manifests/published/claims.csv",
        "requirements.lock",
        "runs/pocket/results/kt_tab_1.csv",
    ):
        before = key()
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1")
        assert key() != before, name
    before = key()
    (tmp_path / "runs/paper/results").mkdir(parents=True)
    (tmp_path / "runs/paper/results/kt_tab_1.csv").write_text("of another scale")
    (tmp_path / "data_manifests/.hidden").write_text("of an editor")
    node = nbformat.read(path, as_version=4)
    node.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(node, path)
    assert key() == before  # another scale, hidden files and outputs do not count
    write_notebook(tmp_path, "10_last", "2", kt=kt)
    assert key() != before


# What it wrote


def test_what_was_written_last_time_and_not_this_time_goes(tmp_path):
    kt = {"writes": ["results/a.csv"], "sometimes": ["results/b.csv"]}
    both = (
        WRITES + "out.write_text('1'); out.with_name('b.csv').write_text('1'); out.with_name('b.json').write_text('1')"
    )
    write_notebook(tmp_path, "01_first", both, kt=kt)
    run(tmp_path)
    folder = tmp_path / "runs/pocket"
    assert {*json.loads((folder / "01_first.json").read_text())["wrote"]} == {
        "results/a.csv", "results/b.csv", "results/b.json",
    }  # fmt: skip
    write_notebook(tmp_path, "01_first", WRITES + "out.write_text('1')", kt=kt)
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    assert {*json.loads((folder / "01_first.json").read_text())["wrote"]} == {"results/a.csv"}
    assert [path.name for path in (folder / "results").iterdir()] == ["a.csv"]


def test_a_page_beside_rows_does_not_claim_where_the_rows_come_from(tmp_path):
    rows = WRITES + "out.write_text('1'); out.with_suffix('.json').write_text('of the rows')"
    write_notebook(tmp_path, "01_rows", rows, kt={"writes": ["results/a.csv"]})
    page = WRITES + "out.with_suffix('.md').write_text('a page')"
    write_notebook(tmp_path, "02_pages", page, kt={"reads": ["results/*.csv"], "sometimes": ["results/*.md"]})
    run(tmp_path)
    run(tmp_path, "02", force=True)
    folder = tmp_path / "runs/pocket"
    assert {*json.loads((folder / "02_pages.json").read_text())["wrote"]} == {"results/a.md"}
    assert (folder / "results/a.json").read_text() == "of the rows"
    assert statuses(run(tmp_path)) == {"01_rows": "unchanged", "02_pages": "unchanged"}


# What it borrows


@pytest.fixture
def repository(tmp_path):
    """One notebook that writes, one that reads, and committed results of both rows and figures."""
    write_notebook(tmp_path, "01_writes", WRITES + "out.write_text('computed')", kt={"writes": ["results/a.csv"]})
    write_notebook(tmp_path, "02_reads", "1", kt={"reads": ["results/*.csv"]})
    for name in ("a.csv", "a.json", "b.csv"):
        path = tmp_path / "results/pocket" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"item\n{name} committed\n")
    return tmp_path


def test_what_was_not_computed_is_taken_from_the_repository_and_said_to_be(repository, capsys):
    assert statuses(run(repository, "02")) == {"02_reads": "ran"}
    assert "a.csv committed, b.csv committed: taken from the repository, not computed here" in capsys.readouterr().err
    taken = json.loads((repository / "runs/pocket/02_reads.json").read_text())["taken"]
    assert {*taken} == {"results/a.csv", "results/b.csv"}
    assert statuses(run(repository, "02")) == {"02_reads": "unchanged"}
    (repository / "results/pocket/b.csv").write_text("item\nof the next commit\n")
    assert statuses(run(repository, "02")) == {"02_reads": "ran"}


def test_what_was_computed_is_read_and_never_overwritten(repository, capsys):
    run(repository)
    assert "b.csv committed: taken from the repository" in capsys.readouterr().err
    written = repository / "runs/pocket/results/a.csv"
    assert written.read_text() == "computed"
    run(repository, "02", force=True)
    assert written.read_text() == "computed"
    assert "a.csv committed" not in capsys.readouterr().err
    # the rows that were taken are no result of this run
    everything = [notebooks.read(path) for path in notebooks.find(repository)]
    this = Run(repository, repository / "runs/pocket", "pocket", 0)
    assert outputs.computed(this, everything) == {"results/a.csv": "01_writes"}


def test_rows_that_are_neither_computed_nor_committed_are_named(repository, capsys):
    write_notebook(repository, "02_reads", "1", kt={"reads": ["results/*.csv", "results/z.csv"]})
    left = repository / "runs/pocket/results/c.csv"
    left.parent.mkdir(parents=True)
    left.write_text("item\nhalf a table\n")
    assert statuses(run(repository, "02")) == {"02_reads": "ran"}
    said = capsys.readouterr().err
    assert "half a table: of a notebook that did not run to its end, or of an older one" in said
    assert "results/z.csv: 02_reads reads it; neither here nor in the repository" in said


# What is published


def test_publishing_replaces_the_committed_results_by_what_was_computed_and_keeps_other_scales(repository):
    figure = "import os, pathlib; p = pathlib.Path(os.environ['KT_OUTPUT'], 'figures', 'a.png')\n"
    figure += "p.parent.mkdir(exist_ok=True); p.write_text('drawn'); p.with_suffix('.json').write_text('1')"
    write_notebook(repository, "03_draws", figure, kt={"writes": ["figures/a.png"]})
    paper = repository / "results/paper/a.csv"
    paper.parent.mkdir(parents=True)
    paper.write_text("of another scale")
    (repository / "results/pocket/rounding.json").write_text("[]")
    run(repository)
    this = Run(repository, repository / "runs/pocket", "pocket", 0)
    everything = [notebooks.read(path) for path in notebooks.find(repository)]
    assert outputs.publish(this, everything) == ["figures/a.json", "figures/a.png", "results/a.csv"]
    assert (repository / "results/pocket/a.csv").read_text() == "computed"
    assert (repository / "figures/pocket/a.png").read_text() == "drawn"
    # b.csv is measured by no notebook any more, a.json and rounding.json told of other rows
    assert sorted(path.name for path in (repository / "results/pocket").iterdir()) == ["a.csv", "times.json"]
    times = json.loads((repository / "results/pocket/times.json").read_text())
    assert times.keys() == {"01_writes", "02_reads", "03_draws"}
    assert times["01_writes"]["seconds"] > 0 and "cell-1" in times["01_writes"]["cells"]
    assert times["01_writes"]["peak_mib"] > 0
    assert paper.read_text() == "of another scale"


# The record means what it says


@pytest.mark.parametrize("how", ["edited", "emptied", "the executed copy edited"])
def test_what_was_changed_after_a_run_is_computed_again(tmp_path, how):
    write_notebook(tmp_path, "01_first", WRITES + "out.write_text('1')", kt={"writes": ["results/a.csv"]})
    run(tmp_path)
    folder = tmp_path / "runs/pocket"
    target = folder / ("01_first.ipynb" if "copy" in how else "results/a.csv")
    target.write_text("" if how == "emptied" else target.read_text().replace("1", "2"))
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    assert (folder / "results/a.csv").read_text() == "1"


def test_an_output_that_is_written_empty_is_none(tmp_path, capsys):
    write_notebook(tmp_path, "01_first", WRITES + "out.touch()", kt={"writes": ["results/a.csv"]})
    assert statuses(run(tmp_path)) == {"01_first": "failed"}
    assert "wrote nothing into results/a.csv" in capsys.readouterr().err


def test_rows_are_read_with_the_record_beside_them_and_with_what_is_published(repository):
    kt = {"reads": ["results/*.csv"], "published": ["results/*/rounding.json"]}
    notebook = notebooks.read(write_notebook(repository, "02_reads", "1", kt=kt))
    this = Run(repository, repository / "runs/pocket", "pocket", 0)
    keys = {outputs.digest(notebook, this)}
    for name in ("runs/pocket/results/a.csv", "runs/pocket/results/a.json", "results/pocket/rounding.json"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("1")
        keys.add(outputs.digest(notebook, this))
    assert len(keys) == 4


@pytest.mark.parametrize("change", ["content", "time", "another file", "the folder"])
def test_data_that_a_notebook_may_read_are_part_of_the_record(tmp_path, monkeypatch, change):
    data = tmp_path / "data"
    (data / "set").mkdir(parents=True)
    (data / "set/x").write_text("wrong")
    monkeypatch.setenv("KT_DATA", str(data))
    notebook = notebooks.read(write_notebook(tmp_path, "01_first", "1"))
    this = Run(tmp_path, tmp_path / "runs/pocket", "pocket", 0)
    before = outputs.digest(notebook, this)
    assert outputs.digest(notebook, this) == before
    if change == "content":
        (data / "set/x").write_text("rightly")
    elif change == "time":
        os.utime(data / "set/x", ns=(1, 1))
    elif change == "another file":
        (data / "set/y").write_text("")
    else:
        (data / "set").rename(data / "other")
    assert outputs.digest(notebook, this) != before


def test_of_a_notebook_that_says_what_it_needs_only_that_counts_and_only_at_paper_scale(tmp_path, monkeypatch):
    monkeypatch.setenv("KT_DATA", str(tmp_path / "data"))
    path = write_notebook(tmp_path, "01_first", "1", kt={"needs": {"datasets": ["flickr30k"]}})
    notebook = notebooks.read(path)
    keys = {}
    for name in ("flickr30k/x", "cub/x", "fixtures/x"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_text("1")
        for scale in ("pocket", "paper"):
            keys.setdefault(scale, []).append(outputs.digest(notebook, Run(tmp_path, tmp_path / "runs", scale, 0)))
    assert len(set(keys["pocket"])) == len(set(keys["paper"])) == 1
    (tmp_path / "data/flickr30k/x").write_text("22")
    assert outputs.digest(notebook, Run(tmp_path, tmp_path / "runs", "paper", 0)) != keys["paper"][0]


def test_two_notebooks_that_declare_one_output_are_refused(tmp_path, capsys):
    for stem in ("01_x", "01_x_old"):
        write_notebook(tmp_path, stem, "1", kt={"writes": ["results/a.csv"]})
    assert runs.main(["--root", str(tmp_path)]) == 2
    assert "found two for results/a.csv (01_x, 01_x_old)" in capsys.readouterr().err


def test_two_runs_at_once_in_one_folder_are_refused_and_a_killed_one_leaves_no_lock(tmp_path, capsys):
    write_notebook(tmp_path, "01_first", "1")
    this = Run(tmp_path.resolve(), outputs.home(tmp_path.resolve(), "pocket"), "pocket", 5)
    with outputs.held(this):
        assert runs.main(["--root", str(tmp_path)]) == 2
    assert re.search(
        r"expected no other run in .*pocket, found a run with seed 5, process \d+", capsys.readouterr().err
    )
    assert runs.main(["--root", str(tmp_path)]) == 0


def test_runs_that_cannot_be_written_end_in_one_sentence(tmp_path, capsys, monkeypatch):
    write_notebook(tmp_path, "01_first", "1")
    (tmp_path / "runs").write_text("a file where a folder should be")
    assert runs.main(["--root", str(tmp_path)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0 and "KT_RUNS moves it" in said
    monkeypatch.setenv("KT_RUNS", str(tmp_path / "elsewhere"))
    assert runs.main(["--root", str(tmp_path)]) == 0
    assert (tmp_path / "elsewhere/pocket/01_first.ipynb").exists()

    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(outputs.store, "write_text", full)
    assert runs.main(["--root", str(tmp_path), "--force"]) == 2
    assert "No space left on device; free space, or set KT_RUNS" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "x", str(2**64)])
def test_a_seed_that_no_row_can_hold_is_refused(tmp_path, capsys, seed):
    with pytest.raises(SystemExit) as stop:
        runs.main(["--root", str(tmp_path), "--seed", seed])
    assert stop.value.code == 2
    assert "expected a whole number from 0" in capsys.readouterr().err

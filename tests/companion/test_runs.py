"""The runner: what it runs and in which order, what it says, and when it publishes."""

import subprocess

import pytest

from ktlib.companion import runs
from ktlib.companion.record import rows
from ktlib.data import hub, manifests
from tests.companion.tiny_notebooks import run, statuses, write_notebook


def test_only_notebooks_that_read_what_a_failed_one_writes_are_not_run(tmp_path, capsys):
    write_notebook(tmp_path, "01_bad", "1 / 0", kt={"writes": ["results/a.csv"]})
    write_notebook(tmp_path, "02_other", "1")
    write_notebook(tmp_path, "03_reads", "1", kt={"reads": ["results/**/*.csv"], "writes": ["RESULTS.md"]})
    write_notebook(tmp_path, "04_reads_03", "1", kt={"reads": ["RESULTS.md"]})
    assert runs.main(["--root", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines() if line}
    assert lines["01_bad"].startswith("failed")
    assert lines["02_other"].startswith("ran")
    assert lines["03_reads"] == "not run (needs 01_bad)"
    assert lines["04_reads_03"] == "not run (needs 03_reads)"


# What is asked for


def test_notebooks_are_chosen_by_number_or_stem_in_order(tmp_path):
    for stem in ("10_results", "01_first", "02_second", "notes"):
        write_notebook(tmp_path, stem, "1")
    assert [p.stem for p in runs.discover(tmp_path, None)] == ["01_first", "02_second", "10_results"]
    assert [p.stem for p in runs.discover(tmp_path, ["10", "01_first"])] == ["01_first", "10_results"]
    with pytest.raises(runs.RunError, match="no notebook '1'; there are: 01_first, 02_second, 10_results"):
        runs.discover(tmp_path, ["1"])


def test_a_notebook_may_leave_out_a_scale(tmp_path, capsys):
    write_notebook(tmp_path, "01_first", "1", kt={"scales": ["pocket"]})
    assert statuses(run(tmp_path, scale="rehearsal")) == {"01_first": "not run"}
    assert runs.main(["--root", str(tmp_path), "--scale", "rehearsal"]) == 0
    assert runs.main(["--root", str(tmp_path), "--scale", "rehearsal", "--only", "01"]) == 2
    assert "not made for the scale rehearsal: 01_first" in capsys.readouterr().err


def test_all_missing_inputs_are_named_before_anything_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    needs = {"datasets": ["jsrt"], "checkpoints": ["openai/ViT-B-32"], "calibration": True}
    write_notebook(tmp_path, "01_first", "1", kt={"needs": needs})
    write_notebook(tmp_path, "02_second", "1", kt={"needs": {"datasets": ["udiat", "jsrt"]}})
    write_notebook(tmp_path, "03_third", "1", kt={"scales": ["pocket"]})
    assert runs.main(["--root", str(tmp_path), "--scale", "paper"]) == 2
    reported = capsys.readouterr().err
    assert "nothing was run: 4 thing(s) missing at scale paper" in reported
    lines = {line.split("  ")[0]: " ".join(line.split()) for line in reported.splitlines()}
    assert lines["dataset jsrt"] == (
        "dataset jsrt 01 02 no such folder by hand (with an account or an agreement): python -m ktlib data show jsrt"
    )
    assert " 02 " in lines["dataset udiat"]
    assert lines["checkpoint openai/ViT-B-32"].endswith("python -m ktlib data get openai/ViT-B-32")
    assert lines["calibration of the class names (clip)"].endswith("python -m ktlib calibrate clip")
    assert not (tmp_path / "runs").exists()


def test_a_notebook_whose_needs_nobody_wrote_down_is_an_error_and_not_nothing(tmp_path, capsys):
    write_notebook(tmp_path, "01_first", "1")
    assert runs.main(["--root", str(tmp_path), "--scale", "paper"]) == 2
    assert "expected `needs` in the `kt` metadata of 01_first" in capsys.readouterr().err


@pytest.mark.parametrize("scale", ["pocket", "rehearsal"])
def test_only_the_paper_scale_needs_anything(tmp_path, monkeypatch, scale):
    monkeypatch.setattr(manifests, "missing", lambda *_, **__: ["everything"])
    write_notebook(tmp_path, "01_first", "1")
    assert statuses(run(tmp_path, scale=scale)) == {"01_first": "ran"}


# What it says


def test_every_notebook_has_a_line_without_a_terminal(tmp_path, capsys):
    write_notebook(tmp_path, "01_first", "1")
    write_notebook(tmp_path, "02_bad", "1 / 0")
    run(tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[1/2] 01_first: started"
    assert lines[1].startswith("[1/2] 01_first: ran in")
    assert any(line.startswith("[2/2] 02_bad: failed in") for line in lines)
    run(tmp_path, "01")
    assert capsys.readouterr().err == "[1/1] 01_first: unchanged since its last good run\n"
    run(tmp_path, "01", force=True)
    assert capsys.readouterr().err.startswith("[1/1] 01_first: started, less than a minute\n")


LINE = "{item},pocket,drawn,clip,moongate,base,,target_accuracy,,{value},0,1,10,,test,s,w"


def table(*values, item="KT Tab. 9"):
    """Rows of a made-up item as a file has them; each of another model."""
    lines = [LINE.format(item=item, value=value).replace("clip", f"clip{i}") for i, value in enumerate(values)]
    return "\n".join([",".join(rows.COLUMNS), *lines]) + "\n"


@pytest.fixture
def repository(tmp_path):
    """A git repository with a notebook that computes three rows, of which one is as published."""
    published = tmp_path / "results/pocket/kt_tab_9.csv"
    published.parent.mkdir(parents=True)
    published.write_text(table(0.5, 0.5, 0.5))
    write = "import os, pathlib; out = pathlib.Path(os.environ['KT_OUTPUT'], 'results', 'kt_tab_9.csv')\n"
    write += f"out.parent.mkdir(exist_ok=True); out.write_text({table(0.5, 0.6, 0.9)!r})"
    write_notebook(tmp_path, "01_first", write, kt={"writes": ["results/kt_tab_9.csv"]})
    (tmp_path / ".gitignore").write_text("/runs/\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


def status(root):
    command = ["git", "-C", str(root), "status", "--porcelain"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_run_ends_with_verdicts_places_and_the_certificate_and_changes_nothing(repository, capsys):
    assert runs.main(["--root", str(repository)]) == 0
    out = capsys.readouterr().out
    order = ["01_first  ran", "claims: holds 0", "executed notebooks: runs/pocket/", "Certificate, pocket scale"]
    assert [out.index(one) for one in order] == sorted(out.index(one) for one in order)
    assert "1 equal, 1 within and 1 beyond the tolerance, 0 missing, 0 new" in out
    assert (repository / "runs/pocket/certificate.json").exists()
    assert "KT Tab. 9 · clip2" in (repository / "runs/pocket/certificate.md").read_text()
    assert status(repository) == ""


def test_a_run_of_some_notebooks_ends_with_what_to_open_next(repository, capsys):
    write_notebook(repository, "02_bad", "1 / 0")
    assert runs.main(["--root", str(repository), "--only", "01"]) == 0
    out = capsys.readouterr().out
    assert "executed notebooks: runs/pocket/01_first.ipynb\nopen next: runs/pocket/01_first.ipynb, " in out
    assert "./explore.sh opens copies of all notebooks" in out
    assert runs.main(["--root", str(repository), "--only", "02"]) == 1
    assert "open next" not in (out := capsys.readouterr().out) and "executed notebooks" not in out, "it failed"
    assert runs.main(["--root", str(repository)]) == 1
    assert "open next" not in (out := capsys.readouterr().out), "a whole run"
    assert "executed notebooks: runs/pocket/*.ipynb" in out


# Recording


def test_a_whole_run_is_recorded(repository, capsys):
    assert runs.main(["--root", str(repository), "--record"]) == 0
    assert "recorded 1 files in results/pocket" in capsys.readouterr().out
    assert (repository / "results/pocket/kt_tab_9.csv").read_text() == table(0.5, 0.6, 0.9)
    assert {line.split()[1] for line in status(repository).splitlines()} == {
        "results/pocket/kt_tab_9.csv", "results/pocket/times.json",
    }  # fmt: skip
    # results are no code: what was recorded may be recorded again, and nothing is computed for it
    assert runs.main(["--root", str(repository), "--record"]) == 0
    assert "01_first  unchanged" in capsys.readouterr().out


def test_new_rows_are_not_judged_by_repetitions_of_those_they_replace(repository):
    """The ledger's notebook runs before anything is published: what belongs to the old rows is gone by then."""
    repetitions = repository / "results/pocket/rounding.json"
    repetitions.write_text("[]")
    look = f"import pathlib; assert not pathlib.Path({str(repetitions)!r}).exists()"
    write_notebook(repository, "10_looks", look)
    for arguments in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "Look"]):
        subprocess.run(["git", "-C", str(repository), *arguments], check=True)
    assert runs.main(["--root", str(repository)]) == 1  # a run that publishes nothing leaves them
    assert repetitions.exists()
    assert runs.main(["--root", str(repository), "--record"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "01"], "a whole run"),
        (["--seed", "1"], "seed 0"),
        (["--scale", "rehearsal"], "nothing of it is published"),
    ],
)
def test_what_is_no_whole_result_is_not_recorded(repository, capsys, arguments, said):
    assert runs.main(["--root", str(repository), "--record", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (repository / "runs").exists()


def test_altered_code_is_not_recorded_and_what_it_computed_is_computed_again(repository, capsys):
    module = repository / "ktlib/new.py"
    module.parent.mkdir()
    module.write_text("")
    assert runs.main(["--root", str(repository)]) == 0
    assert runs.main(["--root", str(repository), "--record"]) == 2
    assert "expected the code of a commit" in capsys.readouterr().err
    subprocess.run(["git", "-C", str(repository), "add", "."], check=True)
    commit = ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "New"]
    subprocess.run(["git", "-C", str(repository), *commit], check=True)
    assert runs.main(["--root", str(repository), "--record"]) == 0
    assert "01_first  ran" in capsys.readouterr().out


def test_a_run_with_a_failure_is_not_recorded(repository, capsys):
    write_notebook(repository, "02_bad", "1 / 0")
    subprocess.run(["git", "-C", str(repository), "add", "."], check=True)
    commit = ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "Bad"]
    subprocess.run(["git", "-C", str(repository), *commit], check=True)
    assert runs.main(["--root", str(repository), "--record"]) == 1
    assert "nothing was recorded: expected a whole, good run, but 02_bad" in capsys.readouterr().err
    assert status(repository) == ""

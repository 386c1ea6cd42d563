"""The runner's contract: `ran` means every cell ran; each false success of papermill has a test."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from ktlib.companion import runs

PARAMETERS = 'scale: str = "pocket"\nseed: int = 0'


def write_notebook(root, stem, *cells, parameters=PARAMETERS, kt=None, kernelspec=None, tags=()):
    """Write a tiny notebook: the parameters cell (unless None), then the cells; `tags` go on the last one."""
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    if tags:
        node.cells[-1].metadata["tags"] = list(tags)
    if parameters is not None:
        node.cells.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    if kt:
        node.metadata["kt"] = kt
    if kernelspec:
        node.metadata["kernelspec"] = kernelspec
    for number, cell in enumerate(node.cells):
        cell["id"] = f"cell-{number}"
    path = root / "notebooks" / f"{stem}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(node, path)
    return path


def run(root, *only, scale="pocket", seed=0, force=False):
    return runs.run(only, scale=scale, seed=seed, force=force, root=root)


def statuses(outcomes):
    return {outcome.notebook: outcome.status for outcome in outcomes}


def printed(root, stem, scale="pocket"):
    return (root / "runs" / scale / f"{stem}.log").read_text()


# What a good run leaves behind


def test_a_good_run_leaves_the_copy_the_log_and_the_record(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    stray = tmp_path / "elsewhere" / "kernels" / "python3"
    stray.mkdir(parents=True)
    (stray / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "stray", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "elsewhere"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    write_notebook(
        tmp_path,
        "01_first",
        "import os, sys; print(sys.executable, os.getcwd())",
        "print(scale, seed, os.environ['HF_HUB_OFFLINE'], file=sys.stderr)",
        kernelspec={"name": "of-another-machine", "display_name": "Other", "language": "python"},
        kt={"writes": []},
    )
    (outcome,) = run(tmp_path, seed=7)
    assert outcome.status == "ran", printed(tmp_path, "01_first")
    # the kernel is this interpreter, although PATH is bare and both the notebook and JUPYTER_PATH name others
    assert printed(tmp_path, "01_first").splitlines()[0] == f"{sys.executable} {tmp_path.resolve()}"
    assert "pocket 7 1" in printed(tmp_path, "01_first")
    record = json.loads((tmp_path / "runs/pocket/01_first.json").read_text())
    assert record["parameters"] == {"scale": "pocket", "seed": 7}
    assert record["versions"]["papermill"]
    assert 10 < record["peak_mib"] < 1000  # a bare kernel holds some 60 MiB
    assert sorted(p.name for p in (tmp_path / "runs/pocket").iterdir()) == [
        "01_first.ipynb",
        "01_first.json",
        "01_first.log",
    ]
    assert "HF_HUB_OFFLINE" not in os.environ


def test_a_notebook_without_kernelspec_runs(tmp_path):
    write_notebook(tmp_path, "01_bare", "seed + 1")
    assert statuses(run(tmp_path)) == {"01_bare": "ran"}


def test_only_the_paper_scale_may_download():
    assert runs.kernel_environment("rehearsal")["TRANSFORMERS_OFFLINE"] == "1"
    assert runs.kernel_environment("paper") == dict(os.environ)


# What must not pass for a success


@pytest.mark.parametrize(
    ("cells", "options", "reason"),
    [
        (["1 / 0"], {}, "ZeroDivisionError"),
        (["1"], {"parameters": 'scale: str = "pocket"'}, "unknown parameter seed"),
        (["1"], {"parameters": None}, "tagged `parameters`, found 0"),
        (["scale, seed = 'paper', 1"], {"tags": ["parameters"]}, "tagged `parameters`, found 2"),
        (["import sys; sys.exit(0)", "print('after')"], {}, "ended in SystemExit"),
        (["import sys; sys.exit()"], {}, "ended in SystemExit"),
        (["exit()", "print('after')"], {}, "called exit()"),
        (["quit()"], {}, "called exit()"),
        (["import os; os._exit(0)", "print('after')"], {}, "Kernel died"),
        (["import os, signal; os.kill(os.getpid(), signal.SIGKILL)"], {}, "Kernel died"),
        (["print('after')"], {"tags": ["skip-execution"]}, "was never executed"),
        (["1 / 0"], {"tags": ["raises-exception"]}, "ZeroDivisionError"),
        (["raise KeyboardInterrupt"], {}, "KeyboardInterrupt"),
        (["1"], {"kt": {"writes": ["results/{scale}/kt_tab_1.csv"]}}, "did not write what it declares: results/pocket"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_notebook_that_did_not_run_to_its_end_fails(tmp_path, capsys, cells, options, reason):
    write_notebook(tmp_path, "01_bad", *cells, **options)
    folder = tmp_path / "runs/pocket"
    folder.mkdir(parents=True)
    (folder / "01_bad.ipynb").write_text("the last good run")
    (outcome,) = run(tmp_path)
    assert outcome.status == "failed"
    reported = capsys.readouterr().err
    assert reason in reported
    assert str(folder / "01_bad.log") in reported
    assert reason in printed(tmp_path, "01_bad")
    assert "after" not in printed(tmp_path, "01_bad").splitlines()
    assert (folder / "01_bad.ipynb").read_text() == "the last good run"
    assert not (folder / "01_bad.json").exists()
    assert not (folder / "01_bad.partial.ipynb").exists()
    started = "parameters" not in options and options.get("tags") != ["parameters"]
    assert (folder / "01_bad.failed.ipynb").exists() == started


def test_the_report_shows_the_failing_cell(tmp_path, capsys):
    write_notebook(tmp_path, "01_bad", "fine = 1", "wrong = fine / 0")
    assert statuses(run(tmp_path)) == {"01_bad": "failed"}
    reported = capsys.readouterr().err
    assert "01_bad failed in cell 4 of 4" in reported  # with the cell that papermill injects
    assert "    | wrong = fine / 0" in reported
    assert "fine = 1" not in reported


def test_a_kernel_that_cannot_start_fails(tmp_path, monkeypatch, capsys):
    write_notebook(tmp_path, "01_first", "1")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert statuses(run(tmp_path)) == {"01_first": "failed"}
    assert "no-python" in capsys.readouterr().err


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_kernel_and_keeps_the_half_run_copy(tmp_path, sent, status):
    write_notebook(
        tmp_path,
        "01_long",
        "import os, pathlib, time",
        "pathlib.Path('pid').write_text(f'{os.getpid()}')\ntime.sleep(60)",
    )
    command = [sys.executable, "-m", "ktlib.companion.runs", "--root", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=Path(runs.__file__).parents[1],
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job ignores SIGINT, and so would all it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 30
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline, "the kernel did not start"
        time.sleep(0.1)
    process.send_signal(sent)
    _, reported = process.communicate(timeout=30)
    assert process.returncode == status
    assert "01_long failed in cell 4 of 4" in reported
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert (tmp_path / "runs/pocket/01_long.failed.ipynb").exists()
    assert not (tmp_path / "runs/pocket/01_long.ipynb").exists()


# When a notebook is run again


WRITES = "import pathlib; out = pathlib.Path(f'results/{scale}/a.csv'); out.parent.mkdir(parents=True, exist_ok=True)\n"


def test_an_unchanged_notebook_is_skipped_and_a_change_or_a_lost_output_runs_it_again(tmp_path):
    kt = {"writes": ["results/{scale}/a.csv"]}
    write_notebook(tmp_path, "01_first", WRITES + "out.write_text('1')", kt=kt)
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    started = time.monotonic()
    assert statuses(run(tmp_path)) == {"01_first": "unchanged"}
    assert time.monotonic() - started < 2
    (tmp_path / "results/pocket/a.csv").unlink()
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    assert statuses(run(tmp_path)) == {"01_first": "unchanged"}
    (tmp_path / "runs/pocket/01_first.failed.ipynb").write_text("a later run that failed")
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    assert statuses(run(tmp_path, force=True)) == {"01_first": "ran"}


def test_the_digest_covers_source_parameters_code_and_what_is_read(tmp_path):
    def key(**parameters):
        return runs.digest(runs.read(path, "pocket"), {"scale": "pocket", "seed": 0} | parameters, tmp_path)

    kt = {"reads": ["results/{scale}/*.csv"]}
    path = write_notebook(tmp_path, "10_last", "1", kt=kt)
    first = key()
    assert key(seed=1) != first
    for name in (
        "ktlib/evaluate/deep.py",
        "ktlib/ktlib.mplstyle",
        "ktlib/pocket/weights/clip-b/model.safetensors",
        "data_manifests/published/claims.csv",
        "requirements.lock",
        "results/pocket/kt_tab_1.csv",
    ):
        before = key()
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1")
        assert key() != before, name
    before = key()
    (tmp_path / "results/paper").mkdir()
    (tmp_path / "results/paper/kt_tab_1.csv").write_text("of another scale")
    (tmp_path / "data_manifests/.hidden").write_text("of an editor")
    node = nbformat.read(path, as_version=4)
    node.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(node, path)
    assert key() == before  # another scale, hidden files and outputs do not count
    write_notebook(tmp_path, "10_last", "2", kt=kt)
    assert key() != before


def test_only_notebooks_that_read_what_a_failed_one_writes_are_not_run(tmp_path, capsys):
    write_notebook(tmp_path, "01_bad", "1 / 0", kt={"writes": ["results/{scale}/a.csv"]})
    write_notebook(tmp_path, "02_other", "1")
    write_notebook(tmp_path, "03_reads", "1", kt={"reads": ["results/**/*.csv"], "writes": ["RESULTS.md"]})
    write_notebook(tmp_path, "04_reads_03", "1", kt={"reads": ["RESULTS.md"]})
    assert runs.main(["--root", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines()}
    assert lines["01_bad"].startswith("failed")
    assert lines["02_other"].startswith("ran")
    assert lines["03_reads"] == "not run (needs 01_bad)"
    assert lines["04_reads_03"] == "not run (needs 03_reads)"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("results/pocket/*.csv", "results/pocket/kt_tab_1.csv", True),
        ("results/pocket/*_1.csv", "results/pocket/kt_*.csv", True),
        ("results/**/a.csv", "results/a.csv", True),
        ("results/pocket/[ab].csv", "results/pocket/a.csv", True),
        ("results/pocket/*.csv", "results/paper/*.csv", False),
        ("results/pocket/zs_*.csv", "results/pocket/kt_*.csv", False),
        ("RESULTS.md", "results/RESULTS.md", False),
    ],
)
def test_globs_overlap_when_a_path_could_fit_both(one, other, expected):
    assert runs.overlaps(one, other) is runs.overlaps(other, one) is expected


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
    manifests = pytest.importorskip("ktlib.data.manifests", reason="ktlib.data.manifests is not there yet")
    asked = []
    monkeypatch.setattr(manifests, "missing", lambda scale, stems: asked.append((scale, stems)) or ["jsrt", "udiat"])
    write_notebook(tmp_path, "01_first", "1")
    assert runs.main(["--root", str(tmp_path), "--scale", "paper"]) == 2
    reported = capsys.readouterr().err
    assert "jsrt" in reported
    assert "udiat" in reported
    assert asked == [("paper", ["01_first"])]
    assert not (tmp_path / "runs").exists()

"""One notebook through papermill: `ran` means every cell ran; each false success of papermill has a test."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from ktlib.companion import execution, runs
from ktlib.companion.outputs import Run
from ktlib.companion.record import kernels
from ktlib.places import ROOT
from tests.companion.tiny_notebooks import WRITES, printed, run, statuses, write_notebook

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
    assert record["wrote"] == {}
    assert record["commit"] == "unknown"  # a folder that is no repository
    assert {"cell-0", "cell-1", "cell-2"} <= record["cells"].keys()
    assert "HF_HUB_OFFLINE" not in os.environ


def test_a_notebook_without_kernelspec_runs(tmp_path):
    write_notebook(tmp_path, "01_bare", "seed + 1")
    assert statuses(run(tmp_path)) == {"01_bare": "ran"}


def test_only_the_paper_scale_may_download_and_every_run_has_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    kernel = {scale: execution.kernel_environment(Run(tmp_path, tmp_path / scale, scale, 0)) for scale in runs.SCALES}
    assert kernel["rehearsal"]["TRANSFORMERS_OFFLINE"] == "1"
    assert "TRANSFORMERS_OFFLINE" not in kernel["paper"]
    assert kernel["paper"]["KT_OUTPUT"] == str(tmp_path / "paper")
    assert kernel["paper"]["PATH"] == os.environ["PATH"]


def test_a_relative_folder_is_the_same_in_the_kernel_which_runs_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KT_DATA", "here")
    kernel = execution.kernel_environment(Run(tmp_path / "root", tmp_path / "pocket", "pocket", 0))
    assert kernel["KT_DATA"] == str(tmp_path / "here")


def test_pinned_kernels_reach_the_notebook_before_torch_and_keep_a_cache_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("KT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KT_KERNELS", raising=False)
    names = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "KT_CACHE")
    write_notebook(tmp_path, "01_first", f"import os\nfor name in {names}: print(os.environ.get(name))")
    monkeypatch.setattr(kernels, "available", lambda name: True)
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    told = printed(tmp_path, "01_first").split()
    assert told == ["avx2", "AVX2", "AVX2", "2", "2", str(tmp_path / "cache/avx2-2")]
    assert json.loads((tmp_path / "runs/pocket/01_first.json").read_text())["kernels"] == "avx2-2"
    monkeypatch.setenv("KT_KERNELS", "native")
    assert statuses(run(tmp_path)) == {"01_first": "ran"}  # other kernels: not the same run
    assert printed(tmp_path, "01_first").split()[-1] == str(tmp_path / "cache")


def test_the_kernel_does_not_warn_of_what_nobody_can_change(tmp_path, capfd):
    write_notebook(tmp_path, "01_first", "import logging; logging.getLogger('of the notebook').warning('heard')")
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    out, err = capfd.readouterr()
    assert len(err.splitlines()) == 2  # started, ran
    assert "plain text" not in out + err
    assert "frozen" not in out + err
    assert "heard" in printed(tmp_path, "01_first")


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
        (["seed = 3", "print('after')"], {}, "cell 2, which sets it again after"),
        (["for seed in range(3):\n    pass", "print('after')"], {}, "cell 2, which sets it again after"),
        (["def f():\n    global seed\n    seed = 3", "print('after')"], {}, "cell 2, which sets it again after"),
        (["import scale", "print('after')"], {}, "expected scale to be set by the cell"),
        (["1"], {"kt": {"writes": ["results/a.csv"]}}, "did not write what it declares: results/a.csv"),
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
    started = (
        not reason.startswith(("cell 2", "expected scale"))
        and "parameters" not in options
        and options.get("tags") != ["parameters"]
    )
    assert (folder / "01_bad.failed.ipynb").exists() == started


def test_a_cell_that_uses_a_parameter_before_it_is_set_fails_and_a_name_of_its_own_does_not(tmp_path, capsys):
    path = write_notebook(tmp_path, "01_bad", "print(seed)")
    node = nbformat.read(path, as_version=4)
    node.cells.reverse()
    nbformat.write(node, path)
    write_notebook(tmp_path, "02_good", "[seed for seed in range(3)]; f = lambda seed: seed", "%time seed + 1")
    assert statuses(run(tmp_path)) == {"01_bad": "failed", "02_good": "ran"}
    assert "cell 1, which uses it before" in capsys.readouterr().err


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
    command = [sys.executable, "-m", "ktlib.companion.run_all", "--root", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job ignores SIGINT, and so would all it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 120  # where other things run beside it
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline, "the kernel did not start"
        time.sleep(0.1)
    process.send_signal(sent)
    _, reported = process.communicate(timeout=60)
    assert process.returncode == status
    assert "01_long was interrupted in cell 4 of 4" in reported
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert (tmp_path / "runs/pocket/01_long.failed.ipynb").exists()
    assert not (tmp_path / "runs/pocket/01_long.ipynb").exists()


def test_what_a_crashing_kernel_says_itself_is_in_the_log(tmp_path, capfd):
    write_notebook(
        tmp_path,
        "01_bad",
        "import faulthandler, sys, ctypes; faulthandler.enable(sys.__stderr__)",
        "ctypes.string_at(0)",
    )
    assert statuses(run(tmp_path)) == {"01_bad": "failed"}
    assert "Segmentation fault" in printed(tmp_path, "01_bad")
    assert "Segmentation fault" not in capfd.readouterr().err


def test_a_file_of_an_earlier_run_is_not_one_that_was_written(tmp_path, capsys):
    kt = {"writes": ["results/a.csv"]}
    write_notebook(tmp_path, "01_first", WRITES + "out.write_text('1')", kt=kt)
    assert statuses(run(tmp_path)) == {"01_first": "ran"}
    write_notebook(tmp_path, "01_first", "'nothing'", kt=kt)
    assert statuses(run(tmp_path)) == {"01_first": "failed"}
    assert "did not write what it declares: results/a.csv" in capsys.readouterr().err

"""The example for SLURM is sound as far as that can be seen without SLURM."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest

from ktlib.companion import runs
from ktlib.places import ROOT

SCRIPT = ROOT / "scripts" / "slurm.sh"
LINES = SCRIPT.read_text(encoding="utf-8").splitlines()


def test_bash_reads_it():
    done = subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing():
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_it_needs_beside_the_lock_is_a_group_that_it_says_how_to_install():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = set(re.findall(r"^from (\w+) import", "\n".join(LINES), re.MULTILINE))
    assert wanted == {re.split("[=<>]", one)[0].replace("-", "_") for one in groups["slurm"]}
    assert any(line.startswith("#") and line.endswith("-e '.[slurm]'") for line in LINES)


def test_without_it_the_way_to_install_it_is_said_before_anything_is_started(tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    environment = {**os.environ, "SLURM_SUBMIT_DIR": str(tmp_path)}
    done = subprocess.run(["bash", str(SCRIPT)], capture_output=True, encoding="utf-8", env=environment, check=False)
    assert done.returncode == 2
    assert "expected dask-jobqueue in .venv, found it not installed" in done.stderr and "'.[slurm]'" in done.stderr
    assert not list(tmp_path.glob(".dask-address*"))


def test_sbatch_s_options_stand_before_the_first_command():
    """SLURM reads no further."""
    first = next(number for number, line in enumerate(LINES) if line and not line.startswith("#"))
    options = [number for number, line in enumerate(LINES) if line.startswith("#SBATCH")]
    assert options and max(options) < first


def test_the_python_in_it_is_python():
    text = "\n".join(LINES)
    (program,) = re.findall(r"<<'PYTHON' &\n(.*?)\nPYTHON\n", text, re.DOTALL)
    compile(program, str(SCRIPT), "exec")
    assert "cores=1" in program and "processes=1" in program  # one thread a worker, as `cells` asks for


def test_what_it_calls_is_there(capsys):
    assert (ROOT / "run_all.sh").exists() and "--dask" in LINES[-1]
    try:
        runs.main(["--help"])
    except SystemExit:
        pass
    assert "--dask ADDRESS" in capsys.readouterr().out

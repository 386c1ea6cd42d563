"""The example for SLURM is sound as far as that can be seen without SLURM."""

import re
import subprocess

from ktlib.companion import runs
from ktlib.places import ROOT

SCRIPT = ROOT / "scripts" / "slurm.sh"
LINES = SCRIPT.read_text(encoding="utf-8").splitlines()


def test_bash_reads_it():
    done = subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")


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

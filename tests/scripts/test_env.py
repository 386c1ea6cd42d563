"""The scripts find their environment, or say in a sentence why not: no half install, no other's packages."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "cat", "cp", "date", "dirname", "du", "env", "kill", "mkdir", "readlink", "rm", "sleep", "touch")
# A Python that makes environments of copies of itself; they hold the lock once pip was asked for it.
STAND_IN = """#!/usr/bin/env bash
echo "$*" | head -n 1 | cut -c 1-60 >> "$LOG"
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") touch "$LOG.installed" ;;
  "-I -") [ -e "$LOG.installed" ] && [ ! -e "${0%/bin/python}/.ktlib-installing" ] ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """The scripts alone, with a lock of one package, and a PATH without any Python."""
    root = tmp_path / "a checkout"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/env.sh", root / "scripts")
    shutil.copy(ROOT / "run_all.sh", root)
    (root / "requirements.lock").write_text("moongate==1.0\n")
    (root / "show.sh").write_text('set -euo pipefail\nsource "$(dirname -- "$0")/scripts/env.sh"\n"$@"\n')
    (tmp_path / "tools").mkdir()
    for tool in (*TOOLS, "head", "cut"):
        (tmp_path / "tools" / tool).symlink_to(shutil.which(tool))
    return root


def run(checkout, *command, cwd=None, path=(), **variables):
    tools = os.pathsep.join([*map(str, path), str(checkout.parent / "tools")])
    return subprocess.run(
        ["bash", *map(str, command or (checkout / "show.sh", "true"))],
        cwd=cwd or checkout.parent, env={"PATH": tools, "HOME": str(checkout.parent)} | variables,
        capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip


@pytest.fixture
def active(checkout):
    """An environment that holds the lock, as activating it leaves the variables."""
    prefix = checkout.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    site = next((prefix / "lib").glob("python*/site-packages"))
    (site / "moongate").mkdir()
    (site / "moongate/__init__.py").touch()
    (site / "moongate-1.0.dist-info").mkdir()
    (site / "moongate-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: moongate\nVersion: 1.0\n")
    (site / "moongate-1.0.dist-info/RECORD").write_text("moongate/__init__.py,,\nmoongate-1.0.dist-info/RECORD,,\n")
    return {"VIRTUAL_ENV": str(prefix), "path": [prefix / "bin"]}, site


@pytest.fixture
def stand_in(checkout):
    """A folder with the Python that only says what it is asked for."""
    folder = checkout.parent / "stand-in"
    folder.mkdir()
    (folder / "python3.11").write_text(STAND_IN)
    (folder / "python3.11").chmod(0o755)
    return {"path": [folder], "LOG": str(checkout.parent / "log")}


def test_the_active_environment_is_taken_when_it_holds_the_lock(checkout, active):
    done = run(checkout, checkout / "show.sh", "eval", 'echo "$KT_PYTHON"', **active[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{active[0]['VIRTUAL_ENV']}/bin/python\n"


def test_the_root_is_one_path_whatever_cdpath_says(checkout, active):
    command = "a checkout/show.sh", "eval", 'printf %s "$KT_ROOT"'
    done = run(checkout, *command, CDPATH=f".:{checkout.parent}", **active[0])
    assert done.stdout == str(checkout)


def test_a_link_to_a_script_finds_the_repository(checkout):
    (checkout.parent / "link.sh").symlink_to(checkout / "run_all.sh")
    assert run(checkout, "link.sh", "--help").stdout.startswith("Usage: ./run_all.sh")


def test_packages_that_would_shadow_the_lock_are_left_out_and_that_is_said(checkout, active):
    command = checkout / "show.sh", "eval", 'echo "$PYTHONPATH|$PYTHONNOUSERSITE|${PYTHONHOME:-unset}"'
    done = run(checkout, *command, PYTHONPATH="/elsewhere", PYTHONHOME="/elsewhere", **active[0])
    assert done.stdout == f"{checkout}|1|unset\n"
    assert "PYTHONPATH is left out" in done.stderr and "/elsewhere" in done.stderr
    assert run(checkout, *command, PYTHONPATH=str(checkout), **active[0]).stderr == ""


def test_a_relative_folder_counts_from_where_the_script_is_called(checkout, active):
    command = checkout / "show.sh", "eval", 'echo "$KT_DATA|$KT_CACHE|$KT_RUNS|${HF_HOME:-unset}"'
    done = run(checkout, *command, KT_DATA="data", KT_CACHE="~/kt", KT_RUNS="", **active[0])
    assert done.stdout == f"{checkout.parent}/data|~/kt||unset\n"


@pytest.mark.parametrize("lost", ["moongate/__init__.py", "moongate-1.0.dist-info/METADATA"])
def test_an_environment_that_lost_a_package_is_not_taken(checkout, active, lost):
    (active[1] / lost).unlink()
    (checkout / ".venv").write_text("")
    done = run(checkout, **active[0])
    assert done.returncode == 2
    assert done.stderr.startswith("The active environment does not hold requirements.lock; using .venv instead.")


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")], ids=["file", "dangling link"])
def test_what_stands_in_the_place_of_the_environment_is_named(checkout, make):
    make(checkout / ".venv")
    done = run(checkout)
    assert done.returncode == 2
    assert "expected .venv to be a folder, or not to be there; found a link or a file" in done.stderr
    assert "run this again" not in done.stderr


def test_without_python_nothing_can_be_started(checkout):
    done = run(checkout)
    assert done.returncode == 2
    assert done.stderr.startswith("expected Python 3.11 on PATH as python3.11, python3 or python; found none.")
    assert "run this again" not in done.stderr


def test_an_install_is_finished_by_taking_its_mark_away(checkout, stand_in):
    done = run(checkout, **stand_in)
    assert done.returncode == 0
    asked = [line for line in Path(stand_in["LOG"]).read_text().splitlines() if line.startswith("-m")]
    assert [line.split()[1] for line in asked] == ["venv", "pip", "pip"]
    assert not (checkout / ".venv/.ktlib-installing").exists()


def test_an_interrupted_environment_is_made_anew_at_once(checkout, stand_in):
    """Its Python is there and pip is not: the first run after the interruption must not fail."""
    (checkout / ".venv/bin").mkdir(parents=True)
    shutil.copy(stand_in["path"][0] / "python3.11", checkout / ".venv/bin/python")
    (checkout / ".venv/.ktlib-installing").touch()
    (checkout / ".venv/half").touch()
    assert run(checkout, **stand_in).returncode == 0
    assert not (checkout / ".venv/half").exists()


def test_a_second_install_says_who_is_at_it(checkout):
    with (checkout / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 5, since noon\n")
        lock.flush()
        done = run(checkout, path=[Path(sys.executable).parent])
    assert done.returncode == 2
    assert done.stderr == "expected no other install into .venv, found process 5, since noon; wait for it, or stop it\n"
    assert not (checkout / ".venv").exists()


def test_a_checkout_that_is_not_ours_to_write_to_is_one_sentence(checkout):
    (checkout / ".venv.lock").mkdir()  # root may write anywhere, but not into a folder
    done = run(checkout, path=[Path(sys.executable).parent])
    assert done.returncode == 2
    assert done.stderr.startswith(f"expected to write .venv in {checkout}, found that it is not ours to write to.")


def test_lines_end_alike_in_a_checkout_that_converts_them(tmp_path):
    """bash stops at a carriage return, and digests on cards are of bytes."""
    names = ("run_all.sh", "scripts/env.sh", "ktlib/pocket/weights/clip-b/open_clip_config.json", ".gitattributes")
    for name in names:
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "one" / name)
    own = ["-c", "user.name=x", "-c", "user.email=x@x", "-C", "one"]
    for command in (["init", "-q", "one"], [*own, "add", "."], [*own, "commit", "-qm", "x"],
                    ["clone", "-q", "-c", "core.autocrlf=true", "one", "two"]):  # fmt: skip
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert all((tmp_path / "two" / name).read_bytes() == (ROOT / name).read_bytes() for name in names)

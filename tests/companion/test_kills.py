"""Runs that are killed, at twenty seeded moments: the rows come out the same, the last good run stays, nobody is left.

Notebook 00 as it is, and a reduced 01: a base, inverted images and a sweep, with a cache that the killed run begins.
Runner or kernel, by Ctrl-C, by a polite signal, or at once.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from ktlib.companion import outputs
from ktlib.companion.record import notebooks, rows
from ktlib.places import ROOT
from tests.companion.tiny_notebooks import write_notebook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked up in /proc"),
]

HALF_A_SWEEP = (
    """\
from dataclasses import replace
from ktlib import InversionSettings
from ktlib.companion import scales
from ktlib.companion.record.rows import write
from ktlib.companion.studies import bench
pocket = scales.scale(scale)
fast = InversionSettings(steps=30, sizes=((0, 64),))
teaching = replace(pocket.clip, rates=(1e-4, 4e-4), images_per_concept=4, inversion=fast, seeds=(0, 1))
subject = bench.subject("pocket/clip-b", pocket, teaching)
subject = replace(subject, folds=subject.folds[:1])
told = subject.of("validation")[:1] + subject.of("test")[:2]""",
    "base = bench.base(subject, 'KT Tab. 1', told)",
    "lessons = bench.inverted(subject, told, progress=False)",
    "taught = bench.sweep(subject, 'KT Tab. 1', 'kt', told, lessons, progress=False)",
    "write(base + taught, seconds=0.0, command='')",
)
EACH = {"00": 8, "01": 12}
MOMENTS = [(number, moment) for number, count in EACH.items() for moment in range(count)]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class Good:
    """A good run: where its notebook is, what it left, and how many seconds it took."""

    root: Path
    number: str
    folder: Path
    seconds: float

    @property
    def stem(self):
        (found,) = [path.stem for path in notebooks.find(self.root) if path.stem.startswith(self.number)]
        return found


def environment(home):
    return {**os.environ, "PYTHONPATH": str(ROOT), "KT_RUNS": str(home / "runs"), "KT_CACHE": str(home / "cache")}


def start(root, number, home, *options):
    """The command that `run_all.sh` becomes."""
    command = [sys.executable, "-m", "ktlib.companion.run_all", "--root", str(root), "--only", number, "--threads", "1"]
    with (home / "said.txt").open("a", encoding="utf-8") as said:
        return subprocess.Popen(
            [*command, *options],
            env=environment(home),
            stdout=said,
            stderr=said,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def finish(root, number, home, *options):
    began = time.monotonic()
    assert start(root, number, home, *options).wait(timeout=300) == 0, (home / "said.txt").read_text(encoding="utf-8")
    return time.monotonic() - began


def alive(home, what=""):
    """Processes that were started for a run: they have its folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
            state = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if f"KT_RUNS={home / 'runs'}\0".encode() in told and what.encode() in command and state != "Z":
            found.append(int(process.name))
    return found


def results(folder):
    return {path.name: path.read_bytes() for path in (folder / "results").glob("*.csv")}


@pytest.fixture(scope="module")
def good(request, tmp_path_factory):
    """A good run of each notebook; its time is that of a second one, which is the shorter."""
    number, home = request.param, tmp_path_factory.mktemp(request.param)
    root = ROOT
    if number == "01":
        root = tmp_path_factory.mktemp("repository")
        write_notebook(root, "01_half_a_sweep", *HALF_A_SWEEP, kt={"writes": ["results/kt_tab_1.csv"]})
    finish(root, number, home)
    return Good(root, number, home / "runs" / "pocket", finish(root, number, home, "--force"))


def strike(process, draw, moment, good, home):
    """Kill the runner or its kernel after a while; returns which, and by what."""
    sent, kernel = SIGNALS[moment % 3], moment % 2
    wait = draw.uniform(0.05, 0.6) * good.seconds
    if not kernel:
        time.sleep(wait)
        process.send_signal(sent)
        return "runner", sent
    deadline = time.monotonic() + 60
    while not (found := alive(home, "ipykernel_launcher")) and process.poll() is None:
        assert time.monotonic() < deadline, "the kernel did not start"
        time.sleep(0.02)
    time.sleep(wait / 4)  # starting has taken most of the time
    for pid in found:
        os.kill(pid, sent)
    return "kernel", sent


@pytest.mark.parametrize(("good", "moment"), MOMENTS, indirect=["good"], scope="module")
def test_a_killed_run_loses_nothing_and_the_next_one_ends_as_ever(good, moment, tmp_path):
    folder, right = tmp_path / "runs" / "pocket", results(good.folder)
    shutil.copytree(good.folder, folder)
    process = start(good.root, good.number, tmp_path, "--force")
    struck, sent = strike(process, random.Random(f"{good.number} {moment}"), moment, good, tmp_path)
    status = process.wait(timeout=60)
    deadline = time.monotonic() + 20  # a kernel without its runner notices that within seconds
    while left := alive(tmp_path):
        assert time.monotonic() < deadline, f"processes are left: {left}"
        time.sleep(0.2)
    expected = (1,) if struck == "kernel" else (-sent, 128 + sent)
    assert status in expected, f"{struck} {sent}: {status}\n{(tmp_path / 'said.txt').read_text(encoding='utf-8')}"

    assert results(folder) == right, "rows are whole and the same at every moment"
    whole = json.loads((folder / f"{good.stem}.ipynb").read_text(encoding="utf-8"))
    assert outputs.sha256(folder / f"{good.stem}.ipynb") == outputs.sha256(good.folder / f"{good.stem}.ipynb")
    assert all(cell.get("execution_count", 0) is not None for cell in whole["cells"] if "".join(cell["source"]))

    finish(good.root, good.number, tmp_path)
    assert results(folder) == right
    assert rows.read("pocket", folder=folder / "results") == rows.read("pocket", folder=good.folder / "results")
    assert not list(folder.glob(f"{good.stem}.failed.ipynb")) + list(folder.glob(f"{good.stem}.partial.ipynb"))
    assert not list(folder.rglob(".*.csv.*")), "files that were being written are taken away"
    assert not alive(tmp_path)


def test_there_are_as_many_moments_as_promised():
    assert len(MOMENTS) == 20

"""Where a run is and how long it will still take: a line that ticks on a terminal, a line a minute without one.

How long comes from earlier runs: this folder's, else those of the committed results; without either there is no
estimate. It is corrected by how fast this machine has been so far.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

TICK, MINUTE = 1.0, 60.0  # seconds between two lines: on a terminal, and without one
CGROUP = Path("/sys/fs/cgroup")
LIMITS = [  # a container's, and what it uses of it: version 2 and version 1
    (CGROUP / "memory.max", CGROUP / "memory.current"),
    (CGROUP / "memory/memory.limit_in_bytes", CGROUP / "memory/memory.usage_in_bytes"),
]
TRUSTED = 10.0  # seconds of work after which the pace so far corrects the estimate: ours


@dataclass(frozen=True)
class Times:
    """How long a notebook took, over all and each cell by its id, in seconds; and the most memory it held, in MiB."""

    seconds: float
    cells: Mapping[str, float] = field(default_factory=dict)
    peak_mib: float | None = None


def earlier(stem: str, records: Sequence[Path]) -> Times | None:
    """What an earlier run of a notebook took.

    Args:
        stem: of the notebook.
        records: files to look into, the best first: a record of one notebook, or `times.json` with all of them.
    """
    for path in records:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            found = found.get(stem, found)
            if "cells" in found:
                return Times(found["seconds"], found["cells"], found.get("peak_mib"))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # nothing there, or damaged: an estimate is not worth a run
    return None


def free_memory() -> float:
    """MiB that can be had without swapping: what the machine has left, or less where a container is given less."""
    free = float(psutil.virtual_memory().available)
    for limit, used in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit (`max`)
            most = int(limit.read_text(encoding="utf-8"))
            free = min(free, most - int(used.read_text(encoding="utf-8")))
    return free / 2**20


def crowded(times: Times | None) -> str:
    """A warning where a notebook held more memory when it last ran than is free now; empty where it fits.

    Args:
        times: of the earlier run; None where nobody knows.
    """
    free = free_memory()
    if times is None or times.peak_mib is None or times.peak_mib <= free:
        return ""
    return (
        f"expected {times.peak_mib:.0f} MiB of free memory, which it held when it last ran, found {free:.0f}; should "
        "the system end it, nothing that was computed is lost: close other programs and run it again"
    )


def duration(seconds: float) -> str:
    """`about 9 min`: as exact as an estimate can be."""
    if seconds < 50:
        return "less than a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"


class Progress:
    """Says where a run is, from a thread of its own, so that it ticks while a cell computes.

    Args:
        times: of earlier runs, by notebook.
        of: how many notebooks there are.
        out: a text stream for the lines; by default standard error.
        clock: seconds from any moment on.
    """

    def __init__(
        self,
        times: Mapping[str, Times],
        of: int,
        out: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.times, self.of, self.out, self.clock = times, of, out or sys.stderr, clock
        self.terminal = self.out.isatty()
        self.number, self.stem, self.later = 0, "", tuple[str, ...]()
        self.place, self.seen = "", set[str]()
        self.since = self.cell_since = 0.0
        self.cell_id = ""
        self.took = self.expected = 0.0  # of all cells that are finished
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.thread: threading.Thread | None = None

    # -- what happens ---------------------------------------------------------------------------------
    def starts(self, number: int, stem: str, later: Sequence[str] = ()) -> None:
        """A notebook starts; `later` will run after it."""
        self.number, self.stem, self.later = number, stem, tuple(later)
        self.place, self.seen, self.cell_id = "starting", set(), ""
        self.since = self.cell_since = self.clock()
        known = self.times.get(stem)
        if not self.terminal:
            self.say(f"{self.head}: started" + (f", {duration(known.seconds)}" if known else ""))
        if warning := crowded(known):
            self.say(f"{self.head}: {warning}")
        self.stopped.clear()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.thread.start()

    def cell(self, number: int, of: int, cell_id: str) -> None:
        """A cell starts."""
        with self.lock:  # or the thread would show a cell that is over and none that has begun
            self._finish_cell()
            self.place, self.cell_id, self.cell_since = f"cell {number}/{of}", cell_id, self.clock()
            self.seen.add(cell_id)

    def stops(self) -> None:
        """The notebook that was started has come to its end, good or bad."""
        self._finish_cell()
        self.stopped.set()
        if self.thread:
            self.thread.join()

    def say(self, text: str) -> None:
        """A line that stays."""
        with self.lock:
            print(("\r\x1b[K" if self.terminal else "") + text, file=self.out, flush=True)

    # -- how long -------------------------------------------------------------------------------------
    @property
    def head(self) -> str:
        """`[2/5] 01_rare_concepts`."""
        return f"[{self.number}/{self.of}] {self.stem}"

    @property
    def pace(self) -> float:
        """How much slower than the earlier run this one is: 1 until there is enough to tell."""
        return self.took / self.expected if min(self.took, self.expected) > TRUSTED else 1.0

    def left(self) -> float | None:
        """Seconds until this notebook ends; None where no earlier run tells."""
        known = self.times.get(self.stem)
        if known is None:
            return None
        ahead = sum(seconds for cell_id, seconds in known.cells.items() if cell_id not in self.seen)
        current = known.cells.get(self.cell_id, 0.0) * self.pace - (self.clock() - self.cell_since)
        return ahead * self.pace + max(current, 0.0)

    def line(self) -> str:
        """`[2/5] 01_rare_concepts … cell 11/45, about 9 min left`, and for the whole run where more follows."""
        left = self.left()
        if left is None:
            spent = self.clock() - self.since
            return f"{self.head} … {self.place}, {f'{spent:.0f} s' if spent < 90 else f'{spent / 60:.0f} min'} so far"
        rest = [self.times[stem].seconds * self.pace for stem in self.later if stem in self.times]
        whole = f" ({duration(left + sum(rest)).removeprefix('about ')} with the others)" if sum(rest) > 50 else ""
        return f"{self.head} … {self.place}, {duration(left)} left{whole}"

    def _finish_cell(self) -> None:
        known = self.times.get(self.stem)
        if known and self.cell_id in known.cells:
            self.took += self.clock() - self.cell_since
            self.expected += known.cells[self.cell_id]
        self.cell_id = ""

    # -- the thread -------------------------------------------------------------------------------------
    def _tick(self) -> None:
        while not self.stopped.wait(TICK if self.terminal else MINUTE):
            if self.terminal:
                room = shutil.get_terminal_size().columns - 1
                with self.lock:
                    print(f"\r\x1b[K{self.line()[:room]}", end="", file=self.out, flush=True)
            else:
                with self.lock:
                    line = self.line()
                self.say(line)

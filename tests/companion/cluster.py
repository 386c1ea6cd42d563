"""What the tests of `cells` do with a cluster of their own, each in a process that they can lose: not a test itself."""

import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from distributed import LocalCluster

from ktlib.companion import cells
from ktlib.companion.scales import scale
from ktlib.companion.studies import bench
from ktlib.inversion import InversionSettings

POCKET = scale("pocket")
SETTINGS = InversionSettings(steps=6, sizes=((0, 32),), schedule="constant")
TEACHING = replace(POCKET.clip, rates=(1e-4, 1e-3), images_per_concept=4, inversion=SETTINGS, seeds=(0, 1))


def rows(cache):
    """A whole sweep with a tiny model: inversion, transfer and scores."""
    own = bench.subject("pocket/clip-b", replace(POCKET, clip=TEACHING), TEACHING, cache=cache)
    fold = own.folds[0]
    known = [(images[::40], labels[::40]) for images, labels in fold.exam.known]
    own = replace(own, folds=(replace(fold, exam=replace(fold.exam, known=known)),))
    concepts = own.of("test")[:3]
    found = bench.base(own, "KT Tab. 1", concepts)
    lessons = bench.inverted(own, concepts, progress=False)
    return found + bench.sweep(own, "KT Tab. 1", "kt", concepts, lessons, progress=False)


def slow(number):
    time.sleep(0.5)
    return {"square": number**2}


def killed(folder):
    at_home = rows(folder / "here")
    two = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    try:
        os.environ[cells.ADDRESS] = two.scheduler_address
        victim = next(iter(two.workers.values())).process.process.pid
        sent = []
        send = cells._Cluster._send

        def counted(self, function, item):
            sent.append(item)
            if len(sent) == 8:  # in the middle of the sweep
                os.kill(victim, signal.SIGKILL)
            return send(self, function, item)

        cells._Cluster._send = counted
        away = rows(folder / "away")
        assert len(sent) >= 8
    finally:
        with contextlib.suppress(TimeoutError):  # a machine with much to do
            two.close()
    assert away == at_home, "other rows"
    scores = [sorted(p.name for p in (folder / w / "scores").rglob("*.json")) for w in ("here", "away")]
    assert scores[0] == scores[1]
    print("same rows", len(away), "cells sent", len(sent))


def gone(folder):
    jobs = [cells.Cell(folder / f"{n}.json", partial(slow, n)) for n in range(6)]
    two = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    os.environ[cells.ADDRESS] = two.scheduler_address
    threading.Timer(2.5, two.close).start()
    try:
        cells.each(jobs, progress=False)
    except RuntimeError as error:
        print(error)
    del os.environ[cells.ADDRESS]
    print("then all", len(cells.each(jobs, progress=False)))


if __name__ == "__main__":
    {"killed": killed, "gone": gone}[sys.argv[1]](Path(sys.argv[2]))

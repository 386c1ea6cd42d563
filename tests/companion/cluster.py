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

import torch
from distributed import LocalCluster
from PIL import Image
from torch import nn

from ktlib.companion import cells, sources
from ktlib.companion.scales import scale
from ktlib.companion.studies import bench
from ktlib.companion.studies.captioning import tables as captions
from ktlib.companion.studies.segmentation import instrument, looking, tables
from ktlib.data.sets import Gallery, LabelledImages
from ktlib.evaluate.features import extract
from ktlib.evaluate.retrieval import score_matrix
from ktlib.inversion import InversionSettings
from ktlib.models.vision import VisionEncoder
from tests.companion.studies.captioning import tiny as tiny_captions
from tests.companion.studies.segmentation import tiny
from tests.tiny_vilt import tiny_vilt

POCKET = scale("pocket")
SETTINGS = InversionSettings(steps=6, sizes=((0, 32),), schedule="constant")
TEACHING = replace(POCKET.clip, rates=(1e-4, 1e-3), images_per_concept=4, inversion=SETTINGS, seeds=(0, 1))


@contextlib.contextmanager
def workers(count=2, *, kill_at=None):
    """A cluster, one of whose workers is killed when so many cells were sent, and a list of what was sent to it."""
    sent, send = [], cells._Cluster._send
    own = LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None)
    victim = next(iter(own.workers.values())).process.process.pid

    def counted(self, function, item):
        sent.append(item)
        if len(sent) == kill_at:
            os.kill(victim, signal.SIGKILL)
        return send(self, function, item)

    cells._Cluster._send = counted
    os.environ[cells.ADDRESS] = own.scheduler_address
    try:
        yield own, sent
    finally:
        cells._Cluster._send = send
        os.environ.pop(cells.ADDRESS)
        for one in cells._open.values():  # or it waits for a scheduler that is gone
            one.client.close()
        with contextlib.suppress(TimeoutError):  # a machine with much to do
            own.close()


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


# -- the other loops, a tiny one of each -------------------------------------------------------------------------
def _search(cache):
    """Shards of a search by a pair scorer."""
    pictures = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    texts = ("a red disk", "a wheel", "a tree", "a car", "a red rod", "a wheel")
    shown = Gallery(pictures, texts, tuple(range(6)), "digest", "small")
    both = score_matrix(tiny_vilt(), shown, texts, identity="x", store=cache / "pairs", shard=1, mapped=cells.mapped())
    return both.tolist()


def _captions(cache):
    """Shards of what an untouched captioner says."""
    captions.AT_ONCE, captions.SHARD = 1, 1
    captions.gallery = lambda subject, split: tiny_captions.GALLERY
    return captions.caption(tiny_captions.subject(cache), "test", progress=False).captions


def _features(cache):
    """Pieces of a set, seen by two encoders."""
    encoders = [_encoder(1.0), _encoder(2.0)]
    return [one.tolist() for one in extract(encoders, _pictures(), cache, batch=4, save_every=2, mapped=cells.mapped())]


def _encoder(weight):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 3, 8), nn.Flatten())
    with torch.no_grad():
        network[0].weight.mul_(weight)
    return VisionEncoder(network, name=f"{weight}", image_size=8, dim=3, mean=[0.0] * 3, std=[1.0] * 3)


def _pictures():
    return LabelledImages("grey", _grey, (0,) * 50, ("grey",), ("{}",), "pictures")


def _grey(index):
    return Image.new("RGB", (8, 8), (index, 2 * index, 3 * index))


def _instrument(cache):
    looking.SHARD = instrument.AT_ONCE = 1
    sources.masked_images = tiny.masked
    return tiny.instrument(cache)


def _masks(cache):
    """Pieces of what an untouched model finds."""
    found = tables.look(_instrument(cache), tiny.LESIONS[0], "test", [None], tiny.MAPS, progress=False)[0]
    return [found.of("dsc"), found.of("dsc_coarse"), found.fell_back]


def _limits(cache):
    """Pieces of what a box around everything, and the true box, give."""
    found = tables.limits(_instrument(cache), tiny.LESIONS[0], "test")
    return {what: one.of("dsc") for what, one in found.items()}


def _choice(cache):
    """Pairs of beta and layer."""
    found = tables.choice(_instrument(cache), tiny.LESIONS[0])
    return [[*cell, list(each)] for cell, each in found.each.items()], found.settings.beta


LOOPS = {
    "search": _search,
    "captions": _captions,
    "features": _features,
    "masks": _masks,
    "limits": _limits,
    "choice": _choice,
}


def loops(folder):
    """Each loop here and away, where one of two workers is killed once; prints a line a loop."""
    at_home = {name: loop(folder / name / "here") for name, loop in LOOPS.items()}
    with workers(kill_at=3) as (_, sent):  # in the middle of the first
        for name, loop in LOOPS.items():
            before = len(sent)
            same = loop(folder / name / "away") == at_home[name]
            kept = [sorted(p.name for p in (folder / name / where).rglob("*.*")) for where in ("here", "away")]
            print(name, "same" if same else "other", "files" if kept[0] == kept[1] else kept, len(sent) - before)


def slow(number):
    time.sleep(0.5)
    return {"square": number**2}


def killed(folder):
    at_home = rows(folder / "here")
    with workers(kill_at=8) as (_, sent):  # in the middle of the sweep
        away = rows(folder / "away")
    assert len(sent) >= 8
    assert away == at_home, "other rows"
    scores = [sorted(p.name for p in (folder / w / "scores").rglob("*.json")) for w in ("here", "away")]
    assert scores[0] == scores[1]
    print("same rows", len(away), "cells sent", len(sent))


def refused(jobs):
    """Print what is said of cells that cannot all be computed."""
    try:
        cells.each(jobs, progress=False)
    except RuntimeError as error:
        print(error)


def dies(number):
    if number == 2:
        time.sleep(3)  # until the others are done
        os._exit(1)
    return {"square": number**2}


def deadly(folder):
    jobs = [cells.Cell(folder / f"{n}.json", partial(dies, n)) for n in range(3)]
    with workers():
        refused(jobs)


def gone(folder):
    jobs = [cells.Cell(folder / f"{n}.json", partial(slow, n)) for n in range(6)]
    with workers(1) as (one, _):
        threading.Timer(2.5, one.close).start()
        refused(jobs)
    print("then all", len(cells.each(jobs, progress=False)))


if __name__ == "__main__":
    {"killed": killed, "deadly": deadly, "gone": gone, "loops": loops}[sys.argv[1]](Path(sys.argv[2]))

"""Independent pieces of work, here or on other machines, each remembered once.

A *cell* is a file and what computes its content. Without a scheduler's address, cells are computed in this process,
one after the other. With one (`--dask ADDRESS` or `KTLIB_DASK`), those that are not remembered yet go to the workers
of a Dask cluster, and this process alone writes what comes back, as soon as it does: whatever happens to workers or
scheduler, nothing is written twice and nothing that was written is lost.

Workers have the same code, the same versions, the same kind of device and the same folders as this process; one
thread each, for a model is not to be taught by two at once. A worker that dies has its cell done again by another.
"""

from __future__ import annotations

import functools
import math
import os
import platform
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from ktlib import memory
from ktlib.companion.parcels import packed, unpacked
from ktlib.inversion import Mapped
from ktlib.places import ROOT
from ktlib.store import key, recall, remembered

ADDRESS = "KTLIB_DASK"


def seconds(told: str) -> float:
    """A number of seconds, as `KTLIB_DASK_PATIENCE` gives it.

    Args:
        told: its text.

    Raises:
        ValueError: it is no number above 0.
    """
    try:
        found = float(told)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise ValueError(f"expected a number of seconds above 0 in KTLIB_DASK_PATIENCE, found {told!r}; correct it")
    return found


# Seconds until a scheduler or a first worker must have answered; a queue may take longer to start one.
PATIENCE = seconds(os.environ.get("KTLIB_DASK_PATIENCE") or "30")
AHEAD = 2  # cells that wait at each worker, so that none is idle
AGAIN = 5  # times that a cell is sent before somebody must look why it never comes back
_HALVED = "memory ran out"  # beside a result in its file
_MATTERS = ("torch", "torchvision", "open_clip_torch", "transformers", "timm", "numpy", "distributed")


@dataclass(frozen=True)
class Cell:
    """Something to compute, and the file that remembers it.

    Attributes:
        path: of the file; its name is a digest of everything that the result depends on.
        compute: gives the result, JSON-able. To go to another machine it must be made of functions of modules
            (`functools.partial`) and of what can be pickled.
        spread: it is computed here even where there is a cluster, and hands its own parts to `each` or `done`.
    """

    path: Path
    compute: Callable[[], dict[str, Any]]
    spread: bool = False


def address() -> str:
    """The scheduler's address, `KTLIB_DASK`; empty where everything is computed in this process."""
    return os.environ.get(ADDRESS, "").strip()


def each(cells: Iterable[Cell], *, desc: str = "", progress: bool = True) -> list[dict[str, Any]]:
    """The results of cells in their order: those that are remembered, and the others once they are computed.

    Args:
        cells: independent of each other; two of one file are one.
        desc: of the bar.
        progress: show a bar.

    Raises:
        ValueError: there is no such scheduler, or its workers are of no use (see `done`); or nothing can be written.
        RuntimeError: the cluster went away, or a cell never came back.
    """
    cells = list(cells)
    if not address():
        return [
            _noted(remembered(one.path, partial(_computed, one)))
            for one in tqdm(cells, desc=desc, disable=not progress)
        ]
    found = {one.path: kept for one in cells if (kept := recall(one.path)) is not None}
    waiting = list({one.path: one for one in cells if one.path not in found}.values())
    with tqdm(total=len(cells), initial=len(cells) - len(waiting), desc=desc, disable=not progress) as bar:
        for one in [one for one in waiting if one.spread]:
            found[one.path] = remembered(one.path, partial(_computed, one))
            bar.update()
        sent = [one for one in waiting if not one.spread]
        for number, result in done(_computed, sent):
            one = sent[number]
            found[one.path] = remembered(one.path, partial(dict, result))
            bar.update()
    return [_noted(found[one.path]) for one in cells]


def _computed(cell: Cell) -> dict[str, Any]:
    """A cell's result; with what was halved for it, which the file keeps for whoever reads it later."""
    began = time.monotonic()
    result = cell.compute()
    halved = memory.noted(began)
    return result | {_HALVED: halved} if halved else result


def _noted(result: dict[str, Any]) -> dict[str, Any]:
    """The result alone; what was halved for it is noted anew, so that rows say so whenever they rest on it."""
    memory.note(result.get(_HALVED, {}))
    return {name: value for name, value in result.items() if name != _HALVED}


def done(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Numbers of items and what a function makes of them, as they are done: in this process or on a cluster.

    Args:
        function: of a module, or a `functools.partial` of one.
        items: independent of each other.

    Raises:
        ValueError: no Dask here, no scheduler at the address, no worker, or workers that differ from this process.
        RuntimeError: the cluster went away, or an item never came back.
    """
    if not address():
        yield from enumerate(map(function, items))
    elif items:
        yield from _Cluster.at(address()).done(function, items)


def mapped() -> Mapped | None:
    """What hands out pieces of work where there is a scheduler: `done`; None where this process does them all."""
    return done if address() else None


def use(where: str | None = None) -> str:
    """Try a scheduler and its workers, and name it to this process and to all that it starts.

    Args:
        where: the scheduler's address; by default what `KTLIB_DASK` says.

    Returns:
        A sentence on what is there; empty where no address is given.

    Raises:
        ValueError: as `done`.
    """
    if where:
        os.environ[ADDRESS] = where
    if not address():
        return ""
    cluster = _Cluster.reach(address())
    try:
        return f"{cluster.workers()} Dask worker(s) at {address()}"
    finally:
        cluster.client.close()


# -- the cluster --------------------------------------------------------------------------------------
@dataclass
class _Sent:
    """Something large that workers hold, kept alive here so that its `id` is its own; its name there, its bytes."""

    thing: object
    name: str
    there: Any = None  # a future of `distributed`; None before it is sent, and once it may be lost


@dataclass
class _Cluster:
    """A connection to a scheduler, and what was sent to its workers for good.

    Attributes:
        client: of `distributed`.
        where: the scheduler's address.
        sent: models and sets of pictures, by their `id`.
    """

    client: Any
    where: str
    sent: dict[int, _Sent] = field(default_factory=dict)

    @classmethod
    def reach(cls, where: str) -> _Cluster:
        try:
            from distributed import Client  # only where somebody gives a scheduler's address
        except ImportError as error:
            raise ValueError(
                f"expected dask[distributed], which {ADDRESS} asks for and requirements.lock lists, found it not "
                "installed; pip install 'dask[distributed]'"
            ) from error
        try:
            client = Client(where, timeout=PATIENCE)
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(
                f"expected a Dask scheduler at {where!r} (--dask or {ADDRESS}), found none ({error}); start one with "
                "`dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`, or leave the address out"
            ) from error
        found = cls(client, where)
        try:
            found.examine()
        except BaseException:
            client.close()
            raise
        return found

    @classmethod
    def at(cls, where: str) -> _Cluster:
        """The connection of this process, made anew where it was lost."""
        kept = _open.get(where)
        if kept is None or kept.client.status != "running":
            _open[where] = kept = cls.reach(where)
        return kept

    @property
    def deadly(self) -> str:
        """What is said of a cell that no worker survives."""
        return (
            f"expected a result from the Dask workers at {self.where}, found that each worker that was given one cell "
            "died: look at their logs (out of memory?); what was done is kept, so run the same command again"
        )

    def workers(self) -> int:
        return len(self.client.nthreads())

    def examine(self) -> None:
        """Refuse a cluster without workers, with other code, or with workers of several threads."""
        try:
            self.client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ValueError(
                f"expected workers of the Dask scheduler at {self.where}, found none in {PATIENCE:.0f} s; start one on "
                f"each machine or GPU: dask worker {self.where} --nthreads 1"
            ) from error
        if wide := [name for name, threads in self.client.nthreads().items() if threads != 1]:
            raise ValueError(
                f"expected workers with one thread, found more at {', '.join(wide)}; start them with --nthreads 1"
            )
        try:
            found = self.client.run(_self)
        except Exception as error:  # whatever a worker of other code raises
            raise ValueError(
                f"expected workers that run ktlib as it is here, found {type(error).__name__}: {error}; start them in "
                f"{ROOT} with the environment of requirements.lock"
            ) from error
        for name, other in found.items():
            _compare(other, _self(), name)

    def done(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        from distributed import CancelledError, KilledWorker, wait  # as above

        queue, tries, left = list(range(len(items)))[::-1], [0] * len(items), len(items)
        running: dict[Any, int] = {}
        try:
            while queue or running:
                while queue and len(running) < AHEAD * max(1, self.workers()):
                    number = queue.pop()
                    running[self._send(function, items[number])] = number
                try:
                    wait(list(running), timeout=2, return_when="FIRST_COMPLETED")
                except (TimeoutError, CancelledError):
                    pass  # look whether the cluster is still there
                if self.client.status != "running":
                    raise RuntimeError("its connection was closed")
                for future in [one for one in running if one.status != "pending"]:
                    number = running.pop(future)
                    if future.status in ("cancelled", "lost"):  # its worker died with what it was to compute from
                        for one in self.sent.values():
                            one.there = None
                        tries[number] += 1
                        if tries[number] >= AGAIN:
                            raise RuntimeError(self.deadly)
                        queue.append(number)
                        continue
                    result, halved = future.result()
                    memory.note(halved)
                    left -= 1
                    yield number, result
        except KilledWorker as error:
            raise RuntimeError(self.deadly) from error
        except (OSError, RuntimeError, CancelledError) as error:
            if self.client.status == "running":
                raise  # of the cell itself
            raise RuntimeError(
                f"expected the Dask scheduler at {self.where} to stay, found it gone with {left} of {len(items)} "
                "cells to do; what was done is kept: start it and run the same command again"
            ) from error
        finally:
            if running and self.client.status == "running":
                self.client.cancel(list(running))

    def _send(self, function: Callable[[Any], Any], item: Any) -> Any:
        blob, shared = packed((function, item))
        for thing in shared:
            if id(thing) not in self.sent:
                self.sent[id(thing)] = _Sent(thing, uuid.uuid4().hex)
            one = self.sent[id(thing)]
            if one.there is None or one.there.status in ("cancelled", "lost"):
                one.there = self.client.scatter(packed(thing, apart=False)[0], hash=False)
        names = {id(thing): self.sent[id(thing)].name for thing in shared}
        futures = [self.sent[number].there for number in names]
        here = _self() | {"threads": str(torch.get_num_threads())}
        return self.client.submit(_work, here, blob, names, *futures, pure=False, retries=0)


_open: dict[str, _Cluster] = {}  # by address: one connection a process


# -- on a worker --------------------------------------------------------------------------------------
_held: dict[str, object] = {}  # on a worker: models and sets of pictures that came once, by their names


def _work(
    expected: dict[str, str], blob: bytes, names: Mapping[int, str], *shared: bytes
) -> tuple[Any, dict[str, int]]:
    """Compute what was sent, with as many threads as at home: other sums are rounded otherwise."""
    os.environ.pop(ADDRESS, None)  # a worker has no workers
    _compare(_self(), {name: value for name, value in expected.items() if name != "threads"}, platform.node())
    torch.set_num_threads(int(expected["threads"]))
    for name, one in zip(names.values(), shared, strict=True):
        if name not in _held:
            _held[name] = unpacked(one, {})
    function, item = unpacked(blob, {number: _held[name] for number, name in names.items()})
    began = time.monotonic()
    return function(item), memory.noted(began)


@functools.cache
def _self() -> dict[str, str]:
    """What two machines must have in common for the same cell to give the same."""
    versions = {}
    for package in _MATTERS:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "none"
    code = {str(path.relative_to(ROOT)): path.read_bytes().hex() for path in sorted((ROOT / "ktlib").rglob("*.py"))}
    cuda = torch.cuda.is_available()
    own = {"ktlib": key(code)[:12], "python": platform.python_version(), "device": "cuda" if cuda else "cpu"}
    return own | versions | ({} if cuda else {"kernels": torch.backends.cpu.get_cpu_capability()})


def _compare(found: dict[str, str], expected: dict[str, str], name: str) -> None:
    if other := [f"{what} {found.get(what)} in place of {value}" for what, value in expected.items()
                 if found.get(what) != value]:  # fmt: skip
        raise ValueError(
            f"expected Dask workers like this process, found {name} with {'; '.join(other)}; give it the same "
            "checkout, environment and kind of device, and start it again"
        )

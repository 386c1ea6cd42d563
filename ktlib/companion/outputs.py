"""What a run holds: who wrote which file, what must run again, what is borrowed, and what is published.

The folder of a run is laid out as the repository is, without the scale: `results/kt_tab_1.csv` there is
`results/pocket/kt_tab_1.csv` here. A file counts as computed when the record of a notebook's last good run holds
its sha256; all others were borrowed, or left by a run that did not end well.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ktlib import places, store
from ktlib.companion.record.kernels import Kernels
from ktlib.companion.record.notebooks import Notebook, matches, overlaps
from ktlib.data import manifests

CODE = ("ktlib/**/*.py", "ktlib/**/*.mplstyle", "ktlib/pocket/weights/**", "data_manifests/**", "requirements.lock")
OF_A_SCALE = ("results", "figures")  # folders that the repository keeps once a scale
TIMES = "times.json"
GENERATED = "fixtures"  # in the folder of the data: written anew by every rehearsal

Stamps = Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Run:
    """One scale and seed, the folder of the run, the repository that it runs in, and the kernels it computes with."""

    root: Path
    folder: Path
    scale: str
    seed: int
    kernels: Kernels = field(default_factory=Kernels)

    @property
    def parameters(self) -> dict[str, Any]:
        """What every notebook is given."""
        return {"scale": self.scale, "seed": self.seed}

    def committed(self, name: str) -> Path:
        """Where the repository keeps a file, or the files of a glob, of the run."""
        top, _, rest = name.partition("/")
        return self.root / top / self.scale / rest if top in OF_A_SCALE else self.root / name

    def record(self, stem: str) -> dict[str, Any]:
        """The record of a notebook's last good run; empty where there is none."""
        try:
            found = json.loads((self.folder / f"{stem}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def home(root: Path, scale: str) -> Path:
    """The folder of the runs of a scale: `runs/<scale>` in the repository, or where `KT_RUNS` says."""
    return places.folder("KT_RUNS", root / "runs") / scale


@contextlib.contextmanager
def held(run: Run) -> Iterator[None]:
    """Keep the folder of a run for this process: two at once would mix what they compute.

    Raises:
        ValueError: another run is in it, or nothing can be written there.
    """
    store.prepare(run.folder, what="a folder for what notebooks compute (KT_RUNS moves it)")
    try:
        with store.locked(run.folder.with_name(f".{run.folder.name}.lock"), f"a run with seed {run.seed}"):
            yield
    except BlockingIOError as error:
        raise ValueError(
            f"expected no other run in {run.folder}, found {error}; wait for it, stop it, or set KT_RUNS to another "
            "folder"
        ) from error


def unwritten(folder: Path, error: OSError) -> str:
    """What to do when a file cannot be written: the disk is full, or it is not ours to write to."""
    where = error.filename or folder
    return f"expected to write {where}, found: {error.strerror or error}; free space, or set KT_RUNS to another folder"


def sha256(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- what a notebook wrote ------------------------------------------------------------------------------
def stamps(folder: Path, notebook: Notebook) -> dict[str, tuple[int, int, int]]:
    """When each declared file, or the provenance beside it, was written: one written again has another stamp."""
    found = matches(folder, [*notebook.writes, *notebook.sometimes])
    measured = [path.with_suffix(".json") for path in found if path.suffix in (".csv", ".png")]  # not of a page
    beside = [path for path in measured if path.is_file()]
    states = {path.relative_to(folder).as_posix(): path.stat() for path in [*found, *beside]}
    return {name: (state.st_mtime_ns, state.st_ino, state.st_size) for name, state in states.items()}


def wrote(folder: Path, notebook: Notebook, before: Stamps) -> dict[str, str]:
    """The sha256 of each file that a notebook has written since `before`.

    What it may write and did not write again, because it has no such rows any more, is removed.

    Raises:
        RuntimeError: a declared file is not there, is of an earlier run, or is empty.
    """
    after = stamps(folder, notebook)
    fresh = {name for name, stamp in after.items() if before.get(name) != stamp}
    if unwritten := [one for one in notebook.writes if fresh.isdisjoint(matched(folder, one))]:
        raise RuntimeError(f"the notebook ran to its end but did not write what it declares: {', '.join(unwritten)}")
    if empty := sorted(name for name in fresh if not (folder / name).stat().st_size):
        raise RuntimeError(f"the notebook ran to its end but wrote nothing into {', '.join(empty)}")
    for name in after.keys() - fresh:
        (folder / name).unlink(missing_ok=True)
    return {name: sha256(folder / name) for name in sorted(fresh)}


def matched(folder: Path, pattern: str) -> list[str]:
    """Names of the files that fit a glob."""
    return [path.relative_to(folder).as_posix() for path in matches(folder, [pattern])]


def computed(run: Run, notebooks: Sequence[Notebook]) -> dict[str, str]:
    """The files that the last good runs of these notebooks wrote and that nobody has touched since, by notebook."""
    found = {}
    for notebook in notebooks:
        for name, digest_then in run.record(notebook.stem).get("wrote", {}).items():
            path = run.folder / name
            if path.is_file() and sha256(path) == digest_then:
                found[name] = notebook.stem
    return found


# -- whether it must run ------------------------------------------------------------------------------
def digest(notebook: Notebook, run: Run) -> str:
    """The sha256 over all that a run depends on: source, declarations, parameters, code, weights, what is read.

    Source:
        ours
    """
    declared = [notebook.stem, notebook.cells, notebook.reads, notebook.writes, notebook.sometimes, run.parameters]
    declared += [notebook.published, str(run.kernels), _data(notebook, run.scale)]
    total = hashlib.sha256(json.dumps(declared, sort_keys=True).encode())
    for top, patterns in ((run.root, (*CODE, *notebook.published)), (run.folder, notebook.reads)):
        found = matches(top, patterns)
        beside = [record for path in found if path.suffix == ".csv" and (record := path.with_suffix(".json")).is_file()]
        for path in sorted({*found, *beside}):
            total.update(f"{path.relative_to(top).as_posix()} {sha256(path)}\n".encode())
    return total.hexdigest()


def _data(notebook: Notebook, scale: str) -> str:
    """Names, sizes and times of the files under `KT_DATA` that a notebook may read; their content may be terabytes.

    Those of the datasets that it needs; all of them where nobody has written down what it needs. What is drawn or
    generated is code, and no other scale than `paper` reads what is needed.
    """
    if notebook.needs is None:
        folders = [places.data()]
    elif scale == "paper":
        wheres = {manifests.dataset(name).where for name in notebook.needs.datasets}
        folders = [places.data() / where for where in sorted({*wheres, "checkpoints"})]
    else:
        return ""
    total = hashlib.sha256()
    for folder in folders:
        for at, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if name != GENERATED)
            for name in sorted(names):
                with contextlib.suppress(FileNotFoundError):  # a link that leads nowhere
                    state = os.stat(os.path.join(at, name))
                    place = os.path.relpath(os.path.join(at, name), places.data())
                    total.update(f"{place} {state.st_size} {state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def claimed_twice(notebooks: Sequence[Notebook]) -> list[str]:
    """Outputs that two notebooks of one scale declare, in words: the later one would replace the earlier one's."""
    said = []
    for number, one in enumerate(notebooks):
        for other in notebooks[number + 1 :]:
            if set(one.scales) & set(other.scales):
                theirs = (*other.writes, *other.sometimes)
                both = [own for own in (*one.writes, *one.sometimes) if any(overlaps(own, name) for name in theirs)]
                said += [f"{name} ({one.stem}, {other.stem})" for name in both]
    return said


def is_unchanged(notebook: Notebook, key: str, run: Run) -> bool:
    """Tell whether the last run was good, had this digest, was not followed by a bad one, and its files are as then."""
    record = run.record(notebook.stem)
    spoiled = any((run.folder / f"{notebook.stem}.{kind}.ipynb").exists() for kind in ("failed", "partial"))
    copy = run.folder / f"{notebook.stem}.ipynb"
    if record.get("digest") != key or spoiled or not copy.is_file() or record.get("copy") != sha256(copy):
        return False
    return record.get("wrote", {}).keys() <= computed(run, [notebook]).keys()


# -- what is borrowed ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Borrowed:
    """What a notebook reads and no notebook of the run has computed: names of files.

    Attributes:
        taken: with their sha256, from the committed results.
        left: of a run that did not end well, or of an older notebook; not committed either.
        lacking: declared, and nowhere.
    """

    taken: Mapping[str, str]
    left: tuple[str, ...]
    lacking: tuple[str, ...]


def borrow(notebook: Notebook, run: Run, own: Mapping[str, str]) -> Borrowed:
    """Copy into the run what a notebook reads and the run has not computed.

    Args:
        notebook: whose `reads` are wanted.
        run: where to.
        own: what the run has computed; never overwritten.
    """
    taken: dict[str, str] = {}
    for pattern in notebook.reads:
        home = run.committed(pattern)
        for path in matches(run.root, [home.relative_to(run.root).as_posix()]):
            name = _of_the_run(path, run)
            if name in own:
                continue
            for source in (path, path.with_suffix(".json")):
                target = run.folder / _of_the_run(source, run)
                if source.is_file() and not (target.is_file() and sha256(target) == sha256(source)):
                    store.write_atomically(target, partial(shutil.copyfile, source))
            taken[name] = sha256(path)
    there = {name for pattern in notebook.reads for name in matched(run.folder, pattern)}
    lacking = [one for one in notebook.reads if not any(letter in one for letter in "*?[") and one not in there]
    return Borrowed(taken, tuple(sorted(there - taken.keys() - own.keys())), tuple(lacking))


def _of_the_run(path: Path, run: Run) -> str:
    parts = path.relative_to(run.root).parts
    return "/".join(parts[:1] + parts[2:] if parts[0] in OF_A_SCALE else parts)


def items(names: Sequence[str], folder: Path) -> list[str]:
    """Files by the name of their item, `KT Tab. 1`, where they hold rows; else by their own."""
    found = []
    for name in names:
        item = None
        if name.endswith(".csv"):
            with (folder / name).open(newline="", encoding="utf-8") as lines:
                item = next(csv.DictReader(lines), {}).get("item")
        found.append(item or name)
    return found


# -- what is published --------------------------------------------------------------------------------
def publish(run: Run, notebooks: Sequence[Notebook]) -> list[str]:
    """Put the results, figures and times of a whole, good run in the place of the committed ones.

    Committed files that the run has not written go: their item is no longer measured.

    Returns:
        The names of what was copied.
    """
    names = sorted(name for name in computed(run, notebooks) if name.endswith((".csv", ".png", ".json")))
    kept = {run.committed(name) for name in names}
    for top in OF_A_SCALE:
        for path in (run.root / top / run.scale).glob("*"):
            if path.suffix in (".csv", ".png", ".json") and path not in kept:
                path.unlink()
    for name in names:
        store.write_atomically(run.committed(name), partial(shutil.copyfile, run.folder / name))
    records = {notebook.stem: run.record(notebook.stem) for notebook in notebooks}
    kinds = ("seconds", "peak_mib", "cells")
    times = {stem: {key: one[key] for key in kinds} for stem, one in records.items() if one}
    store.write_text(run.committed(f"results/{TIMES}"), json.dumps(times, indent=1) + "\n")
    return names

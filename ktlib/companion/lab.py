"""JupyterLab on a working copy of the notebooks, so that exploring changes nothing that is committed.

`explore/` is ignored by git. Its notebooks write to `runs/scratch/<scale>`; links out of them lead where they do
from `notebooks/`, for both folders stand in the repository. A copy that somebody has edited is kept.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ktlib import store
from ktlib.companion.record import kernels, notebooks
from ktlib.companion.scales import scale
from ktlib.places import ROOT

ORIGINS = ".origins.json"  # of each copy: the cells of the original that it was made from


def refresh(root: Path = ROOT, *, fresh: bool = False) -> list[str]:
    """Make `explore/` hold a copy of every notebook.

    A copy is made where there is none, and anew where the original has changed and the copy has not been edited
    (outputs are no edits). An edited one stays.

    Args:
        root: of the repository.
        fresh: start anew; the former copies are kept in `explore/before-<time>`.

    Returns:
        What a reader should know, a sentence each.
    """
    folder = root / "explore"
    said: list[str] = []
    if fresh and folder.is_dir():
        kept = folder / f"before-{time.strftime('%Y%m%d-%H%M%S')}"
        moved = [path for path in folder.iterdir() if path.suffix == ".ipynb"]
        kept.mkdir()
        for path in moved:
            path.replace(kept / path.name)
        (folder / ORIGINS).unlink(missing_ok=True)
        said.append(f"the former copies are in {kept.relative_to(root)}")
    folder.mkdir(exist_ok=True)
    origins = _origins(folder)
    for path in notebooks.find(root):
        copy, now = folder / path.name, _cells(path)
        then = origins.get(path.name)
        if copy.exists() and then == now:
            continue
        if copy.exists() and _cells(copy) not in (then, now):
            said.append(
                f"{copy.relative_to(root)} is yours, and {path.relative_to(root)} has changed since: it is kept"
            )
            continue
        if copy.exists():
            said.append(f"{copy.relative_to(root)} was made anew: {path.relative_to(root)} has changed")
        store.write_atomically(copy, partial(shutil.copyfile, path))
        origins[path.name] = now
    text = json.dumps(origins, indent=1) + "\n"
    store.write_text(folder / ORIGINS, text)
    return said


def _cells(path: Path) -> str:
    """A digest of what stands in the cells; of a file that is no notebook any more, nothing."""
    try:
        return store.key([[cell["type"], cell["source"]] for cell in notebooks.read(path).cells])
    except ValueError:
        return ""


def _origins(folder: Path) -> dict[str, str]:
    try:
        return json.loads((folder / ORIGINS).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def command(root: Path = ROOT, arguments: Sequence[str] = ()) -> list[str]:
    """JupyterLab with the repository as its root, opened at the first notebook."""
    first = notebooks.find(root)[0].name
    where = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/explore/{first}"]
    return [sys.executable, "-m", "jupyterlab", *where, *arguments]


def environment(root: Path = ROOT) -> dict[str, str]:
    """The kernels' environment: this checkout's ktlib, the pocket's arithmetic, and no run's folder to write to."""
    own = {name: value for name, value in os.environ.items() if name != "KT_OUTPUT"}
    own |= kernels.choose(scale("pocket").kernels).environment
    return own | {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), own.get("PYTHONPATH", "")]))}


def start(root: Path = ROOT, *, fresh: bool = False, arguments: Sequence[str] = ()) -> None:
    """Refresh the copies and become JupyterLab, so that Ctrl-C and its exit status are its own."""
    for sentence in refresh(root, fresh=fresh):
        print(sentence, file=sys.stderr)
    words = command(root, arguments)
    sys.stderr.flush()
    os.chdir(root)
    os.execve(words[0], words, environment(root))

"""The notebooks and what each declares in its metadata: the one place that reads it.

`"kt": {"scales": ["pocket", ...], "reads": ["results/kt_tab_1.csv"], "writes": ["results/kt_tab_5.csv"],
"sometimes": ["figures/zs_claims.png"], "published": [...],
"needs": {"datasets": [...], "optional": [...], "checkpoints": [...], "calibration": true}}`.
Reads and writes are globs relative to the folder of a run, and rows are read with the record beside them; what is
written *sometimes* has no rows at every scale. What is read of the *published* results counts from the repository.
Needs are what the paper scale must be given; an *optional* dataset may lack, and is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ktlib.places import ROOT

SCALES = ("pocket", "rehearsal", "paper")
KEYS = {"scales", "reads", "writes", "sometimes", "published", "needs"}


@dataclass(frozen=True)
class Needs:
    """What a notebook needs at paper scale: names of manifests.

    Attributes:
        datasets: all that it can use.
        checkpoints: all that it loads.
        calibration: whether class names must be frozen first (D8).
        optional: those of the datasets that it leaves out where they lack.
    """

    datasets: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    calibration: bool = False
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notebook:
    """A notebook's source and what its `kt` metadata declares."""

    path: Path
    cells: list[dict[str, Any]]
    scales: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    sometimes: tuple[str, ...]
    needs: Needs | None  # None: nobody has written it down
    published: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """`01_rare_concepts`."""
        return self.path.stem

    @property
    def title(self) -> str:
        """Its first heading, without the marks."""
        return next((m.group(1) for c in self.cells if (m := re.match(r"#+ (.+)", c["source"]))), self.stem)

    @property
    def answer(self) -> str:
        """What it finds, in the sentence that it opens with; empty where it has none."""
        found = re.search(r"\*\*In one sentence\.\*\* (.+)", self.cells[0]["source"] if self.cells else "")
        return found.group(1) if found else ""


def find(root: Path = ROOT) -> list[Path]:
    """The notebooks of a repository, in order."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> Notebook:
    """Read a notebook's source (never its outputs) and its declarations.

    Raises:
        ValueError: it is no notebook, or declares what nobody reads.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        declared = content["metadata"].get("kt", {})
        cells = [
            {"type": cell["cell_type"], "source": "".join(cell["source"]), "tags": cell["metadata"].get("tags", [])}
            for cell in content["cells"]
        ]
        unknown = sorted(declared.keys() - KEYS)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected a notebook (nbformat 4) in {path}, found something else ({type(error).__name__}: {error}); "
            "restore it with `git checkout`, or save it again from JupyterLab"
        ) from error
    if unknown:
        raise ValueError(f"{path}: expected `kt` metadata of {', '.join(sorted(KEYS))}, found {', '.join(unknown)}")
    if texts := [key for key in ("scales", "reads", "writes", "sometimes", "published") if _no_list(declared, key)]:
        raise ValueError(f"{path}: expected lists of texts in the `kt` metadata, found another {', '.join(texts)}")
    reads, writes, sometimes, published = (
        tuple(declared.get(key, ())) for key in ("reads", "writes", "sometimes", "published")
    )
    needs = _needs(path, declared["needs"]) if "needs" in declared else None
    return Notebook(path, cells, tuple(declared.get("scales", SCALES)), reads, writes, sometimes, needs, published)


def _needs(path: Path, declared: object) -> Needs:
    """What a notebook declares that it needs.

    Raises:
        ValueError: with what is not understood.
    """
    lists = ("datasets", "optional", "checkpoints")
    if not isinstance(declared, dict) or declared.keys() - {*lists, "calibration"}:
        raise ValueError(f"{path}: expected `needs` of {', '.join(lists)} and calibration, found {declared!r}")
    if wrong := [name for name in lists if _no_list(declared, name)]:
        raise ValueError(f"{path}: expected lists of texts in `needs`, found another {', '.join(wrong)}")
    calibration = declared.get("calibration", False)
    if not isinstance(calibration, bool):
        raise ValueError(f"{path}: expected true or false for `calibration` in `needs`, found {calibration!r}")
    datasets, optional, checkpoints = (tuple(declared.get(name, ())) for name in lists)
    if strange := sorted({*optional} - {*datasets}):
        raise ValueError(f"{path}: expected optional datasets among the needed ones, found {', '.join(strange)}")
    return Needs(datasets, checkpoints, calibration, optional)


def _no_list(declared: Mapping[str, Any], name: str) -> bool:
    value = declared.get(name, [])
    return not (isinstance(value, list) and all(isinstance(one, str) for one in value))


def overlaps(one: str, other: str) -> bool:
    """Tell whether some path could fit both globs; `*` may span folders, so this errs towards yes."""
    simple = [re.sub(r"\[[^]]*\]", "?", pattern.replace("**/", "*")) for pattern in (one, other)]

    @cache
    def meet(a: str, b: str) -> bool:
        if not a or not b:
            return set(a + b) <= {"*"}
        if a[0] == "*":
            return meet(a[1:], b) or meet(a, b[1:])
        if b[0] == "*":
            return meet(a, b[1:]) or meet(a[1:], b)
        return (a[0] == b[0] or "?" in (a[0], b[0])) and meet(a[1:], b[1:])

    return meet(*simple)


def matches(root: Path, patterns: Sequence[str]) -> list[Path]:
    """The files under `root` that fit one of the globs, sorted, none hidden or cached; a final `**` means files."""
    found = {path for one in patterns for path in root.glob(one + "/*" if one.endswith("**") else one)}
    parts = {path: path.relative_to(root).parts for path in found if path.is_file()}
    return sorted(path for path in parts if not any(part.startswith((".", "__pycache__")) for part in parts[path]))

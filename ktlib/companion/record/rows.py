"""Tidy rows: one measured number a line, one file a published item, with where it comes from.

`results/<scale>/<item>.csv` holds the rows and is the same, byte for byte, whenever the same
numbers come out. `<item>.json` beside it holds what changes from run to run: date, commit,
seconds, machine, and the command.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ktlib import store
from ktlib.evaluate.intervals import Estimate
from ktlib.places import ROOT


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        item: the published item it stands beside, `KT Tab. 1` or `KT v2 Tab. 9`.
        scale: `pocket`, `rehearsal` or `paper`.
        dataset, model, concept: what was measured on what.
        method: `base`, `kt`, or a control: `noise`, `wrong`, `real`, `prompt` …
        setting: what was varied, `lr=2e-4` or `tv=0;augmentation=off`; empty for the base.
        metric: `target_accuracy`, `retention` …; fractions, never percent.
        value, low, high: the number and its 95 % interval.
        n: images (or other trials) behind it.
        seed: of inversion and transfer; -1 where nothing is random.
        split: `validation` (settings are chosen on it) or `test` (verdicts come from it).
        settings, weights: digests of all settings and of the model before transfer.
    """

    item: str
    scale: str
    dataset: str
    model: str
    concept: str
    method: str
    setting: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    seed: int
    split: str
    settings: str
    weights: str

    def varied(self) -> dict[str, str]:
        """`setting` as a dictionary."""
        return dict(part.split("=", 1) for part in self.setting.split(";") if part)

    def lr(self) -> float:
        """The learning rate in `setting`; 0 where there is none (the base)."""
        return float(self.varied().get("lr", 0))


COLUMNS = [field.name for field in dataclasses.fields(Row)]


def stem(item: str) -> str:
    """`KT v2 Tab. 9` as the name of a file: `kt_v2_tab_9`."""
    return item.lower().replace(".", "").replace(" ", "_")


def folder(scale: str, root: Path = ROOT) -> Path:
    """Where the rows of a scale lie."""
    return root / "results" / scale


def write(rows: Sequence[Row], *, seconds: float, command: str, root: Path = ROOT) -> Path:
    """Write the rows of one item at one scale, and their provenance beside them.

    Args:
        rows: all of the same item and scale; sorted before writing.
        seconds: that it took to compute them.
        command: that computes them again.
        root: of the repository.

    Raises:
        ValueError: no rows, or rows of several items or scales.
    """
    if len({(row.item, row.scale) for row in rows}) != 1:
        raise ValueError(f"expected rows of one item and scale, found {sorted({(r.item, r.scale) for r in rows})}")
    path = folder(rows[0].scale, root) / f"{stem(rows[0].item)}.csv"
    ordered = sorted(rows, key=lambda r: (r.model, r.split, r.concept, r.method, r.setting, r.seed, r.metric))
    store.write_atomically(path, lambda temporary: _write_csv(temporary, ordered))
    record = provenance() | {"item": rows[0].item, "rows": len(rows), "seconds": round(seconds, 1), "command": command}
    text = json.dumps(record, indent=2) + "\n"
    store.write_atomically(path.with_suffix(".json"), lambda temporary: temporary.write_text(text))
    return path


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            values = dataclasses.asdict(row).values()
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])


def read(scale: str, item: str | None = None, root: Path = ROOT) -> list[Row]:
    """The rows of a scale, or of one item of it; none when it was never run.

    Raises:
        ValueError: a file whose columns are not those of `Row`.
    """
    pattern = "*.csv" if item is None else f"{stem(item)}.csv"
    return [row for path in sorted(folder(scale, root).glob(pattern)) for row in _read_csv(path)]


def _read_csv(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != COLUMNS:
            raise ValueError(f"{path}: expected the columns {COLUMNS}, found {reader.fieldnames}; run it again")
        return [_row(line) for line in reader]


def _row(line: dict[str, str]) -> Row:
    numbers: dict[str, Any] = {c: float(line[c]) for c in ("value", "low", "high")}
    numbers |= {c: int(line[c]) for c in ("n", "seed")}
    return Row(**(line | numbers))


def provenance() -> dict[str, str]:
    """Date, commit, machine and versions of this moment."""
    import torch

    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else f"CPU, {os.cpu_count()} cores, {platform.machine()}"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "device": device,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def commit(root: Path = ROOT) -> str:
    """The commit of the working tree, `+` behind it when files differ; `unknown` outside git."""
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty=+"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def select(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """Rows whose columns have the wanted values; a tuple or list allows several.

    Example:
        `select(rows, method=("base", "kt"), split="test", metric="retention")`
    """
    allowed = {column: set(v) if isinstance(v, tuple | list) else {v} for column, v in wanted.items()}
    return [row for row in rows if all(getattr(row, column) in values for column, values in allowed.items())]


def by_concept(rows: Iterable[Row]) -> dict[str, list[float]]:
    """Values of each concept in the order of their seeds: what `intervals.over_concepts` takes."""
    table: dict[str, dict[int, float]] = {}
    for row in rows:
        seeds = table.setdefault(row.concept, {})
        if row.seed in seeds:
            raise ValueError(f"two rows for {row.concept}, seed {row.seed}: narrow the selection")
        seeds[row.seed] = row.value
    return {concept: [v for _, v in sorted(seeds.items())] for concept, seeds in sorted(table.items())}


def mean(rows: Iterable[Row]) -> Estimate:
    """Mean over concepts and seeds with its nested interval.

    A concept measured once (a base, where nothing is random) counts as one seed.
    """
    from ktlib.evaluate.intervals import over_concepts

    return over_concepts(list(by_concept(rows).values()))


def mean_over_models(rows: Iterable[Row]) -> Estimate:
    """Mean over models, concepts and seeds; the interval draws concepts, then seeds, of the models' mean."""
    from ktlib.evaluate.intervals import over_concepts

    table: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        table.setdefault(row.concept, {}).setdefault(row.seed, []).append(row.value)
    return over_concepts([[fmean(values) for _, values in sorted(seeds.items())] for _, seeds in sorted(table.items())])

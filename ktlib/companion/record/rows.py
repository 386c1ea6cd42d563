"""Tidy rows: one measured number a line, one file an item, with where it comes from.

`<item>.csv` holds the rows and is the same, byte for byte, whenever the same numbers come out. `<item>.json`
beside it holds what changes from run to run: date, commit, seconds, machine, and the command; and the sha256 of the
rows, so that whoever reads them sees that nobody has edited them. A notebook writes
to its run's folder (`places.output`); what is published lies in `results/<scale>/` (`places.committed`).
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from ktlib import memory, places, store
from ktlib.companion.record.provenance import provenance
from ktlib.evaluate.intervals import Estimate, over_concepts
from ktlib.places import ROOT  # noqa: F401  # others still take it from here

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        item: the published item it stands beside, `KT Tab. 1` or `KT v2 Tab. 9`.
        scale: `pocket`, `rehearsal` or `paper`.
        dataset, model: what was measured on what.
        subject: the concept, or the test set; empty for retrieval, which has neither.
        method: `base`, `kt`, or a control: `noise`, `wrong`, `real`, `prompt` …
        varied: what was varied, `{"lr": "0.0002", "tv": "0"}`, in this order; empty for the base.
        metric: `target_accuracy`, `retention`, `tr@1`, `top1` …; fractions, never percent.
        over: what was taken away, `base` or `least_squares`, where the row is a paired difference; else empty.
        value, low, high: the number and its 95 % interval.
        n: images (or other trials) behind it.
        seed: of inversion and transfer; None where nothing is random, or where the interval is over seeds too.
        split: `validation` (settings are chosen on it) or `test` (verdicts come from it).
        settings, weights: digests of all settings and of the model before transfer.
    """

    item: str
    scale: str
    dataset: str
    model: str
    subject: str
    method: str
    varied: Mapping[str, str] = field(hash=False)
    metric: str
    over: str
    value: float
    low: float
    high: float
    n: int
    seed: int | None
    split: str
    settings: str
    weights: str

    def __post_init__(self) -> None:
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"expected a seed of 0 or more, or None, found {self.seed} in a row of {self.item}")

    @property
    def lr(self) -> float:
        """The learning rate that was varied; 0 where none was (the base)."""
        return float(self.varied.get("lr", 0))

    @property
    def estimate(self) -> Estimate:
        """The number with its interval."""
        return Estimate(self.value, self.low, self.high)


COLUMNS = [column.name for column in dataclasses.fields(Row)]


def written(varied: Mapping[str, str]) -> str:
    """What was varied as text: `lr=0.0002;tv=0`.

    Raises:
        ValueError: a name or value that could not be read back.
    """
    for name, value in varied.items():
        if not name or set(name) & set("=;\n") or set(value) & set(";\n"):
            raise ValueError(f"expected a name without '=' and ';' and a value without ';', found {name!r}: {value!r}")
    return ";".join(f"{name}={value}" for name, value in varied.items())


def parsed(text: str) -> dict[str, str]:
    """`lr=0.0002;tv=0` as a dictionary in the same order.

    Raises:
        ValueError: a part without `=`.
    """
    parts = [part.partition("=") for part in text.split(";") if part]
    if not all(name and equals for name, equals, _ in parts):
        raise ValueError(f"expected parts such as lr=0.0002, separated by ';', found {text!r}")
    return {name: value for name, _, value in parts}


def stem(item: str) -> str:
    """`KT v2 Tab. 9` as the name of a file: `kt_v2_tab_9`."""
    return item.lower().replace(".", "").replace(" ", "_")


# -- files --------------------------------------------------------------------------------------------
def write(rows: Sequence[Row], *, seconds: float, command: str, folder: Path | None = None) -> Path:
    """Write the rows of one item at one scale, and their provenance beside them.

    Args:
        rows: all of the same item and scale; sorted before writing.
        seconds: that it took to compute them.
        command: that computes them again.
        folder: for the files; by default that of the run, or the scratch folder outside a run.

    Raises:
        ValueError: no rows, or rows of several items or scales.
    """
    if len({(row.item, row.scale) for row in rows}) != 1:
        raise ValueError(f"expected rows of one item and scale, found {sorted({(r.item, r.scale) for r in rows})}")
    halved = memory.told(seconds, rows[0].item)  # batches, when memory ran out
    path = (folder or places.output(rows[0].scale) / "results") / f"{stem(rows[0].item)}.csv"
    store.write_atomically(path, lambda temporary: _write_csv(temporary, sorted(rows, key=_place)))
    record = provenance() | {"item": rows[0].item, "rows": len(rows), "seconds": round(seconds, 1), "command": command}
    record |= {"sha256": _digest(path)}
    record |= {"halved": halved} if halved else {}
    store.write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    return path


def _place(row: Row) -> tuple[str, str, str, str, str, int, str, str]:
    """Where a row stands in its file."""
    text = written(row.varied)
    return row.model, row.split, row.subject, row.method, text, in_order(row.seed), row.metric, row.over


def in_order(seed: int | None) -> int:
    """A number to sort seeds by; what has none comes first."""
    return -1 if seed is None else seed


def ordered(seeds: Mapping[int | None, T]) -> list[tuple[int | None, T]]:
    """Seeds and what belongs to each, sorted by seed."""
    return sorted(seeds.items(), key=lambda one: in_order(one[0]))


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            values = (vars(row) | {"varied": written(row.varied)}).values()  # None is written as nothing
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])


def read(scale: str, item: str | None = None, *, folder: Path | None = None) -> list[Row]:
    """The rows of a scale, or of one item of it; none when it was never run.

    Args:
        scale: whose rows.
        item: all of them by default.
        folder: with the files. By default, inside a run, that of the run; outside of one, the published rows, and
            in their place the scratch rows of every item that was measured again.

    Raises:
        ValueError: a file whose columns are not those of `Row`, with a row that cannot be read, or one that is not as
            it was written.
    """
    if folder is not None:
        return _read(folder, item)
    own = _read(places.output(scale) / "results", item)
    if os.environ.get("KT_OUTPUT"):
        return own
    measured = {row.item for row in own}
    return sorted([*own, *(row for row in committed(scale, item) if row.item not in measured)], key=_file)


def _file(row: Row) -> str:
    return stem(row.item)


def committed(scale: str, item: str | None = None) -> list[Row]:
    """The published rows of a scale, or of one item of it."""
    return _read(places.committed(scale), item)


def _read(folder: Path, item: str | None) -> list[Row]:
    pattern = "*.csv" if item is None else f"{stem(item)}.csv"
    return [row for path in sorted(folder.glob(pattern)) for row in _read_csv(path)]


def _read_csv(path: Path) -> list[Row]:
    _verify(path)
    found = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            if reader.fieldnames != COLUMNS:
                raise ValueError(f"columns {reader.fieldnames} in place of {COLUMNS}")
            for line in reader:
                found.append(_row(line))
        except (ValueError, TypeError, csv.Error) as error:
            raise ValueError(
                f"{path}: expected the columns {COLUMNS} and rows of numbers, found in line {reader.line_num} "
                f"something else ({error}); run it again"
            ) from error
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_of(path: Path) -> dict[str, Any]:
    """What stands beside a file of rows: where they come from; empty where nothing does.

    Raises:
        ValueError: it cannot be read.
    """
    record = path.with_suffix(".json")
    if not record.is_file():
        return {}
    try:
        return dict(json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{record}: expected where {path.name} comes from, found {error}; run it again") from error


def _verify(path: Path) -> None:
    """Refuse rows that are not those that were written; rows beside which no digest stands cannot be checked."""
    written_then = record_of(path).get("sha256")
    if written_then not in (None, found := _digest(path)):
        raise ValueError(
            f"{path}: expected the rows that were computed, sha256 {written_then[:16]}…, found others, {found[:16]}…: "
            "somebody has edited them; restore the file with `git checkout`, or run its notebook again"
        )


def _row(line: dict[str, str]) -> Row:
    numbers: dict[str, Any] = {c: float(line[c]) for c in ("value", "low", "high")}
    numbers |= {"n": int(line["n"]), "seed": int(line["seed"]) if line["seed"] else None}
    return Row(**(line | numbers | {"varied": parsed(line["varied"])}))


# -- rows chosen and averaged -----------------------------------------------------------------------------
def select(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """Rows whose columns equal what is wanted; a tuple or list allows several.

    A metric alone means the value itself: differences are chosen with `over`.

    Example:
        `select(rows, method=("base", "kt"), split="test", metric="retention")`;
        `select(rows, varied={"losses": "All"})`; `select(rows, metric="tr@1", over="base")`
    """
    if "metric" in wanted:
        wanted = {"over": ""} | wanted
    allowed = {column: v if isinstance(v, tuple | list) else (v,) for column, v in wanted.items()}
    return [row for row in rows if all(getattr(row, column) in values for column, values in allowed.items())]


def by_subject(rows: Iterable[Row]) -> dict[str, list[float]]:
    """Values of each concept or set in the order of their seeds: what `intervals.over_concepts` takes.

    Raises:
        ValueError: two rows for one subject and seed.
    """
    table: dict[str, dict[int | None, float]] = {}
    for row in rows:
        seeds = table.setdefault(row.subject, {})
        if row.seed in seeds:
            raise ValueError(f"two rows for {row.subject}, seed {row.seed}: narrow the selection")
        seeds[row.seed] = row.value
    return {name: [value for _, value in ordered(seeds)] for name, seeds in sorted(table.items())}


def mean(rows: Iterable[Row], *, crossed: bool = False) -> Estimate:
    """Mean over subjects and seeds with its interval, which stays inside [0, 1] for shares.

    A subject measured once (a base, where nothing is random) counts as one seed.

    Args:
        rows: of one model and setting.
        crossed: whether the same seeds meet every subject, as in Zoom-shot.
    """
    rows = list(rows)
    return _clipped(over_concepts(list(by_subject(rows).values()), crossed=crossed), rows)


def mean_over_models(rows: Iterable[Row], *, crossed: bool = False) -> Estimate:
    """`mean` of the models' means, for each subject and seed."""
    rows = list(rows)
    table: dict[str, dict[int | None, list[float]]] = {}
    for row in rows:
        table.setdefault(row.subject, {}).setdefault(row.seed, []).append(row.value)
    means = [[fmean(values) for _, values in ordered(seeds)] for _, seeds in sorted(table.items())]
    return _clipped(over_concepts(means, crossed=crossed), rows)


def _clipped(estimate: Estimate, rows: Iterable[Row]) -> Estimate:
    """An interval of a mean of shares reaches no further than shares can; differences and cosines are none."""
    if any(row.over or row.metric == "similarity" for row in rows):
        return estimate
    return Estimate(estimate.value, max(0.0, estimate.low), min(1.0, estimate.high))

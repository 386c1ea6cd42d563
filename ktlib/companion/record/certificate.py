"""What a run shows beside the published results: rows equal, within and beyond a tolerance, and verdicts.

Rows are paired by every column but the measured ones (value, low, high) and the digests (settings, weights). On
another processor sums are rounded differently, so pictures on the border tip. The tolerance is two of them: 2/n,
and a hundredth more for rounding in the files. Inversion and training multiply what is rounded, so single rows
that rest on them may lie beyond it without anything being wrong; but not by more than `CAP`, and not all of an item
and method in the mean by more than `MEAN`. A least-squares map divides by small singular values; `SOLVED` is its pair
of limits. A search that widens its range goes on where the best rate lies at an end, and may have tried others there
(`WIDENED`). What none of these explains is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ktlib.companion.record.rows import COLUMNS, Row, record_of, stem, written

MEASURED = ("value", "low", "high", "settings", "weights")
TIPPED = 2.01  # pictures (or other trials) that may tip: ours
CAP = 0.7  # a single row that rests on inversion or training; 0.66 has been seen between two processors: ours
MEAN = 0.05  # all rows of an item and method on average; 0.01 has been seen: ours
SOLVED = 0.05, 0.01  # the same two for least-squares maps; 0.031 and 0.003 have been seen between two makers: ours
WIDENED = ("learning_rates_of_maps",)  # items of searches that widen their ranges (D45)
SETTLED = ("base", "prompt", "clip", "probe")  # methods without inversion, training and solving
LARGEST = 10  # differences that are listed one by one

Key = tuple[str, ...]


def key(row: Row) -> Key:
    """What a row says beside its numbers: the same for the same row of another run."""
    values = {column: getattr(row, column) for column in COLUMNS if column not in MEASURED}
    return tuple(str(value) for value in (values | {"varied": written(row.varied)}).values())


def tolerance(row: Row) -> float:
    """How much a proportion, or a difference of two, may move: two items of its n."""
    return TIPPED / row.n if row.n else 0.0


def allowed(row: Row) -> float:
    """How much another processor may move a row: two items; `SOLVED` or `CAP` where something multiplies rounding."""
    if row.method in SETTLED:
        return tolerance(row)
    return max(_limits(row.method)[0], tolerance(row))


def _limits(method: str) -> tuple[float, float]:
    """Of a single row that multiplies rounding, and of the mean of all."""
    return SOLVED if method == "least_squares" else (CAP, MEAN)


def _at_other_rates(item: str, before: Mapping[Key, Row], after: Mapping[Key, Row]) -> set[Key]:
    """Rows of rates that a search tried in one run alone: beyond the range of both, and whole."""
    if item not in WIDENED:
        return set()
    every = {**before, **after}
    arms: dict[Key, dict[float, set[Key]]] = {}
    for one, row in every.items():
        if row.lr:
            arms.setdefault(_cell(row, whole=True), {}).setdefault(row.lr, set()).add(one)
    excused: set[Key] = set()
    for rates in arms.values():
        shared = {rate: own for rate, own in rates.items() if own & before.keys() and own & after.keys()}
        for rate, own in rates.items():
            if shared and rate not in shared and not min(shared) < rate < max(shared):
                cells = {_cell(every[one]) for one in own}
                if all(cells == {_cell(every[one]) for one in others} for others in shared.values()):
                    excused |= own
    return excused


def _cell(row: Row, *, whole: bool = False) -> Key:
    """What a row says beside its numbers and its rate; of the whole arm, without set and seed, too."""
    row = replace(row, varied={name: value for name, value in row.varied.items() if name != "lr"})
    return key(replace(row, subject="", seed=None, n=0) if whole else row)


@dataclass(frozen=True)
class Moved:
    """A row whose value differs."""

    row: str
    before: float
    after: float
    tolerance: float

    @property
    def by(self) -> float:
        """How far it moved."""
        return abs(self.after - self.before)


@dataclass(frozen=True)
class Compared:
    """The rows of one item: how many are equal, within and beyond the tolerance, missing, and new."""

    item: str
    equal: int
    within: int
    beyond: int
    missing: int
    new: int
    mean: float  # over the rows of both, how far they moved
    largest: tuple[Moved, ...]
    unexplained: tuple[str, ...]  # what another processor does not explain, in words
    searched: int = 0  # of the missing and the new rows, those of rates that a search tried in one run alone

    @property
    def same(self) -> bool:
        """Nothing has changed."""
        return not (self.within or self.beyond or self.missing or self.new)


def compare(before: Iterable[Row], after: Iterable[Row]) -> list[Compared]:
    """Two runs row by row, an item at a time.

    Args:
        before: the published rows.
        after: those of a run.

    Raises:
        ValueError: two rows of one run with the same key.
    """
    old, new = _by_item(before), _by_item(after)
    return [_compare(item, old.get(item, {}), new.get(item, {})) for item in sorted(old.keys() | new.keys())]


def _by_item(rows: Iterable[Row]) -> dict[str, dict[Key, Row]]:
    found: dict[str, dict[Key, Row]] = {}
    for row in rows:
        own = found.setdefault(row.item, {})
        if key(row) in own:
            raise ValueError(f"expected one row of each kind, found two of {_named(row)}")
        own[key(row)] = row
    return found


def _compare(item: str, before: Mapping[Key, Row], after: Mapping[Key, Row]) -> Compared:
    moved = [
        Moved(_named(before[one]), before[one].value, after[one].value, tolerance(before[one]))
        for one in before.keys() & after.keys()
    ]
    beyond = sum(not one.by <= one.tolerance for one in moved)  # not a number is beyond
    equal = sum(one.before == one.after for one in moved)
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    searched = _at_other_rates(item, before, after)
    largest = sorted((one for one in moved if one.before != one.after), key=lambda one: (-one.by, one.row))[:LARGEST]
    mean = sum(one.by for one in moved) / max(1, len(moved))
    within = len(moved) - equal - beyond
    unexplained = [
        f"{item}: {count} rows are {what}"
        for what, some in (("missing", gone), ("new", new))
        if (count := len(some - searched))
    ]
    by_method: dict[str, list[float]] = {}
    for one in before.keys() & after.keys():
        by_method.setdefault(before[one].method, []).append(abs(after[one].value - before[one].value))
    for method, by in sorted(by_method.items()):
        if not fmean(by) <= (most := _limits(method)[1]):
            unexplained.append(f"{item}: its rows of {method} moved by {fmean(by):.3f} on average, more than {most}")
    unexplained += [
        f"{_named(before[one])}: moved from {before[one].value:.4g} to {after[one].value:.4g}"
        for one in sorted(before.keys() & after.keys())
        if not abs(after[one].value - before[one].value) <= allowed(before[one])
    ]
    return Compared(
        item, equal, within, beyond, len(gone), len(new), mean, tuple(largest), tuple(unexplained), len(searched)
    )  # fmt: skip


def _named(row: Row) -> str:
    parts = [row.item, row.model, row.subject, row.method, written(row.varied), row.split]
    parts.append(f"{row.metric} over {row.over}" if row.over else row.metric)
    return " · ".join(part for part in [*parts, "" if row.seed is None else f"seed {row.seed}"] if part)


@dataclass(frozen=True)
class Certificate:
    """A run beside the published results.

    Attributes:
        scale: of both.
        items: how the rows compare, an item at a time.
        verdicts: of each claim, before and after.
        made: what made the published rows and what made these: commits and processors, each once.
        borrowed: items that the run took from the repository, and which are not compared.
        bits: whether equal bits are to be expected, in words.
    """

    scale: str
    items: tuple[Compared, ...]
    verdicts: Mapping[str, tuple[str, str]]
    made: Mapping[str, tuple[str, ...]]
    borrowed: tuple[str, ...] = ()
    bits: str = ""

    def count(self, what: str) -> int:
        """How many rows are `equal`, `within`, `beyond`, `missing` or `new`."""
        return sum(getattr(item, what) for item in self.items)

    @property
    def unexplained(self) -> int:
        """How many findings another processor does not explain."""
        return sum(len(item.unexplained) for item in self.items)

    @property
    def changed(self) -> dict[str, tuple[str, str]]:
        """The claims whose verdict is another now."""
        return {claim: pair for claim, pair in self.verdicts.items() if pair[0] != pair[1]}

    def text(self) -> str:
        """One screen."""
        if not self.items:
            return f"Certificate, {self.scale} scale: nothing was computed that is published."
        tried = self.count("searched")
        searched = f"            {tried} of the missing and new are of rates that a search tried in one run alone"
        lines = [
            f"Certificate, {self.scale} scale: this run beside the published results",
            f"  rows      {self.count('equal')} equal, {self.count('within')} within and {self.count('beyond')} beyond "
            f"the tolerance, {self.count('missing')} missing, {self.count('new')} new",
            "            (within: moved by no more than two of the pictures behind the row)",
            *([searched] if tried else []),
            f"  findings  {self.unexplained or 'none'} that another processor does not explain",
            f"  verdicts  {len(self.verdicts) - len(self.changed)} equal, {len(self.changed)} changed",
            *(f"            {claim}: published {old}, here {new}" for claim, (old, new) in self.changed.items()),
        ]
        lines += [f"  {name:9} {one}" for name, made in self.made.items() for one in made]
        if self.bits:
            lines.append(f"  bits      {self.bits}")
        if self.borrowed:
            lines.append(f"  not computed here, so not compared: {listed(self.borrowed)}")
        differing = sorted((i for i in self.items if not i.same), key=lambda i: (-i.beyond, -i.mean, i.item))
        if differing:
            width = max(len(item.item) for item in differing[:LARGEST])
            lines.append(f"  {'':{width}}   equal  within  beyond  missing  new  mean move  largest")
            lines += [f"  {_line(item, width)}" for item in differing[:LARGEST]]
        if len(differing) > LARGEST:
            lines.append(f"  and {len(differing) - LARGEST} more items")
        return "\n".join(lines)

    def markdown(self) -> str:
        """The same, with every item and the largest differences of each."""
        lines = [f"# Certificate: {self.scale} scale", "", "```", self.text(), "```", ""]
        head = ["item", "equal", "within", "beyond", "missing", "new", "mean move"]
        lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        for item in self.items:
            counts = (item.item, item.equal, item.within, item.beyond, item.missing, item.new, f"{item.mean:.4f}")
            lines.append("| " + " | ".join(map(str, counts)) + " |")
        strange = [one for item in self.items for one in item.unexplained]
        lines += ["", "Not explained by another processor:", "", *(f"- {one}" for one in strange)] if strange else []
        moved = [one for item in self.items for one in item.largest]
        if moved:
            lines += ["", "| row | published | here | tolerance |", "| --- | --- | --- | --- |"]
            lines += [f"| {one.row} | {one.before:.4g} | {one.after:.4g} | {one.tolerance:.4g} |" for one in moved]
        return "\n".join(lines) + "\n"

    def json(self) -> str:
        """The same for programs."""
        return json.dumps(asdict(self), indent=1) + "\n"


def _line(item: Compared, width: int) -> str:
    largest = f"{item.largest[0].by:.3f}" if item.largest else ""
    return (
        f"{item.item:{width}}  {item.equal:6}  {item.within:6}  {item.beyond:6}  {item.missing:7}  {item.new:3}"
        f"  {item.mean:9.4f}  {largest:>7}"
    )


def listed(names: Sequence[str], most: int = 6) -> str:
    """`KT Tab. 1, KT Tab. 5 and 3 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def expectation(published: Iterable[Mapping[str, Any]], here: Iterable[Mapping[str, Any]]) -> str:
    """Whether two runs of the same code should give equal bits, from the records beside their rows (D44)."""
    names = ("kernels", "threads", "canary")
    old, new = ({tuple(record.get(name) for name in names) for record in own} for own in (published, here))
    if any(None in one for one in old | new):
        return "not every row says which kernels and canary it had: what to expect is unknown"
    if old == new and len(old) == 1:
        return "the same kernels, threads and canary: the same code gives equal bits"
    return "other kernels, threads or another canary: rows may differ, verdicts should not"


def records(folder: Path, items: Iterable[str]) -> list[dict[str, Any]]:
    """What stands beside the rows of these items; nothing of an item whose origin nobody wrote down."""
    return [record_of(folder / f"{stem(item)}.csv") for item in items]


def made(folder: Path, items: Iterable[str]) -> tuple[str, ...]:
    """What made the rows of these items, each once: commit, processor, kernels and threads, from their records."""
    found: dict[str, None] = {}
    for record in records(folder, items):
        threads = f", {record['threads']} threads" if "threads" in record else ""
        threads += f", kernels {record['kernels']}, canary {record['canary']}" if "canary" in record else ""
        device = record.get("processor", record.get("device", "unknown"))
        found[f"commit {record.get('commit', 'unknown')}, {device}{threads}, torch {record.get('torch', '?')}"] = None
    return tuple(found)


def report(items: Sequence[Compared]) -> str:
    """Two folders beside each other, for `python -m ktlib compare`: counts, then the largest differences."""
    whole = Certificate("any", tuple(items), {}, {})
    counts = ", ".join(f"{whole.count(what)} {what}" for what in ("equal", "within", "beyond", "missing", "new"))
    lines = [f"{sum(item.same for item in items)} of {len(items)} items are the same; rows: {counts}"]
    differing = [item for item in items if not item.same]
    width = max((len(item.item) for item in differing), default=0)
    if differing:
        lines.append(f"{'':{width}}   equal  within  beyond  missing  new  mean move  largest")
    lines += [_line(item, width) for item in differing]
    moved = sorted((one for item in differing for one in item.largest), key=lambda one: -one.by)[: 2 * LARGEST]
    lines += [f"{one.by:.6g}  {one.before:.6g} -> {one.after:.6g}  {one.row}" for one in moved]
    return "\n".join(lines)

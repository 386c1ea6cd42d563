"""How numbers and tables are written: percent, points, intervals, and no column that says nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ktlib.companion.record import rows as results
from ktlib.companion.record.rows import Row
from ktlib.evaluate.intervals import Estimate

T = TypeVar("T")
NONE = "–"  # a cell that was not measured


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table, without the columns that are empty at every row; empty when there are no rows."""
    lines = [[str(cell) for cell in line] for line in lines]
    if not lines:
        return ""
    kept = [place for place in range(len(head)) if any(line[place] not in ("", NONE) for line in lines)]
    cells = [list(head), ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line[place].replace("|", "\\|") for place in kept) + " |" for line in cells)


def described(head: Sequence[str], lines: Iterable[Sequence[str]], values: Sequence[str]) -> str:
    """A table whose first columns describe and whose last ones hold numbers.

    A description that is the same at every row is said once, above the table.

    Args:
        head: names of the describing columns.
        lines: rows, descriptions first.
        values: names of the columns with numbers.
    """
    lines = list(lines)
    same = {place for place in range(len(head)) if len(lines) > 1 and len({line[place] for line in lines}) == 1}
    said = [f"{head[place]} {lines[0][place]}" for place in sorted(same) if lines[0][place]]
    kept = [place for place in range(len(head) + len(values)) if place not in same]
    names = [*head, *values]
    shown = table([names[place] for place in kept], [[line[place] for place in kept] for line in lines])
    return f"Throughout: {', '.join(said)}.\n\n{shown}" if said else shown


def percent(estimate: Estimate) -> str:
    """A fraction as percent with its interval."""
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def points(estimate: Estimate) -> str:
    """A difference of fractions in percentage points, with its sign and interval."""
    return f"{100 * estimate.value:+.1f} [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"


def mean(rows: Sequence[Row], *, crossed: bool = False) -> str:
    """Rows of one metric as `mean [interval]`; a similarity is no percentage.

    One measurement has its own interval, and so has one that stands beside every concept, such as what the untouched
    model knows: drawing concepts again would make it look certain.

    Args:
        rows: of one metric; of several models they give the mean of the models' means.
        crossed: whether the same seeds meet every subject.
    """
    if not rows:
        return NONE
    once = len({(row.value, row.low, row.high, row.seed) for row in rows}) == 1 and rows[0].seed is None
    average = results.mean if len({row.model for row in rows}) == 1 else results.mean_over_models
    estimate = rows[0].estimate if once or len(rows) == 1 else average(rows, crossed=crossed)
    return str(estimate) if rows[0].metric == "similarity" else percent(estimate)


def value(rows: Sequence[Row]) -> str:
    """The mean of rows as percent, without an interval."""
    return f"{100 * results.mean(rows).value:.1f}" if rows else NONE


def link(text: str, target: Path, at: Path) -> str:
    """A link from a page in the folder `at` to a file."""
    return f"[{text}]({Path(os.path.relpath(target, at)).as_posix()})"


def unique(values: Iterable[T]) -> list[T]:
    """Every value once, in the order of its first appearance."""
    return list(dict.fromkeys(values))


def joined(parts: Iterable[str]) -> str:
    """Parts of a page, an empty line between them; empty ones are left out."""
    return "\n\n".join(part for part in parts if part)

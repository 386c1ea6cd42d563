"""The tables of films: nodules of two kinds at every rate (KT v1, Tab. 2), five findings at once (Tab. 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from ktlib.companion.record.rows import Row, select
from ktlib.companion.report.markdown import NONE, described, joined, percent, points, unique

Column = tuple[str, str]  # subject and metric


def kinds(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Accuracy on either kind and what is kept of the findings, a line a rate; then paired changes.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    subjects = unique(row.subject for row in rows)
    columns = {
        (subject, metric): f"{subject}, {said}"
        for subject in subjects
        for metric, said in (("target_accuracy", "accuracy"), ("retention", "findings kept"))
    }
    return joined(["### Every method and rate", _extent(rows), _values(rows, columns), _changes(rows, columns)])


def classes(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Recall of each finding and accuracy over all; how often each is named; then paired changes.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    subjects = [subject for subject in unique(row.subject for row in rows) if subject]
    columns: dict[Column, str] = {(subject, "target_accuracy"): subject for subject in subjects}
    columns |= {("", "top1"): "top-1"}
    named: dict[Column, str] = {(subject, "named"): subject for subject in subjects}
    said = "How many of all films are given each name, in percent; with equally many films of each a model that knows "
    return joined([
        "### Recall of each finding", _extent(rows), _values(rows, columns), "### How often each is named",
        said + f"nothing can be right on {100 / max(1, len(subjects)):g} % by giving them all one name.",
        _values(rows, named), _changes(rows, columns),
    ])  # fmt: skip


def _extent(rows: Sequence[Row]) -> str:
    counts = {row.subject: row.n for row in select(rows, metric=("target_accuracy", "top1"))}
    trials = len({row.seed for row in rows} - {None})
    films = ", ".join(f"{count} {subject or 'in all'}" for subject, count in counts.items())
    return f"Films: {films}; {trials} {'trial' if trials == 1 else 'trials'} with seeds of their own, means over them."


def _values(rows: Sequence[Row], columns: Mapping[Column, str]) -> str:
    own = [row for row in rows if not row.over and (row.subject, row.metric) in columns]
    return _table(own, columns, _mean, ())


def _changes(rows: Sequence[Row], columns: Mapping[Column, str]) -> str:
    own = [row for row in rows if row.over and (row.subject, row.metric) in columns]
    title = "### Paired changes\n\nIn points, on the same films, with 95 % intervals over films and trials."
    return joined([title, _table(own, columns, lambda found: points(found[0].estimate), ("minus",))]) if own else ""


def _table(
    rows: Sequence[Row], columns: Mapping[Column, str], write: Callable[[Sequence[Row]], str], more: tuple[str, ...]
) -> str:
    """A line for each model, method, setting and what it is set against."""
    names = unique(name for row in rows for name in row.varied)
    ordered = sorted(rows, key=lambda row: (row.model, row.method != "base", row.method, row.lr, row.over))
    lines = []
    for line in unique((r.model, r.method, tuple(r.varied.items()), r.over) for r in ordered):
        own = [row for row in rows if (row.model, row.method, tuple(row.varied.items()), row.over) == line]
        cells = {place: [row for row in own if (row.subject, row.metric) == place] for place in columns}
        told = [dict(line[2]).get(name, "") for name in names] + [line[3]] * len(more)
        lines.append([line[0], line[1], *told, *(write(found) if found else NONE for found in cells.values())])
    return described(["model", "method", *names, *more], lines, list(columns.values()))


def _mean(rows: Sequence[Row]) -> str:
    return percent(rows[0].estimate) if len(rows) == 1 else f"{100 * fmean(row.value for row in rows):.1f}"

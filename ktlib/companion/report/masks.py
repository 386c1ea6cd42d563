"""The tables of masks: a lesion at a time, a column a metric (KT v1, Tab. 4 and 7); and what maps are like."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from ktlib.companion.record.rows import Row, parsed, select, written
from ktlib.companion.report.markdown import NONE, described, joined, percent, points, unique

METRICS = {
    "dsc": "DSC", "iou": "IoU", "nsd": "NSD (contour)", "nsd_slab": "NSD (slab, as published)",
    "dsc_coarse": "DSC before SAM",
}  # fmt: skip


def masks(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Scores of the masks of each lesion, then paired changes.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    return joined([_of_lesion(name, select(rows, subject=name)) for name in unique(row.subject for row in rows)])


def _of_lesion(name: str, rows: Sequence[Row]) -> str:
    metrics = [metric for metric in METRICS if any(row.metric == metric for row in rows)]
    values, differences = [row for row in rows if not row.over], [row for row in rows if row.over]
    extent = f"{values[0].dataset}: {values[0].n} images; means over seeds, one seed has its interval over images."
    parts = [f"### {name.capitalize()}", extent, _table(values, metrics)]
    if differences:
        parts += ["Paired changes in points, with 95 % intervals over images and seeds:", _table(differences, metrics)]
    return joined(parts)


def _table(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    names = unique(name for row in rows for name in row.varied)
    minus = any(row.over for row in rows)
    lines = []
    ordered = sorted(rows, key=lambda row: (row.model, row.method != "base", row.method, row.lr, row.over))
    for line in unique((row.model, row.method, written(row.varied), row.over) for row in ordered):
        own = [row for row in rows if (row.model, row.method, written(row.varied), row.over) == line]
        cells = [[row for row in own if row.metric == metric] for metric in metrics]
        told = [parsed(line[2]).get(name, "") for name in names] + [line[3]] * minus
        lines.append([line[0], line[1], *told, *(_cell(found) for found in cells)])
    heads = ["model", "method", *names, *(["minus"] if minus else [])]
    return described(heads, lines, [METRICS[metric] for metric in metrics])


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return NONE
    if rows[0].over:
        return points(rows[0].estimate)
    return percent(rows[0].estimate) if len(rows) == 1 else f"{100 * fmean(row.value for row in rows):.1f}"


def checks(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """How like maps are to maps that should be others, and how well each kind points.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    columns = {
        "again": "again, other noise", "wrong": "another lesion's sentence", "nonsense": "words without meaning",
        "weights": "shuffled weights",
    }  # fmt: skip
    lines = []
    for name, method in unique((row.subject, row.method) for row in rows):
        own = select(rows, subject=name, method=method)
        alike = {row.varied["to"]: row for row in select(own, metric="likeness")}
        cells = [str(alike[what].estimate) if what in alike else NONE for what in columns]
        cells += [_cell(select(own, metric=metric)) for metric in ("dsc_coarse", "dsc")]
        lines.append([name, method, *cells])
    said = "Rank correlation of the pixels of two maps of each image; then what the maps point at, in percent."
    heads = [*columns.values(), METRICS["dsc_coarse"], METRICS["dsc"]]
    extent = f"{rows[0].n} images of each lesion, before any transfer. {said}"
    return joined(["### Whether maps mean anything", extent, described(["lesion", "map"], lines, heads)])

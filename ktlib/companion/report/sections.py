"""The part of `RESULTS.md` that shows retrieval: recalls of each method and setting, and their paired changes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from ktlib.companion.record.rows import Row, parsed, select, written
from ktlib.evaluate.retrieval import METRICS


def is_retrieval(rows: Sequence[Row]) -> bool:
    """Whether rows are recalls."""
    return any(row.metric in METRICS for row in rows)


def recalls(rows: Sequence[Row]) -> str:
    """Two Markdown tables: recalls as means over seeds, and changes with intervals over images and seeds.

    Args:
        rows: of one item and split.
    """
    kinds = sorted(
        {(r.model, r.method, written(r.varied)) for r in rows}, key=lambda k: (k[0], k[1] != "base", k[1], _order(k[2]))
    )
    lines = ["| model | method | setting | " + " | ".join(METRICS) + " |", "| --- " * (3 + len(METRICS)) + "|"]
    for model, method, setting in kinds:
        own = select(rows, model=model, method=method, varied=parsed(setting))
        cells = [_mean(select(own, metric=metric)) for metric in METRICS]
        if any(cell != "–" for cell in cells):
            lines.append(f"| {model} | {method} | {setting} | " + " | ".join(cells) + " |")
    images = max(row.n for row in rows)
    seeds = len({row.seed for row in rows} - {None})
    text = f"{images} images, {seeds} seeds; means over seeds, a single search with its interval over images.\n\n"
    return "\n\n".join(part for part in (text + "\n".join(lines), _changes(rows)) if part)


def _order(setting: str) -> tuple[float, float, str]:
    """Rates from small to large, then batches."""
    parts = parsed(setting)
    return float(parts.get("lr", 0)), float(parts.get("batch", 0)), setting


def _mean(rows: Sequence[Row]) -> str:
    if not rows:
        return "–"
    if len(rows) == 1:
        return f"{100 * rows[0].value:.1f} [{100 * rows[0].low:.1f}, {100 * rows[0].high:.1f}]"
    return f"{100 * fmean(row.value for row in rows):.1f}"


def _changes(rows: Sequence[Row]) -> str:
    found = [row for row in rows if row.over]
    if not found:
        return ""
    others = list(dict.fromkeys(row.over for row in found))
    lines = ["| method | setting | minus | " + " | ".join(METRICS) + " |", "| --- " * (3 + len(METRICS)) + "|"]
    for method, setting in sorted({(row.method, written(row.varied)) for row in found}):
        for other in others:
            cells = []
            for metric in METRICS:
                one = select(found, method=method, varied=parsed(setting), metric=metric, over=other)
                cells.append(
                    f"{100 * one[0].value:+.1f} [{100 * one[0].low:+.1f}, {100 * one[0].high:+.1f}]" if one else "–"
                )
            if any(cell != "–" for cell in cells):
                lines.append(f"| {method} | {setting} | {other} | " + " | ".join(cells) + " |")
    return "Paired changes in points, with 95 % intervals over images and seeds.\n\n" + "\n".join(lines)

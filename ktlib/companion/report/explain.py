"""Where the numbers of a published item come from: the paper's, and ours at every scale."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path

from ktlib.companion.record import published
from ktlib.companion.record import rows as results
from ktlib.companion.record.rows import ROOT, Row
from ktlib.companion.scales import SCALES


def explain(item: str, root: Path = ROOT) -> str:
    """What is printed, what was measured at each scale, from which file, and how to do it again.

    Args:
        item: `KT Tab. 1`, `KT v2 Tab. 9`, `ZS Tab. 4`; capitals, dots and spaces do not matter.
        root: of the repository whose results are meant.

    Raises:
        ValueError: there is no such item; near ones are named.
    """
    known = _find(item, root)
    source = published.REPEATED.get(known, known)
    lines = [known if known == source else f"{known} repeats {source}", *_printed(source)]
    for name in SCALES:
        lines += ["", *_measured(source, name, root)]
    return "\n".join(lines)


def _find(item: str, root: Path) -> str:
    found = published.find(item)
    if found is None:
        own = sorted(
            {row.item for name in SCALES for row in results.read(name, folder=root / "results" / name)}
            - set(published.items())
        )
        if item in own:
            return item
        known = [*published.items(), *published.REPEATED, *own]
        lower = {name.lower(): name for name in known}
        near = [lower[name] for name in difflib.get_close_matches(item.lower(), lower, n=5, cutoff=0.5)]
        raise ValueError(f"expected a published item, such as {', '.join(near or known[:5])}; found {item!r}")
    return found


def _printed(item: str) -> list[str]:
    if item not in published.items():
        return ["  not an item of the papers: a choice that they leave open"]
    numbers = published.numbers(item)
    claims = [claim.id for claim in published.claims().values() if item in published.items_of(claim)]
    lines = [f"  claims that rest on it: {', '.join(claims) or 'none'}"]
    if not numbers:
        return [*lines, "  published: a figure without printed numbers"]
    lines.append(f"  published: {len(numbers)} numbers in data_manifests/published/results.csv")
    lines.append(f"    models: {_listed(number.model for number in numbers)}")
    lines.append(f"    metrics: {_listed(number.metric for number in numbers)}")
    notes = dict.fromkeys(f"    doubtful: {n.printed} ({n.model}): {n.note}" for n in numbers if n.note)
    return [*lines, *notes]


def _measured(item: str, scale: str, root: Path) -> list[str]:
    path = root / "results" / scale / f"{results.stem(item)}.csv"
    rows = results.read(scale, item, folder=path.parent)
    head = f"  {scale}" + (
        "" if SCALES[scale].is_result else " (proves that the path runs; its numbers are not results)"
    )
    again = [command(item, scale)] if item in published.items() else []  # elsewhere the record has the command
    if not rows:
        return [f"{head}: no rows", *(f"    to measure: {line}" for line in again)]
    return [
        f"{head}: {len(rows)} rows in {path.relative_to(root).as_posix()}",
        *_kinds(rows),
        f"    seeds: {_listed(str(row.seed) for row in rows if row.seed is not None) or 'none'}",
        f"    data: {_listed(row.dataset for row in rows)}; metrics: {_listed(row.metric for row in rows)}",
        *_concepts(rows),
        *(f"    weights of {model}: {digest}" for model, digest in sorted({(row.model, row.weights) for row in rows})),
        *_provenance(path.with_suffix(".json")),
        *(f"    again: {line}" for line in again),
    ]


def _kinds(rows: list[Row]) -> list[str]:
    """One line for a method: what was varied, and the digests of its settings."""
    lines = []
    for method in sorted({row.method for row in rows}):
        own = [row for row in rows if row.method == method]
        varied = _listed(text for _, text in sorted((row.lr, results.written(row.varied)) for row in own))
        lines.append(f"    {method}: {len(own)} rows; {varied or 'nothing varied'}")
        lines.append(f"      settings digests: {_listed(sorted({row.settings for row in own}))}")
    return lines


def _concepts(rows: list[Row]) -> list[str]:
    splits = sorted({row.split for row in rows})
    return [
        f"    {split} concepts: {_listed(sorted({r.subject for r in rows if r.split == split}))}" for split in splits
    ]


def _provenance(path: Path) -> list[str]:
    if not path.exists():
        return [f"    origin: not recorded ({path.name} is missing)"]
    record = json.loads(path.read_text(encoding="utf-8"))
    wanted = ("commit", "date", "device", "seconds", "command", "python", "torch")
    return [f"    {key}: {record[key]}" for key in wanted if key in record]


def command(item: str, scale: str) -> str:
    """The command that measures an item at a scale."""
    chosen = "" if scale == "pocket" else f" --scale {scale}"
    return f"./run_all.sh{chosen} --only {(published.notebook(item) or '')[:2]}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))

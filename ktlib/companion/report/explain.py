"""Where the numbers of a published item come from: the paper's, and ours at every scale."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path

from ktlib.companion.record import published
from ktlib.companion.record import rows as results
from ktlib.companion.record.judging import items_of
from ktlib.companion.record.rows import Row, select
from ktlib.companion.report import shelf
from ktlib.companion.report.shelf import ELSEWHERE, Shelf
from ktlib.companion.scales import SCALES
from ktlib.places import ROOT


def explain(item: str, root: Path | None = None) -> str:
    """What is printed, what was measured at each scale, from which file, and how to do it again.

    Args:
        item: `KT Tab. 1`, `KT v2 Fig. 3`, `ZS Tab. 4`; capitals, dots and spaces do not matter.
        root: of the repository whose published results are meant; by default those of this run, or the scratch
            folder's over the published ones.

    Raises:
        ValueError: there is no such item; near ones are named.
    """
    shelves = [shelf.committed(name, root) if root else shelf.produced(name) for name in SCALES]
    known = _find(item, shelves)
    source = published.REPEATED.get(known, known)
    lines = [known if known == source else f"{known} repeats {source}", *_printed(source)]
    if source in ELSEWHERE:
        text, where = ELSEWHERE[source]
        return "\n".join([*lines, f"  not measured by a notebook: {text}, {where}"])
    if not published.notebook(source) and not any(own.of(source) for own in shelves):
        return "\n".join([*lines, "  no notebook measures it yet"])
    for own in shelves:
        lines += ["", *_measured(source, own)]
    return "\n".join(lines)


def _find(item: str, shelves: Iterable[Shelf]) -> str:
    found = published.find(item)
    if found is not None:
        return found
    own = sorted({known for one in shelves for known in one.items} - set(published.items()))
    stems = {results.stem(known): known for known in own}
    if (stem := results.stem(" ".join(item.split()))) in stems:
        return stems[stem]
    lower = {name.lower(): name for name in [*published.items(), *published.REPEATED, *own]}
    near = [lower[name] for name in difflib.get_close_matches(item.lower(), lower, n=5, cutoff=0.5)]
    raise ValueError(f"expected an item, such as {', '.join(near or list(lower.values())[:5])}; found {item!r}")


def _printed(item: str) -> list[str]:
    """What the papers have there, and which claims rest on it."""
    if item not in published.items():
        return ["  not an item of the papers: measured here beside theirs"]
    numbers, shows = published.numbers(item), published.figures().get(item, "")
    claims = [claim for claim in published.claims() if item in items_of(claim)]
    lines = [f"  shows: {shows}"] if shows else []
    lines.append(f"  claims that rest on it: {', '.join(claims) or 'none'}")
    parts = [part for part, whole in published.PART_OF.items() if whole == item]
    lines += [f"  has rows of its own for: {', '.join(parts)}"] if parts else []
    if not numbers:
        return [*lines, "  published: a figure without printed numbers"]
    lines.append(f"  published: {len(numbers)} numbers in data_manifests/published/results.csv")
    lines.append(f"    models: {_listed(number.model for number in numbers)}")
    lines.append(f"    metrics: {_listed(number.metric for number in numbers)}")
    notes = dict.fromkeys(f"    doubtful: {n.printed} ({n.model}): {n.note}" for n in numbers if n.note)
    return [*lines, *notes]


def _measured(item: str, own: Shelf) -> list[str]:
    """The rows of a scale and the figure drawn from them, or how to get them."""
    remark = "" if SCALES[own.scale].is_result else " (proves that the path runs; its numbers are not results)"
    head, again = f"  {own.scale}{remark}", command(item, own.scale)
    whole = item if own.of(item) else published.FROM.get(item, item)
    rows = own.of(whole)
    drawn, notebook = own.figure(item), published.notebook(item)
    by = f", drawn by notebook {notebook[:2]}" if notebook else ""
    figure = [f"    figure: {_shown(drawn)}{by}"] if drawn else []
    if not rows and not drawn:
        return [f"{head}: no rows", *([f"    to measure: {again}"] if again else [])]
    if drawn and not rows:
        return [f"{head}: drawn, from no rows", *figure, *_provenance(drawn.with_suffix(".json"))]
    lines = [f"{head}: {len(rows)} rows in {_shown(own.file(whole))}"]
    lines[0] += f", which are those of {whole}" if whole != item else ""
    lines += [*figure, *_kinds(rows)]
    lines += [
        f"    seeds: {_listed(str(row.seed) for row in rows if row.seed is not None) or 'none'}",
        f"    data: {_listed(row.dataset for row in rows)}; metrics: {_listed(row.metric for row in rows)}",
        *_subjects(rows),
        *(f"    weights of {model}: {digest}" for model, digest in sorted({(row.model, row.weights) for row in rows})),
        *_provenance(own.file(whole).with_suffix(".json")),
    ]
    return [*lines, *([f"    again: {again}"] if again else [])]


def _shown(path: Path) -> str:
    """A path as it is typed from the repository, or whole when it lies outside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def _kinds(rows: list[Row]) -> list[str]:
    """One line for a method: what was varied, and the digests of its settings."""
    lines = []
    for method in sorted({row.method for row in rows}):
        own = select(rows, method=method)
        varied = _listed(text for _, text in sorted((row.lr, results.written(row.varied)) for row in own))
        lines.append(f"    {method}: {len(own)} rows; {varied or 'nothing varied'}")
        lines.append(f"      settings digests: {_listed(sorted({row.settings for row in own}))}")
    return lines


def _subjects(rows: list[Row]) -> list[str]:
    splits = sorted({row.split for row in rows})
    named = {split: _listed(sorted({row.subject for row in rows if row.split == split})) for split in splits}
    return [f"    {split} concepts or sets: {names}" for split, names in named.items() if names]


def _provenance(path: Path) -> list[str]:
    if not path.exists():
        return [f"    origin: not recorded ({path.name} is missing)"]
    record = json.loads(path.read_text(encoding="utf-8"))
    wanted = ("commit", "date", "device", "seconds", "command", "python", "torch")
    return [f"    {key}: {record[key]}" for key in wanted if key in record]


def command(item: str, scale: str) -> str:
    """The command that measures an item at a scale; empty where no notebook does."""
    notebook = published.notebook(item)
    chosen = "" if scale == "pocket" else f" --scale {scale}"
    return f"./run_all.sh{chosen} --only {notebook[:2]}" if notebook else ""


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))

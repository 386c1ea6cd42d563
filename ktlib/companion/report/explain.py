"""Where the numbers of a published item come from, the paper's and ours at every scale; and what a claim rests on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from ktlib.companion.record import published
from ktlib.companion.record import rows as results
from ktlib.companion.record.judging import items_of
from ktlib.companion.record.rows import Row, select
from ktlib.companion.report import ledger, shelf
from ktlib.companion.report.shelf import ELSEWHERE, Shelf
from ktlib.companion.scales import SCALES
from ktlib.places import ROOT


def explain(item: str, root: Path | None = None) -> str:
    """What is printed, what was measured at each scale, from which file, and how to do it again.

    Args:
        item: `KT Tab. 1`, `KT v2 Fig. 3`, `ZS Tab. 4`, or a claim, `K1`; capitals, dots and spaces do not matter.
        root: of the repository whose published results are meant; by default those of this run, or the scratch
            folder's over the published ones.

    Raises:
        ValueError: there is no such item or claim; near ones are named.
    """
    shelves = [shelf.committed(name, root) if root else shelf.produced(name) for name in SCALES]
    if (claim := published.claims().get(item.strip().upper())) is not None:
        return "\n".join(_claimed(claim, shelves))
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
    claims = list(published.claims())
    if re.fullmatch(r"[A-Za-z]\d*", item.strip()):
        alike = [claim for claim in claims if claim[0] == item.strip()[0].upper()] or claims
        where = "; decisions (D1 …) stand in REPRODUCING.md" if item.strip()[0] in "dD" else ""
        raise ValueError(f"expected a claim, {alike[0]} to {alike[-1]}; found {item!r}{where}")
    every = [*published.items(), *published.REPEATED, *own]
    asked = _series(item)
    if series := [
        known
        for known in every
        if (asked and asked == _series(known)) or (stem and results.stem(known).startswith(f"{stem}_"))
    ]:
        drawn = " (a figure that is not among them shows no results: a diagram, or examples)"
        those = ", ".join(sorted(series, key=_place)) + (drawn if any("Fig." in known for known in series) else "")
        raise ValueError(f"expected an item, one of {those}; found {item!r}")
    lower = {name.lower(): name for name in every}
    near = [lower[name] for name in difflib.get_close_matches(item.lower(), lower, n=5, cutoff=0.5)]
    raise ValueError(
        f"expected an item, such as {', '.join(near or list(lower.values())[:5])}, or a claim, such as {claims[0]}; "
        f"found {item!r}"
    )


def _series(item: str) -> str:
    """What an item is called up to its number, `kt_v2_tab` of `KT v2 Tab. 3`; without one, all of it."""
    return results.stem(" ".join(re.sub(r"\d+$", "", item.strip()).split()))


def _place(item: str) -> tuple[str, int]:
    """Where an item stands among those of its series; what has no number stands first."""
    found = re.search(r"\d+$", item)
    return _series(item), int(found[0]) if found else 0


def _claimed(claim: published.Claim, shelves: Iterable[Shelf]) -> list[str]:
    """A claim in words, its verdict at each scale that decides, and what it rests on."""
    notebook = ledger.notebook(claim.id)
    lines = [f"{claim.id} ({claim.paper}, {claim.where}): {claim.short}", f"  claim: {claim.claim}"]
    lines += [f"  tested by: {claim.how_to_test}", f"  notebook: {notebook or 'none'}"]
    for own in shelves:
        if SCALES[own.scale].is_result:
            found = own.verdict(claim.id)
            lines += ["", f"  {own.scale}: {found.verdict}", f"    {found.comparison}"]
            lines += [f"    deciding: {found.deciding}"] if found.deciding else []
    return [*lines, "", *(f'  python -m ktlib explain "{item}"' for item in items_of(claim.id))]


def _printed(item: str) -> list[str]:
    """What the papers have there, and which claims rest on it."""
    if item not in published.items():
        return ["  not an item of the papers: measured here beside theirs"]
    numbers, shows = published.numbers(item), published.figures().get(item, "")
    claims = [claim for claim in published.claims() if item in items_of(claim)]
    lines = [f"  shows: {shows}"] if shows else []
    lines.append(f"  claims judged on it: {', '.join(claims) or 'none'}")
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
        *_weights(rows),
        *_provenance(own.file(whole).with_suffix(".json")),
    ]
    return [*lines, *([f"    again: {again}"] if again else [])]


def _shown(path: Path) -> str:
    """A path as it is typed from the repository, or whole when it lies outside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def _kinds(rows: list[Row]) -> list[str]:
    """One line for a method: what was varied, and where its settings stand."""
    lines = []
    for method in sorted({row.method for row in rows}):
        own = select(rows, method=method)
        varied = _listed(text for _, text in sorted((row.lr, results.written(row.varied)) for row in own))
        lines.append(f"    {method}: {len(own)} rows; {varied or 'nothing varied'}")
        kinds = sorted({row.settings for row in own})
        counted = f"digest {kinds[0]}" if len(kinds) == 1 else f"{len(kinds)} kinds, digests in the rows"
        lines.append(f"      settings: {counted}")
    scales = {row.scale for row in rows}
    return [*lines, *(f"    settings in full: ktlib/companion/scales/{scale}.py" for scale in sorted(scales))]


def _weights(rows: list[Row]) -> list[str]:
    """The digest of each model's weights; of one that was pretrained several times, their number."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.model, set()).add(row.weights)
    return [
        f"    weights of {model}: "
        + (next(iter(own)) if len(own) == 1 else f"{len(own)} pretrainings, digests in the rows")
        for model, own in sorted(found.items())
    ]


def _subjects(rows: list[Row]) -> list[str]:
    splits = sorted({row.split for row in rows})
    named = {split: _listed(sorted({row.subject for row in rows if row.split == split})) for split in splits}
    return [f"    {split} concepts or sets: {names}" for split, names in named.items() if names]


def _provenance(path: Path) -> list[str]:
    if not path.exists():
        return [f"    origin: not recorded ({path.name} is missing)"]
    record = results.record_of(path)
    wanted = ("commit", "date", "device", "seconds", "command", "python", "torch")
    return [f"    {key}: {record[key]}" for key in wanted if key in record]


def command(item: str, scale: str) -> str:
    """The command that measures an item at a scale; empty where no notebook does."""
    notebook = published.notebook(item)
    chosen = "" if scale == "pocket" else f" --scale {scale}"
    return f"./run_all.sh{chosen} --only {notebook[:2]}" if notebook else ""


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))

"""The tables of an item, one function a layout; a study names the layout of each of its items.

`transfer`: what was learnt against what was forgotten, of every method and rate; at equal retention; concept by
concept. `recalls`: six recalls and their paired changes.
`sets`: a column for each test set. `kinds` and `classes`: see `films`; `masks` and `checks`: see `masks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from ktlib.companion.record import rows as results
from ktlib.companion.record.compare import at_budget, choose_rate
from ktlib.companion.record.rows import Row, parsed, select, written
from ktlib.companion.report import films, masks
from ktlib.companion.report.markdown import NONE, described, joined, mean, percent, points, unique, value
from ktlib.companion.scales import Teaching, scale
from ktlib.companion.sources import kinds
from ktlib.evaluate.captioning import METRICS as WRITTEN
from ktlib.evaluate.intervals import Estimate, over_concepts
from ktlib.evaluate.retrieval import METRICS

TRANSFER = {"target_accuracy": "target accuracy", "retention": "known classes kept", "similarity": "similarity"}
Line = tuple[str, str, str]  # model, method, what was varied


def _lines(rows: Iterable[Row]) -> list[Line]:
    """Models, methods and what was varied: the untouched model first, numbers from small to large."""
    ordered = sorted(rows, key=lambda row: (row.model, row.method != "base", row.method, _size(row.varied)))
    return unique((row.model, row.method, written(row.varied)) for row in ordered)


def _size(varied: Mapping[str, str]) -> list[tuple[float, str]]:
    """What sorts varied values: the rate first, numbers as numbers, and words in their order."""
    rate_first = sorted(varied, key=lambda name: name != "lr")
    return [(_number(varied[name]), varied[name]) for name in rate_first]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _names(rows: Iterable[Row]) -> list[str]:
    """The names of all that was varied."""
    return unique(name for row in rows for name in row.varied)


def _cells(line: Line, names: Sequence[str]) -> list[str]:
    varied = parsed(line[2])
    return [line[0], line[1], *(varied.get(name, "") for name in names)]


def _own(rows: Iterable[Row], line: Line) -> list[Row]:
    return select(rows, model=line[0], method=line[1], varied=parsed(line[2]))


def _extent(rows: Sequence[Row], subjects: str, trials: str) -> str:
    """On how much rows rest: `6 concepts, 3 seeds, 50 pictures of each`."""
    counts = sorted({row.n for row in rows})
    among = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds = len({row.seed for row in rows} - {None})
    things = len({row.subject for row in rows} - {""})
    parts = [f"{things} {subjects}" if things else "", f"{seeds} seeds", f"{among} {trials}"]
    return ", ".join(part for part in parts if part)


# -- transfer -----------------------------------------------------------------------------------------
def transfer(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """What was learnt and what was forgotten.

    Args:
        rows: of one item and split.
        everything: of the scale; the untouched model and the choice of a rate may stand beside another item.
    """
    return joined([_sweep(rows), _at_budget(rows, everything), _by_concept(rows, everything)])


def _sweep(rows: Sequence[Row]) -> str:
    metrics, names = [metric for metric in TRANSFER if select(rows, metric=metric)], _names(rows)
    lines = []
    for line in _lines(rows):
        own = _own(rows, line)
        lines.append([*_cells(line, names), *(mean(select(own, metric=metric)) for metric in metrics)])
    extent = _extent(select(rows, metric="target_accuracy"), "concepts", "pictures of each")
    shown = described(["model", "method", *names], lines, [TRANSFER[metric] for metric in metrics])
    return joined(["### Every method and rate", f"{extent}.", shown])


def _rest(row: Row) -> str:
    """What was varied beside the rate."""
    return written({name: what for name, what in row.varied.items() if name != "lr"})


def _at_budget(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Methods that were run at several rates, where the budget of retention is spent."""
    budget, lines = scale(rows[0].scale).budget, []
    names = [name for name in _names(rows) if name != "lr"]
    for model in unique(row.model for row in rows):
        base = _untouched(everything, rows[0], model)
        taught = [row for row in select(rows, model=model) if row.seed is not None and base]
        for method, rest in sorted({(row.method, _rest(row)) for row in taught}):
            own = [row for row in taught if (row.method, _rest(row)) == (method, rest)]
            if len({row.lr for row in own}) > 1:
                reached = over_concepts(list(at_budget([*base, *own], budget).values()))
                lines.append([*_cells((model, method, rest), names), percent(reached)])
    if not lines:
        return ""
    where = f"Target accuracy where {100 * budget:g} points of the known classes are lost, or at the last rate."
    return joined(["### At equal retention", where, described(["model", "method", *names], lines, ["target accuracy"])])


def _untouched(everything: Sequence[Row], like: Row, model: str) -> list[Row]:
    """The untouched model on the concepts of a split, beside the same item or, where it has none, beside another."""
    known = select(everything, method="base", model=model, split=like.split, metric=("target_accuracy", "retention"))
    own_last = sorted(known, key=lambda row: (row.item == like.item, row.item))
    return list({(row.subject, row.metric): row for row in own_last}.values())


def _rate(rows: Sequence[Row], everything: Sequence[Row], model: str) -> float | None:
    """The one rate there is, the scale's, or the one chosen on validation rows: the item's, or KT Tab. 1's."""
    rates = {row.lr for row in select(rows, model=model) if row.lr}
    if len(rates) == 1:
        return rates.pop()
    here = scale(rows[0].scale)
    stated = next(
        (t.rate for t in (here.clip, here.vilt, here.medclip) if isinstance(t, Teaching) and model in t.models), None
    )
    if stated is not None:
        return stated
    for item in (rows[0].item, "KT Tab. 1"):
        known = select(everything, item=item, model=model, split="validation")
        if any(set(row.varied) == {"lr"} for row in select(known, method="kt")):
            return choose_rate(known, model, here.budget)
    return None


def _by_concept(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Each concept at the chosen rate: target accuracy / known classes kept."""
    rates = {model: _rate(rows, everything, model) for model in unique(row.model for row in rows)}
    kept = [row for row in rows if not row.lr or row.lr == rates[row.model]]
    arms = sorted({(row.method != "base", row.method, _rest(row)) for row in kept})
    lines = []
    for model, concept in sorted({(row.model, row.subject) for row in kept}):
        own, cells = select(kept, model=model, subject=concept), []
        for _, method, rest in arms:
            cell = [row for row in own if (row.method, _rest(row)) == (method, rest)]
            means = [value(select(cell, metric=metric)) for metric in ("target_accuracy", "retention")]
            cells.append(" / ".join(means) if cell else NONE)
        rate = rates[model]
        lines.append([model, f"{rate:g}" if rate else "not chosen: no validation rows", concept, *cells])
    title = "### Each concept at the chosen rate\n\nTarget accuracy / known classes kept, means over seeds."
    heads = [f"{method}, {rest.replace(';', ', ')}" if rest else method for _, method, rest in arms]
    return joined([title, described(["model", "lr", "concept"], lines, heads)])


# -- recalls and captions -----------------------------------------------------------------------------
def recalls(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Recalls as means over seeds, and changes with intervals over images and seeds.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    return _by_metric(rows, METRICS, "Recall", "one search")


def captions(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Metrics of captions, times a hundred as the papers print them; the rest as `recalls`.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    lacking = [metric for metric in WRITTEN if not select(rows, metric=metric)]
    missing = f"n/a: {', '.join(lacking)}; the notebook says why." if "bleu4" not in lacking and lacking else ""
    return joined([_by_metric(rows, WRITTEN, "Captions", "one set of captions"), missing])


def _by_metric(rows: Sequence[Row], metrics: Sequence[str], title: str, one: str) -> str:
    """A column a metric: values, then paired changes."""
    values, names = select(rows, metric=metrics), _names(rows)
    lines = []
    for line in _lines(values):
        own = _own(values, line)
        lines.append([*_cells(line, names), *(_over_seeds(select(own, metric=metric)) for metric in metrics)])
    extent = f"{_extent(values, 'concepts', 'images')}; means over seeds; {one} has its interval over images."
    shown = described(["model", "method", *names], lines, metrics)
    return joined([f"### {title}", extent, shown, _changes(rows, names, metrics)])


def _over_seeds(rows: Sequence[Row]) -> str:
    if not rows:
        return NONE
    return percent(rows[0].estimate) if len(rows) == 1 else f"{100 * fmean(row.value for row in rows):.1f}"


def _changes(rows: Sequence[Row], names: Sequence[str], metrics: Sequence[str]) -> str:
    lines = _of_pairs(rows, names, metrics, points)
    title = "### Paired changes\n\nIn points, with 95 % intervals over images and seeds."
    return joined([title, described(["model", "method", *names, "minus"], lines, metrics)]) if lines else ""


def _of_pairs(
    rows: Sequence[Row], names: Sequence[str], metrics: Sequence[str], write: Callable[[Estimate], str]
) -> list[list[str]]:
    """A line for each method and what it is set against."""
    found, lines = [row for row in rows if row.over], []
    for line in _lines(found):
        for other in unique(row.over for row in found):
            own = select(_own(found, line), over=other)
            if own:
                numbers = [select(own, metric=metric, over=other) for metric in metrics]
                lines.append([*_cells(line, names), other, *(write(n[0].estimate) if n else NONE for n in numbers)])
    return lines


def shares(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """How much of the gain of one method another has, in percent.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    names = _names(rows)
    lines = _of_pairs(rows, names, WRITTEN, percent)
    title = (
        "### Shares of a gain\n\nIn percent, 95 % intervals over images and seeds; none where there is no sure gain."
    )
    return joined([title, described(["model", "method", *names, "share of"], lines, WRITTEN)])


def samples(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Single captions, an image a line.

    Args:
        rows: of one item and split, one metric.
        everything: not needed here.
    """
    methods = unique(row.method for row in sorted(rows, key=lambda row: row.method != "base"))
    lines = [
        [model, image, *(value(select(rows, model=model, subject=image, method=method)) for method in methods)]
        for model, image in unique((row.model, row.subject) for row in rows)
    ]
    said = f"{', '.join(unique(row.metric for row in rows))} of single captions, times a hundred."
    return joined(["### Image by image", said, described(["model", "image"], lines, methods)])


# -- sets ---------------------------------------------------------------------------------------------
def sets(rows: Sequence[Row], everything: Sequence[Row]) -> str:
    """Accuracy on each test set and the mean over them; then paired gains with intervals over images.

    Args:
        rows: of one item and split.
        everything: not needed here.
    """
    shown = [row for row in rows if not row.over]
    heads, names = _sets(shown), _names(shown)
    lines = []
    for line in _by_encoder(shown):
        for metric in unique(row.metric for row in _own(shown, line)):
            own = select(_own(shown, line), metric=metric)
            cells = [value(select(own, subject=name)) for name in heads]
            lines.append([*_cells(line, names), *cells, percent(results.mean(own, crossed=True))])
    given = " (`probe`: of a ridge classifier that was given labels)" if select(shown, metric="probe") else ""
    extent = f"Top-1 accuracy{given}; {_extent(shown, 'sets', 'images')}."
    table = described(["encoder", "method", *names], lines, [*heads.values(), "mean over sets"])
    return joined(["### Every set", extent, table, _gains(rows, heads)])


def _sets(rows: Sequence[Row]) -> dict[str, str]:
    """The sets in their order, coarse ones first, each with what it is called; in brackets whose part it plays."""
    known = kinds(scale(rows[0].scale).zoom_shot.sets)
    there = {row.subject for row in rows}
    names = [*(name for name in known if name in there), *sorted(there - set(known))]  # validation sets play no part
    return {n: n if n not in known or known[n].like == n else f"{n} ({known[n].like})" for n in names}


def _by_encoder(rows: Sequence[Row]) -> list[Line]:
    """Encoders in the order of the paper, CLIP first."""
    here = scale(rows[0].scale).zoom_shot
    order = {name: place for place, name in enumerate([here.clip, *here.encoders])}
    return sorted(_lines(rows), key=lambda line: (order.get(line[0], len(order)), line[0]))


def _gains(rows: Sequence[Row], heads: Mapping[str, str]) -> str:
    found, lines = [row for row in rows if row.over], []
    for model, method, _ in _by_encoder(found) if found else []:
        for other in unique(row.over for row in found):
            own = select(found, model=model, method=method, over=other)
            cells = [points(one[0].estimate) if (one := select(own, subject=n)) else NONE for n in heads]
            lines.append([model, method, other, *cells])
    if not lines:
        return ""
    title = "### Paired gains\n\nIn points on the same images, means over seeds; intervals from drawing images again."
    return joined([title, described(["encoder", "method", "over"], lines, list(heads.values()))])


LAYOUTS: dict[str, Callable[[Sequence[Row], Sequence[Row]], str]] = {
    "transfer": transfer, "recalls": recalls, "captions": captions, "shares": shares, "samples": samples, "sets": sets,
    "kinds": films.kinds, "classes": films.classes, "masks": masks.masks, "checks": masks.checks,
}  # fmt: skip

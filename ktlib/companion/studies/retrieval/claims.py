"""The claims about ViLT, one function each; `ktlib.judging` says how they are judged.

Differences in recall are paired by image, and their intervals come from drawing images again, then
seeds within them (`experiments_pairs.change_rows`): a claim about recall holds when the interval
lies above 0, against the untouched model and against its controls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ktlib.companion.pair_scales import pair_scale
from ktlib.companion.record.compare import Difference, NotMeasuredError, Table, difference, rows_of, targets
from ktlib.companion.record.judging import (
    EQUIVALENCE,
    FAILS,
    HOLDS,
    UNDECIDED,
    Verdict,
    decide,
    directed,
    items_of,
    judge,
    points,
    together,
)
from ktlib.companion.record.rows import Row, select, written
from ktlib.evaluate.intervals import Estimate

TABLE_1 = "KT Tab. 1 ViLT"  # the ViLT rows of KT Tab. 1; those of CLIP have a file of their own
SEEDS = 3  # fewer decide nothing (D10)


def no_gain(estimate: Estimate) -> str:
    """The verdict on a gain that should be none, up to one image of ten (D10)."""
    return HOLDS if estimate.high <= EQUIVALENCE else FAILS if estimate.low > EQUIVALENCE else UNDECIDED


def weaker_on_shared_parameters(rows: Sequence[Row]) -> Verdict:
    """K4: the gain is smaller on ViLT than on a CLIP of its size, and at the smallest rate known classes gain."""
    scale = pair_scale(rows[0].scale)
    clip = "pocket/clip-b" if scale.name == "pocket" else "openai/ViT-B-32"
    other = [r for r in select(rows, item="KT Tab. 1", model=clip) if r.method in ("base", "kt")]
    gains = []
    rows_of(rows, TABLE_1, "kt")  # says so where there are none
    for own, item in ((other, "KT Tab. 1"), (select(rows, item=TABLE_1), TABLE_1)):
        taught, before = targets(own, item, "kt", scale.budget), targets(own, item, "base")
        gains.append({"gain": difference("gain", taught, before).table})
    found = [difference("gain of CLIP minus gain of ViLT", gains[0], gains[1]), _kept(rows)]
    how = f"target accuracy at a retention loss of at most {100 * scale.budget:.1f} points ({clip}, {scale.model})"
    return decide("K4", rows, TABLE_1, found, how=how, rule=[judge, directed])


def _kept(rows: Sequence[Row]) -> Difference:
    kt = select(rows_of(rows, TABLE_1, "kt"), metric="retention")
    least = min(row.lr for row in kt)
    after: Table = {}
    for row in kt:
        if row.lr == least:
            after.setdefault(row.subject, {})[row.seed] = row.value
    before: Table = {r.subject: {None: r.value} for r in select(rows_of(rows, TABLE_1, "base"), metric="retention")}
    return difference(f"known classes kept after lr {least:g} minus before", {"ViLT": after}, {"ViLT": before})


def retrieval_rises(rows: Sequence[Row]) -> Verdict:
    """K10: both recalls at 1 rise, above the untouched model and above noise images with the same captions."""
    changes = [row for row in rows_of(rows, "KT Tab. 5", "kt") if row.over and "chosen" not in row.varied]
    wanted = [f"{way} minus {other}" for way in ("tr@1", "ir@1") for other in ("base", "noise")]
    found = {f"{r.metric} minus {r.over}": r for r in changes if f"{r.metric} minus {r.over}" in wanted}
    if set(found) != set(wanted):
        raise NotMeasuredError(f"there are no rows of {', '.join(sorted(set(wanted) - set(found)))} beside KT Tab. 5")
    seeds = len({row.seed for row in rows_of(rows, "KT Tab. 5", "kt")} - {None})
    estimates = {name: Estimate(found[name].value, found[name].low, found[name].high) for name in wanted}
    each = {name: directed(e) if seeds >= SEEDS else UNDECIDED for name, e in estimates.items()}
    last = min(wanted, key=lambda name: estimates[name].value)
    cell = written(found[last].varied).replace(";", ", ")
    listed = ", ".join(f"{name} {points(estimates[name])} ({each[name]})" for name in wanted)
    best = [
        row for row in select(rows, item="KT Tab. 5", metric="tr@1", over="base") if row.varied.get("chosen") == "test"
    ]
    practice = f"; the best cell picked on the test images would show {points(best[0].value)} in tr@1" if best else ""
    text = (
        f"{listed}; {last} decides; kt at {cell}, chosen on validation images; "
        f"{found[last].n} test images, {seeds} seeds{practice}."
    )
    return Verdict("K10", rows[0].scale, together(each.values()), text, estimates[last], items_of("K10"))


def large_rates_hurt(rows: Sequence[Row]) -> Verdict:
    """K11: at one batch size, recall falls below that of the untouched model at the largest rate."""
    item = "KT Tab. 8"
    changes = select(rows_of(rows, item, "kt"), metric=("tr@1", "ir@1"), over="base")
    if not changes:
        raise NotMeasuredError(f"there are no paired changes beside {item}")
    largest, least = (f(row.lr for row in changes) for f in (max, min))
    seeds = len({row.seed for row in rows_of(rows, item, "kt")} - {None})
    falls = {r.metric: Estimate(-r.value, -r.high, -r.low) for r in changes if r.lr == largest}
    each = {name: directed(e) if seeds >= SEEDS else UNDECIDED for name, e in falls.items()}
    last = min(falls, key=lambda name: falls[name].value)
    listed = ", ".join(f"fall of {name} {points(falls[name])} ({each[name]})" for name in falls)
    small = ", ".join(f"{r.metric} {points(r.value)}" for r in changes if r.lr == least)
    batch, images = changes[0].varied["batch"], changes[0].n
    text = (
        f"{listed}; {last} decides; rate {largest:g}, batch {batch}, {images} test images, {seeds} seeds; "
        f"at the smallest rate {least:g}: {small}."
    )
    return Verdict("K11", rows[0].scale, together(each.values()), text, falls[last], items_of("K11"))


def words_do_not_teach(rows: Sequence[Row]) -> Verdict:
    """K15: guessing masked words brings no gain beyond one image of ten, with noise images or with inverted ones."""
    item, budget = "KT Tab. 11", pair_scale(rows[0].scale).budget
    base = targets(rows, item, "base")
    found = [
        difference(f"{method} minus base", targets(rows, item, method, budget), base)
        for method in ("implicit", "explicit")
    ]
    matching = difference("kt minus base", targets(rows, item, "kt", budget), base)
    least = f"no gain above {100 * EQUIVALENCE:.0f} points"
    how = f"target accuracy at a retention loss of at most {100 * budget:.1f} points, {least}"
    remark = f"; matching the same inverted images gains {points(matching.estimate)}"
    return decide("K15", rows, item, found, how=how, rule=[no_gain, no_gain], remark=remark)


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {
    "K4": weaker_on_shared_parameters,
    "K10": retrieval_rises,
    "K11": large_rates_hurt,
    "K15": words_do_not_teach,
}

"""The claims about ViLT, one function each; `record.judging` says how they are judged.

Differences in recall are paired by image, with intervals over images crossed with seeds: a claim about recall holds
when the interval lies above 0, against the untouched model and against its controls. Claims about what ViLT learns
of rare concepts have real pictures, taught by matching, for a positive control (D40).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ktlib.companion.record.compare import rows_of, scores
from ktlib.companion.record.differences import Difference, NotMeasuredError, change, difference
from ktlib.companion.record.judging import EQUIVALENCE, Control, Verdict, above, at_most, decide, points
from ktlib.companion.record.rows import Row, select, written
from ktlib.companion.scales import scale as scale_of

TABLE_1 = "KT Tab. 1 ViLT"  # the ViLT rows of KT Tab. 1; those of CLIP have a file of their own
TABLE_11 = "KT Tab. 11"
RISE = 0.001  # "rises slightly": by 0.06 to 0.16 at the smallest rate (KT v1, Tab. 1); a picture may weigh no more


def _real(rows: Sequence[Row], model: str) -> Control:
    """What real pictures gain when a pair scorer is taught them by matching."""
    name = "real minus base of ViLT"
    own = select(rows, model=model)
    try:
        real = scores(own, TABLE_11, "real", budget=scale_of(rows[0].scale).budget)
        return Control(name, difference(name, real, scores(own, TABLE_11, "base")))
    except NotMeasuredError:
        return Control(name, None)


def weaker_on_shared_parameters(rows: Sequence[Row]) -> Verdict:
    """K4: the gain is smaller on ViLT than on a CLIP of its size, and at the smallest rate known classes gain."""
    scale = scale_of(rows[0].scale)
    clip = next(iter(scale.clip.models))  # the small one
    kt = rows_of(rows, TABLE_1, "kt")
    (vilt,) = {row.model for row in kt}
    gains = []
    for model, item in ((clip, "KT Tab. 1"), (vilt, TABLE_1)):
        own = select(rows, item=item, model=model, method=("base", "kt"))
        gain = difference("gain", scores(own, item, "kt", budget=scale.budget), scores(own, item, "base"))
        gains.append({f"{clip}, {vilt}": gain.table})
    found = [difference("gain of CLIP minus gain of ViLT", *gains), _kept(rows)]
    how = f"target accuracy at a retention loss of at most {100 * scale.budget:.1f} points ({clip}, {vilt})"
    pictures = min(row.n for row in select(kt, metric="retention"))
    few = f"{pictures} known pictures cannot show a rise of {100 * RISE:g} points, one of them weighs more"
    return decide(
        "K4", rows, TABLE_1, found, how=how, rule=[above(), above(None)], control=_real(rows, vilt),
        blind=few if 1 / pictures > RISE else "",
    )  # fmt: skip


def _kept(rows: Sequence[Row]) -> Difference:
    """What is known after transfer at the smallest rate, minus before."""
    least = min(row.lr for row in rows_of(rows, TABLE_1, "kt"))
    after = scores(rows, TABLE_1, "kt", metric="retention", lr=least)
    before = scores(rows, TABLE_1, "base", metric="retention")
    return difference(f"known classes kept after lr {least:g} minus before", after, before)


def _changes(rows: Sequence[Row], item: str) -> tuple[list[Row], int]:
    """The paired changes of both recalls at 1, and how many seeds stand behind each.

    Raises:
        NotMeasuredError: there are none.
    """
    kt = rows_of(rows, item, "kt")
    found = [row for row in kt if row.over and row.metric in ("tr@1", "ir@1")]
    if not found:
        raise NotMeasuredError(f"there are no paired changes beside {item}")
    return found, len({row.seed for row in kt} - {None})


def retrieval_rises(rows: Sequence[Row]) -> Verdict:
    """K10: both recalls at 1 rise, above the untouched model and above noise images with the same captions."""
    item = "KT Tab. 5"
    changes, seeds = _changes(rows, item)
    own = {(row.metric, row.over): row for row in changes if "chosen" not in row.varied}
    wanted = [(way, other) for way in ("tr@1", "ir@1") for other in ("base", "noise")]
    if missing := sorted(f"{way} minus {other}" for way, other in wanted if (way, other) not in own):
        raise NotMeasuredError(f"there are no rows of {', '.join(missing)} beside {item}")
    found = [change(f"{way} minus {other}", own[way, other], seeds) for way, other in wanted]
    cell = written(own["tr@1", "base"].varied).replace(";", ", ")
    best = [row for row in select(changes, metric="tr@1", over="base") if row.varied.get("chosen") == "test"]
    remark = f"; the best cell picked on the test images would show {points(best[0].value)} in tr@1" if best else ""
    how = f"kt at {cell}, chosen on validation images"
    return decide("K10", rows, item, found, how=how, rule=above(None), remark=remark)


def large_rates_hurt(rows: Sequence[Row]) -> Verdict:
    """K11: at one batch size, recall falls below that of the untouched model at the largest rate."""
    item = "KT Tab. 8"
    changes, seeds = _changes(rows, item)
    changes = [row for row in changes if row.over == "base"]
    least, largest = min(row.lr for row in changes), max(row.lr for row in changes)
    found = [change(f"fall of {row.metric}", row, seeds, sign=-1) for row in changes if row.lr == largest]
    small = ", ".join(f"{row.metric} {points(row.value)}" for row in changes if row.lr == least)
    how = f"rate {largest:g}, batch {changes[0].varied['batch']}"
    return decide(
        "K11", rows, item, found, how=how, rule=above(None), remark=f"; at the smallest rate {least:g}: {small}"
    )


def words_do_not_teach(rows: Sequence[Row]) -> Verdict:
    """K15: guessing masked words brings no gain beyond one image of ten, with noise images or with inverted ones."""
    item, budget = TABLE_11, scale_of(rows[0].scale).budget
    base = scores(rows, item, "base")
    gains = {
        method: difference(f"{method} minus base", scores(rows, item, method, budget=budget), base)
        for method in ("implicit", "explicit", "kt")
    }
    how = (
        f"target accuracy at a retention loss of at most {100 * budget:.1f} points, "
        f"no gain above {100 * EQUIVALENCE:.0f} points"
    )
    remark = f"; matching the same inverted images gains {points(gains.pop('kt').estimate)}"
    (vilt,) = {row.model for row in rows_of(rows, item, "implicit")}
    return decide(
        "K15", rows, item, list(gains.values()), how=how, rule=at_most(), remark=remark, control=_real(rows, vilt)
    )


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {
    "K4": weaker_on_shared_parameters,
    "K10": retrieval_rises,
    "K11": large_rates_hurt,
    "K15": words_do_not_teach,
}

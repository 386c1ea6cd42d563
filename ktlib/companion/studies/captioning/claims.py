"""The claims about captioning, one function each; `record.judging` says how they are judged.

A difference is of a metric of the whole test set, paired by image, its interval over images and seeds (D54). The
positive control of what inverted images teach a pre-trained captioner is real pictures of the same classes with the
same prompts; that of a fine-tuned one, real pictures with what people wrote of them (D56).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ktlib.companion.record import published
from ktlib.companion.record.compare import rows_of
from ktlib.companion.record.differences import Change, NotMeasuredError, change
from ktlib.companion.record.judging import Control, Verdict, above, decide, points
from ktlib.companion.record.rows import Row, select
from ktlib.companion.scales import scale as scale_of
from ktlib.companion.studies.captioning import PRINTED, SHARE, TABLE_6, TABLE_9, decides
from ktlib.companion.studies.captioning.draws import SEEN
from ktlib.evaluate.intervals import Estimate


def _pretrained(rows: Sequence[Row]) -> str:
    return list(scale_of(rows[0].scale).coca.models)[0]


def _fine_tuned(rows: Sequence[Row]) -> str:
    return list(scale_of(rows[0].scale).coca.models)[-1]


def _change(rows: Sequence[Row], item: str, model: str, method: str, over: str, metric: str) -> Change:
    """A metric of one method minus that of another.

    Raises:
        NotMeasuredError: it was not measured.
    """
    taught = rows_of(select(rows, model=model), item, method)
    found = [row for row in taught if row.over == over and row.metric == metric]
    if not found:
        raise NotMeasuredError(f"there are no rows of {metric} of {method} minus {over} for {model} beside {item}")
    own = (found[0].value, found[0].low, found[0].high)
    value, low, high = (0.0 if abs(number) < SEEN else number for number in own)
    judged = replace(found[0], value=value, low=low, high=high)  # BLEU of no match is not quite 0 (its small numbers)
    return change(f"{metric} of {method} minus {over}", judged, len({row.seed for row in taught} - {None}))


def _decides(rows: Sequence[Row]) -> str:
    """The metric that judges.

    Raises:
        NotMeasuredError: none of those that may was measured.
    """
    try:
        return decides(row.metric for row in rows if row.item in (TABLE_6, TABLE_9))
    except ValueError as error:
        raise NotMeasuredError(str(error)) from error


def _measured(rows: Sequence[Row], item: str, model: str) -> tuple[list[str], str]:
    """The printed metrics that were measured, and a remark on those that were not."""
    there = {row.metric for row in rows_of(select(rows, model=model), item, "base")}
    lacking = [metric for metric in PRINTED if metric not in there]
    remark = f"; {', '.join(lacking)} could not be measured here" if lacking else ""
    return [metric for metric in PRINTED if metric in there], remark


def _control(rows: Sequence[Row], model: str, method: str, over: Sequence[str] = ("base",)) -> Control:
    """What real pictures gain over each of these; the first that they do not, if there is one."""
    metric, found = _decides(rows), []
    for other in over:
        name = f"{metric} of {method} minus {other}"
        try:
            found.append(Control(name, _change(rows, TABLE_6, model, method, other, metric), 0.0))
        except NotMeasuredError:
            found.append(Control(name, None, 0.0))
    return next((control for control in found if not control.works), found[0])


def _share(rows: Sequence[Row], model: str) -> str:
    """How much the templates alone explain."""
    metric = _decides(rows)
    own = select(rows, item=SHARE, model=model, method="templates", over="kt", metric=metric)
    if not own:
        return ""
    share, low, high = (100 * number for number in (own[0].value, own[0].low, own[0].high))
    return f"; the templates alone bring {share:.0f} % [{low:.0f}, {high:.0f}] of the gain in {metric}"


# -- one function a claim -----------------------------------------------------------------------------
def transfer_improves(rows: Sequence[Row]) -> Verdict:
    """K12: a pre-trained captioner gains on every metric, more than with noise images or the templates alone."""
    model = _pretrained(rows)
    metrics, lacking = _measured(rows, TABLE_6, model)
    others = ("base", "noise", "templates")
    found = [_change(rows, TABLE_6, model, "kt", over, metric) for over in others for metric in metrics]
    how = f"{model}, rate and passes of each arm chosen on validation images"
    return decide(
        "K12", rows, TABLE_6, found, how=how, rule=above(None), remark=_share(rows, model) + lacking, metric=metrics[0],
        control=_control(rows, model, "real_templates", ("base", "templates")),
    )  # fmt: skip


def more_with_its_loss(rows: Sequence[Row]) -> Verdict:
    """K13: captions of a pre-trained captioner gain by contrast alone, and more with the captioning loss."""
    model, other, metric = _pretrained(rows), _fine_tuned(rows), _decides(rows)
    steps = (("kt_visual", "base"), ("kt", "kt_visual"))
    found = [_change(rows, TABLE_9, model, method, over, metric) for method, over in steps]
    told = [_change(rows, TABLE_9, other, method, over, metric) for method, over in steps]
    remark = f"; {other}: " + ", ".join(f"{one.name} {points(one.estimate)}" for one in told)
    return decide(
        "K13", rows, TABLE_9, found, how=f"{model}, each arm at its own rate", rule=above(None), remark=remark,
        metric=metric, control=_control(rows, model, "real_templates"),
    )  # fmt: skip


def little_for_the_fine_tuned(rows: Sequence[Row]) -> Verdict:
    """K14: a fine-tuned captioner gains on the metrics that rise in the paper, and less than a pre-trained one."""
    first, model = _pretrained(rows), _fine_tuned(rows)
    metrics, lacking = _measured(rows, TABLE_6, model)
    rises = _printed_rises()
    found = [_change(rows, TABLE_6, model, "kt", "base", metric) for metric in metrics if metric in rises]
    least = min(rises.values())
    less = _less(*(_change(rows, TABLE_6, one, "kt", "base", _decides(rows)) for one in (first, model)))
    rules = [*[above(least)] * len(found), above(None)]
    how = (
        f"{model}, the metrics that rise in the paper; a gain wholly below {100 * least:.1f} points, its least, is none"
    )
    alone = _change(rows, TABLE_6, model, "templates", "base", _decides(rows))
    remark = f"; {alone.name} {points(alone.estimate)}" + lacking
    return decide(
        "K14", rows, TABLE_6, [*found, less], how=how, rule=rules, remark=remark, metric=metrics[0],
        control=_control(rows, model, "real_captions"),
    )  # fmt: skip


def _printed_rises() -> dict[str, float]:
    """What KT Tab. 6 prints as gained by the fine-tuned captioner, by metric; those that fall are not claimed."""
    own = [number for number in published.numbers(TABLE_6) if number.model == "CoCa FT"]
    printed = {(number.variant, number.metric): number.value / 100 for number in own}
    gains = {metric: round(printed["transfer", metric] - printed["baseline", metric], 6) for metric in PRINTED}
    return {metric: gain for metric, gain in gains.items() if gain > 0}


def _less(one: Change, other: Change) -> Change:
    """How much more one gained than another, as if on other images: an interval that is wide rather than narrow."""
    value = one.estimate.value - other.estimate.value
    down = math.hypot(one.estimate.value - one.estimate.low, other.estimate.high - other.estimate.value)
    up = math.hypot(one.estimate.high - one.estimate.value, other.estimate.value - other.estimate.low)
    name = f"gain in {one.row.metric} of {one.row.model} minus that of {other.row.model}"
    return Change(name, Estimate(value, value - down, value + up), one.images, one.seeds, one.row)


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {
    "K12": transfer_improves,
    "K13": more_with_its_loss,
    "K14": little_for_the_fine_tuned,
}

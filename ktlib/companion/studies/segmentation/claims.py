"""The claim about masks; `record.judging` says how claims are judged.

A difference is of the mean over test images, paired by image, its interval over images and seeds (D73). The positive
control is ten real images of the same lesion, taught with the same sentence: a lesion whose masks they do not make
better can show nothing of inverted ones. The claim is about four lesions, so one that can be tested and does not gain
refutes it; it holds where all four can be tested, and gain (D74).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ktlib.companion.record.compare import rows_of
from ktlib.companion.record.differences import Change, NotMeasuredError, change
from ktlib.companion.record.judging import FAILS, Control, Verdict, above, decide, points
from ktlib.companion.record.rows import Row
from ktlib.companion.studies.segmentation import DECIDES, JUDGES, TABLE_4


def _change(rows: Sequence[Row], lesion: str, method: str, over: str, metric: str) -> Change:
    """A metric of one method minus that of another on the images of a lesion.

    Raises:
        NotMeasuredError: it was not measured.
    """
    taught = [r for r in rows_of(rows, TABLE_4, method) if r.subject == lesion and _plain(r)]
    found = [row for row in taught if row.over == over and row.metric == metric]
    if not found:
        raise NotMeasuredError(f"there are no rows of {metric} of {method} minus {over} for {lesion} beside {TABLE_4}")
    return change(f"{metric} of {method} minus {over}, {lesion}", found[0], len({row.seed for row in taught} - {None}))


def _plain(row: Row) -> bool:
    """Whether nothing was varied but the rate, beta and layer as they were chosen for all."""
    return set(row.varied) <= {"lr", "left_out"}


def _control(rows: Sequence[Row], lesion: str) -> Control:
    name = f"{DECIDES} of real minus base, {lesion}"
    try:
        return Control(name, _change(rows, lesion, "real", "base", DECIDES), 0.0)
    except NotMeasuredError:
        return Control(name, None, 0.0)


def masks_improve(rows: Sequence[Row]) -> Verdict:
    """K9: masks of all four lesions gain, in DSC and in NSD, and more than with noise or another lesion's images."""
    lesions = sorted({row.subject for row in rows_of(rows, TABLE_4, "kt")})
    controls = {lesion: _control(rows, lesion) for lesion in lesions}
    able = [lesion for lesion in lesions if controls[lesion].works]
    unable = [lesion for lesion in lesions if lesion not in able]
    found = []
    for lesion in able or lesions:
        found += [_change(rows, lesion, "kt", "base", metric) for metric in JUDGES]
        found += [_change(rows, lesion, "kt", over, DECIDES) for over in ("noise", "wrong")]
    told = [_change(rows, lesion, "kt", "base", DECIDES) for lesion in unable if able]
    remark = "".join(f"; not judged: {one.name} {points(one.estimate)}" for one in told)
    how = "beta and layer chosen before any transfer, the rate of each arm on validation images; NSD of the contour"
    control = next((controls[lesion] for lesion in able), controls[lesions[0]])

    def judged(blind: str = "") -> Verdict:
        return decide(
            "K9", rows, TABLE_4, found, how=how, rule=above(None), remark=remark, metric=DECIDES, things="lesions",
            control=control, blind=blind,
        )  # fmt: skip

    verdict = judged()
    if not unable or (able and verdict.verdict == FAILS):
        return verdict
    which = "all of them" if able else "any of them"
    failures = "; ".join(controls[lesion].written("lesions") for lesion in unable)
    why = f"ten real images do not surely make the masks of {which} better"
    return judged(f"the claim is about {len(lesions)} lesions, and {why}: {failures}")


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {"K9": masks_improve}

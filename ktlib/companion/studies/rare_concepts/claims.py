"""What the papers claim of rare concepts, and what our rows say about it: one function a claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ktlib.companion.record.compare import difference, forgotten, rows_of, scores, trend
from ktlib.companion.record.judging import EQUIVALENCE, Verdict, above, decide, plain, points, within
from ktlib.companion.record.rows import Row, select
from ktlib.companion.scales import scale as scale_of


# -- one function a claim ---------------------------------------------------------------------------
def _beats(
    claim: str, rows: Sequence[Row], item: str, method: str, others: Sequence[str], *, remark: str = ""
) -> Verdict:
    """A method against others at equal retention."""
    budget = scale_of(rows[0].scale).budget
    own = scores(rows, item, method, budget=budget)
    found = [difference(f"{method} minus {other}", own, scores(rows, item, other, budget=budget)) for other in others]
    how = f"target accuracy at a retention loss of at most {100 * budget:.1f} points"
    return decide(claim, rows, item, found, how=how, remark=remark)


def inversion_teaches(rows: Sequence[Row]) -> Verdict:
    """K1: transfer gains, and more than with noise or with another concept's images."""
    item, budget = "KT Tab. 1", scale_of(rows[0].scale).budget
    remark = ""
    if select(rows, item=item, method="real", split="test"):
        bound = difference("real minus base", scores(rows, item, "real", budget=budget), scores(rows, item, "base"))
        remark = f"; ten real pictures in their place gain {points(bound.estimate)}"
    return _beats("K1", rows, item, "kt", ("base", "noise", "wrong"), remark=remark)


def little_is_forgotten(rows: Sequence[Row]) -> Verdict:
    """K2: there is a gain where little is forgotten, over the base and over noise read the same way."""
    return _beats("K2", rows, "KT Tab. 1", "kt", ("base", "noise"))


def rate_trades(rows: Sequence[Row]) -> Verdict:
    """K3: a larger rate teaches more and forgets more."""
    kt = rows_of(rows, "KT Tab. 1", "kt")
    found = [
        trend("rate with target accuracy", select(kt, metric="target_accuracy"), lambda row: row.lr),
        trend("rate with retention, sign reversed", select(kt, metric="retention"), lambda row: row.lr, sign=-1),
    ]
    how = f"Spearman's rank correlation over {len({row.lr for row in kt})} rates"
    return decide("K3", rows, "KT Tab. 1", found, how=how, rule=above(None), write=plain)


def visual_alone(rows: Sequence[Row]) -> Verdict:
    """K5: training the visual encoder beats training the text encoder or both."""
    losses = ", ".join(f"{m} {points(-forgotten(rows, 'KT Fig. 4', m))}" for m in ("visual", "text", "both"))
    remark = f"; change of retention at the largest rate: {losses}"
    return _beats("K5", rows, "KT Fig. 4", "visual", ("text", "both"), remark=remark)


def name_is_needed(rows: Sequence[Row]) -> Verdict:
    """K6: the caption must hold the name."""
    return _beats("K6", rows, "KT Fig. 5", "named", ("unnamed",))


def patterns_transfer(rows: Sequence[Row]) -> Verdict:
    """K21: patterns gain too, and more than with noise."""
    item = "KT v2 Tab. 12"
    count = len({row.subject for row in rows_of(rows, item, "kt")})
    remark = "; so few concepts make the interval a rough guide only" if count < 4 else ""
    return _beats("K21", rows, item, "kt", ("base", "noise"), remark=remark)


def steps_help(rows: Sequence[Row]) -> Verdict:
    """K16: more steps of inversion, higher target accuracy."""
    kt = rows_of(rows, "KT v2 Fig. 5", "kt")
    accuracies = select(kt, metric="target_accuracy")
    found = trend("steps with target accuracy", accuracies, lambda row: float(row.varied["steps"]))
    how = f"Spearman's rank correlation over {len({row.varied['steps'] for row in kt})} step counts"
    return decide("K16", rows, "KT v2 Fig. 5", [found], how=how, rule=above(None), write=plain)


def augmentation_helps(rows: Sequence[Row]) -> Verdict:
    """K17: augmentation and total variation together beat neither."""
    item = "KT v2 Tab. 9"
    full = scores(rows, item, "kt", augmentation="on", tv=0.005)
    none = scores(rows, item, "kt", augmentation="off", tv=0.0)
    found = difference("augmentation with total variation 0.005 minus neither", full, none)
    return decide("K17", rows, item, [found], how="target accuracy at the chosen rate")


def any_length_serves(rows: Sequence[Row]) -> Verdict:
    """K18: short descriptions serve as well as medium and long ones, within a margin."""
    item = "KT v2 Tab. 10"
    short = scores(rows, item, "kt", description="short")
    found = [
        difference(f"short minus {length}", short, scores(rows, item, "kt", description=length))
        for length in ("medium", "long")
    ]
    how = f"target accuracy at the chosen rate, equal within {100 * EQUIVALENCE:.0f} points or not"
    return decide("K18", rows, item, found, how=how, rule=within())


def transfer_beats_prompting(rows: Sequence[Row]) -> Verdict:
    """K19: transfer beats the description as the class prompt."""
    item = "KT v2 Tab. 2"
    prompt = scores(rows, item, "prompt")
    found = difference("kt minus prompt", scores(rows, item, "kt"), prompt)
    remark = (
        f"; kt is ahead on {found.ahead} concepts; change of retention with kt {points(-forgotten(rows, item, 'kt'))}"
    )
    return decide("K19", rows, item, [found], how="target accuracy at the chosen rate", remark=remark)


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {
    "K1": inversion_teaches, "K2": little_is_forgotten, "K3": rate_trades, "K5": visual_alone, "K6": name_is_needed,
    "K16": steps_help, "K17": augmentation_helps, "K18": any_length_serves, "K19": transfer_beats_prompting,
    "K21": patterns_transfer,
}  # fmt: skip

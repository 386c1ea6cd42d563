"""The ledger: the verdict on every claim of the papers, whichever study tests it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from functools import cache
from types import MappingProxyType

from ktlib.companion import studies
from ktlib.companion.record import published
from ktlib.companion.record.differences import NotMeasuredError
from ktlib.companion.record.judging import NOT_RUN, Verdict, items_of
from ktlib.companion.record.rounding import Repetitions, settled
from ktlib.companion.record.rows import Row, select
from ktlib.companion.scales import scale as scale_of

NO_WEIGHTS = "weights and data are not at hand"
# Claims that no study can judge yet, and why.
_REASONS = {
    "K20": "the comparison needs SDXL, which cannot be had offline",
    "K22": "no experiment varies how familiar the parts are yet",
}


@cache
def _notebooks() -> dict[str, str]:
    """The notebook of the study that judges each claim."""
    found: dict[str, str] = {}
    for name in studies.names():
        study = f"{studies.__name__}.{name}"
        judged = importlib.import_module(f"{study}.claims").CLAIMS
        found |= dict.fromkeys(judged, importlib.import_module(study).NOTEBOOK)
    return found


def notebook(claim: str) -> str | None:
    """The notebook that tests a claim: that of the first item it rests on, or its study's; None where none does."""
    return next((found for item in items_of(claim)[:1] if (found := published.notebook(item))), _notebooks().get(claim))


def of_notebook(number: str) -> tuple[str, ...]:
    """The claims that a notebook tests, by the notebook's number: `of_notebook("01")`."""
    return tuple(claim for claim in published.claims() if (notebook(claim) or "").startswith(f"{number}_"))


def verdict(claim: str, rows: Sequence[Row], scale: str) -> Verdict:
    """The verdict on one claim.

    Args:
        claim: its id, `K1`.
        rows: of that scale; others are left out.
        scale: `pocket` or `paper`; rehearsal numbers decide nothing.

    Raises:
        KeyError: there is no such claim.
    """
    own = select(rows, scale=scale)
    reason = _REASONS.get(claim)
    if not scale_of(scale).is_result:
        reason = f"{scale} numbers are not results"
    elif scale == "paper" and not own:
        reason = NO_WEIGHTS
    elif claim in (judges := studies.claims()):
        try:
            if not own:
                raise NotMeasuredError("there are no rows")
            return judges[claim](own)
        except NotMeasuredError as error:
            reason = f"{error}; ./run_all.sh --scale {scale} --only {(notebook(claim) or '')[:2]} writes them"
    elif reason is None:
        name = notebook(claim)
        reason = f"notebook {name[:2]} does not test it yet" if name else "no notebook tests it yet"
    return Verdict(claim, scale, NOT_RUN, reason, None, items_of(claim))


def verdicts(
    rows: Sequence[Row],
    scale: str,
    again: Repetitions = MappingProxyType({}),
    *,
    claims: Iterable[str] | None = None,
) -> list[Verdict]:
    """The verdict on every claim, in the order of `claims.csv`; or on some, in theirs.

    Args:
        rows, scale: as in `verdict`.
        again: the same claims judged on rows that were computed with other kernels.
        claims: ids of those that are judged; all by default.

    Raises:
        KeyError: there is no such claim.
    """
    asked = published.claims() if claims is None else claims
    return [settled(verdict(claim, rows, scale), again.get(claim, ())) for claim in asked]

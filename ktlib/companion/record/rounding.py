"""Verdicts found again with other kernels and another number of threads, and what becomes of one that differs.

Inversions are chaotic in the last bit, so on another processor many rows move a little. What a claim's verdict
owes to that is measured: its notebook is run again with other arithmetic, and a verdict that comes out otherwise
is none (D49).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ktlib import store
from ktlib.companion.record.judging import FAILS, HOLDS, UNDECIDED, Verdict
from ktlib.evaluate.intervals import Estimate

FILE = "rounding.json"  # beside the rows that it belongs to; rows that are recorded anew take it away


@dataclass(frozen=True)
class Repetition:
    """A claim judged once more.

    Attributes:
        claim: its id.
        verdict: what came out.
        estimate: of the deciding difference; None where nothing was compared.
        kernels: `native AVX512`, as `kernels.running` says it.
        threads: of the run.
        canary: of the run; where it is that of the rows beside it, nothing was repeated.
    """

    claim: str
    verdict: str
    estimate: Estimate | None
    kernels: str
    threads: int
    canary: str

    def __str__(self) -> str:
        """`native AVX512, 1 thread: inconclusive 0.101 [-0.012, 0.214]`."""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.kernels}, {threads}: {self.verdict}{'' if self.estimate is None else f' {self.estimate}'}"


Repetitions = Mapping[str, Sequence[Repetition]]  # by claim


def read(folder: Path) -> dict[str, list[Repetition]]:
    """The repetitions beside some rows, by claim; empty where there are none.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / FILE
    found: dict[str, list[Repetition]] = {}
    if not path.exists():
        return {}
    try:
        for line in json.loads(path.read_text(encoding="utf-8")):
            estimate = None if line["estimate"] is None else Estimate(*line["estimate"])
            found.setdefault(line["claim"], []).append(Repetition(**line | {"estimate": estimate}))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected repetitions of verdicts, found {error!r}; delete it, then `python -m ktlib rounding`"
        ) from error
    return found


def write(found: Sequence[Repetition], folder: Path) -> Path:
    """Write repetitions beside the rows that they belong to; those with the same kernels and threads go.

    Args:
        found: of one run.
        folder: of the rows.
    """
    again = {(one.claim, one.kernels, one.threads): one for own in read(folder).values() for one in own}
    again |= {(one.claim, one.kernels, one.threads): one for one in found}
    lines = [asdict(one) for _, one in sorted(again.items())]
    text = json.dumps(lines, indent=1) + "\n"
    store.write_text(folder / FILE, text)
    return folder / FILE


def settled(verdict: Verdict, again: Sequence[Repetition]) -> Verdict:
    """A verdict beside its repetitions: one that does not come out again is inconclusive.

    What was not decided, or could not be tested, stays as it is.
    """
    if not again:
        return verdict
    told = "; ".join(map(str, again))
    if verdict.verdict in (HOLDS, FAILS) and any(one.verdict != verdict.verdict for one in again):
        remark = f" It {verdict.verdict} with these kernels, and not with others ({told}): so it is {UNDECIDED}."
        return replace(verdict, verdict=UNDECIDED, comparison=verdict.comparison + remark)
    return replace(verdict, comparison=f"{verdict.comparison} With other kernels: {told}.")

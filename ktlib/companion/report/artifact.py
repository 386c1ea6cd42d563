"""`ARTIFACT.md`: from a claim to the command that tests it, in the form that reviewers of artifacts use.

`python -m ktlib report` writes it from the ledger, beside `RESULTS.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ktlib.companion.record import certificate, published
from ktlib.companion.record.judging import NOT_RUN
from ktlib.companion.report import ledger
from ktlib.companion.report.items import MADE
from ktlib.companion.report.markdown import joined, link, table
from ktlib.companion.report.shelf import Shelf
from ktlib.places import ROOT

INTRODUCTION = """\
`./run_all.sh` runs all of it offline on 2 CPU cores; the command of a line runs what tests that claim alone. A run ends
with the verdicts, compares its rows with the committed ones and leaves the comparison in `runs/pocket/certificate.md`.

- *Expected*: the verdict, what decides it with its 95 % interval, and the rows that it rests on. A claim that does not
  hold is expected not to.
- *Tolerance*: with the same kernels rows are the same bits. Where a processor rounds otherwise, pictures on the border
  tip: a row of a method without inversion and training may differ by two of its n pictures, which is what stands here,
  from the row with the most to that with the fewest. Inversion and training multiply what is rounded: a row that rests
  on them may differ by {cap:g}, and all rows of an item by {mean:g} in the mean. A verdict that then changes was close,
  and the certificate names it. All are fractions: 0.01 is one point.

What the paper scale needs of datasets, weights, disk and hours: `python -m ktlib doctor`. What was decided where the
papers leave something open: [REPRODUCING.md](REPRODUCING.md)."""


def artifact_markdown(shelves: Mapping[str, Shelf], at: Path) -> str:
    """The whole of `ARTIFACT.md`, a function of what was measured and of what the papers claim.

    Args:
        shelves: what was measured, by scale.
        at: the folder that the page is for; links start there.
    """
    pocket = shelves["pocket"]
    lines = [_line(claim, pocket, at) for claim in published.claims().values()]
    introduction = INTRODUCTION.format(cap=certificate.CAP, mean=certificate.MEAN)
    heads = ["", "claim", "notebook", "command", "expected output, pocket scale", "tolerance"]
    paper = [verdict for verdict in shelves["paper"].verdicts.values() if verdict.verdict != NOT_RUN]
    scale = f"At paper scale {len(paper)} claims were tested." if paper else "At paper scale nothing was run yet."
    command = "The same commands with `--scale paper` test them there."
    title = "# Artifact: every claim and how to test it"
    return joined([MADE, title, introduction, table(heads, lines), f"{scale} {command}"]) + "\n"


def _line(claim: published.Claim, shelf: Shelf, at: Path) -> list[str]:
    verdict, notebook = shelf.verdicts[claim.id], ledger.notebook(claim.id)
    if notebook is None or verdict.verdict == NOT_RUN:
        name = link(notebook[:2], ROOT / "notebooks" / f"{notebook}.ipynb", at) if notebook else ""
        return [claim.id, claim.short, name, "", f"{NOT_RUN}: {verdict.comparison}", ""]
    measured = [item for item in verdict.items if item in shelf.items]
    rows = ", ".join(link(shelf.file(item).name, shelf.file(item), at) for item in measured)
    decided = f": {verdict.deciding}" if verdict.deciding else ""
    return [
        claim.id,
        claim.short,
        link(notebook[:2], ROOT / "notebooks" / f"{notebook}.ipynb", at),
        f"`./run_all.sh --only {notebook[:2]}`",
        f"**{verdict.verdict}**{decided}; {rows}" if rows else f"**{verdict.verdict}**{decided}",
        _tolerance([certificate.tolerance(row) for item in measured for row in shelf.of(item)]),
    ]


def _tolerance(found: list[float]) -> str:
    """The smallest and the largest that a row of these may differ by."""
    if not found:
        return ""
    low, high = (f"{value:.3g}" for value in (min(found), max(found)))
    return low if low == high else f"{low} to {high}"

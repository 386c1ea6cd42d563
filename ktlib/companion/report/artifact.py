"""`ARTIFACT.md`: from a claim to the command that tests it, and what each table takes, for reviewers of artifacts.

`python -m ktlib report` writes it from the ledger, beside `RESULTS.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from ktlib.companion.record import certificate, notebooks, published
from ktlib.companion.record.judging import NOT_RUN
from ktlib.companion.record.notebooks import Notebook
from ktlib.companion.report import ledger
from ktlib.companion.report.items import MADE
from ktlib.companion.report.markdown import joined, link, table
from ktlib.companion.report.shelf import Shelf
from ktlib.companion.studies import zoom_shot
from ktlib.data import manifests, sizes
from ktlib.places import ROOT

INTRODUCTION = """\
`./run_all.sh` runs all of it on two CPU cores, in {minutes} minutes and at most {memory} GB of memory. The first call
makes an environment from `requirements.lock`, with a network, in some minutes and 6 to 7 GB of disk; after that nothing
asks for a network. The command of a line runs what tests that claim alone. A run ends with the verdicts, compares its
rows with the committed ones and leaves the comparison in `runs/pocket/certificate.md`; nothing that is committed
changes.

- *Expected*: the verdict, what decides it with its 95 % interval, and the rows that it rests on. A claim that does not
  hold is expected not to.
- *Tolerance*: how far a row may lie from the committed one. With the same kernels and canary (D44) rows are the same
  bits. Where a processor rounds otherwise, pictures on the border tip: a row of a method without inversion and training
  may differ by two of its n pictures, which is what stands here, from the row with the most to that with the fewest.
  Inversion and training multiply what is rounded: a row that rests on them may differ by {cap:g}, and all rows
  of an item and method by {mean:g} in the mean; those of a least-squares map by {solved[0]:g} and {solved[1]:g}. A
  search that widens its range may end at other rates. A verdict that then changes was close, and the certificate names
  it. All are fractions: 0.01 is one point.

What was decided where the papers leave something open, by number: [REPRODUCING.md](REPRODUCING.md)."""

TAKES = """\
## What each table takes

One command makes all tables of a notebook. *Pocket* is what was measured on {machines}. *GB* is what the paper scale
downloads, as far as a size is stated; + ? where some have none. The paper scale wants one GPU, and it was run on none:
how many hours and how much memory a table takes there is not known. `python -m ktlib doctor` has lower bounds for two
CPU cores, from `benchmarks/`, and says what a machine lacks.
[A day with a GPU](REPRODUCING.md#a-day-with-a-gpu) has the order in which to go."""

BESIDE = """\
Only the drawn world rests on {drawn}. At paper scale the expected output is what the papers print: each page in
`runs/paper/results/` shows it beside ours, and before any transfer the untouched model must meet its printed baseline
within the tolerance of its [gate](REPRODUCING.md#gates-before-any-transfer)."""

# The decisions of REPRODUCING.md behind each notebook's tables, at any scale; those of the drawn world are below.
DECISIONS = {
    "01": "D1 to D10, D13 to D16, D39 to D42; ViLT: D30, D31, D37; v2 Tab. 12: D46; frozen names: D47",
    "02": "D1 to D7, D9, D13 to D16, D39 to D41, D59, D60, D70; Tab. 2: D66, D68; Tab. 3: D66, D69",
    "03": "D1 to D7, D9, D13 to D16, D39 to D41, D61 to D63, D67, D71 to D74; Fig. 6, 7: D75",
    "04": "D9, D14 to D16, D30 to D35, D39 to D41; Tab. 11: D37, D38; frozen names: D47",
    "05": "D1 to D7, D9, D13 to D16, D39 to D41, D50 to D54, D56, D58; Tab. 10: D55",
    "06": "D9, D15, D17 to D23, D25, D26, D28, D39 to D41, D43, D45; Tab. 6: D27; frozen names: D47",
    "07": "D1 to D10, D13 to D16, D39 to D42; frozen names: D47",
}
# Rows that are no item of a paper and that the verdict on a claim rests on too.
ALSO = {"Z6": (zoom_shot.WEIGHTS,), "Z13": (zoom_shot.RESCALING,)}
DRAWN = "D11, D12, D24, D36, D44, D48, D49, D57, D64, D65"


def artifact_markdown(shelves: Mapping[str, Shelf], at: Path) -> str:
    """The whole of `ARTIFACT.md`, a function of what was measured and of what the papers claim.

    Args:
        shelves: what was measured, by scale.
        at: the folder that the page is for; links start there.
    """
    pocket = shelves["pocket"]
    lines = [_line(claim, pocket, at) for claim in published.claims().values()]
    took = pocket.took
    introduction = INTRODUCTION.format(
        cap=certificate.CAP,
        solved=certificate.SOLVED,
        mean=certificate.MEAN,
        minutes=f"{sum(times['seconds'] for times in took.values()) / 60:.0f}" if took else "?",
        memory=f"{max(times.get('peak_mib') or 0 for times in took.values()) * 2**20 / 1e9:.1f}" if took else "?",
    )
    heads = ["", "claim", "notebook", "command", "expected output, pocket scale", "tolerance"]
    paper = [verdict for verdict in shelves["paper"].verdicts.values() if verdict.verdict != NOT_RUN]
    scale = f"At paper scale {len(paper)} claims were tested." if paper else "At paper scale nothing was run yet."
    command = "The same commands with `--scale paper` test them there."
    title = "# Artifact: every claim and how to test it"
    parts = [MADE, title, introduction, table(heads, lines), f"{scale} {command}", *_takes(pocket, at)]
    return joined(parts) + "\n"


def _takes(shelf: Shelf, at: Path) -> list[str]:
    """One line a notebook that makes items of the papers: what it takes at both scales, and what was decided."""
    heads = ["notebook", "makes", "pocket", "paper scale", "needs there", "GB", "decided where the papers are silent"]
    found = [notebooks.read(path) for path in notebooks.find()]
    lines = [_of_notebook(one, own, shelf, at) for one in found if (own := _own(one))]
    machines = sorted({f"{known['device']}, {known['torch']}" for item in shelf.items if (known := shelf.origin(item))})
    said = TAKES.format(
        machines="; ".join(f"torch {m.rpartition(', ')[2]} on {m.rpartition(', ')[0]}" for m in machines)
    )
    return [said, table(heads, lines), BESIDE.format(drawn=DRAWN)]


def _own(notebook: Notebook) -> list[str]:
    """The items that a notebook makes, without those that v2 prints again."""
    return [i for i in published.items() if i not in published.REPEATED and published.notebook(i) == notebook.stem]


def _of_notebook(one: Notebook, own: Sequence[str], shelf: Shelf, at: Path) -> list[str]:
    number, needs = one.stem[:2], one.needs or notebooks.Needs()
    times = shelf.took.get(one.stem)
    sets = [f"{name} (or without)" if name in needs.optional else name for name in needs.datasets]
    gates = [name for name, gate in manifests.CALIBRATIONS.items() if set(gate.checkpoints) & set(needs.checkpoints)]
    frozen = [f"`python -m ktlib calibrate {name}` before" for name in gates if needs.calibration]
    return [
        link(number, one.path, at),
        grouped(own),
        f"{times['seconds'] / 60:.0f} min" if times else "",
        f"`./run_all.sh --scale paper --only {number}`",
        ", ".join([*sets, *needs.checkpoints, *frozen]),
        sizes.told(*sizes.disk([*needs.datasets, *needs.checkpoints])),
        DECISIONS.get(number, ""),
    ]


def grouped(items: Sequence[str]) -> str:
    """Items in fewer words: `KT Tab. 1 to 3, 7; ZS Fig. 1`.

    Args:
        items: `KT Tab. 1`, in their order.
    """
    found = []
    for kind, same in groupby((item.rpartition(" ") for item in items), key=lambda parts: parts[0]):
        numbers = [int(last) for *_, last in same]
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        said = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
        found.append(f"{kind} {', '.join(said)}")
    return "; ".join(found)


def cited(text: str) -> list[str]:
    """The decisions that a text names, its ranges written out: `D1 to D3, D7` are four.

    Args:
        text: with `D7` or `D1 to D3`.
    """
    ranges = re.findall(r"D(\d+)(?: to D(\d+))?", text)
    return [f"D{number}" for first, last in ranges for number in range(int(first), int(last or first) + 1)]


def _line(claim: published.Claim, shelf: Shelf, at: Path) -> list[str]:
    verdict, notebook = shelf.verdicts[claim.id], ledger.notebook(claim.id)
    if notebook is None or verdict.verdict == NOT_RUN:
        name = link(notebook[:2], ROOT / "notebooks" / f"{notebook}.ipynb", at) if notebook else ""
        return [claim.id, claim.short, name, "", f"{NOT_RUN}: {verdict.comparison}", ""]
    measured = [item for item in (*verdict.items, *ALSO.get(claim.id, ())) if item in shelf.items]
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

"""`python -m ktlib rounding`: run notebooks again with other kernels and threads, and note each claim's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ktlib.companion import outputs, runs
from ktlib.companion.outputs import Run
from ktlib.companion.record import certificate, rounding, rows
from ktlib.companion.record.judging import NOT_RUN
from ktlib.companion.record.kernels import Kernels
from ktlib.companion.record.rounding import Repetition
from ktlib.companion.report import ledger, page
from ktlib.places import ROOT

NOTEBOOKS = ("01", "02", "03", "04", "05", "06", "07")  # that test claims


def repeat(
    only: Sequence[str] | None = None, *, scale: str = "pocket", kernels: Kernels, root: Path, force: bool = False
) -> list[Repetition]:
    """Run notebooks into a folder of their own, judge their claims, and write that beside the published rows.

    Args:
        only: numbers of notebooks; by default all that test claims.
        scale: whose published rows.
        kernels: other ones than those rows were computed with.
        root: of the repository.
        force: run even what is unchanged.

    Raises:
        RuntimeError: a notebook failed, or its arithmetic was that of the published rows.
    """
    folder = outputs.home(root, f"{scale}-{kernels}")
    this = Run(root, folder, scale, 0, kernels)
    outcomes = runs.run(only or NOTEBOOKS, scale=scale, seed=0, force=force, root=root, folder=folder, kernels=kernels)
    if bad := [one.notebook for one in outcomes if one.status not in ("ran", "unchanged")]:
        raise RuntimeError(f"nothing was noted: expected good runs, but {', '.join(bad)} did not run to the end")
    own, home = runs.computed(this), this.committed("results")
    items = {row.item for row in own}
    (here,) = _arithmetic(folder / "results", items)
    there = _arithmetic(home, items)
    if here[2] in {canary for _, _, canary in there}:
        raise RuntimeError(f"nothing was noted: canary {here[2]} is that of the published rows; take other kernels")
    if len({canary for _, _, canary in there}) > 1:
        raise RuntimeError("nothing was noted: the published rows were computed with several kernels; record them anew")
    everything = [*own, *(row for row in rows.read(scale, folder=home) if row.item not in items)]
    claims = [claim for number in only or NOTEBOOKS for claim in ledger.of_notebook(number)]
    judged = [one for claim in claims if (one := ledger.verdict(claim, everything, scale)).verdict != NOT_RUN]
    name, threads, canary = here
    found = [Repetition(one.claim, one.verdict, one.estimate, name, int(threads), canary) for one in judged]
    rounding.write(found, home)
    if root == ROOT:
        page.main()
    return found


def _arithmetic(folder: Path, items: set[str]) -> set[tuple[str, str, str]]:
    """Kernels, threads and canary of the rows of some items."""
    records = certificate.records(folder, items)
    return {(r.get("kernels", "unknown"), r.get("threads", "0"), r.get("canary", "unknown")) for r in records}

"""What was measured at one scale, and where the files of it lie."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ktlib import places
from ktlib.companion.record import published, rounding
from ktlib.companion.record import rows as results
from ktlib.companion.record.judging import Verdict
from ktlib.companion.record.rows import Row, select
from ktlib.companion.report import ledger
from ktlib.places import ROOT

# Items that no notebook measures: what is there instead, and in which file.
ELSEWHERE = {"KT v2 Fig. 6": ("what inversion costs is measured", "benchmarks/README.md")}


@dataclass(frozen=True)
class Shelf:
    """The rows of one scale, with the folders that hold their files.

    Attributes:
        scale: `pocket` or `paper`.
        rows: all of them.
        results: folders of the rows, the one that counts first.
        figures: folders of the figures, the one that counts first.
        home: the folder of what is published, with the repetitions of its verdicts.
    """

    scale: str
    rows: tuple[Row, ...]
    results: tuple[Path, ...]
    figures: tuple[Path, ...]
    home: Path

    @functools.cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on every claim, by its id."""
        return {verdict.claim: verdict for verdict in self._judged()}

    def verdict(self, claim: str) -> Verdict:
        """The verdict on one claim, without judging the others.

        Raises:
            KeyError: there is no such claim.
        """
        (found,) = self._judged([claim])
        return found

    def _judged(self, claims: Sequence[str] | None = None) -> list[Verdict]:
        return ledger.verdicts(self.rows, self.scale, rounding.read(self.home), claims=claims)

    @functools.cached_property
    def items(self) -> tuple[str, ...]:
        """The items that were measured."""
        return tuple(dict.fromkeys(row.item for row in self.rows))

    def of(self, item: str) -> list[Row]:
        """The rows of an item."""
        return select(self.rows, item=item)

    def file(self, item: str) -> Path:
        """The rows of an item, as a file."""
        return _first(self.results, f"{results.stem(item)}.csv") or self.results[0] / f"{results.stem(item)}.csv"

    def page(self, item: str) -> Path:
        """The page of an item; it stands beside the rows."""
        return self.results[0] / f"{results.stem(item)}.md"

    def figure(self, item: str) -> Path | None:
        """The figure of an item, or of the one that it takes its numbers from; None where none was drawn."""
        names = published.file_names(item)
        return next((found for name in names if (found := _first(self.figures, f"{name}.png"))), None)

    def origin(self, item: str) -> Mapping[str, Any] | None:
        """Where the rows of an item come from, as written beside them; None where nothing is."""
        return results.record_of(self.file(item)) or None

    @functools.cached_property
    def took(self) -> Mapping[str, Any]:
        """What each notebook took when it was recorded, seconds and memory; nothing where nobody recorded a run."""
        file = _first(self.results, "times.json")
        return json.loads(file.read_text(encoding="utf-8")) if file else {}


def _first(folders: tuple[Path, ...], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def committed(scale: str, root: Path = ROOT) -> Shelf:
    """What is published of a scale.

    Args:
        scale: its name.
        root: of the repository.
    """
    folder = root / places.committed(scale).relative_to(ROOT)
    return Shelf(scale, tuple(results.read(scale, folder=folder)), (folder,), (root / "figures" / scale,), folder)


def produced(scale: str) -> Shelf:
    """What a run has measured; outside of one, what lies in the scratch folder over what is published.

    Inside a run of another scale it is what is published.
    """
    own, known = places.output(scale), committed(scale)
    if os.environ.get("KT_OUTPUT"):
        rows = tuple(results.read(scale))
        if any(row.scale != scale for row in rows):  # the run is of another scale
            return known
        # nothing that it did not read or write
        return Shelf(scale, rows, (own / "results",), (own / "figures",), known.home)
    folders = (own / "results", *known.results), (own / "figures", *known.figures)
    return Shelf(scale, tuple(results.read(scale)), *folders, known.home)

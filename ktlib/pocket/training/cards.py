"""Model cards of the pocket models: how they were trained, what they score, what they weigh.

One card for every family. What a family scores and how its card reads stands in the family's module,
beside its recipes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from ktlib import places
from ktlib.models import checkpoints
from ktlib.pocket.training.loop import Learner, write_json
from ktlib.store import write_text

CARD, README = "card.json", "README.md"


@runtime_checkable
class Family(Protocol):
    """A module with the recipes of one family of models."""

    @property
    def RECIPES(self) -> Mapping[str, Any]:
        """By name."""
        ...

    @property
    def TOLERANCE(self) -> float:
        """By how much a score may differ on another machine; a wrong file tips far more."""
        ...

    def learner(self, name: str, recipe: Any) -> Learner:
        """A model that has yet to learn."""
        ...

    def drawn_from(self) -> dict[str, str]:
        """Versions and fingerprints of the data, as they are now."""
        ...

    def measure(self, folder: Path) -> dict[str, Any]:
        """What a trained model can do before any transfer: `scores`, fractions by name, and what explains them."""
        ...

    def readable(self, card: dict[str, Any]) -> str:
        """The card as Markdown."""
        ...


def write(family: Family, name: str, folder: Path) -> None:
    """Write `card.json` and its readable form `README.md` beside freshly trained weights.

    Args:
        family: of the model.
        name: of its recipe.
        folder: of the weights.
    """
    files = sorted(p.name for p in folder.iterdir() if p.suffix in (".safetensors", ".json") and p.name != CARD)
    card = {
        "name": name,
        "sha256": {file: checkpoints.digest(folder / file) for file in files},
        "training": json.loads((folder / "training.json").read_text(encoding="utf-8")),
        **_measured(family, folder),
    }
    write_json(folder / CARD, card)
    write_text(folder / README, family.readable(card))


def check(family: Family, name: str) -> list[str]:
    """What is wrong with a shipped model; empty when digests and scores are as on its card.

    Args:
        family: of the model.
        name: of its recipe.
    """
    folder = places.WEIGHTS / name
    if not (folder / CARD).exists():
        return [f"{name} is not there; train it with `python -m ktlib pocket train {name}`"]
    try:
        checkpoints.verify(folder)
    except RuntimeError as error:
        return [str(error)]
    problems, card = [], checkpoints.card(name)
    if any(card["training"][what] != found for what, found in family.drawn_from().items()):
        problems.append(f"{name} was trained on another version of the drawn world; train it anew")
    found = _measured(family, folder)["scores"]
    for what, expected in card["scores"].items():
        if abs(found[what] - expected) > family.TOLERANCE:
            problems.append(f"{name}: expected {expected} on {what}, found {found[what]}")
    return problems


def _measured(family: Family, folder: Path) -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):  # a network is built with random weights before its own are read
        measured = family.measure(folder)
    return measured | {"scores": {what: round(value, 4) for what, value in measured["scores"].items()}}


# -- pieces of a page -------------------------------------------------------------------------------
def table(header: str, rows: Iterable[str]) -> str:
    """A Markdown table from the header's cells and the rows."""
    line = "|---" * (header.count("|") - 1) + "|"
    return "\n".join([header, line, *rows])

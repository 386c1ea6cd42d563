"""How the pocket models are trained, and the cards that say what came of it.

A family of models is a module with its recipes, its learner and its card (`cards.Family`); there is one
loop (`loop.train`), one way to write a tokenizer (`words`) and one card (`cards`) for all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ktlib import store
from ktlib.bounds import COUNT, NOT_NEGATIVE
from ktlib.pocket.training import captioner, cards, clip, encoders, loop, medical, scan_clip, segmenter, vilt

FAMILIES: tuple[cards.Family, ...] = (clip, encoders, vilt, captioner, medical, scan_clip, segmenter)
RECIPES: Mapping[str, Any] = {name: recipe for family in FAMILIES for name, recipe in family.RECIPES.items()}

__all__ = ["FAMILIES", "RECIPES", "check", "family", "train"]


def family(name: str) -> cards.Family:
    """The family that a recipe belongs to.

    Raises:
        ValueError: there is no such recipe.
    """
    for one in FAMILIES:
        if name in one.RECIPES:
            return one
    raise ValueError(f"expected a recipe ({', '.join(RECIPES)}), found {name!r}")


def train(name: str, folder: Path, *, save_every: int = 100, replace: bool = False, **changes: float | None) -> None:
    """Train a pocket model and write it and its card to `folder`; a stopped training goes on.

    Args:
        name: of a recipe.
        folder: receives the model, `training.json`, `card.json` and `README.md`.
        save_every: steps between checkpoints.
        replace: put the model in the place of a finished one.
        changes: of the recipe, such as `steps` or `familiarity`; None changes nothing.

    Raises:
        ValueError: there is no such recipe, it does not have what should be changed, nothing would be trained, or a
            finished model is in the folder, or nothing can be written there.
    """
    chosen, recipe = family(name), RECIPES[name]
    wanted = {what: value for what, value in changes.items() if value is not None}
    known = [field.name for field in dataclasses.fields(recipe)]
    if unknown := [what for what in wanted if what not in known]:
        raise ValueError(
            f"expected a change of {', '.join(known)} for {name}, found {', '.join(unknown)}; leave it out"
        )
    if "familiarity" in wanted and not NOT_NEGATIVE.holds(wanted["familiarity"]):
        raise ValueError(f"expected familiarity to be {NOT_NEGATIVE}, found {wanted['familiarity']}")
    for what in ("steps", "batch"):
        if what in wanted and not COUNT.holds(wanted[what]):
            raise ValueError(f"expected {what} to be {COUNT}, found {wanted[what]}: nothing would be trained")
    if (folder / cards.CARD).exists() and not replace:
        raise ValueError(
            f"expected no finished model in {folder}, found one; train into another folder (--out), or put it in the "
            "place of this one (--replace)"
        )
    store.prepare(folder, what="a folder for the model")
    learner = chosen.learner(name, dataclasses.replace(recipe, **wanted))
    loop.train(learner, folder, save_every=save_every, drawn_from=chosen.drawn_from())
    cards.write(chosen, name, folder)


def check(name: str) -> list[str]:
    """What is wrong with a shipped model; empty when digests and scores are as on its card.

    Args:
        name: of a recipe.

    Raises:
        ValueError: there is no such recipe.
    """
    return cards.check(family(name), name)

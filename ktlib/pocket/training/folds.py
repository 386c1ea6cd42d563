"""How the CLIPs of the second pocket world are trained: one a fold, a larger one for two folds.

CLIP's symmetric loss on the fold's pictures and captions, plus the dictionary (`dictionary`). In a last
stage only the text tower learns, from explanations that do not hold the name: until then the name itself
satisfies the dictionary, and need not mean what it is explained as.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ktlib.models import DualEncoder, load
from ktlib.pocket import stream, world
from ktlib.pocket.folds import FOLDS
from ktlib.pocket.training import cards, clip, dictionary, gates, loop, words
from ktlib.pocket.training.loop import Step, write_json

TOLERANCE = clip.TOLERANCE
TAUGHT = "taught.json"  # the positive control, measured once: it takes longer than a check should


@dataclass(frozen=True)
class Recipe:
    """Size and schedule of one pocket CLIP. All values are ours.

    Attributes:
        fold: which objects are never shown.
        width, layers: of the visual tower.
        steps: of both stages.
        last: steps of the last stage, in which the text tower alone is trained.
        last_lr: its rate, from which a cosine falls to zero.
        pool: pictures drawn, for all folds alike.
        dictionary: weight of the dictionary term: 0 leaves the words of rare names unexplained.
        familiarity: multiplies how often rare names occur.
    """

    fold: int
    width: int
    layers: int
    steps: int = 720
    last: int = 120
    batch: int = 192
    lr: float = 1e-3
    last_lr: float = 3e-4
    weight_decay: float = 0.1
    warmup: int = 50
    seed: int = 0
    pool: int = 40_000
    dictionary: float = 0.5
    familiarity: float = 1.0

    @property
    def joint(self) -> int:
        """Steps in which both towers are trained."""
        return self.steps - self.last


# Two sizes, as the papers have ViT-B/32 and ViT-L/14; every fold has a pretraining seed of its own.
RECIPES = {f"clip-b-{fold.number}": Recipe(fold.number, 128, 4, seed=fold.number) for fold in FOLDS} | {
    f"clip-l-{fold.number}": Recipe(fold.number, 192, 6, seed=10 + fold.number) for fold in FOLDS[:2]
}


class Explained(clip.Contrast):
    """A CLIP of a fold, which learns from pictures with captions and from a dictionary.

    The last stage goes on in the same stream of pictures with the optimiser's moments and decay of the
    joint one; where it was measured it began with fresh ones, no decay, and 8000 pictures of its own.
    """

    recipe: Recipe

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe, words.for_clip(stream.vocabulary(), most=clip.CONTEXT_LENGTH))

    @functools.cached_property
    def shown(self) -> stream.Stream:
        """The fold's pictures."""
        recipe = self.recipe
        return stream.Stream(stream.pool(recipe.pool), FOLDS[recipe.fold], recipe.seed, recipe.familiarity)

    def rate(self, recipe: Recipe, step: int) -> float:
        """Two cosines, one a stage; the first is warmed up."""
        if step < recipe.joint:
            return loop.cosine(replace(recipe, steps=recipe.joint, last=0), step)
        return loop.cosine(replace(recipe, steps=recipe.last, lr=recipe.last_lr, warmup=0), step - recipe.joint)

    def step(self, number: int) -> Step:
        """Pictures against captions, and prompts against explanations; no gradient reaches a picture at last."""
        recipe, last = self.recipe, number >= self.recipe.joint
        images, captions = self.shown.batch(number, recipe.batch)
        rng = world.stream("dictionary", recipe.fold, recipe.seed, number)
        prompts, explanations = dictionary.entries(rng, last=last)
        seen = self.network.encode_image((images - clip.MEAN) / clip.STD, normalize=True)
        scale = self.network.logit_scale.exp()
        if last:
            seen, scale = seen.detach(), scale.detach()
        ids = words.encode(self.words, [*captions, *prompts, *explanations])
        said = dictionary.encode_texts(self.network, ids)
        said, left, right = said.split([len(captions), len(prompts), len(explanations)])
        pictured = self.contrast(seen, said, scale)
        explained = dictionary.contrast(left, right, dictionary.LAST_SCALE if last else dictionary.SCALE)
        loss = pictured + recipe.dictionary * explained
        return Step(loss, {"loss": pictured.detach(), "dictionary": explained.detach()})

    def write(self, folder: Path) -> None:
        """Write the model, and beside it what came of the positive control."""
        super().write(folder)
        found = gates.controls(load(f"local-dir:{folder}", DualEncoder), FOLDS[self.recipe.fold])
        rows = [
            {"arm": arm, "rate": rate, "target": dict(result.target), "retained": result.retained}
            for (arm, rate), result in found.items()
        ]
        write_json(folder / TAUGHT, {"taught": rows})


def learner(name: str, recipe: Recipe) -> Explained:
    """A CLIP that has yet to learn."""
    return Explained(recipe)


# -- the card ---------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Version and fingerprint of the second world."""
    return {"world": stream.VERSION, "fingerprint": stream.fingerprint()}


def measure(folder: Path) -> dict[str, Any]:
    """What a fold's model knows before any transfer, and its positive control as it was measured."""
    fold = FOLDS[json.loads((folder / "training.json").read_text())["recipe"]["fold"]]
    return {
        "scores": asdict(gates.measure(load(f"local-dir:{folder}", DualEncoder), fold)),
        "held_out": list(fold.held_out),
        "validation": list(fold.validation),
        **json.loads((folder / TAUGHT).read_text()),
    }


def measured(card: dict[str, Any]) -> gates.Measured:
    """What a card says of its model before transfer."""
    return gates.Measured(**card["scores"])


def taught(card: dict[str, Any]) -> dict[tuple[str, float], gates.Control]:
    """What a card says of its validation concepts."""
    return {(row["arm"], row["rate"]): gates.Control(row["target"], row["retained"]) for row in card["taught"]}


def readable(card: dict[str, Any]) -> str:
    """A fold's card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], measured(card)
    names = card["validation"]
    rare = ", ".join(f"**{name}**" if name in names else name for name in card["held_out"])
    rows = [
        f"| {arm} | {'' if arm == 'base' else f'{rate:g}'} | {result.mean:.2f} | "
        f"{' | '.join(f'{result.target[name]:.2f}' for name in names)} | {result.retained:.3f} |"
        for (arm, rate), result in taught(card).items()
    ]
    before = [
        f"| known objects (36 names) | {found.known:.3f} |",
        f"| held-out objects, each among the known names, mean | {found.base:.3f} |",
        f"| linear probe on held-out objects, mean | {found.probe:.3f} |",
        f"| binding of held-out names (cosine of class prompt and named description) | {found.binding:.2f} |",
        f"| binding of known names | {found.known_binding:.2f} |",
    ]
    return f"""# pocket/{card["name"]}

A CLIP for fold {recipe["fold"]} of the drawn world: open_clip's `CLIP`, 64 pixels in patches of 16, vision width
{recipe["width"]}, {recipe["layers"]} layers, text width 128, 3 layers, 128 dimensions, half precision. Generated by
`python -m ktlib pocket train {card["name"]}`; do not edit.

- **Never shown** (validation in bold): {rare}.
- **Data**: {recipe["steps"]} batches of {recipe["batch"]} from a pool of {recipe["pool"]} pictures (world
  {training["world"]}) without those of the held-out objects. Their names occur in captions of other pictures, and in
  the dictionary (weight {recipe["dictionary"]:g}), which explains every name by its short and its long description.
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]}; the last
  {recipe["last"]} steps train the text tower alone at {recipe["last_lr"]:g}, with explanations that hold no name;
  {training["minutes"]} minutes on 2 CPU cores; final loss {training["final_loss"]}, dictionary
  {training["final_dictionary"]}.

{cards.table("| before any transfer | |", before)}

The positive control, on validation concepts alone (ten images each, mean of two seeds):

{cards.table(f"| images | rate | target | {' | '.join(names)} | known kept |", rows)}
"""

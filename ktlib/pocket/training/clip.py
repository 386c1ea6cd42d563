"""How the pocket CLIPs are trained: `python -m ktlib pocket train clip-b-0`.

One a fold, a larger one a fold, and one that has seen everything. How they learn stands in `towers`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from transformers import PreTrainedTokenizerFast

from ktlib.models import DualEncoder, load
from ktlib.pocket import world
from ktlib.pocket.draw import IMAGE_SIZE
from ktlib.pocket.folds import EVERYTHING, FOLDS, Fold
from ktlib.pocket.training import cards, dictionary, gates, words
from ktlib.pocket.training.loop import write_halves, write_json
from ktlib.pocket.training.towers import TwoStages, TwoTowers

CONTEXT_LENGTH = 32
MEAN, STD = 0.5, 0.25
PREPROCESS = {"mean": [MEAN] * 3, "std": [STD] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
TOLERANCE = 0.03  # another processor may tip a few of hundreds of pictures; a wrong file tips many
TAUGHT = "taught.json"  # the positive control, measured once: it takes longer than a check should


@dataclass(frozen=True)
class Recipe(TwoStages):
    """Size and schedule of one pocket CLIP. All values are ours.

    Attributes:
        fold: which objects are never shown; None where all are.
        width, layers: of the visual tower.
        steps: of both stages.
        last: steps of the last stage, in which the text tower alone is trained.
        last_lr: its rate, from which a cosine falls to zero.
        pool: pictures drawn, for all folds alike.
        dictionary: weight of the dictionary term: 0 leaves the words of rare names unexplained.
        familiarity: multiplies how often rare names occur.
    """

    fold: int | None
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


# Two sizes, as the papers have ViT-B/32 and ViT-L/14; every fold has a pretraining seed of its own.
RECIPES = (
    {"clip-b": Recipe(None, 128, 4, seed=20)}
    | {f"clip-b-{fold.number}": Recipe(fold.number, 128, 4, seed=fold.number) for fold in FOLDS}
    | {f"clip-l-{fold.number}": Recipe(fold.number, 192, 6, seed=10 + fold.number) for fold in FOLDS}
)


def fold_of(number: int | None) -> Fold:
    """The fold of a recipe: `EVERYTHING` where it has none."""
    return EVERYTHING if number is None else FOLDS[number]


def tokenizer() -> PreTrainedTokenizerFast:
    """The world's words."""
    return words.for_clip(world.vocabulary(), most=CONTEXT_LENGTH)


def model_config(recipe: Recipe, vocabulary_size: int) -> dict[str, Any]:
    """The open_clip `model_cfg` of a pocket CLIP."""
    return {
        "embed_dim": 128,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "patch_size": 16,
            "width": recipe.width,
            "layers": recipe.layers,
            "head_width": 64,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "width": 128,
            "heads": 4,
            "layers": 3,
            "hf_tokenizer_name": "local",  # any non-empty name makes open_clip read the folder's tokenizer
        },
    }


class Explained(TwoTowers):
    """A CLIP that learns from pictures with captions and from a dictionary.

    The last stage goes on in the same stream of pictures with the optimiser's moments and decay of the
    joint one; where it was measured it began with fresh ones, no decay, and 8000 pictures of its own.
    """

    recipe: Recipe
    network: CLIP
    mean, std = MEAN, STD

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.words = recipe, tokenizer()
        self.config = model_config(recipe, len(self.words))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # open_clip initialises from the global generator
            self.network = CLIP(**self.config)

    @functools.cached_property
    def shown(self) -> world.Stream:
        """The fold's pictures."""
        recipe = self.recipe
        return world.Stream(world.pool(recipe.pool), fold_of(recipe.fold), recipe.seed, recipe.familiarity)

    def entries(self, number: int, *, last: bool) -> tuple[list[str], list[str]]:
        """All forty-eight names."""
        return dictionary.entries(world.stream("dictionary", self.recipe.fold, self.recipe.seed, number), last=last)

    def write(self, folder: Path) -> None:
        """Write open_clip's `local-dir:` layout, and beside it what came of the positive control."""
        write_halves(folder / "open_clip_model.safetensors", self.network)
        write_json(folder / "open_clip_config.json", {"model_cfg": self.config, "preprocess_cfg": PREPROCESS})
        words.write(self.words, folder)
        if self.recipe.fold is None:
            return
        found = gates.taught(load(f"local-dir:{folder}", DualEncoder), gates.examination(FOLDS[self.recipe.fold]))
        write_json(folder / TAUGHT, {"taught": gates.rows(found)})


def learner(name: str, recipe: Recipe) -> Explained:
    """A CLIP that has yet to learn."""
    return Explained(recipe)


# -- the card ---------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Version and fingerprint of the drawn world."""
    return {"world": world.VERSION, "fingerprint": world.fingerprint()}


def measure(folder: Path) -> dict[str, Any]:
    """What a model knows before any transfer, and a fold's positive control as it was measured."""
    model = load(f"local-dir:{folder}", DualEncoder)
    number = json.loads((folder / "training.json").read_text(encoding="utf-8"))["recipe"]["fold"]
    if number is None:
        return {"scores": gates.measure_known(model, EVERYTHING)}
    fold = FOLDS[number]
    return {
        "scores": asdict(gates.measure(model, fold)),
        "held_out": list(fold.held_out),
        "validation": list(fold.validation),
        **json.loads((folder / TAUGHT).read_text(encoding="utf-8")),
    }


def measured(card: dict[str, Any]) -> gates.Measured:
    """What a card says of its model before transfer."""
    return gates.Measured(**card["scores"])


def taught(card: dict[str, Any]) -> dict[tuple[str, float], gates.Control]:
    """What a card says of its validation concepts."""
    return gates.from_rows(card["taught"])


def readable(card: dict[str, Any]) -> str:
    """A CLIP's card as Markdown."""
    training, recipe = card["training"], card["training"]["recipe"]
    fold = fold_of(recipe["fold"])
    if recipe["fold"] is None:
        whose, never, without = "the whole drawn world", "- **Shown**: every object.", "."
        before, after = _known_rows(fold, card["scores"]), ""
    else:
        whose = f"fold {fold.number} of the drawn world"
        rare = ", ".join(f"**{name}**" if name in card["validation"] else name for name in card["held_out"])
        never = f"- **Never shown** (validation in bold): {rare}."
        without = "\n  without those of the held-out objects. Their names occur in captions of other pictures."
        before, after = _fold_rows(fold, card), f"\n{control(card)}\n"
    return f"""# pocket/{card["name"]}

A CLIP for {whose}: open_clip's `CLIP`, 64 pixels in patches of 16, vision width
{recipe["width"]}, {recipe["layers"]} layers, text width 128, 3 layers, 128 dimensions, half precision. Generated by
`python -m ktlib pocket train {card["name"]}`; do not edit.

{never}
- **Data**: {recipe["steps"]} batches of {recipe["batch"]} from a pool of {recipe["pool"]} pictures
  (world {training["world"]}){without}
  A dictionary (weight {recipe["dictionary"]:g}) explains every name by its short and its long description.
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]}; the last
  {recipe["last"]} steps train the text tower alone at {recipe["last_lr"]:g}, with explanations that hold no name;
  {training["minutes"]} minutes on 2 CPU cores; final loss {training["final_loss"]},
  dictionary {training["final_dictionary"]}.

{cards.table("| before any transfer | |", before)}
{after}"""


def _known_rows(fold: Fold, found: Mapping[str, float]) -> list[str]:
    return [
        f"| known objects ({len(fold.known)} names) | {found['known']:.3f} |",
        f"| binding of known names (cosine of class prompt and named description) | {found['known_binding']:.2f} |",
    ]


def _fold_rows(fold: Fold, card: dict[str, Any]) -> list[str]:
    found = measured(card)
    return [
        *_known_rows(fold, card["scores"]),
        f"| binding of held-out names | {found.binding:.2f} |",
        f"| held-out objects, each among the known names, mean | {found.base:.3f} |",
        f"| linear probe on held-out objects, mean | {found.probe:.3f} |",
    ]


def control(card: dict[str, Any]) -> str:
    """The positive control as Markdown, of any model that was taught validation concepts."""
    names = card["validation"]
    rows = [
        f"| {arm} | {'' if arm == 'base' else f'{rate:g}'} | {result.mean:.2f} | "
        f"{' | '.join(f'{result.target[name]:.2f}' for name in names)} | {result.retained:.3f} |"
        for (arm, rate), result in taught(card).items()
    ]
    table = cards.table(f"| images | rate | target | {' | '.join(names)} | known kept |", rows)
    return f"The positive control, on validation concepts alone (ten images each, mean of two seeds):\n\n{table}"

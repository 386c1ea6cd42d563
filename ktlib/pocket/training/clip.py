"""How the pocket CLIPs are trained: `python -m ktlib pocket train clip-b`.

CLIP's symmetric contrastive loss on pictures that are drawn as they are needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from ktlib.evaluate.recognition import recognition
from ktlib.models import DualEncoder, load
from ktlib.pocket import exams, world
from ktlib.pocket.draw import IMAGE_SIZE
from ktlib.pocket.training import cards, words
from ktlib.pocket.training.loop import Learner, Step, write_halves, write_json

CONTEXT_LENGTH = 32
MEAN, STD = 0.5, 0.25
PREPROCESS = {"mean": [MEAN] * 3, "std": [STD] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
TOLERANCE = 0.03  # another processor may tip a few of 390 or more pictures; a wrong file tips many


@dataclass(frozen=True)
class Recipe:
    """Size and schedule of one pocket CLIP. All values are ours (D11)."""

    width: int
    layers: int
    steps: int = 1000
    batch: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.1
    warmup: int = 50
    seed: int = 0
    familiarity: float = 1.0


# The model that Zoom-shot maps to and that the ViLT starts from; those that are taught stand in `folds`.
RECIPES = {"clip-b": Recipe(width=128, layers=4)}


def tokenizer() -> PreTrainedTokenizerFast:
    """The world's words."""
    return words.for_clip(world.vocabulary(), most=CONTEXT_LENGTH)


def model_config(recipe: Any, vocabulary_size: int) -> dict[str, Any]:
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


def batch(seed: int, index: int, size: int, familiarity: float) -> tuple[Tensor, list[str]]:
    """Normalised images and captions of training batch `index`."""
    drawn = [world.training_picture(seed, index * size + i, familiarity) for i in range(size)]
    images = (world.to_tensor([p.image for p in drawn]) - MEAN) / STD
    return images, [p.caption for p in drawn]


class Contrast(Learner):
    """A CLIP that learns which caption belongs to which picture."""

    optimizer = MappingProxyType({"betas": (0.9, 0.98), "eps": 1e-6})
    network: CLIP

    def __init__(self, recipe: Any, numbered: PreTrainedTokenizerFast | None = None) -> None:
        self.recipe, self.words = recipe, numbered or tokenizer()
        self.config = model_config(recipe, len(self.words))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # open_clip initialises from the global generator
            self.network = CLIP(**self.config)
        self.contrast = open_clip.ClipLoss()

    def step(self, number: int) -> Step:
        """The contrastive loss of a batch."""
        images, captions = batch(self.recipe.seed, number, self.recipe.batch, self.recipe.familiarity)
        loss = self.contrast(*self.network(images, words.encode(self.words, captions)))
        return Step(loss, {"loss": loss.detach()})

    def after(self, number: int) -> None:
        """Keep the scale of the cosines between 1 and 100, as CLIP does."""
        with torch.no_grad():
            self.network.logit_scale.clamp_(0, math.log(100))

    def result(self) -> CLIP:
        """The trained model."""
        return self.network.eval()

    def write(self, folder: Path) -> None:
        """Write open_clip's `local-dir:` layout."""
        write_halves(folder / "open_clip_model.safetensors", self.network)
        write_json(folder / "open_clip_config.json", {"model_cfg": self.config, "preprocess_cfg": PREPROCESS})
        words.write(self.words, folder)


def learner(name: str, recipe: Recipe) -> Contrast:
    """A CLIP that has yet to learn."""
    return Contrast(recipe)


# -- the card ---------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Version and fingerprint of the drawn world."""
    return {"world": world.VERSION, "fingerprint": world.fingerprint()}


def measure(folder: Path) -> dict[str, Any]:
    """Zero-shot accuracy on the known objects, and on each rare concept among them."""
    model, exam = load(f"local-dir:{folder}", DualEncoder), exams.first_world()
    found: dict[str, float] = {}
    for concept in exam.concepts:
        result = recognition(model, concept.name, exam.pictures(concept.name), exam.known, exam.known_names)
        found["known objects"] = result.retained.float().mean().item()
        found[concept.name] = result.target.float().mean().item()
    return {"scores": found}


def readable(card: dict[str, Any]) -> str:
    """A CLIP's card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], card["scores"]
    known = f"| known objects (39 names) | | {found['known objects']:.3f} |"
    return f"""# pocket/{card["name"]}

A CLIP for the drawn world, small enough to ship: open_clip's `CLIP`, 64 pixels in patches of 16, vision width
{recipe["width"]}, {recipe["layers"]} layers, text width 128, 3 layers, 128 dimensions, half precision. Generated by
`python -m ktlib pocket train {card["name"]}`; do not edit.

- **Data**: {recipe["steps"]} batches of {recipe["batch"]} pictures, each drawn once (world {training["world"]});
  captions from the world's grammar. No rare concept is ever drawn; its name occurs in captions of other pictures.
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]};
  {training["minutes"]} minutes on 2 CPU cores; final loss {training["final_loss"]}.
- **Meant for** showing the methods of the papers at small scale. It knows {len(world.vocabulary())} words and nothing
  of the real world.

Zero-shot accuracy with "a photo of a NAME" before any transfer; a rare concept competes with all known names:

{cards.table("| | | accuracy |", [known, *cards.rare_rows(found)])}
"""

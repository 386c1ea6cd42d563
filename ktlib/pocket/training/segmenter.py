"""How the pocket SAM is trained: `python -m ktlib pocket train sam`.

SAM's architecture, small enough to ship, on drawn slices of all four tasks, each with a box around its lesion:
exact, or moved and enlarged at random, or the whole picture. It never reads a word.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from ktlib.evaluate import overlap
from ktlib.models import load
from ktlib.models.checkpoints import SAM
from ktlib.models.sam import Segmenter
from ktlib.pocket import grey, radiographs, scans
from ktlib.pocket.training import cards
from ktlib.pocket.training.loop import Learner, Step, write_halves, write_json
from ktlib.pocket.world import stream

TOLERANCE = 0.02
CHECKED = 25  # validation slices of a task
LOOSE, WHOLE = 0.5, 0.1  # shares of boxes that are loose, and that are the whole picture


@dataclass(frozen=True)
class Recipe:
    """Size and schedule of the pocket SAM. All values are ours.

    Attributes:
        width, layers: of the image encoder.
        channels: of the prompt encoder and the mask decoder.
        pool: slices drawn, all tasks alike.
    """

    width: int = 96
    layers: int = 4
    channels: int = 64
    steps: int = 1200
    batch: int = 32
    lr: float = 8e-4
    weight_decay: float = 0.05
    warmup: int = 60
    seed: int = 0
    pool: int = 4000


RECIPES = {"sam": Recipe()}


def configuration(recipe: Recipe) -> SamConfig:
    """SAM at 64 pixels in patches of 8; windows of 4 patches, every second block sees the whole image."""
    vision = SamVisionConfig(
        hidden_size=recipe.width, output_channels=recipe.channels, num_hidden_layers=recipe.layers,
        num_attention_heads=3, image_size=grey.SIZE, patch_size=8, window_size=4,
        global_attn_indexes=list(range(1, recipe.layers, 2)), num_pos_feats=recipe.channels // 2,
        mlp_dim=2 * recipe.width, initializer_range=0.02,
    )  # fmt: skip
    prompts = SamPromptEncoderConfig(
        hidden_size=recipe.channels, image_size=grey.SIZE, patch_size=8, mask_input_channels=8
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=recipe.channels, mlp_dim=2 * recipe.channels, num_hidden_layers=2, num_attention_heads=4,
        iou_head_hidden_dim=recipe.channels,
    )  # fmt: skip
    return SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)


def boxes(masks: Bool[Tensor, "batch rows columns"]) -> Float[Tensor, "batch 4"]:
    """The smallest box around each mask: left, top, right, bottom; right and bottom are the first ones outside.

    Raises:
        ValueError: a mask is empty.
    """
    if not masks.flatten(1).any(1).all():
        raise ValueError("expected masks of something, found an empty one: leave healthy slices out")
    found = []
    for along in (1, 2):  # over rows: which columns; over columns: which rows
        line = masks.any(along).int()
        found.append((line.argmax(1), line.shape[1] - line.flip(1).argmax(1)))
    (left, right), (top, bottom) = found
    return torch.stack([left, top, right, bottom], 1).float()


def loosened(exact: Float[Tensor, "batch 4"], number: int, seed: int) -> Float[Tensor, "batch 4"]:
    """Boxes as a saliency map would give them: some as they are, some moved and enlarged, some the whole picture."""
    rng, found = stream("boxes", seed, number), []
    for left, top, right, bottom in exact.tolist():
        draw = rng.random()
        if draw < WHOLE:
            found.append([0.0, 0.0, float(grey.SIZE), float(grey.SIZE)])
            continue
        wide, high = right - left, bottom - top
        most = 0.4 if draw < WHOLE + LOOSE else 0.0
        left, right = left - wide * rng.uniform(-0.3, 1) * most, right + wide * rng.uniform(-0.3, 1) * most
        top, bottom = top - high * rng.uniform(-0.3, 1) * most, bottom + high * rng.uniform(-0.3, 1) * most
        found.append([min(max(v, 0.0), float(grey.SIZE)) for v in (left, top, right, bottom)])
    return torch.tensor(found)


def loss(logits: Float[Tensor, "batch rows columns"], masks: Bool[Tensor, "batch rows columns"]) -> Float[Tensor, ""]:
    """Cross-entropy of the pixels plus one less the soft Dice coefficient of each mask.

    Source: Kirillov et al. 2023 (SAM) train with focal and Dice loss; the plain cross-entropy is ours.
    """
    wanted = masks.float()
    found = logits.sigmoid()
    overlap = (found * wanted).sum((1, 2))
    dice = (2 * overlap + 1) / (found.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    return F.binary_cross_entropy_with_logits(logits, wanted) + (1 - dice).mean()


class Outlining(Learner):
    """A SAM that learns to outline what lies in a box."""

    optimizer = MappingProxyType({"betas": (0.9, 0.98), "eps": 1e-6})
    recipe: Recipe
    network: SamModel

    def __init__(self, recipe: Recipe, name: str) -> None:
        self.recipe = recipe
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # transformers initialises from the global generator
            self.network = SamModel(configuration(recipe)).train()
        self.model = Segmenter(self.network, name=f"pocket/{name}")

    @functools.cached_property
    def pool(self) -> scans.Pool:
        """Slices with lesions."""
        return scans.pool(tuple(scans.TASKS), self.recipe.pool)

    def step(self, number: int) -> Step:
        """The loss over the whole picture, at its own size."""
        chosen = stream("outlines", self.recipe.seed, number).sample(range(len(self.pool.images)), self.recipe.batch)
        masks = self.pool.masks[chosen]
        asked = loosened(boxes(masks), number, self.recipe.seed)
        small = self.model.logits(radiographs.to_rgb(self.pool.images[chosen]), asked)
        logits = F.interpolate(small[:, None], masks.shape[1:], mode="bilinear")[:, 0]
        return Step(found := loss(logits, masks), {"loss": found.detach()})

    def result(self) -> SamModel:
        """The trained model, frozen."""
        return self.network.requires_grad_(False).eval()

    def write(self, folder: Path) -> None:
        """Write what `ktlib.load` reads."""
        write_halves(folder / SAM, self.network)
        write_json(folder / "config.json", self.model.described())


def learner(name: str, recipe: Recipe) -> Outlining:
    """A SAM that has yet to learn."""
    return Outlining(recipe, name)


# -- the card ---------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Version and fingerprint of the drawn slices."""
    return {"scans": scans.VERSION, "scans_fingerprint": scans.fingerprint()}


def measure(folder: Path) -> dict[str, Any]:
    """The Dice coefficient on validation slices of each task, in the true box and in the whole picture."""
    model = load(f"local-dir:{folder}", Segmenter)
    found = {}
    for task in scans.TASKS:
        drawn = scans.pool((task,), CHECKED, split="validation")
        images, exact = radiographs.to_rgb(drawn.images), boxes(drawn.masks)
        whole = torch.tensor([[0.0, 0.0, grey.SIZE, grey.SIZE]]).expand_as(exact)
        kept = model.embed(images)
        for what, asked in (("true box", exact), ("whole picture", whole)):
            masks = model.segment(images, asked, embeddings=kept)
            found[f"{task}, {what}"] = overlap.dice(masks, drawn.masks).mean().item()
    return {"scores": found}


def readable(card: dict[str, Any]) -> str:
    """A SAM's card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], card["scores"]
    rows = [
        f"| {told.name} | {found[f'{task}, true box']:.3f} | {found[f'{task}, whole picture']:.3f} |"
        for task, told in scans.TASKS.items()
    ]
    return f"""# pocket/{card["name"]}

A SAM for drawn slices, small enough to ship: transformers' `SamModel`, {grey.SIZE} pixels in patches of 8, vision width
{recipe["width"]}, {recipe["layers"]} layers, {recipe["channels"]} channels, half precision. Generated by
`python -m ktlib pocket train {card["name"]}`; do not edit.

- **These are drawings and not medical data.** The model knows nothing of real scans.
- **Data**: {recipe["steps"]} batches of {recipe["batch"]} from a pool of {recipe["pool"]} slices with lesions (scans
  {training["scans"]}) of all four tasks, each with a box: the lesion's ({1 - LOOSE - WHOLE:.0%}), a loose one
  ({LOOSE:.0%}), or the whole picture ({WHOLE:.0%}).
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]};
  {training["minutes"]} minutes on one CPU core that others used too; final loss {training["final_loss"]}.
- **Difference to the published SAM**: it has seen slices of the very tasks it is examined on (never the same ones), so
  that what a mask lacks is lacking in the box.

Dice coefficient on {CHECKED} validation slices of each task:

{cards.table("| | in the true box | in the whole picture |", rows)}
"""

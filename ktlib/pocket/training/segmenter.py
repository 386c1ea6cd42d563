"""How the pocket SAM is trained: `python -m ktlib pocket train sam`.

SAM's architecture, small enough to ship, on drawn slices of all four tasks, each with a box around its lesion or around
something else that is there (a lung, the heart, a layer), exact or loose; with a box of such a size at another place,
where nothing fits it and the answer is the ellipse that it holds; and with the whole picture, whose answer is the
largest thing. So the box decides, as with the published SAM. It never reads a word.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
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
LOOSEST = 0.4  # of a box's side, by which each of its edges may move outwards
CHECKED = 25  # validation slices of a task
WHOLE, ELSEWHERE, LOOSE = 0.1, 0.3, 0.35  # shares: whole pictures, boxes at another place, loose ones; others are exact
LESIONS = 0.5  # share of lesions among what boxes are made for
FITS = 0.25  # least IoU of a box with the box of what it is answered with


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
    steps: int = 1500
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


def slices(
    tasks: Sequence[str], count: int, *, split: str
) -> tuple[UInt8[Tensor, "count 64 64"], list[Bool[Tensor, "_ 64 64"]]]:
    """Slices with lesions, those of `scans.pool`, and masks of what is on each, its lesion first.

    Args:
        tasks: keys of `scans.TASKS`, in turn.
        count: of slices.
        split: of `scans.SPLITS`.
    """
    images, things = [], []
    for i in range(count):
        drawn, rng = scans.layers(tasks[i % len(tasks)], split, i // len(tasks))
        images.append(torch.from_numpy(scans.exposed(drawn, rng)))
        things.append(torch.from_numpy(np.stack([drawn.mask, *drawn.parts])))
    return torch.stack(images), things


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


def loosened(box: Float[Tensor, "4"], rng: Random) -> Float[Tensor, "4"]:
    """A box moved and enlarged, as a saliency map would give it; it stays inside the picture.

    Args:
        box: exact.
        rng: decides.
    """
    left, top, right, bottom = box.tolist()
    wide, high = LOOSEST * (right - left), LOOSEST * (bottom - top)
    sides = [
        left - wide * rng.uniform(-0.3, 1), top - high * rng.uniform(-0.3, 1),
        right + wide * rng.uniform(-0.3, 1), bottom + high * rng.uniform(-0.3, 1),
    ]  # fmt: skip
    return torch.tensor(sides).clamp(0, grey.SIZE)


def moved(box: Float[Tensor, "4"], rng: Random) -> Float[Tensor, "4"]:
    """A box of the same size anywhere in the picture.

    Args:
        box: where it is.
        rng: decides.
    """
    wide, high = (box[2:] - box[:2]).tolist()
    left, top = rng.uniform(0, grey.SIZE - wide), rng.uniform(0, grey.SIZE - high)
    return torch.tensor([left, top, left + wide, top + high])


def answer(masks: Bool[Tensor, "_ rows columns"], box: Float[Tensor, "4"]) -> Bool[Tensor, "rows columns"]:
    """What a box at any place holds: the thing whose own box fits it best, or its ellipse where none does.

    Args:
        masks: of what is on the slice.
        box: in pixels.
    """
    own = boxes(masks)
    shared = (torch.minimum(own, box)[:, 2:] - torch.maximum(own, box)[:, :2]).clamp_min(0).prod(1)
    fits = shared / ((own[:, 2:] - own[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - shared)
    if fits.max() >= FITS:
        return masks[fits.argmax()]
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in masks.shape[1:]), indexing="ij")
    left, top, right, bottom = box
    return ((2 * x - left - right) / (right - left)) ** 2 + ((2 * y - top - bottom) / (bottom - top)) ** 2 <= 1


def prompts(
    things: Sequence[Bool[Tensor, "_ rows columns"]], rng: Random
) -> tuple[Float[Tensor, "batch 4"], Bool[Tensor, "batch rows columns"]]:
    """A box for each slice, and the mask of what is to be outlined there.

    Args:
        things: masks of what is on each slice, its lesion first.
        rng: decides.
    """
    asked, wanted = [], []
    for masks in things:
        draw = rng.random()
        if draw < WHOLE:
            mask, box = masks[masks.flatten(1).sum(1).argmax()], torch.tensor([0.0, 0.0, grey.SIZE, grey.SIZE])
        else:
            mask = masks[0 if rng.random() < LESIONS else rng.randrange(1, len(masks))]
            box = boxes(mask[None])[0]
            if draw < WHOLE + ELSEWHERE:
                mask = answer(masks, box := moved(box, rng))
            elif draw < WHOLE + ELSEWHERE + LOOSE:
                box = loosened(box, rng)
        asked.append(box)
        wanted.append(mask)
    return torch.stack(asked), torch.stack(wanted)


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
        # SAM's code draws the frequencies that places are coded by with a deviation of 1 and does not train them;
        # transformers' deviation is half of the width, so that neighbours have nothing in common.
        waves = self.network.shared_image_embedding.positional_embedding.requires_grad_(False)
        waves /= recipe.width // 2
        self.model = Segmenter(self.network, name=f"pocket/{name}")

    @functools.cached_property
    def pool(self) -> tuple[UInt8[Tensor, "count 64 64"], list[Bool[Tensor, "_ 64 64"]]]:
        """Slices of all tasks in turn, and masks of what is on each."""
        return slices(tuple(scans.TASKS), self.recipe.pool, split="train")

    def step(self, number: int) -> Step:
        """The loss over the whole picture, at its own size."""
        rng, (images, things) = stream("outlines", self.recipe.seed, number), self.pool
        chosen = rng.sample(range(len(images)), self.recipe.batch)
        asked, masks = prompts([things[i] for i in chosen], rng)
        small = self.model.logits(radiographs.to_rgb(images[chosen]), asked)
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
    """The Dice coefficient on validation slices of each task.

    Of the lesion: in its box, in that box mirrored to the other side, and in the whole picture; and of what else is
    there, each in its own box. Where the box decides, the first and the last are high and the two between are low.
    """
    model = load(f"local-dir:{folder}", Segmenter)
    found = {}
    for task in scans.TASKS:
        shown, things = slices((task,), CHECKED, split="validation")
        images, lesions = radiographs.to_rgb(shown), torch.stack([masks[0] for masks in things])
        kept, exact = model.embed(images), boxes(lesions)
        left, top, right, bottom = exact.unbind(1)
        asked = {
            "true box": exact,
            "mirrored box": torch.stack([grey.SIZE - right, top, grey.SIZE - left, bottom], 1),
            "whole picture": torch.tensor([[0.0, 0.0, grey.SIZE, grey.SIZE]]).expand_as(exact),
        }
        for what, box in asked.items():
            masks = model.segment(images, box, embeddings=kept)
            found[f"{task}, {what}"] = overlap.dice(masks, lesions).mean().item()
        others, of = torch.cat([masks[1:] for masks in things]), [i for i, m in enumerate(things) for _ in m[1:]]
        masks = model.segment(images[of], boxes(others), embeddings=kept[of])
        found[f"{task}, other things"] = overlap.dice(masks, others).mean().item()
    return {"scores": found}


def readable(card: dict[str, Any]) -> str:
    """A SAM's card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], card["scores"]
    asked = ("true box", "mirrored box", "whole picture", "other things")
    rows = [
        " | ".join([f"| {told.name}", *(f"{found[f'{task}, {what}']:.3f}" for what in asked)]) + " |"
        for task, told in scans.TASKS.items()
    ]
    return f"""# pocket/{card["name"]}

A SAM for drawn slices, small enough to ship: transformers' `SamModel`, {grey.SIZE} pixels in patches of 8, vision width
{recipe["width"]}, {recipe["layers"]} layers, {recipe["channels"]} channels, half precision. Generated by
`python -m ktlib pocket train {card["name"]}`; do not edit.

- **These are drawings and not medical data.** The model knows nothing of real scans.
- **Data**: {recipe["steps"]} batches of {recipe["batch"]} from a pool of {recipe["pool"]} slices with lesions (scans
  {training["scans"]}) of all four tasks. {WHOLE:.0%} of the boxes are the whole picture, and ask for the largest thing
  there is. The others are made for the lesion ({LESIONS:.0%}), or for a lung, the heart, a layer and the like:
  {LOOSE:.0%} of all are loose, and {ELSEWHERE:.0%} were moved to another place, where the answer is what fits (an IoU
  of {FITS:g} with its own box), or the ellipse that the box holds.
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]};
  {training["minutes"]} minutes on one CPU core that others used too; final loss {training["final_loss"]}.
- **Difference to the published SAM**: it has seen slices of the very tasks it is evaluated on (never the same ones), so
  that what a mask lacks is mostly lacking in the box. Where nothing fits a box, its ellipse is no outline of anything.

Dice coefficient on {CHECKED} validation slices of each task, of the lesion in three boxes, and of what else is there
(lungs, layers and the like) in boxes of its own. Where the box decides, the two in the middle are low, except that a
breast's lesion lies near the middle, where the mirrored box still fits much of it:

{cards.table("| | in the true box | in that box mirrored | in the whole picture | other things in their boxes |", rows)}
"""

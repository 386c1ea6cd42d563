"""How the pocket models are trained: `python -m ktlib pocket train clip-b`.

A plain CLIP training loop (AdamW, cosine, symmetric contrastive loss of open_clip) on pictures
that are drawn as they are needed. Batch `i` is a function of `(seed, i)`, so a run that was
stopped goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast

from ktlib.pocket import world
from ktlib.pocket.draw import IMAGE_SIZE

CONTEXT_LENGTH = 32
PAD, UNKNOWN, START, END = "<pad>", "<unknown>", "<start>", "<end>"


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


# Two sizes, as the papers have ViT-B/32 and ViT-L/14.
RECIPES = {"clip-b": Recipe(width=128, layers=4), "clip-l": Recipe(width=192, layers=6)}


def tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer over the world's vocabulary.

    open_clip pools the text at the highest id, so `END` comes last; `PAD` is 0.
    """
    words = [PAD, UNKNOWN, *world.vocabulary(), START, END]
    ids = {word: index for index, word in enumerate(words)}
    base = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    base.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(".", "")])
    base.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    base.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=base,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        model_max_length=CONTEXT_LENGTH,
    )


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


MEAN, STD = 0.5, 0.25
PREPROCESS = {"mean": [MEAN] * 3, "std": [STD] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}


def batch(seed: int, index: int, size: int, familiarity: float) -> tuple[Tensor, list[str]]:
    """Normalised images and captions of training batch `index`."""
    drawn = [world.training_picture(seed, index * size + i, familiarity) for i in range(size)]
    images = (world.to_tensor([p.image for p in drawn]) - MEAN) / STD
    return images, [p.caption for p in drawn]


def learning_rate(recipe: Any, step: int) -> float:
    """Linear warm-up, then a cosine to zero.

    Args:
        recipe: with `steps`, `warmup` and `lr`.
        step: from 0.
    """
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / (recipe.steps - recipe.warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))


def train(recipe: Recipe, folder: Path, *, save_every: int = 100) -> CLIP:
    """Train a pocket CLIP and write it to `folder` in open_clip's `local-dir:` layout.

    Args:
        recipe: size and schedule.
        folder: receives `open_clip_config.json`, `open_clip_model.safetensors` (float16), the
            tokenizer and `training.json`; `checkpoint.pt` while training goes on.
        save_every: steps between checkpoints.

    Returns:
        The trained model, on the CPU.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer()
    torch.manual_seed(recipe.seed)  # open_clip initialises from the global generator
    config = model_config(recipe, len(words))
    model = CLIP(**config)
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98), eps=1e-6)
    first, seconds, checkpoint = 0, 0.0, folder / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise ValueError(f"{checkpoint} belongs to another recipe: {state['recipe']}; delete it to start afresh")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds = state["step"], state["seconds"]
    contrast = open_clip.ClipLoss()
    began, losses = time.monotonic() - seconds, []
    with tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, desc=folder.name) as bar:
        for step in bar:
            images, captions = batch(recipe.seed, step, recipe.batch, recipe.familiarity)
            ids = words(captions, padding="max_length", max_length=CONTEXT_LENGTH, return_tensors="pt").input_ids
            if ids.shape[1] > CONTEXT_LENGTH:
                raise ValueError(f"a training caption of batch {step} has over {CONTEXT_LENGTH} tokens")
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step)
            loss = contrast(*model(images, ids))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(100))  # as CLIP
            losses.append(loss.item())
            bar.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}")
            if (step + 1) % save_every == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
                state |= {"recipe": asdict(recipe), "seconds": time.monotonic() - began}
                torch.save(state, checkpoint.with_suffix(".tmp"))
                checkpoint.with_suffix(".tmp").replace(checkpoint)
    write(model, config, words, folder)
    minutes = (time.monotonic() - began) / 60
    record = {"recipe": asdict(recipe), "minutes": round(minutes, 1), "final_loss": round(sum(losses[-50:]) / 50, 4)}
    record |= {"world": world.VERSION, "fingerprint": world.fingerprint()}
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    checkpoint.unlink(missing_ok=True)
    return model.eval()


def write(model: CLIP, config: dict[str, Any], words: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a model in open_clip's `local-dir:` layout, weights in half precision."""
    half = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(half, folder / "open_clip_model.safetensors")
    described = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(described, indent=2) + "\n")
    words.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    # transformers 5.23 writes a class name that 4.x cannot read; this one both can.
    file.write_text(file.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))

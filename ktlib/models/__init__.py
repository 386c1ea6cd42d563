"""One adapter a family of models, and `load`, which finds the right one by name."""

from __future__ import annotations

import difflib
import os
import warnings
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn

from ktlib.data import manifests
from ktlib.models.dual import DualEncoder
from ktlib.pocket import weights as pocket_weights

__all__ = ["DualEncoder", "available", "load"]

# The papers' checkpoints under short names. The `-quickgelu` architectures are the ones these
# weights were trained with; open_clip would otherwise build GELU and only warn (3.3.0).
PUBLISHED = {
    "openai/ViT-B-32": ("ViT-B-32-quickgelu", "openai"),
    "openai/ViT-B-16": ("ViT-B-16-quickgelu", "openai"),
    "openai/ViT-L-14": ("ViT-L-14-quickgelu", "openai"),
}


def available() -> list[str]:
    """Names `load` takes: pocket models, published ones, and random weights at published size."""
    return [*(f"pocket/{n}" for n in pocket_weights.names()), *PUBLISHED, *(f"random/{n[7:]}" for n in PUBLISHED)]


def load(name: str, *, weights: str | Path | None = None) -> DualEncoder:
    """A model by name, ready to use: float32, evaluation mode, on the CPU.

    Args:
        name: `pocket/clip-b` (ours, shipped), `openai/ViT-B-32` (published weights, through
            open_clip), `random/ViT-B-32` (the same architecture with random weights, seed 0), or
            any open_clip architecture, or its `local-dir:` and `hf-hub:` names.
        weights: a tag (`laion2b_s34b_b79k`) or a file, for an open_clip architecture.

    Raises:
        ValueError: no such model; the message lists the nearest names.
        FileNotFoundError: published weights that are not here, and downloads are switched off.
        RuntimeError: damaged weights (their digest is not the recorded one).
    """
    if name.startswith("pocket/"):
        folder = pocket_weights.folder(name.removeprefix("pocket/"))
        return _open_clip(f"local-dir:{folder}", name=name)
    if name in PUBLISHED:
        architecture, tag = PUBLISHED[name]
        wanted = manifests.checkpoint(name)
        if (
            weights is None
            and os.environ.get("HF_HUB_OFFLINE") == "1"
            and (gap := manifests.missing_checkpoint(wanted))
        ):
            raise FileNotFoundError(str(gap))
        return _open_clip(architecture, pretrained=str(weights or wanted.file() or tag), name=name)
    if name.startswith("random/") and f"openai/{name[7:]}" in PUBLISHED:
        architecture, _ = PUBLISHED[f"openai/{name[7:]}"]
        return _random(architecture, name)
    if name.startswith(("local-dir:", "hf-hub:")) or name in open_clip.list_models():
        return _open_clip(name, pretrained=None if weights is None else str(weights), name=name)
    known = [*available(), *open_clip.list_models()]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or available()
    raise ValueError(f"expected the name of a model, found {name!r}; did you mean {', '.join(near)}?")


def _open_clip(architecture: str, *, name: str, pretrained: str | None = None) -> DualEncoder:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*QuickGELU mismatch.*")
        model, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=pretrained)
    return _wrap(model, architecture, name, preprocess)


def _random(architecture: str, name: str) -> DualEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # open_clip initialises from the global generator
        model, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=None)
    return _wrap(model, architecture, name, preprocess)


def _wrap(model: nn.Module, architecture: str, name: str, preprocess: Any) -> DualEncoder:
    normalize = preprocess.transforms[-1]  # open_clip ends its transforms with torchvision's Normalize
    tokenizer = open_clip.get_tokenizer(architecture)
    model.requires_grad_(False)
    return DualEncoder(model, tokenizer, name=name, mean=list(normalize.mean), std=list(normalize.std))

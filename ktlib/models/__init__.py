"""One adapter a family of models; `load` and `load_encoder` find the right one by name."""

from __future__ import annotations

import difflib
import os
import warnings
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import torch
from torch import nn

from ktlib.data import manifests
from ktlib.models import architectures as pocket_encoders
from ktlib.models import vision
from ktlib.models.dual import DualEncoder
from ktlib.models.vision import VisionEncoder
from ktlib.pocket import weights as pocket_weights

__all__ = ["DualEncoder", "VisionEncoder", "available", "available_encoders", "load", "load_encoder"]

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
        if name in available_encoders():
            raise ValueError(f"expected a CLIP, found {name}, which reads no text: take load_encoder({name!r})")
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


def available_encoders() -> list[str]:
    """Names `load_encoder` takes: pocket encoders, published ones, and random weights at published size."""
    return [*(f"pocket/{n}" for n in pocket_weights.encoders()), *vision.HEADS, *(f"random/{n}" for n in vision.HEADS)]


def load_encoder(name: str, *, weights: str | Path | None = None) -> VisionEncoder:
    """A vision encoder by name, ready to use: float32, evaluation mode, on the CPU.

    CLIP as a source of features is `VisionEncoder.of(load(...))`.

    Args:
        name: `pocket/dino` (ours, shipped), `torchvision/resnet18` (published weights),
            `random/torchvision/resnet18` (the same architecture with random weights, seed 0), or
            `local-dir:` and the folder of an encoder trained with `python -m ktlib pocket train`.
        weights: a file (safetensors, or `.pth`) in place of the published one.

    Raises:
        ValueError: no such encoder, or weights for one that takes none.
        FileNotFoundError: the weights are not here, and downloads are switched off.
        RuntimeError: damaged weights, or a key that is missing or unknown.
    """
    if name.startswith("local-dir:"):
        return _pocket_encoder(Path(name.removeprefix("local-dir:")), name)
    if name not in available_encoders():
        near = difflib.get_close_matches(name, available_encoders(), n=3, cutoff=0.4) or available_encoders()
        hint = " (for CLIP: VisionEncoder.of(load(...)))" if name in available() else ""
        raise ValueError(
            f"expected the name of a vision encoder, found {name!r}{hint}; did you mean {', '.join(near)}?"
        )
    if weights is not None and name not in vision.HEADS:
        raise ValueError(f"expected no weights for {name}, which has its own, found {weights}")
    if name.startswith("pocket/"):
        return _pocket_encoder(pocket_weights.folder(name.removeprefix("pocket/")), name)
    wanted = manifests.checkpoint(name.removeprefix("random/"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # timm and torchvision initialise from the global generator
        network = vision.build(wanted)
    if not name.startswith("random/"):
        vision.fill(network, name, _published(wanted) if weights is None else Path(weights))
    return VisionEncoder(
        network.requires_grad_(False),
        name=name,
        image_size=wanted.image_size,
        dim=wanted.embedding_size,
        mean=wanted.mean,
        std=wanted.std,
    )


def _pocket_encoder(folder: Path, name: str) -> VisionEncoder:
    network, described = pocket_encoders.read(folder)
    facts = {key: described[key] for key in ("image_size", "dim", "mean", "std")}
    return VisionEncoder(network.requires_grad_(False), name=name, **facts)


def _published(wanted: manifests.Checkpoint) -> Path:
    """The file of published weights; downloaded where that is allowed."""
    gap = manifests.missing_checkpoint(wanted)
    if gap and os.environ.get("HF_HUB_OFFLINE") == "1":
        raise FileNotFoundError(str(gap))
    if gap and wanted.hub is None:
        wanted.place.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(wanted.url, str(wanted.place), hash_prefix=wanted.sha256)
    elif gap and wanted.hub:
        return Path(huggingface_hub.hf_hub_download(wanted.hub["repository"], wanted.hub["file"]))
    file = wanted.file()
    assert file is not None, "just downloaded"
    if wanted.hub is None and wanted.sha256:  # the digest is that of the file behind the address
        vision.verify(file, wanted.sha256)
    return file


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

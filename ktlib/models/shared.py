"""What every adapter does alike: prepare pictures, and say which weights it has."""

from __future__ import annotations

import hashlib

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def prepare(
    images: Tensor, size: int, mean: Float[Tensor, "1 3 1 1"], std: Float[Tensor, "1 3 1 1"]
) -> Float[Tensor, "batch 3 size size"]:
    """Pictures as a network takes them: resized (bicubic, antialiased when they shrink) and normalised.

    Args:
        images: (batch, 3, height, width), RGB in [0, 1].
        size: side in pixels.
        mean, std: of the channels.

    Raises:
        ValueError: another layout.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected images (batch, 3, height, width) in [0, 1], found {tuple(images.shape)}")
    if tuple(images.shape[-2:]) != (size, size):
        images = F.interpolate(images, (size, size), mode="bicubic", antialias=images.shape[-1] > size)
    return (images - mean) / std


def digest(network: nn.Module, *parts: object) -> str:
    """sha256 of all weights, as float16 so that stored and computed halves agree; first 16 digits.

    Args:
        network: its `state_dict` is what counts.
        parts: whatever else tells two models apart.
    """
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().half().contiguous().numpy().tobytes())
    for part in parts:
        found.update(repr(part).encode())
    return found.hexdigest()[:16]

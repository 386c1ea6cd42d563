"""The blocks of a visual tower, whoever built it: where a hook can look into it."""

from __future__ import annotations

import math

from torch import nn

# Where a tower keeps its blocks: open_clip's own, timm's in open_clip (BiomedCLIP), and those of transformers.
_PLACES = (
    "transformer.resblocks",
    "trunk.blocks",
    "model.encoder.layers",
    "model.encoder.layer",
    "model.layers",
    "vision_model.encoder.layers",
)


def blocks(tower: nn.Module) -> list[nn.Module]:
    """The transformer blocks of a visual tower in the order in which an image passes them.

    Args:
        tower: `visual` of a dual encoder; a Swin's stages are taken apart.

    Raises:
        ValueError: its blocks are nowhere that is known.
    """
    for place in _PLACES:
        try:
            found = tower.get_submodule(place)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList | nn.Sequential):
            return [block for part in found for block in getattr(part, "blocks", [part])]
    raise ValueError(
        f"expected a tower of transformer blocks (at {', '.join(_PLACES)}), found {type(tower).__name__}; "
        "add its place here"
    )


def grid(tokens: int) -> tuple[int, int]:
    """How many patches are in a row, and how many tokens stand in front of them (the class token).

    Args:
        tokens: of an image, all of them; images are square.
    """
    side = math.isqrt(tokens)
    return side, tokens - side**2

"""Five tiny vision encoders of the families that Zoom-shot maps into CLIP's space.

They have the classes of the published ones (timm, torchvision), 64 pixels and a feature of their
own width. `ktlib.pocket.pretrain` trains them; weights and `config.json` are in `weights/`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from timm.layers import PatchEmbed
from torch import nn
from torchvision.models import DenseNet, MobileNetV3
from torchvision.models.mobilenetv3 import InvertedResidualConfig

from ktlib.pocket.draw import IMAGE_SIZE
from ktlib.pocket.training.clip import MEAN, STD

# Rows of torchvision's MobileNetV3-small at a quarter of its width or so: channels in, kernel,
# expanded, out, squeeze-and-excite, activation, stride.
_MOBILENET = [
    [8, 3, 8, 8, True, "RE", 2],
    [8, 3, 24, 8, False, "RE", 2],
    [8, 3, 24, 8, False, "RE", 1],
    [8, 5, 32, 16, True, "HS", 2],
    [16, 5, 64, 24, True, "HS", 1],
]
_VIT: dict[str, Any] = {
    "img_size": IMAGE_SIZE,
    "dynamic_img_size": True,  # small crops are a part of the training
    "weight_init": "jax",  # Xavier; the default of 0.02 suits a width of 768 and is too small for these
    "init_values": 1.0,  # of LayerScale; 1e-5 is for long training
}

# Who builds it, as what, how; the feature is what the network hands to its classifier. Ours (D11).
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "mobilenet": {"builder": "torchvision.MobileNetV3", "arguments": {"rows": _MOBILENET}, "dim": 144},
    "densenet": {
        "builder": "torchvision.DenseNet",
        "arguments": {"growth_rate": 16, "block_config": [2, 4, 4, 4], "num_init_features": 32, "num_classes": 1},
        "dim": 120,
    },
    "resnet": {
        "builder": "timm.resnet18",
        "arguments": {"channels": [16, 32, 64, 112], "layers": [2, 2, 2, 2], "stem_type": "deep", "stem_width": 8},
        "dim": 112,
    },
    "dino": {
        "builder": "timm.vit_base_patch16_224.dino",
        "arguments": {"patch_size": 16, "embed_dim": 96, "depth": 4, "num_heads": 3, **_VIT},
        "dim": 96,
    },
    "dinov2": {
        "builder": "timm.vit_base_patch14_dinov2.lvd142m",
        "arguments": {"patch_size": 8, "embed_dim": 80, "depth": 3, "num_heads": 5, **_VIT},
        "dim": 80,
    },
}


def config(name: str) -> dict[str, Any]:
    """What `config.json` says of an encoder: architecture, feature width, size and normalisation."""
    return ARCHITECTURES[name] | {"image_size": IMAGE_SIZE, "mean": [MEAN] * 3, "std": [STD] * 3}


class ConvolutionalStem(PatchEmbed):
    """Patches by convolutions of stride 2 in place of one large step (Xiao et al. 2021).

    A transformer learns more from few pictures with it: in a contrastive trial of 150 steps a linear
    probe named 0.62 of the known objects (validation), 0.57 with timm's own patches.
    """

    def __init__(self, *, patch_size: int, embed_dim: int, **arguments: Any) -> None:
        super().__init__(patch_size=patch_size, embed_dim=embed_dim, **arguments)
        layers: list[nn.Module] = []
        width, steps = 3, int(math.log2(patch_size))
        for step in range(steps):
            wider = embed_dim * 2**step // 2 ** (steps - 1)
            layers += [nn.Conv2d(width, wider, 3, 2, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.add_module("proj", nn.Sequential(*layers, nn.Conv2d(width, embed_dim, 1)))


def build(config: dict[str, Any]) -> nn.Module:
    """A network with random weights (from the global generator) that maps normalised images to features.

    Args:
        config: as `config` describes it.
    """
    library, _, model = config["builder"].partition(".")
    arguments = config["arguments"]
    if library == "timm":
        stem: dict[str, Any] = {"embed_layer": ConvolutionalStem} if model.startswith("vit_") else {}
        return timm.create_model(model, pretrained=False, num_classes=0, **arguments, **stem)
    if model == "DenseNet":
        network: nn.Module = DenseNet(**arguments)
        network.classifier = nn.Identity()
        return network
    rows = [InvertedResidualConfig(*row, dilation=1, width_mult=1.0) for row in arguments["rows"]]
    network = MobileNetV3(rows, last_channel=config["dim"], num_classes=1)
    network.classifier = nn.Identity()  # what is left ends with the pooled feature
    return network


def read(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A trained encoder and its description.

    Raises:
        RuntimeError: a weight is missing, or there is one too many.
    """
    described = json.loads((folder / "config.json").read_text())
    with torch.random.fork_rng(devices=[]):
        network = build(described)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network.eval(), described

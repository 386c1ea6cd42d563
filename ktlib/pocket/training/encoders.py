"""How the pocket vision encoders are trained: `python -m ktlib pocket train dino`.

Five tiny networks of the families that Zoom-shot maps into CLIP's space; 64 pixels, a feature of their
own width. Three learn the names of the objects, as the networks of Zoom-shot learnt ImageNet's. Two
see pictures and nothing else: after DINO (Caron et al. 2021) and DINOv2 (Oquab et al. 2023).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ktlib.models import VisionEncoder, architectures, load
from ktlib.pocket import world
from ktlib.pocket.draw import IMAGE_SIZE
from ktlib.pocket.objects import OBJECTS, painted
from ktlib.pocket.training import cards, clip, probe
from ktlib.pocket.training.clip import MEAN, STD
from ktlib.pocket.training.distillation import Distillation, View, crop
from ktlib.pocket.training.loop import Learner, Step, write_halves, write_json

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

# Who builds it, as what, how: see `ktlib.models.architectures`. The feature is what the network hands to its
# classifier. Ours (D11).
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


TOLERANCE = 0.03  # as for the CLIPs
FIRST = 1_000_000  # pictures of the pool's distribution that lie behind those of every pocket CLIP


@dataclass(frozen=True)
class Recipe:
    """Schedule of one pocket encoder. All values are ours (D11), chosen on validation pictures.

    Attributes:
        method: `names` (of all objects), `dino` or `dinov2`.
    """

    method: str
    steps: int
    batch: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 40
    seed: int = 0


RECIPES = {
    "mobilenet": Recipe("names", steps=250),
    "densenet": Recipe("names", steps=250),
    "resnet": Recipe("names", steps=250),
    "dino": Recipe("dino", steps=700, batch=64, lr=1e-3),
    "dinov2": Recipe("dinov2", steps=700, batch=64, lr=1e-3),
}


# -- pictures ---------------------------------------------------------------------------------------
def pictures(seed: int, step: int, size: int) -> Float[Tensor, "batch 3 64 64"]:
    """Training pictures of everything in the world, without what is said about them."""
    first = (1 + seed) * FIRST + step * size
    drawn = [world.pool_picture(first + i)[0] for i in range(size)]
    return (world.to_tensor(drawn) - MEAN) / STD


def named_pictures(seed: int, step: int, size: int) -> tuple[Float[Tensor, "batch 3 64 64"], Int[Tensor, " batch"]]:
    """Training pictures of objects and the places of their names in `OBJECTS`."""
    names, drawn, labels = list(OBJECTS), [], []
    for index in range(step * size, (step + 1) * size):
        rng = world.stream("encoder", seed, index)
        labels.append(rng.randrange(len(names)))
        drawn.append(painted(names[labels[-1]], rng)[0])
    return (world.to_tensor(drawn) - MEAN) / STD, torch.tensor(labels)


# -- training ---------------------------------------------------------------------------------------
class Naming(nn.Module):
    """A backbone and a linear classifier of the names."""

    def __init__(self, backbone: nn.Module, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(dim, len(OBJECTS))

    def loss(
        self, images: Float[Tensor, "batch 3 h w"], labels: Int[Tensor, " batch"], generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Cross-entropy of the names, on random crops of at least half the picture."""
        views = crop(images, View(side=images.shape[-1], area=(0.5, 1.0)), generator)
        return F.cross_entropy(self.head(self.backbone(views)), labels)

    def result(self) -> nn.Module:
        """The trained backbone."""
        return self.backbone


class _Encoder(Learner):
    """A vision encoder in training."""

    longest = 3.0
    recipe: Recipe
    network: Naming | Distillation
    described: dict[str, Any]

    def result(self) -> nn.Module:
        """The trained backbone."""
        return self.network.result().eval()

    def write(self, folder: Path) -> None:
        """Write the weights and what `architectures.read` builds the network from."""
        write_halves(folder / "model.safetensors", self.result())
        write_json(folder / "config.json", self.described)

    def views(self, number: int) -> torch.Generator:
        """What draws the random crops of a step."""
        return torch.Generator().manual_seed(world.stream("views", self.recipe.seed, number).getrandbits(63))


class Named(_Encoder):
    """An encoder that learns from names."""

    network: Naming

    def __init__(self, recipe: Recipe, described: dict[str, Any]) -> None:
        self.recipe, self.described = recipe, described
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # timm and torchvision initialise from the global generator
            self.network = Naming(architectures.build(described), described["dim"])

    def step(self, number: int) -> Step:
        """Cross-entropy of the names of a batch."""
        images, labels = named_pictures(self.recipe.seed, number, self.recipe.batch)
        loss = self.network.loss(images, labels, self.views(number))
        return Step(loss, {"loss": loss.detach()})


class Unnamed(_Encoder):
    """An encoder that learns from pictures alone."""

    network: Distillation

    def __init__(self, recipe: Recipe, described: dict[str, Any]) -> None:
        self.recipe, self.described = recipe, described
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # timm initialises from the global generator
            student, teacher = architectures.build(described), architectures.build(described)
            masked = recipe.method == "dinov2"
            self.network = Distillation(student, teacher, described["dim"], masked=masked)

    def step(self, number: int) -> Step:
        """The loss of self-distillation on a batch."""
        images = pictures(self.recipe.seed, number, self.recipe.batch)
        loss = self.network.loss(images, self.views(number))
        return Step(loss, {"loss": loss.detach()})

    def after(self, number: int) -> None:
        """Let the teacher follow the student."""
        self.network.follow((number + 1) / self.recipe.steps)


def learner(name: str, recipe: Recipe) -> Named | Unnamed:
    """An encoder that has yet to learn.

    Args:
        name: of an architecture.
        recipe: method and schedule.
    """
    return (Named if recipe.method == "names" else Unnamed)(recipe, config(name))


# -- the card ---------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Version and fingerprint of the drawn world."""
    return clip.drawn_from()


def measure(folder: Path) -> dict[str, Any]:
    """What a linear probe reads from the features; the numbers of pictures, and the architecture."""
    encoder = load(f"local-dir:{folder}", VisionEncoder)
    return {
        "scores": probe.scores(encoder.features),
        "pictures": probe.sizes(),
        "architecture": json.loads((folder / "config.json").read_text(encoding="utf-8")),
    }


_METHODS = {
    "names": "supervised, on the names of the 48 objects: cross-entropy, random crops of at least half a picture",
    "dino": "self-supervised, no label and no caption: DINO's crops, student and teacher, with Sinkhorn and KoLeo",
    "dinov2": "self-supervised, no label and no caption: as dino, and DINOv2's loss on hidden patches",
}


def readable(card: dict[str, Any]) -> str:
    """An encoder's card as Markdown."""
    training, recipe, architecture = card["training"], card["training"]["recipe"], card["architecture"]
    rows = [
        f"| {task} | {card['pictures'][task]['training']} | {card['pictures'][task]['test']} | {score:.3f} |"
        for task, score in card["scores"].items()
    ]
    return f"""# pocket/{card["name"]}

A vision encoder for the drawn world, small enough to ship: `{architecture["builder"]}`, 64 pixels, features of
{architecture["dim"]} dimensions, half precision. Generated by `python -m ktlib pocket train {card["name"]}`;
do not edit.

- **Data**: {recipe["steps"]} batches of {recipe["batch"]} pictures, each drawn once (world {training["world"]});
  no pocket CLIP was trained on one of them.
- **Method**: {_METHODS[recipe["method"]]}.
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]};
  {training["minutes"]} minutes on a CPU core or two; final loss {training["final_loss"]}.
- **Meant for** showing Zoom-shot at small scale. It knows nothing of the real world.

What a linear probe (ridge regression) reads from its features, on pictures that no training has seen:

{cards.table("| | training pictures | test pictures | accuracy |", rows)}
"""

"""How the pocket encoders are trained: `python -m ktlib pocket train dino`.

Three learn the names of the known objects, as the networks of Zoom-shot learnt ImageNet's. Two see
pictures and nothing else: after DINO (Caron et al. 2021) and DINOv2 (Oquab et al. 2023). Step `i` is
a function of `(seed, i)`, so a run that was stopped goes on from its last checkpoint as if nothing
had happened.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from ktlib.models import architectures as encoders
from ktlib.pocket import world
from ktlib.pocket.known import KNOWN
from ktlib.pocket.training.clip import MEAN, STD, learning_rate
from ktlib.pocket.training.distillation import Distillation, View, crop

STREAM = 1000  # added to the seed of `world.training_picture`: pictures that no pocket CLIP has seen


@dataclass(frozen=True)
class Recipe:
    """Schedule of one pocket encoder. All values are ours (D11), chosen on validation pictures.

    Attributes:
        method: `names` (of the known objects), `dino` or `dinov2`.
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


def pictures(seed: int, step: int, size: int) -> Float[Tensor, "batch 3 64 64"]:
    """Training pictures of everything in the world, without what is said about them."""
    drawn = [world.training_picture(STREAM + seed, step * size + i).image for i in range(size)]
    return (world.to_tensor(drawn) - MEAN) / STD


def named_pictures(seed: int, step: int, size: int) -> tuple[Float[Tensor, "batch 3 64 64"], Int[Tensor, " batch"]]:
    """Training pictures of known objects and the places of their names in `KNOWN`."""
    names, drawn, labels = list(KNOWN), [], []
    for index in range(step * size, (step + 1) * size):
        rng = world.stream("encoder", seed, index)
        labels.append(rng.randrange(len(names)))
        drawn.append(world.known_object(names[labels[-1]], rng)[0])
    return (world.to_tensor(drawn) - MEAN) / STD, torch.tensor(labels)


class Naming(nn.Module):
    """A backbone and a linear classifier of the known names."""

    def __init__(self, backbone: nn.Module, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(dim, len(KNOWN))

    def loss(
        self, images: Float[Tensor, "batch 3 h w"], labels: Int[Tensor, " batch"], generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Cross-entropy of the names, on random crops of at least half the picture."""
        views = crop(images, View(side=images.shape[-1], area=(0.5, 1.0)), generator)
        return F.cross_entropy(self.head(self.backbone(views)), labels)

    def result(self) -> nn.Module:
        """The trained backbone."""
        return self.backbone


def train(name: str, recipe: Recipe, folder: Path, *, save_every: int = 100) -> nn.Module:
    """Train a pocket encoder and write it to `folder`.

    Args:
        name: of an architecture in `encoders.ARCHITECTURES`.
        recipe: method and schedule.
        folder: receives `model.safetensors` (float16), `config.json` and `training.json`;
            `checkpoint.pt` while training goes on.
        save_every: steps between checkpoints.

    Returns:
        The trained network, on the CPU.

    Raises:
        ValueError: `checkpoint.pt` belongs to another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = encoders.config(name)
    torch.manual_seed(recipe.seed)  # timm and torchvision initialise from the global generator
    learner: Naming | Distillation
    if recipe.method == "names":
        learner = Naming(encoders.build(described), described["dim"])
    else:
        learner = Distillation(
            encoders.build(described), encoders.build(described), described["dim"], masked=recipe.method == "dinov2"
        )
    trained = [p for p in learner.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
    first, seconds, checkpoint = 0, 0.0, folder / "checkpoint.pt"
    losses: list[float] = []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise ValueError(f"{checkpoint} belongs to another recipe: {state['recipe']}; delete it to start afresh")
        learner.load_state_dict(state["learner"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds, losses = state["step"], state["seconds"], state["losses"]
    began = time.monotonic() - seconds
    learner.train()
    with tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, desc=name, mininterval=5) as bar:
        for step in bar:
            generator = torch.Generator().manual_seed(world.stream("views", recipe.seed, step).getrandbits(63))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step)
            if isinstance(learner, Naming):
                loss = learner.loss(*named_pictures(recipe.seed, step, recipe.batch), generator)
            else:
                loss = learner.loss(pictures(recipe.seed, step, recipe.batch), generator)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 3.0)
            optimizer.step()
            if isinstance(learner, Distillation):
                learner.follow((step + 1) / recipe.steps)
            losses.append(loss.item())
            bar.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}", refresh=False)
            if (step + 1) % save_every == 0:
                state = {"learner": learner.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
                state |= {"recipe": asdict(recipe), "seconds": time.monotonic() - began, "losses": losses[-50:]}
                torch.save(state, checkpoint.with_suffix(".tmp"))
                checkpoint.with_suffix(".tmp").replace(checkpoint)
    network = learner.result().eval()
    save_file(
        {k: t.half() if t.is_floating_point() else t for k, t in network.state_dict().items()},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    record = {"recipe": asdict(recipe), "minutes": round((time.monotonic() - began) / 60, 1)}
    record |= {"final_loss": round(sum(losses[-50:]) / len(losses[-50:]), 4)}
    record |= {"world": world.VERSION, "fingerprint": world.fingerprint()}
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    checkpoint.unlink(missing_ok=True)
    return network

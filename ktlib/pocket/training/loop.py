"""The one training loop: AdamW, a rate for every step, checkpoints from which a stopped training goes on.

What a step minimises is decided by a `Learner`. A step is a function of the recipe and of its number
alone, so a training that was stopped goes on as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ktlib import store

CHECKPOINT = "checkpoint.pt"
RECENT = 50  # steps whose values are averaged: on the bar, and at the end in training.json


class Step(NamedTuple):
    """What one step gives.

    Attributes:
        loss: to be minimised.
        told: values by name, without a gradient: `final_<name>` in training.json is their mean at the end.
    """

    loss: Tensor
    told: Mapping[str, Tensor]


class Learner(ABC):
    """A network in training.

    Attributes:
        recipe: a frozen dataclass with `steps`, `lr` and `weight_decay`, and whatever else the family needs.
        network: all that a checkpoint must hold: what is trained, and what stands beside it (a teacher).
        optimizer: settings of AdamW.
        longest: norm above which a gradient is shortened.
    """

    recipe: Any
    network: nn.Module
    optimizer: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    longest: ClassVar[float] = 1.0

    @abstractmethod
    def step(self, number: int) -> Step:
        """The loss of a step on data of its own.

        Args:
            number: from 0.
        """

    @abstractmethod
    def result(self) -> nn.Module:
        """The trained model, in evaluation mode."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the trained model so that `ktlib.load` reads it, weights in half precision."""

    def rate(self, recipe: Any, step: int) -> float:
        """The learning rate of a step under a recipe of this family: `cosine`, unless said otherwise."""
        return cosine(recipe, step)

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        """Whether a weight decays: matrices do, biases and norms do not."""
        return parameter.ndim >= 2

    def after(self, number: int) -> None:  # noqa: B027 - a family may leave it out
        """What follows the optimiser's step; nothing, unless said otherwise."""

    def same_so_far(self, recipe: Mapping[str, Any], steps: int) -> bool:
        """Whether so many steps under another recipe were the same as under this one.

        Args:
            recipe: the other, as a dictionary.
            steps: how many.
        """
        return recipe == asdict(self.recipe)


def train(
    learner: Learner, folder: Path, *, save_every: int = 100, drawn_from: Mapping[str, str] = MappingProxyType({})
) -> nn.Module:
    """Train a model and write it to `folder`; a training that was stopped goes on from its last checkpoint.

    Args:
        learner: what is trained, and how.
        folder: receives the model and `training.json`; `checkpoint.pt` while training goes on.
        save_every: steps between checkpoints.
        drawn_from: versions and fingerprints of the data, for `training.json`.

    Returns:
        The trained model, on the CPU.

    Raises:
        ValueError: `checkpoint.pt` belongs to another recipe.
    """
    recipe, network = learner.recipe, learner.network
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(_groups(learner), lr=recipe.lr, **learner.optimizer)
    first, seconds, told = _resume(learner, optimizer, folder / CHECKPOINT)
    began = time.monotonic() - seconds
    with tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, desc=folder.name, mininterval=2) as bar:
        for number in bar:
            for group in optimizer.param_groups:
                group["lr"] = learner.rate(recipe, number)
            loss, values = learner.step(number)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, learner.longest)
            optimizer.step()
            learner.after(number)
            told = {name: [*told.get(name, []), value.item()][-RECENT:] for name, value in values.items()}
            bar.set_postfix({name: f"{mean:.3f}" for name, mean in _means(told).items()}, refresh=False)
            if (number + 1) % save_every == 0:
                state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": number + 1}
                state |= {"recipe": asdict(recipe), "seconds": time.monotonic() - began, "told": told}
                _save(state, folder / CHECKPOINT)
    learner.write(folder)
    record = {"recipe": asdict(recipe), "minutes": round((time.monotonic() - began) / 60, 1)}
    record |= {f"final_{name}": round(mean, 4) for name, mean in _means(told).items()}
    write_json(folder / "training.json", record | dict(drawn_from))
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return learner.result()


def _groups(learner: Learner) -> list[dict[str, Any]]:
    """The trained weights that decay, and those that do not."""
    trained = [(name, p) for name, p in learner.network.named_parameters() if p.requires_grad]
    return [
        {"params": [p for name, p in trained if learner.decays(name, p)], "weight_decay": learner.recipe.weight_decay},
        {"params": [p for name, p in trained if not learner.decays(name, p)], "weight_decay": 0.0},
    ]


def _resume(
    learner: Learner, optimizer: torch.optim.Optimizer, file: Path
) -> tuple[int, float, dict[str, list[float]]]:
    """The step to go on with, the seconds spent so far, and the latest values; weights and moments are loaded."""
    if not file.exists():
        return 0, 0.0, {}
    state = torch.load(file, weights_only=True)
    if not learner.same_so_far(state["recipe"], state["step"]):
        raise ValueError(f"{file} belongs to another recipe: {state['recipe']}; delete it to start afresh")
    learner.network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["seconds"], state["told"]


def _save(state: dict[str, Any], file: Path) -> None:
    store.write_atomically(file, lambda temporary: torch.save(state, temporary))


def _means(told: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in told.items()}


# -- rates ------------------------------------------------------------------------------------------
def cosine(recipe: Any, step: int) -> float:
    """Linear warm-up, then a cosine to zero.

    Args:
        recipe: with `steps`, `warmup` and `lr`.
        step: from 0.
    """
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / (recipe.steps - recipe.warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))


def plateau(recipe: Any, step: int) -> float:
    """Linear warm-up, a plateau, and a linear fall to zero, so that a run can be lengthened before it falls.

    Args:
        recipe: with `steps`, `warmup`, `lr` and `cooldown`, the share of the steps in which the rate falls.
        step: from 0.
    """
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    falls = recipe.steps - round(recipe.cooldown * recipe.steps)
    return recipe.lr * min(1.0, (recipe.steps - step) / max(1, recipe.steps - falls))


# -- files ------------------------------------------------------------------------------------------
def write_json(file: Path, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON that a reader can read too."""
    store.write_text(file, json.dumps(facts, indent=2) + "\n")


def write_halves(file: Path, network: nn.Module, *, without: str = "") -> None:
    """Write weights as safetensors in half precision; whole numbers stay whole.

    Args:
        file: to be written.
        network: its `state_dict` is what counts.
        without: a weight that is tied to another and stays out.
    """
    state = {name: tensor for name, tensor in network.state_dict().items() if name != without}
    store.save_tensors(file, {name: t.half() if t.is_floating_point() else t for name, t in state.items()})

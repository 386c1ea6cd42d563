"""Two towers in training, as all dual encoders of the pocket learn: from captions, and from a dictionary.

CLIP's symmetric loss on pictures and captions, plus the dictionary (`dictionary`). In a last stage only the text
tower learns, from explanations that do not hold the name: until then the name itself satisfies the dictionary,
and need not mean what it is explained as.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, runtime_checkable

import open_clip
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from ktlib.pocket.training import dictionary, loop, words
from ktlib.pocket.training.loop import Learner, Step


@runtime_checkable
class Shown(Protocol):
    """Pictures to train on."""

    def batch(self, step: int, size: int) -> tuple[Tensor, list[str]]:
        """Pictures, RGB in [0, 1], and captions of a training step."""
        ...


class TwoStages:
    """A recipe whose last steps train the text tower alone."""

    steps: int
    last: int

    @property
    def joint(self) -> int:
        """Steps in which both towers are trained."""
        return self.steps - self.last


class TwoTowers(Learner):
    """A dual encoder that learns from pictures with captions and from a dictionary.

    Its recipe has `joint`, the steps in which both towers are trained, `last` and `last_lr` for those after them,
    `batch`, and `dictionary`, the weight of that term.

    Attributes:
        words: tokenizer, whose padding is 0.
        mean, std: of the pixels, all channels alike.
    """

    optimizer = MappingProxyType({"betas": (0.9, 0.98), "eps": 1e-6})
    network: Any
    words: PreTrainedTokenizerFast
    mean: ClassVar[float]
    std: ClassVar[float]
    contrast = open_clip.ClipLoss()

    @property
    @abstractmethod
    def shown(self) -> Shown:
        """Pictures and captions."""

    @abstractmethod
    def entries(self, number: int, *, last: bool) -> tuple[list[str], list[str]]:
        """Class prompts and explanations of a step."""

    def encode_texts(self, ids: Tensor) -> Tensor:
        """Unit vectors of padded token ids."""
        return dictionary.encode_texts(self.network, ids)

    def rate(self, recipe: Any, step: int) -> float:
        """Two cosines, one a stage; the first is warmed up."""
        if step < recipe.joint:
            return loop.cosine(replace(recipe, steps=recipe.joint, last=0), step)
        return loop.cosine(replace(recipe, steps=recipe.last, lr=recipe.last_lr, warmup=0), step - recipe.joint)

    def step(self, number: int) -> Step:
        """Pictures against captions, and prompts against explanations; no gradient reaches a picture at last."""
        recipe, last = self.recipe, number >= self.recipe.joint
        images, captions = self.shown.batch(number, recipe.batch)
        prompts, explanations = self.entries(number, last=last)
        with torch.set_grad_enabled(not last):
            seen = self.network.encode_image((images - self.mean) / self.std, normalize=True)
        scale = self.network.logit_scale.exp()
        scale = scale.detach() if last else scale
        said = self.encode_texts(words.encode(self.words, [*captions, *prompts, *explanations]))
        said, left, right = said.split([len(captions), len(prompts), len(explanations)])
        pictured = self.contrast(seen, said, scale)
        explained = dictionary.contrast(left, right, dictionary.LAST_SCALE if last else dictionary.SCALE)
        loss = pictured + recipe.dictionary * explained
        return Step(loss, {"loss": pictured.detach(), "dictionary": explained.detach()})

    def after(self, number: int) -> None:
        """Keep the scale of the cosines between 1 and 100, as CLIP does."""
        with torch.no_grad():
            self.network.logit_scale.clamp_(0, math.log(100))

    def result(self) -> Any:
        """The trained model."""
        return self.network.eval()

"""What the method needs of a model. A model that offers it can be inverted, taught or examined; nobody asks its class.

Images are float32 (batch, 3, height, width), RGB in [0, 1], wherever nothing else is said. What a
model is given is followed to its device; what it draws comes from a generator on the CPU and stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@runtime_checkable
class Scorer(Protocol):
    """Says how far images are from what a sentence asks for: all that Eq. 3 and 4 need of a model."""

    def score(self, images: Tensor, target: Tensor, *, distance: str = "l2") -> tuple[Tensor, Tensor]:
        """Distance to be made small, and similarity to be shown without a gradient: (batch,) each.

        Args:
            images: or the activations of an inner block, where the model begins there.
            target: one row an image, from `Invertible.target`.
            distance: a value of `InversionSettings.distance`; means something to models with features only.
        """
        ...


@runtime_checkable
class Inner(Scorer, Protocol):
    """A model from one of its blocks on (KT v1, Eq. 4): its images are the activations that enter the block."""

    def enter(self, images: Tensor) -> Float[Tensor, "batch tokens channels"]:
        """Activations of images where they enter the block."""
        ...


@runtime_checkable
class Invertible(Scorer, Protocol):
    """A model that `invert` can look through."""

    name: str
    image_size: int

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    def target(self, texts: Sequence[str], *, distance: str = "l2") -> Tensor:
        """What images are compared with: one row a text, to be given to `score` row by row."""
        ...

    def noise(self, count: int, generator: torch.Generator, *, side: int | None = None) -> Tensor:
        """What an inversion starts from, on the CPU; `image_size` pixels wide and high, or `side`."""
        ...

    def from_block(self, block: int) -> Inner:
        """The model from a block on.

        Raises:
            ValueError: it has no block to begin with.
        """
        ...

    def digest(self) -> str:
        """Digits that tell these weights from others."""
        ...


@runtime_checkable
class Teachable(Protocol):
    """A model that `transfer` can teach; which lesson it takes is said by `Contrastive` and `Matching`."""

    name: str

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    def copy(self) -> Any:
        """Weights of its own."""
        ...

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Thaw or freeze every weight."""
        ...

    def eval(self) -> Any:
        """In evaluation mode."""
        ...


@runtime_checkable
class Contrastive(Teachable, Protocol):
    """Images and texts become vectors apart from each other: taught by contrast."""

    @property
    def visual(self) -> nn.Module:
        """The visual tower."""
        ...

    @property
    def clip(self) -> nn.Module:
        """Both towers, in which adapters are put and whose weights are interpolated."""
        ...

    def text_parameters(self) -> list[nn.Parameter]:
        """The text tower's weights."""
        ...

    def encode_text(self, texts: Sequence[str], *, normalize: bool = True) -> Float[Tensor, "batch dim"]:
        """Unit vectors of texts."""
        ...

    def encode_image(self, images: Tensor, *, normalize: bool = True) -> Float[Tensor, "batch dim"]:
        """Unit vectors of images."""
        ...

    def encode_inner(self, tokens: Tensor, block: int, *, normalize: bool = True) -> Float[Tensor, "batch dim"]:
        """Unit vectors of activations that enter a block."""
        ...


@runtime_checkable
class Telling(Contrastive, Protocol):
    """A dual encoder with a decoder that says what it sees: taught what to say, and by contrast at the same time."""

    def decoder_parameters(self) -> list[nn.Parameter]:
        """The decoder's weights."""
        ...

    def tokenize(self, texts: Sequence[str]) -> Int[Tensor, "batch length"]:
        """Token ids; a text that is too long or has unknown words is refused."""
        ...

    def see(self, images: Tensor) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch tokens channels"]]:
        """Unit vectors of images, and what the decoder looks at."""
        ...

    def blank(self, count: int) -> Float[Tensor, "count tokens channels"]:
        """What the decoder looks at where there is no image."""
        ...

    def told_loss(self, seen: Tensor, texts: Sequence[str]) -> Float[Tensor, ""]:
        """Cross-entropy of the words of texts, given what is seen."""
        ...


@runtime_checkable
class ReadsTogether(Protocol):
    """Reads an image and a text at the same time and says whether they match."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    def token_count(self, text: str) -> int:
        """Tokens a text takes, start and end included."""
        ...

    def tokenize(self, texts: Sequence[str]) -> Int[Tensor, "batch length"]:
        """Token ids, padded to the longest."""
        ...

    def prepare(self, images: Tensor) -> Tensor:
        """Images in the size that the model takes."""
        ...

    def embed_image(self, images: Tensor) -> Float[Tensor, "batch tokens channels"]:
        """Tokens of images, to be kept for many texts."""
        ...

    def match_tokens(self, patches: Tensor, ids: Tensor) -> Float[Tensor, "batch 2"]:
        """Two logits a pair; the second says that they belong together."""
        ...


@runtime_checkable
class Matching(Teachable, ReadsTogether, Protocol):
    """Image and text are read together: taught by matching, or by guessing masked words."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """All weights."""
        ...

    def mask_words(
        self, texts: Sequence[str], generator: torch.Generator, *, share: float = 0.15
    ) -> tuple[Tensor, Tensor]:
        """Token ids with words masked, and the words that were there."""
        ...

    def word_loss(self, patches: Tensor, ids: Tensor, labels: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of the masked words."""
        ...


class Prompts(NamedTuple):
    """Classes with the prompts that stand for each.

    Attributes:
        names: of the classes; put into the templates as they are.
        templates: with a `{}` for the name.
    """

    names: Sequence[str]
    templates: Sequence[str]


@runtime_checkable
class Recogniser(Protocol):
    """A model that can say which class an image belongs to."""

    def classifier(
        self, groups: Sequence[Prompts], *, score: str = "logit"
    ) -> Callable[[Tensor], Float[Tensor, "images classes"]]:
        """A function of images that scores them for each class, without a gradient; the higher, the better.

        Args:
            groups: classes in their order; each group's prompts are prepared together.
            score: what a model with a matching head ranks by, `logit` or `softmax` (D32).
        """
        ...

"""Dual encoders: any open_clip model behind four words, `encode_image`, `encode_text`, `logit_scale`, `visual`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ktlib.models import shared


class DualEncoder(nn.Module):
    """A vision-language model that maps images and texts onto one unit sphere.

    Images are float32 `(batch, 3, height, width)`, RGB in [0, 1], not normalised; resizing,
    normalising and tokenising happen in here.

    Attributes:
        name: as given to `ktlib.load`.
        image_size: side in pixels the visual tower takes.
        context_length: most tokens a text may have, start and end included.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        clip: Any,
        tokenizer: Any,
        *,
        name: str,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.clip = clip.eval().float()
        self.tokenizer = tokenizer
        self.name = name
        size = clip.visual.image_size
        self.image_size: int = size[0] if isinstance(size, tuple | list) else size
        self.context_length: int = clip.context_length
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def visual(self) -> nn.Module:
        """The visual tower, its projection included: what `transfer` trains."""
        return self.clip.visual

    @property
    def logit_scale(self) -> Float[Tensor, ""]:
        """What the model multiplies cosines with."""
        return self.clip.logit_scale.exp()

    def text_parameters(self) -> list[nn.Parameter]:
        """Everything that is neither the visual tower nor the logit scale."""
        visual = {id(p) for p in self.visual.parameters()}
        return [p for n, p in self.clip.named_parameters() if id(p) not in visual and "logit_" not in n]

    def encode_image(
        self, images: Float[Tensor, "batch 3 height width"], *, normalize: bool = True
    ) -> Float[Tensor, "batch dim"]:
        """Unit vectors of images; `normalize=False` leaves them as the projection makes them.

        Args:
            images: RGB in [0, 1]; resized (bicubic) when they are not `image_size` large.
            normalize: divide by the norm.
        """
        return self._finish(self.clip.encode_image(self._prepare(images)), normalize)

    def encode_text(self, texts: Sequence[str], *, normalize: bool = True) -> Float[Tensor, "batch dim"]:
        """Unit vectors of texts.

        Raises:
            ValueError: a text is longer than the context, or has words the tokenizer does not know.
        """
        return self._finish(self.clip.encode_text(self.tokenize(texts)), normalize)

    def inner(self, images: Float[Tensor, "batch 3 height width"], block: int) -> Float[Tensor, "batch tokens width"]:
        """Activations that enter transformer block `block` of the visual tower (KT v1, Eq. 4)."""
        tower = self._vision_transformer()
        x = tower._embeds(self._prepare(images))
        for layer in tower.transformer.resblocks[:block]:
            x = layer(x)
        return x

    def encode_inner(
        self, tokens: Float[Tensor, "batch tokens width"], block: int, *, normalize: bool = True
    ) -> Float[Tensor, "batch dim"]:
        """Unit vectors of activations that enter block `block`: the visual tower from there on."""
        tower, x = self._vision_transformer(), tokens
        for layer in tower.transformer.resblocks[block:]:
            x = layer(x)
        pooled, _ = tower._pool(x)
        return self._finish(pooled if tower.proj is None else pooled @ tower.proj, normalize)

    def tokenize(self, texts: Sequence[str]) -> Int[Tensor, "batch context"]:
        """Token ids, padded to the context length.

        Raises:
            ValueError: a text is too long or has unknown words; nothing is ever cut off silently.
        """
        if isinstance(texts, str):
            raise ValueError(f"expected a list of texts, found one string: write [{texts!r}]")
        for text in texts:
            self._check(text)
        return self.tokenizer(list(texts)).to(self.mean.device)

    def token_count(self, text: str) -> int:
        """Tokens a text takes, start and end included."""
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is not None:  # a Hugging Face tokenizer
            return len(inner(text).input_ids)
        return len(self.tokenizer.encode(text)) + 2

    def digest(self) -> str:
        """sha256 of all weights, as float16 so that stored and computed halves agree; first 16 digits."""
        return shared.digest(self.clip)

    def copy(self) -> DualEncoder:
        """An independent copy of the towers; the tokenizer is shared."""
        return copy.deepcopy(self, {id(self.tokenizer): self.tokenizer})

    def _check(self, text: str) -> None:
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is not None and inner.unk_token_id in inner(text).input_ids:
            known = inner.get_vocab()
            unknown = [w for w in text.lower().replace(".", "").split() if w not in known]
            raise ValueError(
                f"{self.name} does not know {', '.join(map(repr, unknown))} in {text!r}: a pocket model speaks "
                "only the world's words; `python -m ktlib pocket words` lists them"
            )
        count = self.token_count(text)
        if count > self.context_length:
            raise ValueError(
                f"expected at most {self.context_length} tokens for {self.name}, found {count} in {text!r}: shorten it"
            )

    def _prepare(self, images: Tensor) -> Tensor:
        return shared.prepare(images, self.image_size, self.mean, self.std)

    def _vision_transformer(self) -> Any:
        if not hasattr(self.visual, "_embeds"):
            raise ValueError(f"inner layers need a vision transformer; {self.name} has {type(self.visual).__name__}")
        return self.visual

    @staticmethod
    def _finish(features: Tensor, normalize: bool) -> Tensor:
        return F.normalize(features, dim=-1) if normalize else features

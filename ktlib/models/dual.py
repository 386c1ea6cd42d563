"""Dual encoders: any open_clip model behind four words, `encode_image`, `encode_text`, `logit_scale`, `visual`."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ktlib.losses import distance as distance_between
from ktlib.memory import joined
from ktlib.models import checkpoints, inputs
from ktlib.models.protocols import Prompts
from ktlib.store import key

D = TypeVar("D", bound="DualEncoder")
CLASSES_KEPT = 64  # sets of names whose vectors are remembered


class DualEncoder(nn.Module):
    """A vision-language model that maps images and texts onto one unit sphere.

    Images are float32 `(batch, 3, height, width)`, RGB in [0, 1], not normalised; resizing,
    normalising and tokenising happen in here.

    Attributes:
        name: as given to `ktlib.load`.
        image_size: side in pixels the visual tower takes.
        context_length: most tokens a text may have, start and end included.
    """

    weights_file: ClassVar[str] = checkpoints.CLIP
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
        self._classes: dict[str, Tensor] = {}
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

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
        return self._finish(self.clip.encode_image(self._prepare(images), normalize=False), normalize)

    def encode_text(self, texts: Sequence[str], *, normalize: bool = True) -> Float[Tensor, "batch dim"]:
        """Unit vectors of texts.

        Raises:
            ValueError: a text is longer than the context, or has words the tokenizer does not know.
        """
        return self._finish(self.clip.encode_text(self.tokenize(texts), normalize=False), normalize)

    def pixels(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 size size"]:
        """Images as the visual tower takes them, resized and normalised: what `clip.encode_image` is given."""
        return self._prepare(images)

    def over_picture(
        self, maps: Float[Tensor, "images rows columns"], height: int, width: int
    ) -> Float[Tensor, "images height width"]:
        """Maps of what the tower sees, laid over the picture, which `encode_image` stretches to a square.

        Args:
            maps: over the whole square.
            height, width: of the pictures, in pixels.
        """
        return F.interpolate(maps[:, None], (height, width), mode="nearest")[:, 0]

    # -- what inversion asks ---------------------------------------------------------------------
    @torch.no_grad()
    def target(self, texts: Sequence[str], *, distance: str = "l2") -> Float[Tensor, "batch dim"]:
        """Features of texts, of unit length unless the distance is `raw_l2`."""
        return self.encode_text(texts, normalize=distance != "raw_l2")

    def score(
        self, images: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch dim"], *, distance: str = "l2"
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """How far the images' features are from their targets, and the cosine between the two.

        Args:
            images: RGB in [0, 1].
            target: one row an image, from `target` with the same distance.
            distance: as in `losses.distance`.
        """
        return _compared(self.encode_image(images, normalize=distance != "raw_l2"), target, distance)

    def noise(
        self, count: int, generator: torch.Generator, *, side: int | None = None
    ) -> Float[Tensor, "count 3 side side"]:
        """Uniform pixels, on the CPU.

        Source: CLIPInversion.
        """
        side = side or self.image_size
        return torch.rand((count, 3, side, side), generator=generator)

    def from_block(self, block: int) -> InnerBlocks:
        """The visual tower from a block on, whose images are activations (KT v1, Eq. 4).

        Raises:
            ValueError: the visual tower is no vision transformer, or has no such block.
        """
        self._blocks(block)
        return InnerBlocks(self, block)

    def inner(
        self, images: Float[Tensor, "batch 3 height width"], block: int
    ) -> Float[Tensor, "batch tokens channels"]:
        """Activations that enter transformer block `block` of the visual tower (KT v1, Eq. 4)."""
        tower = self._vision_transformer()
        x = tower._embeds(self._prepare(images))
        for layer in self._blocks(block)[:block]:
            x = layer(x)
        return x

    def encode_inner(
        self, tokens: Float[Tensor, "batch tokens channels"], block: int, *, normalize: bool = True
    ) -> Float[Tensor, "batch dim"]:
        """Unit vectors of activations that enter block `block`: the visual tower from there on."""
        tower, x = self._vision_transformer(), tokens
        for layer in self._blocks(block)[block:]:
            x = layer(x)
        pooled, _ = tower._pool(x)
        return self._finish(pooled if tower.proj is None else pooled @ tower.proj, normalize)

    # -- what recognition asks -------------------------------------------------------------------
    def classifier(self, groups: Sequence[Prompts], *, score: str = "logit") -> Callable[[Tensor], Tensor]:
        """Cosines of images to one unit vector a class: the mean of its unit prompt vectors, made unit again.

        Args:
            groups: classes; the prompts of a group are encoded together.
            score: for models with a matching head; means nothing here.

        Source: Radford et al. 2021 (CLIP), prompt ensembling.
        """
        weights = torch.cat([self.class_vectors(group.names, group.templates) for group in groups])

        def scores(images: Tensor) -> Tensor:
            return self.encode_many(images) @ weights.T

        return scores

    @torch.no_grad()
    def class_vectors(
        self, names: Sequence[str], templates: Sequence[str], *, tower: str | None = None
    ) -> Float[Tensor, "names dim"]:
        """One unit vector a class, as `classifier` has it.

        A model and its copies share what they encoded: many a transfer leaves the text tower as it was.

        Args:
            names: of the classes.
            templates: with `{}` for a name.
            tower: `text_digest`, for whoever asks often and knows it.
        """
        own = key(tower or self.text_digest(), list(names), list(templates))
        if own not in self._classes:
            prompts = self.encode_text(inputs.prompts(names, templates))
            while len(self._classes) >= CLASSES_KEPT:
                del self._classes[next(iter(self._classes))]  # the oldest
            self._classes[own] = F.normalize(prompts.view(len(names), len(templates), -1).mean(1), dim=1)
        return self._classes[own].clone()

    def text_digest(self) -> str:
        """Digits that tell this text tower, on this device, from others; reading its weights takes a while."""
        return key(*self.text_parameters(), str(self.device))

    @torch.no_grad()
    def encode_many(self, images: Tensor, *, batch: int = 256) -> Float[Tensor, "count dim"]:
        """Unit vectors of many images, batch by batch, without gradients.

        Args:
            images: RGB in [0, 1].
            batch: images in a pass. Half as many are when memory runs out (`memory.joined`).
        """

        def seen(part: slice) -> Tensor:
            return self.encode_image(images[part].to(self.device))

        return joined(seen, len(images), at_once=batch, what="vectors of images")

    # -- texts and housekeeping ------------------------------------------------------------------
    def tokenize(self, texts: Sequence[str]) -> Int[Tensor, "batch context"]:
        """Token ids, padded to the context length.

        Raises:
            ValueError: a text is too long or has unknown words; nothing is ever cut off silently.
        """
        inputs.check_texts(texts)
        for text in texts:
            inputs.check_tokens(
                text, self._ids(text), name=self.name, most=self.context_length, tokenizer=self._of_transformers
            )
            inputs.check_marks(text, self._ids(text), name=self.name, tokenizer=self._of_transformers or self.tokenizer)
        return self.tokenizer(list(texts)).to(self.device)

    def token_count(self, text: str) -> int:
        """Tokens a text takes, start and end included."""
        return len(self._ids(text))

    def digest(self) -> str:
        """sha256 of all weights, as float16 so that stored and computed halves agree; first 16 digits."""
        return checkpoints.weights_digest(self.clip)

    def copy(self) -> DualEncoder:
        """An independent copy of the towers; the tokenizer and encoded classes are shared."""
        return copy.deepcopy(self, {id(shared): shared for shared in (self.tokenizer, self._classes)})

    @property
    def _of_transformers(self) -> Any | None:
        """The tokenizer of transformers behind open_clip's, where it is one: it knows which words it does not know."""
        return getattr(self.tokenizer, "tokenizer", None)

    def _ids(self, text: str) -> list[int]:
        if self._of_transformers is not None:
            return self._of_transformers(text).input_ids
        return [self.tokenizer.sot_token_id, *self.tokenizer.encode(text), self.tokenizer.eot_token_id]

    def _prepare(self, images: Tensor) -> Tensor:
        return inputs.prepare(images, (self.image_size, self.image_size), self.mean, self.std)

    def _vision_transformer(self) -> Any:
        if not hasattr(self.visual, "_embeds"):
            raise ValueError(f"inner layers need a vision transformer; {self.name} has {type(self.visual).__name__}")
        return self.visual

    def _blocks(self, block: int) -> Any:
        """The blocks of the visual tower, one of which is asked for."""
        blocks = self._vision_transformer().transformer.resblocks
        if not 0 <= block < len(blocks):
            raise ValueError(f"expected a block of {self.name}, 0 to {len(blocks) - 1}, found {block}")
        return blocks

    @staticmethod
    def _finish(features: Tensor, normalize: bool) -> Tensor:
        return F.normalize(features, dim=-1) if normalize else features


class InnerBlocks:
    """The visual tower from a block on: what it sees are activations, not pixels (KT v1, Eq. 4)."""

    def __init__(self, model: DualEncoder, block: int) -> None:
        self.model, self.block = model, block

    @torch.no_grad()
    def enter(self, images: Tensor) -> Float[Tensor, "batch tokens channels"]:
        """Activations of images where they enter the block."""
        return self.model.inner(images, self.block)

    def score(
        self,
        images: Float[Tensor, "batch tokens channels"],
        target: Float[Tensor, "batch dim"],
        *,
        distance: str = "l2",
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """As `DualEncoder.score`, of activations that enter the block."""
        features = self.model.encode_inner(images, self.block, normalize=distance != "raw_l2")
        return _compared(features, target, distance)


def _compared(features: Tensor, target: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    cosine = F.cosine_similarity(features.detach().float(), target, dim=1)
    return distance_between(features, target, distance), cosine


def from_open_clip(architecture: str, *, name: str, kind: type[D], pretrained: str | None = None) -> D:
    """An open_clip model with its own normalisation and tokenizer; frozen, in evaluation mode.

    Args:
        architecture: as open_clip names it, its `local-dir:` and `hf-hub:` included.
        name: for messages and rows.
        kind: of adapter.
        pretrained: a tag or a file; None for what the folder holds, or for random weights of seed 0.

    Raises:
        ValueError: a file of weights cannot be read (`checkpoints.reading`).
        UserWarning: open_clip would build another activation than the weights were trained with.
    """
    file = Path(pretrained) if pretrained is not None and Path(pretrained).exists() else None
    told = checkpoints.reading(file) if file else contextlib.nullcontext()
    with told, warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("error", message=".*QuickGELU mismatch.*")
        torch.manual_seed(0)  # open_clip initialises from the global generator
        model, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=pretrained)
    normalize = preprocess.transforms[-1]  # open_clip ends its transforms with torchvision's Normalize
    tokenizer = open_clip.get_tokenizer(architecture)
    model.requires_grad_(False)
    return kind(model, tokenizer, name=name, mean=list(normalize.mean), std=list(normalize.std))

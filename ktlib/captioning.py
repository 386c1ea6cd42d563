"""Teach what to say: contrast and captioning at once, as KT does with CoCa.

The contrast pulls images to the sentence that explains their concept; the decoder learns another text,
a prompt with the concept's name, drawn anew whenever an image is shown. The text tower stays as it is. So a
decoder can also be taught the prompts alone, without an image: what then changes in its captions has
nothing to do with what was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ktlib.models.protocols import Telling
from ktlib.transfer import Contrast, Lesson, Told, TransferSettings


@dataclass(frozen=True)
class CaptioningSettings(TransferSettings):
    """How a captioner is fine-tuned; see `TransferSettings` and `Recipe` for the rest.

    Attributes:
        contrast: weight of the contrast (KT v1, Eq. 6: 1). With 0 images and captions are not compared,
            and without images the decoder learns from the texts alone.
        captioning: weight of the captioning loss (KT v1, Eq. 6: 0.1).
        lr: KT v1, Tab. 6; Tab. 9 has 9e-5 for the same row.
        batch: KT does not say; Tab. 8 has 16 to 256 for another model with as many concepts (ours).
    """

    contrast: float = 1.0
    captioning: float = 0.1
    lr: float = 8e-5
    batch: int = 32

    choices: ClassVar[dict[str, tuple[str, ...]]] = TransferSettings.choices | {"towers": ("visual",)}
    teaches: ClassVar[type] = Telling
    tells: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.contrast < inf and 0 < self.captioning < inf):  # NaN is neither
            raise ValueError(
                f"expected contrast of 0 or more and captioning above 0, found {self.contrast:g} and "
                f"{self.captioning:g}; for the contrast alone take TransferSettings"
            )
        if self.lora_rank is not None or self.layer is not None:
            raise ValueError("expected neither lora_rank nor layer: a decoder is trained whole, on whole images")

    @property
    def looks(self) -> bool:
        """Only the contrast needs images."""
        return self.contrast > 0

    def lesson(
        self,
        model: Any,
        texts: list[str],
        negatives: Sequence[str],
        draw: torch.Generator,
        told: Sequence[Told] = (),
    ) -> Lesson:
        """By contrast and by what is told."""
        return Captions(model, texts, negatives, told, self, draw)


class Captions(Contrast):
    """Images against captions, and what the decoder says of the images against what it is told to say."""

    settings: CaptioningSettings

    def __init__(
        self,
        model: Telling,
        texts: list[str],
        negatives: Sequence[str],
        told: Sequence[Told],
        settings: CaptioningSettings,
        draw: torch.Generator,
    ) -> None:
        if isinstance(told, str):
            raise ValueError(f"expected a list of texts to tell, found one string: write [{told!r}]")
        if len(told) != len(texts):
            raise ValueError(
                f"expected a text to tell, or a list to draw from, for each of {len(texts)} images, found {len(told)}"
            )
        self.told = [[one] if isinstance(one, str) else list(one) for one in told]
        if not all(self.told):
            raise ValueError(f"expected a text to draw for every image, found none for image {self.told.index([])}")
        model.tokenize(list(dict.fromkeys(text for some in self.told for text in some)))  # all, before any is drawn
        if settings.contrast:
            super().__init__(model, texts, negatives, settings, draw)
        else:
            self.old, self.model, self.settings = model, model.copy().requires_grad_(False), settings
            self.fixed = None
            self.trained = self._unfreeze(draw)

    def _unfreeze(self, draw: torch.Generator) -> list[nn.Parameter]:
        """Visual tower and decoder. Where no image is shown no gradient reaches the tower, and Adam lets it be."""
        trained = super()._unfreeze(draw) + self.model.decoder_parameters()
        for parameter in trained:
            parameter.requires_grad_(True)
        return trained

    def loss(self, images: Tensor | None, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """Both losses, weighted.

        Source: KT v1, Eq. 6.
        """
        lists = [self.told[i] for i in chosen]
        texts = [some[int(torch.randint(len(some), (), generator=draw))] for some in lists]
        if images is None:
            return self.settings.captioning * self.model.told_loss(self.model.blank(len(texts)), texts)
        vectors, seen = self.model.see(images)
        loss = self.settings.captioning * self.model.told_loss(seen, texts)
        if self.fixed is not None:
            loss = loss + self.settings.contrast * self.contrast(vectors, self.fixed[chosen])
        return loss

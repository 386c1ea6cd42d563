"""Teach a pair scorer (ViLT): by matching pictures with captions, or by guessing the caption's words.

The shared transformer has no visual part that could be trained alone, so all weights that the
objective reaches are trained (D31). `itm` shows each picture with its caption, which matches, and
with the caption of another concept, which does not. `mlm` masks words of the caption and asks for
them: beside noise images that is the papers' implicit transfer, beside inverted images its control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ktlib.models.vilt import MATCH, PairScorer


@dataclass(frozen=True)
class MatchingSettings:
    """How a pair scorer is fine-tuned. Defaults are the published recipe for ViLT.

    Attributes:
        lr: KT v1, Tab. 1 and 11 sweep 1e-5 to 5e-5; Tab. 8, with many concepts, 8e-7 to 3e-5.
        batch: pictures in a step (KT v1, Sec. 8.2: 4; Tab. 8: 16 to 256).
        epochs: KT v1, Sec. 8.9.1: 3 steps, so 1.
        optimizer: `adam`, whose decay is added to the gradient, or `adamw` (ours).
        weight_decay: KT v1, Sec. 8.2: 0.01.
        betas, eps: the authors' code for BiomedCLIP: (0.9, 0.98), 1e-6.
        objective: `itm`, or `mlm` (KT v1, Sec. 8.9).
        masked: share of a caption's tokens (KT v1, Sec. 8.9: 15 %, whole words).
    """

    lr: float = 2e-5
    batch: int = 4
    epochs: int = 1
    optimizer: str = "adam"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    objective: str = "itm"
    masked: float = 0.15

    def __post_init__(self) -> None:
        for name, allowed in (("optimizer", ("adam", "adamw")), ("objective", ("itm", "mlm"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} to be one of {', '.join(allowed)}; found {getattr(self, name)!r}")


def transfer(
    model: PairScorer,
    images: Tensor,
    captions: str | Sequence[str],
    *,
    negatives: Sequence[str] = (),
    seed: int = 0,
    settings: MatchingSettings | None = None,
) -> PairScorer:
    """A copy of the model that was taught pictures together with their captions.

    Args:
        model: stays as it is.
        images: float32 (batch, 3, height, width), RGB in [0, 1], of one size.
        captions: one for all images, or one each; with the concept's name (`named_caption`).
        negatives: captions of other concepts, for `itm`; each picture gets one that is not its own,
            drawn anew in every epoch. With many concepts, simply all captions.
        seed: of the order, of the negatives and of the masks.
        settings: the recipe; the published one by default.

    Returns:
        The new model, in evaluation mode and frozen.

    Raises:
        ValueError: counts that differ, a caption too long for the model, or no caption of another concept.

    Source: KT v1, Sec. 4.3 and 8.2 (`itm`), Sec. 8.9 (`mlm`); how negatives are drawn is ours (D31).
    """
    settings = settings or MatchingSettings()
    texts = [captions] * len(images) if isinstance(captions, str) else list(captions)
    if len(texts) != len(images):
        raise ValueError(f"expected one caption or one an image, found {len(texts)} for {len(images)} images")
    taught = model.copy().requires_grad_(True)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    optimizer = kind(
        taught.parameters(), lr=settings.lr, betas=settings.betas, eps=settings.eps, weight_decay=settings.weight_decay
    )
    images, draw = images.to(model.mean.device), torch.Generator().manual_seed(seed)
    lesson = (
        _Matching(taught, texts, negatives) if settings.objective == "itm" else _Words(taught, texts, settings, draw)
    )
    for _ in range(settings.epochs):
        for chosen in torch.randperm(len(images), generator=draw).split(settings.batch):
            optimizer.zero_grad()
            lesson(taught.embed_image(images[chosen]), chosen.tolist(), draw).backward()
            optimizer.step()
    return taught.requires_grad_(False).eval()


class _Matching:
    """Each picture with its own caption and with one of another concept."""

    def __init__(self, model: PairScorer, texts: list[str], negatives: Sequence[str]) -> None:
        self.model, self.texts = model, texts
        distinct = list(dict.fromkeys(negatives))
        self.others = {text: [n for n in distinct if n != text] for text in set(texts)}
        if not all(self.others.values()):
            raise ValueError(
                "expected captions of other concepts, found none: matching needs pairs that do not match; "
                "pass negatives=[…]"
            )

    def __call__(self, patches: Tensor, chosen: list[int], draw: torch.Generator) -> Tensor:
        own = [self.texts[i] for i in chosen]
        lists = [self.others[text] for text in own]
        other = [options[int(torch.randint(len(options), (), generator=draw))] for options in lists]
        logits = self.model.match_tokens(patches.repeat(2, 1, 1), self.model.tokenize([*own, *other]))
        target = torch.tensor([MATCH] * len(own) + [1 - MATCH] * len(other), device=logits.device)
        return F.cross_entropy(logits, target)


class _Words:
    """Each picture with its caption, masked once and for all."""

    def __init__(self, model: PairScorer, texts: list[str], settings: MatchingSettings, draw: torch.Generator) -> None:
        self.model = model
        self.ids, self.labels = model.mask_words(texts, draw, share=settings.masked)

    def __call__(self, patches: Tensor, chosen: list[int], draw: torch.Generator) -> Tensor:
        return self.model.word_loss(patches, self.ids[chosen], self.labels[chosen])

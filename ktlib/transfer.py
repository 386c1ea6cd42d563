"""Teach: fine-tune a copy of a model on pictures of a concept and the sentence that names it.

One loop for every model; a lesson decides what a step minimises. A dual encoder learns by contrast:
pictures are to lie where their captions lie. A pair scorer reads both together, and has no visual part
that could be trained alone, so all weights that the objective reaches are trained (D31): `itm` shows
each picture with its caption, which matches, and with the caption of another concept, which does not;
`mlm` masks words of the caption and asks for them: beside noise images that is the papers' implicit
transfer, beside inverted images its control.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ktlib import losses
from ktlib.models import adapters
from ktlib.models.protocols import Contrastive, Matching, Teachable
from ktlib.models.scoring import MATCH

M = TypeVar("M", bound=Teachable)
Told = str | Sequence[str]  # what to say of an image, or several of which one is drawn whenever it is shown


@runtime_checkable
class Lesson(Protocol):
    """What one transfer teaches.

    Attributes:
        model: a copy of the one that is taught; its weights move.
        trained: the weights that do.
    """

    model: Any
    trained: list[nn.Parameter]

    def loss(self, images: Any, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """What a step minimises.

        Args:
            images: of this step, on the model's device; None where there are none.
            chosen: their places among all images.
            draw: for whatever is drawn, on the CPU.
        """
        ...

    def finish(self) -> Any:
        """The taught model."""
        ...


@dataclass(frozen=True)
class Recipe:
    """What all lessons share; `TransferSettings` and `MatchingSettings` say what for.

    Attributes:
        lr: KT v1, Tab. 1 sweeps 1e-5 to 5e-5; 2e-5 is the rate of its Fig. 1.
        batch: images a step (KT v1, Sec. 8.1 and 8.2: 4).
        epochs: authors' code: 1, so ten images make three steps of 4, 4 and 2.
        optimizer: `adam`, whose decay is added to the gradient (KT v1, Sec. 8.1; authors' code),
            or `adamw`, whose decay is not (ours).
        weight_decay: on every parameter.
        betas, eps: authors' code (0.9, 0.98), 1e-6.
    """

    lr: float = 2e-5
    batch: int = 4
    epochs: int = 1
    optimizer: str = "adam"
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6

    choices: ClassVar[dict[str, tuple[str, ...]]] = {"optimizer": ("adam", "adamw")}
    teaches: ClassVar[type] = Teachable
    tells: ClassVar[bool] = False  # whether the model learns what to say; `lesson` then takes `told` too

    @property
    def looks(self) -> bool:
        """Whether there must be images."""
        return True

    def __post_init__(self) -> None:
        for name, allowed in self.choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} to be one of {', '.join(allowed)}; found {getattr(self, name)!r}")
        if self.batch < 1 or self.epochs < 1:
            raise ValueError(f"expected batch and epochs of 1 at least, found {self.batch} and {self.epochs}")

    def lesson(self, model: Any, texts: list[str], negatives: Sequence[str], draw: torch.Generator) -> Lesson:
        """The lesson of these settings for a model, which stays as it is.

        Args:
            model: to be taught.
            texts: one caption an image.
            negatives: captions of other concepts.
            draw: for what is drawn before the first step.

        Raises:
            ValueError: the model, the captions or the negatives do not suit the lesson.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class TransferSettings(Recipe):
    """How a dual encoder is fine-tuned. Defaults are the published recipe for CLIP; see `Recipe` for the rest.

    Attributes:
        weight_decay: KT v1, Sec. 8.1: 0.2.
        towers: `visual` (KT v1, Sec. 4.2), `text`, or `both` (KT v1, Fig. 4).
        loss: a key of `losses.CONTRASTIVE`.
        temperature: authors' code: 0.07, fixed (D7).
        lora_rank: train adapters of this rank (through peft) in place of the weights; None for the
            weights themselves (ours).
        interpolation: 1 keeps the fine-tuned weights, 0 the old ones, values between lie on the
            line between the two (Wortsman et al. 2022; ours).
        layer: the block whose input the images are, for images inverted with Eq. 4.
    """

    weight_decay: float = 0.2
    towers: str = "visual"
    loss: str = "nt_xent"
    temperature: float = 0.07
    lora_rank: int | None = None
    interpolation: float = 1.0
    layer: int | None = None

    choices: ClassVar[dict[str, tuple[str, ...]]] = Recipe.choices | {
        "towers": ("visual", "text", "both"),
        "loss": tuple(losses.CONTRASTIVE),
    }
    teaches: ClassVar[type] = Contrastive

    def lesson(self, model: Contrastive, texts: list[str], negatives: Sequence[str], draw: torch.Generator) -> Lesson:
        """By contrast."""
        return Contrast(model, texts, negatives, self, draw)


@dataclass(frozen=True)
class MatchingSettings(Recipe):
    """How a pair scorer is fine-tuned. Defaults are the published recipe for ViLT; see `Recipe` for the rest.

    Attributes:
        lr: KT v1, Tab. 1 and 11 sweep 1e-5 to 5e-5; Tab. 8, with many concepts, 8e-7 to 3e-5.
        batch: KT v1, Sec. 8.2: 4; Tab. 8: 16 to 256.
        weight_decay: KT v1, Sec. 8.2: 0.01.
        objective: `itm`, or `mlm` (KT v1, Sec. 8.9).
        masked: share of a caption's tokens (KT v1, Sec. 8.9: 15 %, whole words).
    """

    weight_decay: float = 0.01
    objective: str = "itm"
    masked: float = 0.15

    choices: ClassVar[dict[str, tuple[str, ...]]] = Recipe.choices | {"objective": ("itm", "mlm")}
    teaches: ClassVar[type] = Matching

    def lesson(self, model: Matching, texts: list[str], negatives: Sequence[str], draw: torch.Generator) -> Lesson:
        """By matching, or by guessing masked words."""
        if self.objective == "itm":
            return Pairs(model, texts, negatives)
        return MaskedWords(model, texts, draw, share=self.masked)


RECIPES: tuple[type[Recipe], ...] = (TransferSettings, MatchingSettings)


def named_caption(name: str, description: str) -> str:
    """`A moongate is a round opening …`: the sentence that ties the name to the picture.

    The article is always "A" and the description's first letter is lowered, as in the paper.

    Source: KT v1, Sec. 3.1.2.
    """
    return f"A {name.lower()} is {description[0].lower()}{description[1:]}"


def transfer(
    model: M,
    images: Tensor | None,
    captions: str | Sequence[str],
    *,
    negatives: Sequence[str] = (),
    told: Sequence[Told] = (),
    seed: int = 0,
    settings: Recipe | None = None,
) -> M:
    """A copy of the model that has seen the images together with their captions.

    Args:
        model: a dual encoder or a pair scorer; stays as it is.
        images: float32 (batch, 3, height, width), RGB in [0, 1]; or activations (batch, tokens,
            width) with `TransferSettings.layer`; None where a decoder learns from texts alone
            (`CaptioningSettings(contrast=0)`).
        captions: one for all images, or one each; with the concept's name (`named_caption`).
        negatives: captions of other concepts: for `itm`, where each picture gets one that is not its
            own, drawn anew in every epoch (with many concepts, simply all captions), and for the loss
            `info_nce_bank`.
        told: what a captioner's decoder is to say of each image (`CaptioningSettings`): one text, or several
            of which one is drawn whenever the image is shown.
        seed: of the order of the images, of negatives, of masks and of what is told.
        settings: `TransferSettings` for a dual encoder, `MatchingSettings` for a pair scorer, `CaptioningSettings`
            for a captioner that is to learn what to say; by default the published recipe of the first two.

    Returns:
        The new model, in evaluation mode and frozen.

    Raises:
        ValueError: counts that differ, a batch from which nothing is learnt, a caption too long for the
            model, missing negatives, images or texts, or settings for another kind of model.

    Source: KT v1, Sec. 3.1.2, 4.2 and 4.3; the authors' fine-tuning script. How negatives are drawn is ours (D31).
    """
    settings = settings or _published(model)
    if not isinstance(model, settings.teaches):
        raise ValueError(f"expected settings that suit {model.name}, found {type(settings).__name__}")
    if images is None and settings.looks:
        raise ValueError("expected images, found none: only a decoder learns without (CaptioningSettings(contrast=0))")
    if told and not settings.tells:
        raise ValueError(f"expected nothing told for {type(settings).__name__}: pass CaptioningSettings, or no told")
    if not (count := len(told if images is None else images)):
        raise ValueError("expected images, or texts to tell without any, found none: there is nothing to learn from")
    texts = [captions] * count if isinstance(captions, str) else list(captions)
    if len(texts) != count:
        raise ValueError(f"expected one caption or one an image, found {len(texts)} for {count} images")
    draw = torch.Generator().manual_seed(seed)
    more: dict[str, Any] = {"told": told} if settings.tells else {}
    lesson = settings.lesson(model, texts, negatives, draw, **more)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    optimizer = kind(
        lesson.trained, lr=settings.lr, betas=settings.betas, eps=settings.eps, weight_decay=settings.weight_decay
    )
    for _ in range(settings.epochs):
        for chosen in torch.randperm(count, generator=draw).split(settings.batch):
            optimizer.zero_grad()
            shown = None if images is None else images[chosen].to(model.device)
            lesson.loss(shown, chosen, draw).backward()
            optimizer.step()
    return lesson.finish().requires_grad_(False).eval()


def _published(model: Teachable) -> Recipe:
    for recipe in RECIPES:
        if isinstance(model, recipe.teaches):
            return recipe()
    raise ValueError(f"expected a model that can be taught by contrast or by matching, found {model.name}")


class Contrast:
    """Images and captions of a batch against each other, in one of the readings of KT's Eq. 1 and 2."""

    def __init__(
        self,
        model: Contrastive,
        texts: list[str],
        negatives: Sequence[str],
        settings: TransferSettings,
        draw: torch.Generator,
    ) -> None:
        if len(texts) % settings.batch == 1 or settings.batch == 1:
            raise ValueError(
                f"{len(texts)} images in batches of {settings.batch} leave a batch of one, from which the loss learns "
                "nothing: use another batch size or another number of images"
            )
        self.old, self.model, self.texts, self.settings = model, model.copy().requires_grad_(False), texts, settings
        self.contrast = _reading(model, negatives, settings)
        with torch.no_grad():
            self.fixed = self.model.encode_text(texts) if settings.towers == "visual" else None
        self.trained = self._unfreeze(draw)

    def _unfreeze(self, draw: torch.Generator) -> list[nn.Parameter]:
        towers = ("visual", "text") if self.settings.towers == "both" else (self.settings.towers,)
        if self.settings.lora_rank is not None:
            return adapters.put_in(self.model, self.settings.lora_rank, towers, draw)
        trained = list(self.model.visual.parameters()) if "visual" in towers else []
        trained += self.model.text_parameters() if "text" in towers else []
        for parameter in trained:
            parameter.requires_grad_(True)
        return trained

    def loss(self, images: Any, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """The chosen loss between the images and their captions."""
        layer = self.settings.layer
        seen = self.model.encode_image(images) if layer is None else self.model.encode_inner(images, layer)
        said = self.model.encode_text([self.texts[i] for i in chosen]) if self.fixed is None else self.fixed[chosen]
        return self.contrast(seen, said)

    def finish(self) -> Contrastive:
        """Merge adapters, interpolate with the old weights."""
        new = self.model
        if self.settings.lora_rank is not None:
            new = self.old.copy()
            adapters.merge(self.model, new)
        if self.settings.interpolation != 1.0:
            before, after = self.old.clip.state_dict(), new.clip.state_dict()
            mixed = {n: torch.lerp(before[n], t, self.settings.interpolation) for n, t in after.items()}
            new.clip.load_state_dict(mixed)
        return new


def _reading(
    model: Contrastive, negatives: Sequence[str], settings: TransferSettings
) -> Callable[[Tensor, Tensor], Tensor]:
    function = losses.CONTRASTIVE[settings.loss]
    if "negatives" not in inspect.signature(function).parameters:
        return partial(function, temperature=settings.temperature)
    if not negatives:
        raise ValueError(f"the loss {settings.loss} needs the captions of other concepts: pass negatives=[…]")
    with torch.no_grad():
        return partial(function, temperature=settings.temperature, negatives=model.encode_text(negatives))


class Pairs:
    """Each picture with its own caption and with one of another concept: do they match?"""

    def __init__(self, model: Matching, texts: list[str], negatives: Sequence[str]) -> None:
        self.model, self.texts = model.copy().requires_grad_(True), texts
        self.trained = list(self.model.parameters())
        distinct = list(dict.fromkeys(negatives))
        self.others = {text: [n for n in distinct if n != text] for text in set(texts)}
        if not all(self.others.values()):
            raise ValueError(
                "expected captions of other concepts, found none: matching needs pairs that do not match; "
                "pass negatives=[…]"
            )

    def loss(self, images: Tensor, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """Cross-entropy of the matching head over right and wrong captions, as many of each."""
        patches = self.model.embed_image(images)
        own = [self.texts[i] for i in chosen]
        lists = [self.others[text] for text in own]
        other = [options[int(torch.randint(len(options), (), generator=draw))] for options in lists]
        logits = self.model.match_tokens(patches.repeat(2, 1, 1), self.model.tokenize([*own, *other]))
        target = torch.tensor([MATCH] * len(own) + [1 - MATCH] * len(other), device=logits.device)
        return F.cross_entropy(logits, target)

    def finish(self) -> Matching:
        """As it is."""
        return self.model


class MaskedWords:
    """Each picture with its caption, masked once and for all: which words are missing?"""

    def __init__(self, model: Matching, texts: list[str], draw: torch.Generator, *, share: float) -> None:
        self.model = model.copy().requires_grad_(True)
        self.trained = list(self.model.parameters())
        self.ids, self.labels = self.model.mask_words(texts, draw, share=share)

    def loss(self, images: Tensor, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """Cross-entropy of the masked words."""
        return self.model.word_loss(self.model.embed_image(images), self.ids[chosen], self.labels[chosen])

    def finish(self) -> Matching:
        """As it is."""
        return self.model

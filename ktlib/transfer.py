"""Teach: fine-tune a copy of the model on pictures of a concept and the sentence that names it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ktlib import losses
from ktlib.models.dual import DualEncoder


@dataclass(frozen=True)
class TransferSettings:
    """How a model is fine-tuned. Defaults are the published recipe for CLIP.

    Attributes:
        lr: KT v1, Tab. 1 sweeps 1e-5 to 5e-5; 2e-5 is the rate of its Fig. 1.
        batch: KT v1, Sec. 8.1: 4.
        epochs: authors' code: 1, so ten images make three steps of 4, 4 and 2.
        optimizer: `adam`, whose decay is added to the gradient (KT v1, Sec. 8.1; authors' code),
            or `adamw`, whose decay is not (ours).
        weight_decay: KT v1, Sec. 8.1: 0.2, on every parameter.
        betas, eps: authors' code (0.9, 0.98), 1e-6.
        towers: `visual` (KT v1, Sec. 4.2), `text`, or `both` (KT v1, Fig. 4).
        loss: a key of `losses.CONTRASTIVE`.
        temperature: authors' code: 0.07, fixed (D7).
        lora_rank: train adapters of this rank (through peft) in place of the weights; None for the
            weights themselves (ours).
        interpolation: 1 keeps the fine-tuned weights, 0 the old ones, values between lie on the
            line between the two (Wortsman et al. 2022; ours).
        layer: the block whose input the images are, for images inverted with Eq. 4.
    """

    lr: float = 2e-5
    batch: int = 4
    epochs: int = 1
    optimizer: str = "adam"
    weight_decay: float = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    towers: str = "visual"
    loss: str = "nt_xent"
    temperature: float = 0.07
    lora_rank: int | None = None
    interpolation: float = 1.0
    layer: int | None = None

    def __post_init__(self) -> None:
        for name, allowed in (
            ("optimizer", ("adam", "adamw")),
            ("towers", ("visual", "text", "both")),
            ("loss", tuple(losses.CONTRASTIVE)),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} to be one of {', '.join(allowed)}; found {getattr(self, name)!r}")


def named_caption(name: str, description: str) -> str:
    """`A moongate is a round opening …`: the sentence that ties the name to the picture.

    The article is always "A" and the description's first letter is lowered, as in the paper.

    Source: KT v1, Sec. 3.1.2.
    """
    return f"A {name.lower()} is {description[0].lower()}{description[1:]}"


def transfer(
    model: DualEncoder,
    images: Tensor,
    captions: str | Sequence[str],
    *,
    seed: int = 0,
    settings: TransferSettings | None = None,
    negatives: Sequence[str] = (),
) -> DualEncoder:
    """A copy of the model that has seen the images together with their captions.

    Args:
        model: stays as it is.
        images: float32 (batch, 3, height, width), RGB in [0, 1]; or activations (batch, tokens,
            width) with `settings.layer`.
        captions: one for all images, or one each; with the concept's name (`named_caption`).
        seed: of the order of the images.
        settings: the recipe; the published one by default.
        negatives: captions of other concepts, for the loss `info_nce_bank`.

    Returns:
        The new model, in evaluation mode and frozen.

    Raises:
        ValueError: counts that differ, or a batch that would hold a single image.

    Source: KT v1, Sec. 3.1.2 and 4.2; the authors' fine-tuning script.
    """
    settings = settings or TransferSettings()
    texts = [captions] * len(images) if isinstance(captions, str) else list(captions)
    if len(texts) != len(images):
        raise ValueError(f"expected one caption or one an image, found {len(texts)} for {len(images)} images")
    if len(images) % settings.batch == 1 or settings.batch == 1:
        raise ValueError(
            f"{len(images)} images in batches of {settings.batch} leave a batch of one, from which the loss learns "
            "nothing: use another batch size or another number of images"
        )
    taught = model.copy()
    trained = _prepare(taught, settings)
    optimizer = _optimizer(trained, settings)
    loss = _loss(model, settings, negatives)
    with torch.no_grad():
        fixed = taught.encode_text(texts) if settings.towers == "visual" else None
    order = torch.Generator().manual_seed(seed)
    for _ in range(settings.epochs):
        for chosen in torch.randperm(len(images), generator=order).split(settings.batch):
            seen = _encode(taught, images[chosen], settings)
            said = taught.encode_text([texts[i] for i in chosen]) if fixed is None else fixed[chosen]
            optimizer.zero_grad()
            loss(seen, said).backward()
            optimizer.step()
    return _finish(model, taught, settings)


def _prepare(model: DualEncoder, settings: TransferSettings) -> list[nn.Parameter]:
    """Unfreeze what is to be trained and return it."""
    model.requires_grad_(False)
    if settings.lora_rank is not None:
        return _adapters(model, settings)
    visual = list(model.visual.parameters()) if settings.towers != "text" else []
    text = model.text_parameters() if settings.towers != "visual" else []
    for parameter in visual + text:
        parameter.requires_grad_(True)
    return visual + text


def _adapters(model: DualEncoder, settings: TransferSettings) -> list[nn.Parameter]:
    """Put LoRA adapters into the chosen towers. open_clip's attention is targeted as a whole (`attn`)."""
    from peft import LoraConfig, inject_adapter_in_model

    rank = settings.lora_rank or 0
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=["attn", "c_fc", "c_proj"])
    inject_adapter_in_model(config, model.clip)
    visual = {id(p) for p in model.visual.parameters()}
    wanted = {"visual": (True,), "text": (False,), "both": (True, False)}[settings.towers]
    adapters = [p for n, p in model.clip.named_parameters() if "lora_" in n]
    for parameter in adapters:
        parameter.requires_grad_((id(parameter) in visual) in wanted)
    return [p for p in adapters if p.requires_grad]


def _optimizer(parameters: list[nn.Parameter], settings: TransferSettings) -> torch.optim.Optimizer:
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    s = settings
    return kind(parameters, lr=s.lr, betas=s.betas, eps=s.eps, weight_decay=s.weight_decay)


def _loss(
    model: DualEncoder, settings: TransferSettings, negatives: Sequence[str]
) -> Callable[[Tensor, Tensor], Tensor]:
    function = losses.CONTRASTIVE[settings.loss]
    if "negatives" not in inspect.signature(function).parameters:
        return partial(function, temperature=settings.temperature)
    if not negatives:
        raise ValueError(f"the loss {settings.loss} needs the captions of other concepts: pass negatives=[…]")
    with torch.no_grad():
        return partial(function, temperature=settings.temperature, negatives=model.encode_text(negatives))


def _encode(model: DualEncoder, images: Tensor, settings: TransferSettings) -> Tensor:
    images = images.to(model.mean.device)
    return model.encode_image(images) if settings.layer is None else model.encode_inner(images, settings.layer)


def _finish(old: DualEncoder, new: DualEncoder, settings: TransferSettings) -> DualEncoder:
    """Merge adapters, interpolate with the old weights, freeze."""
    if settings.lora_rank is not None:
        from peft.tuners.tuners_utils import BaseTunerLayer

        merged = old.copy()
        for module in new.clip.modules():
            if isinstance(module, BaseTunerLayer) and not module.merged:
                module.merge()
        plain = {n.replace(".base_layer", ""): t for n, t in new.clip.state_dict().items() if "lora_" not in n}
        merged.clip.load_state_dict(plain)
        new = merged
    if settings.interpolation != 1.0:
        before = old.clip.state_dict()
        mixed = {n: torch.lerp(before[n], t, settings.interpolation) for n, t in new.clip.state_dict().items()}
        new.clip.load_state_dict(mixed)
    return new.requires_grad_(False).eval()

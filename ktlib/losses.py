"""What we want: smooth images, and images that lie where their caption lies.

The papers print one contrastive loss (KT v1, Eq. 1 and 2) that does not say what the negatives are
when a batch holds one concept. Every reading of it stands here under a name of its own; `nt_xent`
is what the authors' published code computes and what `transfer` uses by default.

The three losses of Zoom-shot stand at the end. They take a leading dimension of independent fits,
so that several linear maps are trained in one run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Features = Float[Tensor, "batch dim"]
Texts = Float[Tensor, "captions dim"]


def total_variation(images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, ""]:
    """How rough the images are, as CLIPInversion and the authors define it.

    For each image and channel the plain L2 norm (not squared, not divided by the number of pixels)
    of four difference maps: along x, along y and along both diagonals. The norms are averaged over
    batch and channels and the four are added, so the value grows with the side: uniform noise of
    side s gives about 4·s·sqrt(1/6).

    Args:
        images: un-normalised pixels, [0, 1].

    Source: KT v1, Eq. 3 (R, weight 0.005, "the default of" CLIPInversion).
    """
    return _TotalVariation.apply(images)


def distance(
    features: Float[Tensor, "batch dim"], targets: Float[Tensor, "batch dim"], kind: str = "l2"
) -> Float[Tensor, " batch"]:
    """How far images are from what they should show, one number an image.

    Args:
        features, targets: unit vectors; projected, un-normalised ones for `raw_l2`.
        kind: `l2`, `cosine` or `raw_l2`.

    Source: CLIPInversion (`l2`); KT v1, Eq. 3 as printed (`cosine`); the authors' code for BiomedCLIP (`raw_l2`; D2).
    """
    if kind == "cosine":
        return 1 - (features * targets).sum(1)
    return (features - targets).square().sum(1).clamp_min(1e-12).sqrt()  # a root has no slope at 0


class _TotalVariation(torch.autograd.Function):
    """The sum above with its gradient written out: autograd would build eight padded copies of the images."""

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        whole, up, down, left, right = slice(None), slice(1, None), slice(None, -1), slice(None, -1), slice(1, None)
        pairs = (
            ((whole, right), (whole, left)),  # along x
            ((up, whole), (down, whole)),  # along y
            ((up, right), (down, left)),  # along one diagonal
            ((up, left), (down, right)),  # along the other
        )
        value, gradient = images.new_zeros(()), torch.zeros_like(images)
        for (y1, x1), (y0, x0) in pairs:
            difference = images[..., y1, x1] - images[..., y0, x0]
            norms = torch.linalg.vector_norm(difference, dim=(-2, -1), keepdim=True)
            value = value + norms.mean()
            factor = 1 / (norms.clamp_min(torch.finfo(images.dtype).tiny) * norms.numel())
            gradient[..., y1, x1].addcmul_(difference, factor)  # 0 where there is no difference
            gradient[..., y0, x0].addcmul_(difference, factor, value=-1)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        return slopes[0] * ctx.saved_tensors[0]


def nt_xent(images: Features, texts: Texts, temperature: float = 0.07) -> Float[Tensor, ""]:
    """The authors' loss (reading R0): NT-Xent over the images and their captions together.

    All 2B vectors are anchors. An anchor's positive is its partner (image i and caption i); every
    other vector but itself is a negative, so the images of one concept push each other apart while
    the caption pulls them. With B = 1 there is nothing but the positive and the gradient is zero.

    Args:
        images: unit vectors.
        texts: unit vectors, row i belonging to image i; with one concept all rows are alike.
        temperature: divides the cosines.

    Raises:
        ValueError: fewer than two pairs (the loss would teach nothing), or counts that differ.

    Source: the authors' published fine-tuning script for BiomedCLIP; KT v1, Eq. 1 and 2.
    """
    count = _check_pairs(images, texts, least=2)
    both = torch.cat([images, texts])  # (2B, dim)
    cosines = both @ both.T / temperature
    cosines = cosines.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=both.device), float("-inf"))
    partner = torch.arange(2 * count, device=both.device).roll(count)
    return F.cross_entropy(cosines, partner)


def symmetric_clip(images: Features, texts: Texts, temperature: float = 0.07) -> Float[Tensor, ""]:
    """CLIP's own loss (reading R1). On copies of one caption it levels the cosines and raises none in the mean.

    With one caption B times, every image finds all captions alike: that half is log B and has no slope. The other
    half is logsumexp(c) - mean(c) of the cosines c over the temperature, so the slope of the loss at c is
    (softmax(c) - 1/B) / 2. These sum to 0: the nearest images are pushed away as much as the farthest are pulled.
    Where all cosines are equal there is no slope, and the loss is at its least, log B: that teaches nothing.

    Kept to show exactly that. Args and Raises as in `nt_xent`.

    Source: Radford et al. 2021; the literal reading of KT v1, Eq. 1 and 2, within a batch.
    """
    count = _check_pairs(images, texts, least=2)
    cosines = images @ texts.T / temperature
    target = torch.arange(count, device=images.device)
    return (F.cross_entropy(cosines, target) + F.cross_entropy(cosines.T, target)) / 2


def supervised_contrastive(images: Features, texts: Texts, temperature: float = 0.07) -> Float[Tensor, ""]:
    """Every pair of the same concept is a positive (reading R2, SupCon).

    Captions that are the same vector belong to the same concept. With a single concept no negative
    is left and only the ratios between the pairs are levelled. Args and Raises as in `nt_xent`.

    Source: Khosla et al. 2020, applied to KT v1, Eq. 1 and 2.
    """
    count = _check_pairs(images, texts, least=2)
    both = torch.cat([images, texts])
    same = (texts @ texts.T > 1 - 1e-5).repeat(2, 2)
    itself = torch.eye(2 * count, dtype=torch.bool, device=both.device)
    scores = (both @ both.T / temperature).masked_fill(itself, float("-inf")).log_softmax(1)
    positive = same & ~itself
    return -(scores.masked_fill(~positive, 0).sum(1) / positive.sum(1)).mean()


def info_nce_bank(
    images: Features, texts: Texts, temperature: float = 0.07, *, negatives: Float[Tensor, "bank dim"]
) -> Float[Tensor, ""]:
    """Captions of other concepts as negatives (reading R3): the closest to the printed Eq. 1 and 2.

    Args:
        images, texts: as in `nt_xent`; one pair is enough here.
        temperature: divides the cosines.
        negatives: unit vectors of other concepts' captions.

    Source: KT v1, Eq. 1 and 2, with the x_k of Sec. 3.1.
    """
    count = _check_pairs(images, texts, least=1)
    own = (images * texts).sum(1, keepdim=True)  # (batch, 1)
    scores = torch.cat([own, images @ negatives.T], 1) / temperature
    return F.cross_entropy(scores, torch.zeros(count, dtype=torch.long, device=images.device))


def cosine_pull(images: Features, texts: Texts, temperature: float = 0.07) -> Float[Tensor, ""]:
    """Each image towards its caption and nothing else (reading R5). Args as in `nt_xent`.

    Source: ours, the control without negatives.
    """
    _check_pairs(images, texts, least=1)
    return (1 - (images * texts).sum(1)).mean() / temperature


CONTRASTIVE: dict[str, Callable[..., Tensor]] = {
    "nt_xent": nt_xent,
    "symmetric_clip": symmetric_clip,
    "supervised_contrastive": supervised_contrastive,
    "info_nce_bank": info_nce_bank,
    "cosine_pull": cosine_pull,
}


# -- Zoom-shot --------------------------------------------------------------------------------------
def mean_squared(
    mapped: Float[Tensor, "*fits batch dim"], target: Float[Tensor, "*#fits batch dim"]
) -> Float[Tensor, "*fits"]:
    """How far mapped features are from where they should be: the mean of squares over batch and dimensions.

    Source: ZS, Eq. 1 and Alg. 1 (both directions there); mean reduction as the Linear Aligner's `MSELoss`.
    """
    return _MeanDifference.apply(mapped, target, 2)


def mean_absolute(
    there_and_back: Float[Tensor, "*fits batch dim"], start: Float[Tensor, "*#fits batch dim"]
) -> Float[Tensor, "*fits"]:
    """Cycle consistency: the mean distance in each dimension after a map and its inverse.

    Source: ZS, Eq. 4, L1. It prints norms, which sum over dimensions; the mean is ours (D20).
    """
    return _MeanDifference.apply(there_and_back, start, 1)


def cosines(
    images: Float[Tensor, "*fits batch dim"], texts: Float[Tensor, "*#fits prompts dim"]
) -> Float[Tensor, "*fits batch prompts"]:
    """Cosine of every image with every prompt; 0 with a vector of zeros."""
    return _Cosines.apply(images, texts)


class _MeanDifference(torch.autograd.Function):
    """Mean of absolute (power 1) or squared (power 2) differences with its gradient: one pass there and one back."""

    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor, power: int) -> Tensor:
        difference = one - other
        ctx.save_for_backward(difference)
        ctx.power, ctx.shapes = power, (one.shape, other.shape)
        return torch.linalg.vector_norm(difference, power, dim=(-2, -1)) ** power / difference.shape[-2:].numel()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (difference,) = ctx.saved_tensors
        slope = (slopes[0] * (ctx.power / difference.shape[-2:].numel()))[..., None, None]
        gradient = (difference if ctx.power == 2 else difference.sign()) * slope
        return (
            gradient.sum_to_size(ctx.shapes[0]) if ctx.needs_input_grad[0] else None,
            -gradient.sum_to_size(ctx.shapes[1]) if ctx.needs_input_grad[1] else None,
            None,
        )


class _Cosines(torch.autograd.Function):
    """Cosines with their gradient written out: the product is scaled, not the features, and no unit vector is kept."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, texts: Tensor) -> Tensor:
        lengths = [torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-12) for x in (images, texts)]
        found = (images @ texts.mT).div_(lengths[0]).div_(lengths[1].mT)
        ctx.save_for_backward(images, texts, *lengths, found)
        return found

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        images, texts, image_lengths, text_lengths, found = ctx.saved_tensors
        scaled = slopes[0] / image_lengths / text_lengths.mT
        along = slopes[0] * found

        def gradient(mine: Tensor, other: Tensor, lengths: Tensor, product: Tensor, own: Tensor) -> Tensor:
            inward = own.sum(-1, keepdim=True) / lengths.square()  # what would only change a length
            return torch.addcmul(product @ other, mine, inward, value=-1).sum_to_size(mine.shape)

        return (
            gradient(images, texts, image_lengths, scaled, along) if ctx.needs_input_grad[0] else None,
            gradient(texts, images, text_lengths, scaled.mT, along.mT) if ctx.needs_input_grad[1] else None,
        )


def prompt_distillation(
    teacher: Float[Tensor, "*#fits batch prompts"],
    student: Float[Tensor, "*fits batch prompts"],
    matching: str = "cosines",
    temperature: float = 20.0,
) -> Float[Tensor, "*fits"]:
    """What CLIP finds in an image, prompt by prompt, should be found after the mapping too.

    Args:
        teacher: cosines of CLIP's own image and text features.
        student: cosines after a map.
        matching: `cosines`, the mean absolute difference of the cosines ("logit matching"); `logits`, the
            same of 100 times the cosines; `softmax`, of their softmax over the prompts, as printed, which
            is about a thousandth of the others because 44 raw cosines are almost uniform; `ht_ce`, cross-entropy
            at a high temperature, of softmax(100 · cosines / temperature).
        temperature: of `ht_ce` alone.

    Raises:
        ValueError: an unknown matching.

    Source: ZS, Eq. 5 to 8; `softmax` is the literal reading (D21).
    """
    match matching:
        case "cosines":
            return mean_absolute(student, teacher)
        case "logits":
            return 100 * mean_absolute(student, teacher)
        case "softmax":
            return mean_absolute(student.softmax(-1), teacher.softmax(-1))
        case "ht_ce":
            sharp = 100 / temperature  # 100 is where CLIP's logit scale ends
            return -((sharp * teacher).softmax(-1) * (sharp * student).log_softmax(-1)).sum(-1).mean(-1)
    raise ValueError(f"expected a matching of {', '.join(MATCHINGS)}, found {matching!r}")


MATCHINGS = ("cosines", "logits", "softmax", "ht_ce")


def _check_pairs(images: Tensor, texts: Tensor, *, least: int) -> int:
    if len(images) != len(texts):
        raise ValueError(f"expected one caption an image, found {len(images)} images and {len(texts)} captions")
    if len(images) < least:
        raise ValueError(
            f"expected a batch of at least {least} pairs, found {len(images)}: this loss has no gradient for "
            "fewer; choose a batch size that leaves no rest of one"
        )
    return len(images)

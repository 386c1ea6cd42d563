"""Where a dual encoder looks for a sentence: an information bottleneck in the visual tower, and Grad-CAM beside it.

The multi-modal information bottleneck (Wang et al. 2023, M2IB) adds noise to the tokens behind one block of the
tower, as much of it as the sentence bears: for every token and channel a gate keeps the share lambda of the
activation x and puts noise in the place of the rest,

    t = lambda x + (1 - lambda) noise,

and the gates are optimised so that little is let through and the image still lies near its text. What is let
through, summed over channels, is the map.

A map is no proof that a model sees what the sentence says. `sanity` asks what else would have given it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ktlib.memory import joined
from ktlib.models.blocks import blocks, grid
from ktlib.models.dual import DualEncoder

Maps = Float[Tensor, "images height width"]


@dataclass(frozen=True)
class SaliencySettings:
    """How a map is made. Defaults are those of the segmentation that KT builds on, where it does not search.

    Attributes:
        layer: block behind which the gates stand, counted from 0 (MedCLIP-SAMv2: 7).
        beta: weight of what is let through (MedCLIP-SAMv2: 0.1).
        steps: passes with each map (M2IB: 10). The map is read in the last pass, before its update, as M2IB has it.
        copies: noisy copies of an image in a pass (M2IB: 10).
        lr: of Adam (M2IB: 1).
        start: of every gate, before the sigmoid (M2IB: 5).
    """

    layer: int = 7
    beta: float = 0.1
    steps: int = 10
    copies: int = 10
    lr: float = 1.0
    start: float = 5.0


def saliency(
    model: DualEncoder,
    images: Float[Tensor, "images 3 height width"],
    texts: str | Sequence[str],
    *,
    settings: SaliencySettings | None = None,
    seed: int = 0,
    at_once: int = 8,
) -> Maps:
    """What the model needs of each image to lie near its text: maps from 0 to 1, as large as the images.

    All images meet the same noise, so a map does not depend on those it is made beside, but for rounding.

    Args:
        model: any dual encoder whose visual tower consists of transformer blocks; stays as it is.
        images: RGB in [0, 1].
        texts: one for all images, or one each.
        settings: of the bottleneck.
        seed: of the noise.
        at_once: images in a pass; each has `copies` copies behind the block. Half as many when memory runs out.

    Raises:
        ValueError: no such block, one behind which patches no longer matter, or counts that differ.

    Source: Wang et al. 2023 (M2IB); KT v1, Sec. 4.4.1, through MedCLIP-SAMv2 (D61). The map of patches is enlarged
        to the tower's size (bilinear), stretched to [0, 1] and laid over the picture (nearest).
    """
    settings = settings or SaliencySettings()
    block, targets = _block(model, settings.layer), _targets(model, images, texts)

    def found(part: slice) -> Tensor:
        gates = _Gates(settings, torch.Generator().manual_seed(seed))
        with _Hook(block, gates):
            return _let_through(model, images[part].to(model.device), targets[part], gates, settings)

    return _laid_over(model, joined(found, len(images), at_once=at_once, what="maps"), images)


def grad_cam(
    model: DualEncoder,
    images: Float[Tensor, "images 3 height width"],
    texts: str | Sequence[str],
    *,
    layer: int,
    at_once: int = 64,
) -> Maps:
    """Grad-CAM, the baseline: channels weighed by how much they raise the cosine; maps from 0 to 1.

    Args:
        model: as in `saliency`.
        images: RGB in [0, 1].
        texts: one for all images, or one each.
        layer: block whose patches are weighed.
        at_once: images in a pass; half as many when memory runs out.

    Raises:
        ValueError: as in `saliency`.

    Source: Selvaraju et al. 2017; for a transformer the patches behind a block are the feature map.
    """
    block, targets = _block(model, layer), _targets(model, images, texts)

    def found(part: slice) -> Tensor:
        tap = _Tap()
        with _Hook(block, tap), torch.enable_grad():
            cosine = F.cosine_similarity(model.encode_image(images[part].to(model.device)), targets[part], dim=1)
            (slope,) = torch.autograd.grad(cosine.sum(), tap.x)
        with torch.no_grad():
            side, before = grid(slope.shape[1])
            weights = slope[:, before:].mean(1, keepdim=True)  # (images, 1, channels)
            return (weights * tap.x[:, before:]).sum(2).relu().unflatten(1, (side, side))

    return _laid_over(model, joined(found, len(images), at_once=at_once, what="maps"), images)


# -- the bottleneck -----------------------------------------------------------------------------------
class _Gates:
    """What stands behind the block: activations of images go in, their noisy copies come out.

    The blocks before see each image once; only those behind see all copies.
    """

    def __init__(self, settings: SaliencySettings, draw: torch.Generator) -> None:
        self.settings, self.draw = settings, draw
        self.alpha, self.capacity = torch.empty(0), torch.empty(0)

    def __call__(self, x: Tensor) -> Tensor:
        x = x.detach()  # (images, tokens, channels)
        if not len(self.alpha):
            self.alpha = torch.full_like(x, self.settings.start).requires_grad_()
        mean, log_deviation = self.alpha.sigmoid() * x, F.logsigmoid(-self.alpha)  # log(1 - lambda)
        deviation = log_deviation.exp()
        self.capacity = -0.5 * (1 + 2 * log_deviation - mean.square() - deviation.square())
        noise = torch.randn((self.settings.copies, *x.shape[1:]), generator=self.draw).to(x)
        return (mean[:, None] + deviation[:, None] * noise).flatten(0, 1)  # (images * copies, tokens, channels)


def _let_through(
    model: DualEncoder, images: Tensor, target: Tensor, gates: _Gates, settings: SaliencySettings
) -> Float[Tensor, "images rows columns"]:
    """Optimise the gates of some images side by side; what they let through in the last pass."""
    optimizer, pixels = None, model.pixels(images)
    for step in range(settings.steps):
        with (
            torch.enable_grad()
        ):  # not through the model's own `encode_image`, which answers with as many as it is asked
            features = model.clip.encode_image(pixels).unflatten(0, (len(images), settings.copies))
            cosine = F.cosine_similarity(features, target[:, None], dim=2).mean(1)
            loss = (settings.beta * gates.capacity.mean((1, 2)) - cosine).sum()  # one an image: none feels another
        if step + 1 == settings.steps:
            break
        optimizer = optimizer or torch.optim.Adam([gates.alpha], lr=settings.lr)
        (gates.alpha.grad,) = torch.autograd.grad(loss, gates.alpha)
        optimizer.step()
    side, before = grid(gates.capacity.shape[1])
    return gates.capacity.detach().nansum(2)[:, before:].unflatten(1, (side, side))


class _Tap:
    """Activations of a block as they are, with a slope."""

    def __init__(self) -> None:
        self.x = torch.empty(0)

    def __call__(self, x: Tensor) -> Tensor:
        self.x = x.detach().requires_grad_()
        return self.x


class _Hook:
    """Puts something behind a block for a while. Some blocks give a tensor, some a tuple whose first part it is."""

    def __init__(self, block: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        self.block, self.change = block, change

    def __enter__(self) -> None:
        def behind(module: nn.Module, given: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (self.change(output[0]), *output[1:])
            return self.change(output)

        self.handle = self.block.register_forward_hook(behind)

    def __exit__(self, *error: object) -> None:
        self.handle.remove()


def _block(model: DualEncoder, layer: int) -> nn.Module:
    there = blocks(model.visual)
    if not 0 <= layer < len(there):
        raise ValueError(f"expected a layer from 0 to {len(there) - 1} for {model.name}, found {layer}")
    single = any(name.endswith(("class_embedding", "cls_token")) for name, _ in model.visual.named_parameters())
    if single and layer + 1 == len(there):
        raise ValueError(
            f"expected a layer before the last for {model.name}, found {layer}: behind it only the class token is "
            "read, and patches no longer matter"
        )
    return there[layer]


@torch.no_grad()
def _targets(model: DualEncoder, images: Tensor, texts: str | Sequence[str]) -> Float[Tensor, "images dim"]:
    told = [texts] * len(images) if isinstance(texts, str) else list(texts)
    if len(told) != len(images) or not told:
        raise ValueError(f"expected one text or one an image, found {len(told)} for {len(images)} images")
    distinct = list(dict.fromkeys(told))
    vectors = model.encode_text(distinct)
    return vectors[[distinct.index(text) for text in told]]


def _laid_over(model: DualEncoder, maps: Tensor, images: Tensor) -> Maps:
    """Maps of patches as maps of pixels, each stretched to [0, 1]; one that is the same everywhere becomes 0."""
    size = (model.image_size, model.image_size)
    square = F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    low, high = square.amin((1, 2), keepdim=True), square.amax((1, 2), keepdim=True)
    square = (square - low) / (high - low).clamp_min(torch.finfo(square.dtype).tiny)
    return model.over_picture(square, *images.shape[-2:]).cpu()


# -- what else would have given the map ---------------------------------------------------------------
Explain = Callable[[DualEncoder, Tensor, str, int], Tensor]


def likeness(maps: Maps, others: Tensor) -> Float[Tensor, " images"]:
    """Rank correlation (Spearman) of the pixels of two maps of each image; 0 where a map is flat.

    Args:
        maps, others: of the same images.

    Raises:
        ValueError: shapes that differ.

    Source: Adebayo et al. 2018, who compare explanations so.
    """
    if maps.shape != others.shape:
        raise ValueError(f"expected two maps of each image, found {tuple(maps.shape)} and {tuple(others.shape)}")
    first, second = (_ranks(m.flatten(1)) for m in (maps, others))
    first, second = (r - r.mean(1, keepdim=True) for r in (first, second))
    norm = first.norm(dim=1) * second.norm(dim=1)
    return torch.where(norm > 0, (first * second).sum(1) / norm.clamp_min(1e-12), torch.zeros_like(norm)).float()


def _ranks(values: Float[Tensor, "rows items"]) -> Tensor:
    """Ranks within each row; equal values share the mean of theirs."""
    rows = []
    for row in values:
        _, place, count = row.unique(return_inverse=True, return_counts=True)
        last = count.cumsum(0).double()
        rows.append((last - (count - 1) / 2)[place])
    return torch.stack(rows)


def randomised(model: DualEncoder, *, seed: int = 0) -> DualEncoder:
    """A copy whose visual tower has forgotten everything: the entries of each of its weights are shuffled.

    Args:
        model: stays as it is.
        seed: of the shuffling.

    Source: ours, after Adebayo et al. 2018: shuffled, a weight keeps the size that its layer was made for.
    """
    new, draw = model.copy(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in new.visual.parameters():
            order = torch.randperm(weight.numel(), generator=draw).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
    return new


def sanity(
    model: DualEncoder,
    images: Float[Tensor, "images 3 height width"],
    text: str,
    *,
    wrong: str,
    nonsense: str,
    explain: Explain | None = None,
    forgotten: DualEncoder | None = None,
    seed: int = 0,
) -> dict[str, Float[Tensor, " images"]]:
    """How like the maps of a sentence are to maps that should be others, image by image.

    `again` is the same question with other noise, the most that can be expected. A map that says something about
    the sentence is less like those of a `wrong` and a `nonsense` sentence; one that says something about the model
    is less like that of the `weights` shuffled.

    Args:
        model: as in `saliency`.
        images: RGB in [0, 1].
        text: what is looked for.
        wrong: what is not in the images, in a sentence of the same kind.
        nonsense: words without meaning; a model with few words needs words it knows.
        explain: what makes the maps: (model, images, text, seed); by default `saliency` as it is.
        forgotten: from `randomised`, where one is at hand.
        seed: of the noise and of the shuffling.

    Returns:
        Rank correlations under `again`, `wrong`, `nonsense` and `weights`.

    Source: Adebayo et al. 2018 (weights); the prompts are ours.
    """
    explain = explain or _by_default
    maps = explain(model, images, text, seed)
    others = {
        "again": explain(model, images, text, seed + 1),
        "wrong": explain(model, images, wrong, seed),
        "nonsense": explain(model, images, nonsense, seed),
        "weights": explain(forgotten or randomised(model, seed=seed), images, text, seed),
    }
    return {what: likeness(maps, other) for what, other in others.items()}


def _by_default(model: DualEncoder, images: Tensor, text: str, seed: int) -> Maps:
    return saliency(model, images, text, seed=seed)

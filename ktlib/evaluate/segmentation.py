"""From a sentence to a mask: where the model looks, the brighter part of it, a box around that, what SAM sees there.

The steps are those of MedCLIP-SAMv2, which KT builds on. Four things differ. Images and masks come in pairs, where
its scripts pair two folders by the order in which they list their files. The brighter part is found exactly, where
k-means starts at random. Beta and layer are chosen once, with the model before any transfer, on all validation
images (`choose`), where its search looks at three labelled images, anew for every model and with noise of its own
each time; that search is kept as `rule="published"`. And a map without a brighter part is answered by a box around
the whole image, where its script stops.

How good a mask can be at all, `bounds` says: from a box around the whole image, and from the true box.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from ktlib.evaluate.overlap import Masks, Scores, dice, joined, scores
from ktlib.evaluate.saliency import Maps, SaliencySettings, saliency
from ktlib.models.dual import DualEncoder
from ktlib.models.sam import Segmenter

CLUSTERED_AT = 256  # side in pixels at which a map is split in two (MedCLIP-SAMv2)
BETAS, LAYERS = (0.1, 1.0, 2.0), (7, 8, 9)  # of the published search; its third axis, a variance, has no effect
PUBLISHED_CUT, PUBLISHED_IMAGES = 0.3, 3  # what it calls a mask, and how many images it looks at
RULES = ("validation", "published")


class Batch(NamedTuple):
    """Images of one size and their true masks.

    Attributes:
        images: RGB in [0, 1].
        truths: what is to be found, each as large as its image.
        embeddings: from `Segmenter.embed`, where they are kept for several models.
    """

    images: Float[Tensor, "images 3 height width"]
    truths: Bool[Tensor, "images height width"]
    embeddings: Tensor | None = None


@dataclass(frozen=True)
class Coarse:
    """What a map points at.

    Attributes:
        masks: the largest connected part of the map's brighter half; several where they are equally large.
        boxes: one around it, left, top, right, bottom in pixels; around the whole image where there is no such part.
        parts: how many connected parts were kept; 0 where there is none.
    """

    masks: Masks
    boxes: Float[Tensor, "images 4"]
    parts: Int[Tensor, " images"]

    @property
    def fell_back(self) -> Bool[Tensor, " images"]:
        """Which maps had no brighter part, so that the box is the whole image."""
        return self.parts == 0


# -- from a map to a box --------------------------------------------------------------------------------
def foreground(maps: Maps) -> Masks:
    """The brighter part of each map: two clusters of its grey levels, with the least squares there can be.

    Args:
        maps: from 0 to 1.

    Source: MedCLIP-SAMv2: k-means with two clusters on the map in 8 bit, resized to 256 x 256 (nearest). For numbers
        on a line the best split is found by looking at all of them, which is Otsu's threshold (1979).
    """
    levels = (maps.clamp(0, 1) * 255).round()[:, None]
    small = F.interpolate(levels, (CLUSTERED_AT, CLUSTERED_AT), mode="nearest").flatten(1).long()
    ones = torch.ones_like(small, dtype=torch.float64)
    count = torch.zeros(len(maps), 256, dtype=torch.float64, device=maps.device).scatter_add_(1, small, ones)
    total = count * torch.arange(256, device=maps.device)
    below, above = count.cumsum(1), count.flip(1).cumsum(1).flip(1) - count
    dark, bright = total.cumsum(1), total.flip(1).cumsum(1).flip(1) - total
    between = dark.square() / below.clamp_min(1) + bright.square() / above.clamp_min(1)
    cut = between.masked_fill((below == 0) | (above == 0), -1).argmax(1)  # levels above it are bright
    found = (small > cut[:, None]).view(-1, 1, CLUSTERED_AT, CLUSTERED_AT)
    flat = (count > 0).sum(1) == 1  # one level: there is no brighter part
    return F.interpolate(found.float(), maps.shape[-2:], mode="nearest")[:, 0].bool() & ~flat[:, None, None]


def largest_parts(masks: Masks, keep: Sequence[int] | None = None) -> tuple[Masks, Int[Tensor, " images"]]:
    """The largest connected parts of masks, and how many of them were kept; corners connect.

    Args:
        masks: any.
        keep: how many parts of each mask; by default the largest, or all that are equally large.

    Source: MedCLIP-SAMv2.
    """
    kept, counts = torch.zeros_like(masks), []
    for number, mask in enumerate(masks.cpu().numpy()):
        labels, there = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(labels.ravel(), minlength=there + 1)[1:]
        if keep is None:
            wanted = np.flatnonzero(sizes == sizes.max(initial=0))
        else:
            wanted = np.argsort(-sizes, kind="stable")[: keep[number]]
        kept[number] = torch.from_numpy(np.isin(labels, wanted + 1)).to(masks.device)
        counts.append(len(wanted))
    return kept, torch.tensor(counts, dtype=torch.long)


def boxes(masks: Masks) -> Float[Tensor, "images 4"]:
    """The box around each mask: left, top, right, bottom; around the whole image where a mask is empty.

    Args:
        masks: any.
    """
    height, width = masks.shape[-2:]
    found = torch.tensor([[0.0, 0.0, width, height]]).repeat(len(masks), 1)
    for number, mask in enumerate(masks.cpu()):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        if len(rows):
            edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            found[number] = torch.cat(edges).float()
    return found


def coarse(maps: Maps) -> Coarse:
    """What each map points at.

    Args:
        maps: from 0 to 1.
    """
    masks, parts = largest_parts(foreground(maps))
    return Coarse(masks, boxes(masks), parts)


# -- from a sentence to a mask ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Found:
    """What was found in images.

    Attributes:
        maps: where the model looks, from 0 to 1.
        coarse: what the maps point at.
        masks: what SAM outlines there.
    """

    maps: Maps
    coarse: Coarse
    masks: Masks


def outline(segmenter: Segmenter, images: Tensor, found: Coarse, *, embeddings: Tensor | None = None) -> Masks:
    """SAM's masks in the boxes; as many of their largest parts as the coarse masks had.

    Args:
        segmenter: outlines.
        images: RGB in [0, 1].
        found: the boxes.
        embeddings: as in `Segmenter.segment`.

    Source: MedCLIP-SAMv2; where the box is the whole image one part is kept (ours, D63).
    """
    masks = segmenter.segment(images, found.boxes, embeddings=embeddings)
    return largest_parts(masks, found.parts.clamp_min(1).tolist())[0]


def segment(
    model: DualEncoder,
    segmenter: Segmenter,
    images: Float[Tensor, "images 3 height width"],
    text: str,
    *,
    settings: SaliencySettings | None = None,
    seed: int = 0,
    embeddings: Tensor | None = None,
) -> Found:
    """Masks of what a sentence describes.

    Args:
        model: looks.
        segmenter: outlines.
        images: RGB in [0, 1].
        text: what is looked for, the same in all images.
        settings: of the maps; chosen by `choose`.
        seed: of the maps' noise.
        embeddings: as in `Segmenter.segment`.

    Source: KT v1, Sec. 4.4.1, through MedCLIP-SAMv2.
    """
    maps = saliency(model, images, text, settings=settings, seed=seed)
    found = coarse(maps)
    return Found(maps, found, outline(segmenter, images, found, embeddings=embeddings))


@dataclass(frozen=True)
class Segmentation:
    """How good the masks of many images are.

    Attributes:
        masks: scores of SAM's masks.
        coarse: scores of the coarse masks, before SAM.
        fell_back: in which images the map had no brighter part.
    """

    masks: Scores
    coarse: Scores
    fell_back: Bool[Tensor, " images"]


def evaluate(
    model: DualEncoder,
    segmenter: Segmenter,
    batches: Iterable[Batch],
    text: str,
    *,
    settings: SaliencySettings | None = None,
    seed: int = 0,
) -> Segmentation:
    """Segment images and compare with their true masks.

    Args:
        model, segmenter, text, settings, seed: as in `segment`.
        batches: images of one size each; a batch of its own for every other size.

    Raises:
        ValueError: a mask of another size than its image, or no images.

    Source: KT v1, Tab. 4 and 7: per image, then the mean over images.
    """
    fine, rough, fell_back = [], [], []
    for batch in _checked(batches):
        found = segment(model, segmenter, batch.images, text, settings=settings, seed=seed, embeddings=batch.embeddings)
        fine.append(scores(found.masks, batch.truths))
        rough.append(scores(found.coarse.masks, batch.truths))
        fell_back.append(found.coarse.fell_back)
    return Segmentation(joined(fine), joined(rough), torch.cat(fell_back))


def embedded(segmenter: Segmenter, batches: Iterable[Batch]) -> list[Batch]:
    """The same batches with what SAM's image encoder makes of them, so that several models are judged by one pass.

    Args:
        segmenter: whose encoder it is.
        batches: all of them are kept; a published SAM's embedding has 4 MB an image.
    """
    return [batch._replace(embeddings=segmenter.embed(batch.images)) for batch in _checked(batches)]


def bounds(segmenter: Segmenter, batches: Iterable[Batch]) -> dict[str, Scores]:
    """What SAM makes of a box around the whole image, and of the true box: `whole_image` and `true_box`.

    Nothing below the first has been helped by a map, and nothing above the second can be expected of one.

    Args:
        segmenter: outlines.
        batches: as in `evaluate`.

    Raises:
        ValueError: as in `evaluate`.

    Source: ours (D63).
    """
    found: dict[str, list[Scores]] = {"whole_image": [], "true_box": []}
    for batch in _checked(batches):
        kept = batch.embeddings if batch.embeddings is not None else segmenter.embed(batch.images)
        nowhere = torch.zeros_like(batch.truths)
        for what, masks in (("whole_image", nowhere), ("true_box", batch.truths)):
            _, parts = largest_parts(masks)
            outlined = outline(segmenter, batch.images, Coarse(masks, boxes(masks), parts), embeddings=kept)
            found[what].append(scores(outlined, batch.truths))
    return {what: joined(parts) for what, parts in found.items()}


def _checked(batches: Iterable[Batch]) -> list[Batch]:
    whole = list(batches)
    for batch in whole:
        if batch.images.shape[-2:] != batch.truths.shape[-2:] or len(batch.images) != len(batch.truths):
            raise ValueError(
                f"expected a mask for each image, as large as it is, found images {tuple(batch.images.shape)} and "
                f"masks {tuple(batch.truths.shape)}: pair them by name, and leave out what has no partner"
            )
    if not sum(len(batch.images) for batch in whole):
        raise ValueError("expected images to segment, found none")
    return whole


# -- beta and layer -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Choice:
    """Beta and layer, and by what they were chosen.

    Attributes:
        settings: with the chosen beta and layer.
        rule: `validation` or `published`.
        each: what each pair of beta and layer scored on every image that was looked at.
    """

    settings: SaliencySettings
    rule: str
    each: Mapping[tuple[float, int], Sequence[float]]

    @property
    def table(self) -> dict[tuple[float, int], float]:
        """What each pair scored in the mean; the first of the best is taken."""
        return {cell: fmean(values) for cell, values in self.each.items()}

    @property
    def images(self) -> int:
        """How many images were looked at."""
        return len(next(iter(self.each.values())))


def choose(
    model: DualEncoder,
    batches: Iterable[Batch],
    text: str,
    *,
    settings: SaliencySettings | None = None,
    betas: Sequence[float] = BETAS,
    layers: Sequence[int] = LAYERS,
    rule: str = "validation",
    seed: int = 0,
) -> Choice:
    """Beta and layer of the maps, chosen on images whose masks are known.

    - `validation`: the highest mean DSC of the coarse masks over all validation images. Called once, with the model
      before any transfer, and kept for every other: a taught model is not to gain by a search of its own.
    - `published`: the highest mean DSC of the map above 0.3, over three images drawn with seeds 0, 1 and 2.
      MedCLIP-SAMv2 calls it for each model; what needs three masks is no longer zero-shot.

    Args:
        model: as in `segment`.
        batches: images that no verdict comes from; those with nothing to find are left out.
        text: as in `segment`.
        settings: all but beta and layer.
        betas, layers: to choose from; the published search's by default.
        rule: `validation` or `published`.
        seed: of the maps' noise.

    Raises:
        ValueError: another rule, nothing to choose from, or images with nothing to find only.

    Source: `validation` ours (D63); `published`: MedCLIP-SAMv2's `--hyper-opt`.
    """
    if rule not in RULES or not betas or not layers:
        raise ValueError(f"expected a rule of {', '.join(RULES)}, betas and layers, found {rule!r}, {betas}, {layers}")
    known = [
        Batch(b.images[there], b.truths[there]) for b in _checked(batches) if (there := b.truths.any((1, 2))).any()
    ]
    count = sum(len(batch.images) for batch in known)
    if not count:
        raise ValueError("expected validation images with something to find, found empty masks only")
    if rule == "published":
        known = _drawn(known, count)
    base = settings or SaliencySettings()
    each: dict[tuple[float, int], list[float]] = {}
    for layer in layers:
        for beta in betas:
            tried = replace(base, beta=beta, layer=layer)
            values = [_worth(saliency(model, b.images, text, settings=tried, seed=seed), b, rule) for b in known]
            each[beta, layer] = torch.cat(values).tolist()
    beta, layer = max(each, key=lambda cell: fmean(each[cell]))  # the first of equals
    return Choice(replace(base, beta=beta, layer=layer), rule, each)


def _worth(maps: Tensor, batch: Batch, rule: str) -> Float[Tensor, " images"]:
    return dice(coarse(maps).masks if rule == "validation" else maps > PUBLISHED_CUT, batch.truths)


def _drawn(batches: list[Batch], count: int) -> list[Batch]:
    """One image for each of the seeds 0, 1 and 2; the same image may be drawn twice."""
    singles = [(batch, number) for batch in batches for number in range(len(batch.images))]
    chosen = [singles[random.Random(seed).randrange(count)] for seed in range(PUBLISHED_IMAGES)]
    return [Batch(batch.images[n : n + 1], batch.truths[n : n + 1]) for batch, n in chosen]

"""Images for the grids of maps and masks before and after, chosen by rule (KT Fig. 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ktlib.companion.sources import Lesion
from ktlib.companion.studies.bench import Course
from ktlib.companion.studies.segmentation import DECIDES
from ktlib.companion.studies.segmentation.instrument import Instrument, taught
from ktlib.companion.studies.segmentation.tables import Found
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.evaluate.segmentation import Batch, segment
from ktlib.evaluate.segmentation import Found as OfImages
from ktlib.models import DualEncoder


@dataclass(frozen=True)
class Shown:
    """An image, what is to be found in it, and what was found before and after.

    Attributes:
        title: the lesion, and why the image was chosen.
        image: RGB in [0, 1].
        truth: what is to be found.
        maps, boxes, masks: of each model, `base` and `kt`.
        scores: their DSC.
    """

    title: str
    image: Float[Tensor, "3 height width"]
    truth: Bool[Tensor, "height width"]
    maps: Mapping[str, Float[Tensor, "height width"]]
    boxes: Mapping[str, Float[Tensor, "4"]]
    masks: Mapping[str, Bool[Tensor, "height width"]]
    scores: Mapping[str, float]


def chosen(before: Found, after: Found, count: int) -> dict[str, list[int]]:
    """Images by rule: where DSC rises most, the middle, where it falls most; of equals the first, none twice.

    Args:
        before, after: on the same images.
        count: of images, a third of each kind, at least one.

    Returns:
        Numbers of images by kind.

    Source: KT v1, Fig. 6 and 7 show examples and do not say how they were found; the rule is ours (D75).
    """
    old, new = before.masks.values[DECIDES].tolist(), after.masks.values[DECIDES].tolist()
    there = [number for number, nothing in enumerate(after.masks.nothing.tolist()) if not nothing]
    order = sorted(there, key=lambda number: (old[number] - new[number], number))
    each = max(1, count // 3)
    start = max(0, len(order) // 2 - each // 2)
    kinds = {"most gained": order[:each], "in the middle": order[start : start + each], "most lost": order[::-1][:each]}
    found: dict[str, list[int]] = {}
    for kind, own in kinds.items():
        found[kind] = [number for number in own if not any(number in others for others in found.values())]
    return {kind: own for kind, own in found.items() if own}


def pictures(
    own: Instrument,
    lesion: Lesion,
    settings: SaliencySettings,
    numbers: Mapping[str, Sequence[int]],
    courses: Mapping[str, Course | None],
) -> list[Shown]:
    """What is seen and found in some test images by each model.

    Args:
        own: what looks and what outlines.
        lesion: what is looked for.
        settings: of the maps.
        numbers: of images, by why they were chosen.
        courses: what each model was taught; None before.
    """
    images = own.images(lesion, "test")
    models = {method: taught(own.model, course) for method, course in courses.items()}
    shown = []
    for kind, places in numbers.items():
        for place in places:
            (batch,) = own.batches(images.take([place]))
            truth = batch.truths[0]
            found = {m: _segmented(own, model, lesion, batch, settings) for m, model in models.items()}
            shared = {m: 2 * int((one.masks[0] & truth).sum()) for m, one in found.items()}
            total = {m: int(one.masks[0].sum() + truth.sum()) for m, one in found.items()}
            shown.append(
                Shown(
                    f"{lesion.name}: {kind}", batch.images[0], truth,
                    {m: one.maps[0] for m, one in found.items()},
                    {m: one.coarse.boxes[0] for m, one in found.items()},
                    {m: one.masks[0] for m, one in found.items()},
                    {m: shared[m] / max(1, total[m]) for m in found},
                )
            )  # fmt: skip
    return shown


def first(own: Instrument, lesion: Lesion, settings: SaliencySettings, split: str = "validation") -> Shown:
    """The first image of a split, looked at by the untouched model; nobody picked it.

    Args:
        own: what looks and what outlines.
        lesion: what is looked for.
        settings: of the maps.
        split: `validation` or `test`.
    """
    (batch,) = own.batches(own.images(lesion, split).take([0]))
    found = _segmented(own, own.model, lesion, batch, settings)
    return Shown(
        lesion.name, batch.images[0], batch.truths[0], {"base": found.maps[0]}, {"base": found.coarse.boxes[0]},
        {"base": found.masks[0]}, {},
    )  # fmt: skip


def _segmented(
    own: Instrument, model: DualEncoder, lesion: Lesion, batch: Batch, settings: SaliencySettings
) -> OfImages:
    return segment(model, own.segmenter, batch.images, lesion.prompt, settings=settings, embeddings=batch.embeddings)

"""Do the maps mean anything? What else would have given them, and what a simpler map gives: a question of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import fmean
from typing import Any

from torch import Tensor

from ktlib.companion.record.rows import Row
from ktlib.companion.sources import Lesion
from ktlib.companion.studies.bench import row
from ktlib.companion.studies.segmentation import CHECKS, COARSE, DECIDES
from ktlib.companion.studies.segmentation.instrument import Instrument
from ktlib.evaluate.intervals import over_images
from ktlib.evaluate.overlap import dice
from ktlib.evaluate.saliency import SaliencySettings, grad_cam, saliency, sanity
from ktlib.evaluate.segmentation import Batch, coarse, outline
from ktlib.models import DualEncoder
from ktlib.store import remembered

NONSENSE = "is with of a without of is with"  # words that every model here knows, and no sentence
TOLD = {"wrong": "another lesion's sentence", "nonsense": "words without meaning", "weights": "shuffled weights"}
AGAINST = ("again", *TOLD)
Explain = Callable[[DualEncoder, Tensor, str, int], Tensor]
_VERSION = 1


def explanations(own: Instrument, lesion: Lesion, settings: SaliencySettings) -> dict[str, Explain]:
    """The two maps that are compared: the bottleneck's with its chosen beta and layer, and Grad-CAM.

    Grad-CAM's layer is the one with the highest mean DSC of the coarse masks on validation images, as for the other.

    Args:
        own: what looks.
        lesion: what is looked for.
        settings: of the bottleneck.
    """
    some = list(own.batches(own.images(lesion, "validation"), embed=False))

    def worth(layer: int) -> float:
        return fmean(v for b in some for v in _coarse(grad_cam(own.model, b.images, lesion.prompt, layer=layer), b))

    layer = max(own.here.layers, key=worth)
    return {
        "m2ib": lambda model, images, text, seed: saliency(model, images, text, settings=settings, seed=seed),
        "grad_cam": lambda model, images, text, seed: grad_cam(model, images, text, layer=layer),
    }


def _coarse(maps: Tensor, batch: Batch) -> list[float]:
    return dice(coarse(maps).masks, batch.truths).tolist()


def checks(own: Instrument, lesion: Lesion, settings: SaliencySettings) -> list[Row]:
    """Rows of how like the maps of a lesion are to maps that should be others, and of how well each kind points.

    The wrong sentence is the prompt of the next lesion; Grad-CAM knows no chance, so that `again` is 1. Images whose
    map is flat are like nothing: they are left out of the likenesses, whose number of images says so.

    Args:
        own: what looks and what outlines, before any transfer.
        lesion: what is looked for, in the first test images.
        settings: of the bottleneck.

    These few images (`Segmenting.checked`, one batch) and the passes of Grad-CAM's layers take seconds to minutes on
    a GPU: they are computed here even where there is a cluster.

    Source: Adebayo et al. 2018; the sentences are ours (D63, D75).
    """
    images = own.images(lesion, "test")
    images = images.take(range(min(own.here.checked, len(images))))
    wrong = own.lesions[(own.lesions.index(lesion) + 1) % len(own.lesions)].prompt
    said = (lesion.prompt, wrong, NONSENSE)
    parts = (own, images, own.images(lesion, "validation"), said, settings, own.here.layers)
    path = own.subject.file("masks", "checks", _VERSION, *parts)

    def compute() -> dict[str, Any]:
        found: dict[str, dict[str, list[float]]] = {}
        for method, explain in explanations(own, lesion, settings).items():
            kept: dict[str, list[float]] = {name: [] for name in (*AGAINST, DECIDES, COARSE)}
            for batch in own.batches(images):
                alike = sanity(
                    own.model, batch.images, lesion.prompt, wrong=wrong, nonsense=NONSENSE, explain=explain,
                    forgotten=own.forgotten,
                )  # fmt: skip
                seen = explain(own.model, batch.images, lesion.prompt, 0)
                pointed = coarse(seen)
                masks = outline(own.segmenter, batch.images, pointed, embeddings=batch.embeddings)
                drawn = seen.flatten(1).amax(1) > 0  # the others are flat
                for what, values in alike.items():
                    kept[what] += values[drawn].tolist()
                kept[DECIDES] += dice(masks, batch.truths).tolist()
                kept[COARSE] += dice(pointed.masks, batch.truths).tolist()
            found[method] = kept
        return found

    make = partial(row, own.subject, CHECKS, split="test", about=lesion.name, dataset=images.name, used=(settings,))
    rows = []
    for method, kept in remembered(path, compute).items():
        for what, values in kept.items():
            if not values:
                continue
            metric, varied = ("likeness", {"to": what}) if what in AGAINST else (what, {})
            estimate = over_images([values], units=images.units if len(values) == len(images) else ())
            rows.append(make(method, metric, estimate, n=len(values), varied=varied))
    return rows


def meaning(rows: list[Row]) -> list[str]:
    """What the likenesses say, a sentence a lesion and kind of map.

    Args:
        rows: of the item `checks of the maps`.
    """
    said = []
    for name in dict.fromkeys(one.subject for one in rows):
        for method, kind in (("m2ib", "the bottleneck"), ("grad_cam", "Grad-CAM")):
            own = {
                one.varied["to"]: one
                for one in rows
                if (one.subject, one.method, one.metric) == (name, method, "likeness")
            }
            if not own:
                said.append(f"{name}, {kind}: every map is flat.")
                continue
            same = [what for to, what in TOLD.items() if own[to].high >= own["again"].low]
            verdict = f"are not told from those of {' or '.join(same)}" if same else "differ from all three"
            said.append(f"{name}, {kind}: its maps {verdict}.")
    return said

"""A grid of captions before and after, its images chosen by rule (KT Tab. 10)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ktlib.companion.record.rows import Row
from ktlib.companion.studies.bench import Subject, row
from ktlib.companion.studies.captioning.tables import Said
from ktlib.evaluate.intervals import Estimate


def examples(before: Said, after: Said, count: int) -> dict[str, list[str]]:
    """Images for a grid of captions, by rule: where the metric rises most, the middle, where it falls most.

    Args:
        before, after: captions of the same images.
        count: of images, a third of each kind.

    Returns:
        Images by kind; of equals the first. No image stands twice.

    Source: KT v1, Tab. 10 shows ten images by METEOR, and does not say how they were found; the rule is ours (D55).
    """
    metric = judged_by(before, after)
    old, new = before.scores.per_image[metric], after.scores.per_image[metric]
    order = sorted(old, key=lambda image: (old[image] - new[image], int(image)))  # the largest rise first
    each = max(1, count // 3)
    start = max(0, len(order) // 2 - each // 2)
    kinds = {"most gained": order[:each], "in the middle": order[start : start + each], "most lost": order[::-1][:each]}
    found: dict[str, list[str]] = {}
    for kind, own in kinds.items():
        before_it = {image for images in found.values() for image in images}
        found[kind] = [image for image in own if image not in before_it]
    return found


def judged_by(*said: Said) -> str:
    """METEOR, as KT Tab. 10 has it, or ROUGE-L where it was not measured for all."""
    return "meteor" if all("meteor" in one.scores.corpus for one in said) else "rouge_l"


def of_examples(
    subject: Subject, item: str, chosen: Mapping[str, Sequence[str]], said: Mapping[str, Said]
) -> list[Row]:
    """Rows of what each caption of a grid is worth; their subject says why its image was chosen, `most gained 1`.

    Args:
        subject: the model before transfer.
        item: for the rows.
        chosen: images, from `examples`.
        said: captions by method, `base` among them.
    """
    metric = judged_by(*said.values())
    places = {f"{kind} {place}": image for kind, images in chosen.items() for place, image in enumerate(images, 1)}
    return [
        row(
            subject, item, method, metric, Estimate(*[one.scores.per_image[metric][image]] * 3), split=one.split, n=1,
            about=place, seed=one.course.seed if one.course else None, dataset=one.gallery.name, varied=one.told,
            used=one.course.used if one.course else (),
        )
        for place, image in places.items()
        for method, one in said.items()
    ]  # fmt: skip


def spoken(captions: Mapping[str, str]) -> dict[str, object]:
    """How a model speaks, whatever it sees: how many captions differ, which is commonest, how many stutter.

    Args:
        captions: by image.
    """
    (common, times), *_ = Counter(captions.values()).most_common(1)
    stutters = sum(bool(re.search(r"\b(\w+) \1\b", text)) for text in captions.values())
    return {
        "different captions": len(set(captions.values())),
        "the commonest": common,
        "times": times,
        "with a word twice running": stutters,
    }

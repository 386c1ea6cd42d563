"""Zero-shot classification: does the model recognise the concept, and what does it still know?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ktlib.data.images import read_folder
from ktlib.data.prompts import PLAIN
from ktlib.models.dual import DualEncoder
from ktlib.models.protocols import Prompts, Recogniser

Batches = Iterable[tuple[Tensor, Tensor]]  # images (batch, 3, height, width) in [0, 1] and labels (batch,)


def zero_shot(
    model: DualEncoder,
    pictures: Tensor | str | Path,
    names: Sequence[str],
    templates: Sequence[str] = PLAIN,
    *,
    top: int = 3,
) -> list[list[tuple[str, float]]]:
    """The names a model finds most likely for each picture, best first, with their probabilities.

    Args:
        model: any dual encoder.
        pictures: float32 (batch, 3, height, width) in [0, 1], or a folder of image files.
        names: candidate classes.
        templates: prompts.
        top: how many names to return.
    """
    if not isinstance(pictures, Tensor):
        pictures = read_folder(Path(pictures), size=model.image_size)
    scores = model.logit_scale * model.encode_many(pictures) @ model.class_vectors(names, templates).T
    best = scores.softmax(1).topk(min(top, len(names)), dim=1)
    return [
        [(names[i], p) for i, p in zip(row, values, strict=True)]
        for row, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


@dataclass(frozen=True)
class Recognition:
    """What a model recognises, image by image, so that two models can be compared in pairs.

    Attributes:
        target: hits on the concept's images among all known names plus the concept.
        retained: hits on the known images among the known names alone (KT's "ImageNet 0-shot").
        retained_with: the same images with the concept among the names.
        mistaken: for each concept image the index of the name chosen; the last is the concept.
    """

    target: Bool[Tensor, " pictures"]
    retained: Bool[Tensor, " known"]
    retained_with: Bool[Tensor, " known"]
    mistaken: Int[Tensor, " pictures"]

    def accuracies(self) -> dict[str, float]:
        """`target_accuracy`, `retention` and `retention_with_concept`, fractions in [0, 1]."""
        means = [t.float().mean().item() for t in (self.target, self.retained, self.retained_with)]
        return dict(zip(("target_accuracy", "retention", "retention_with_concept"), means, strict=True))


def recognition(
    model: Recogniser,
    concept: str,
    pictures: Tensor,
    known: Batches,
    known_names: Sequence[str],
    *,
    templates: Sequence[str] = PLAIN,
    concept_prompts: Sequence[str] | None = None,
    known_prompts: Mapping[str, Sequence[str]] | None = None,
    score: str = "logit",
) -> Recognition:
    """Score a model on a concept and on everything it knew.

    Equal scores count for the class that comes first, as argmax has it; the concept comes last.

    Args:
        model: any dual encoder or pair scorer.
        concept: its name, put into the templates as all others.
        pictures: of the concept, (batch, 3, height, width) in [0, 1].
        known: batches of known pictures and their labels; walked through once.
        known_names: class names, in the order of the labels.
        templates: prompts of every class.
        concept_prompts: prompts of the concept in place of the templates, for the baseline that
            puts the description into the classifier (KT v2, Tab. 2).
        known_prompts: prompts of each known name in place of the templates, where every class has a list of
            its own (`data.finding_prompts`).
        score: what a pair scorer ranks by, `logit` or `softmax` (D32).

    Source: protocol of KT v1, Tab. 1: target among known names plus concept, retention on the
        known names alone (D8).
    """
    own = Prompts([concept], templates) if concept_prompts is None else Prompts([""], concept_prompts)
    known_groups = [Prompts(known_names, templates)]
    if known_prompts is not None:
        known_groups = [Prompts([""], known_prompts[name]) for name in known_names]
    scored = model.classifier([*known_groups, own], score=score)
    chosen = scored(pictures).argmax(1)
    alone, beside = [], []
    for images, labels in known:
        scores = scored(images)
        labels = labels.to(scores.device)
        alone.append(scores[:, :-1].argmax(1) == labels)
        beside.append(scores.argmax(1) == labels)
    return Recognition(
        target=(chosen == len(known_names)).cpu(),
        retained=torch.cat(alone).cpu(),
        retained_with=torch.cat(beside).cpu(),
        mistaken=chosen.cpu(),
    )

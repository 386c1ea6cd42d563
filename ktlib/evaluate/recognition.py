"""Zero-shot classification: does the model recognise the concept, and what does it still know?"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ktlib.bounds import COUNT
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

    Raises:
        ValueError: names or templates that are no lists, a template without its `{}`, or pictures that are none.
    """
    if not COUNT.holds(top):
        raise ValueError(f"expected top to be {COUNT}, found {top!r}")
    _warn_of_twins(names)
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
    too_long: str = "refuse",
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
        too_long: what a pair scorer does with a prompt of a known name that it does not read whole: `refuse`, or `cut`
            it as ViLT's code does, for a benchmark's names. One of the concept is refused.

    Raises:
        ValueError: the concept is a known name already, a label has no name, or there are no known pictures.

    Source: protocol of KT v1, Tab. 1: target among known names plus concept, retention on the
        known names alone (D8).
    """
    if not isinstance(concept, str) or not concept.strip():
        raise ValueError(f"expected the name of a concept, found {concept!r}")
    if twins := [name for name in known_names if _folded(name) == _folded(concept)]:
        raise ValueError(
            f"expected a concept beside the known names, found {concept!r} among them as {twins[0]!r}, which comes "
            "first where scores are equal; leave it out of the known names, or give the concept another name"
        )
    _warn_of_twins(known_names)
    own = Prompts([concept], templates) if concept_prompts is None else Prompts([""], concept_prompts)
    known_groups = [Prompts(known_names, templates, too_long)]
    if known_prompts is not None:
        known_groups = [Prompts([""], known_prompts[name], too_long) for name in known_names]
    scored = model.classifier([*known_groups, own], score=score)
    chosen = scored(pictures).argmax(1)
    alone, beside = [], []
    for images, labels in known:
        if labels.shape != images.shape[:1] or labels.is_floating_point():
            raise ValueError(
                f"expected one whole number for each of {len(images)} known pictures, found labels of the shape "
                f"{tuple(labels.shape)} and {labels.dtype}"
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(known_names):
            found = f"{int(labels.min())} to {int(labels.max())}"
            raise ValueError(f"expected labels of the {len(known_names)} known names, from 0 on, found {found}")
        scores = scored(images)
        labels = labels.to(scores.device)
        alone.append(scores[:, :-1].argmax(1) == labels)
        beside.append(scores.argmax(1) == labels)
    if not alone:
        raise ValueError("expected known pictures, found none: what the model still knows cannot be said without any")
    return Recognition(
        target=(chosen == len(known_names)).cpu(),
        retained=torch.cat(alone).cpu(),
        retained_with=torch.cat(beside).cpu(),
        mistaken=chosen.cpu(),
    )


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _warn_of_twins(names: Sequence[str]) -> None:
    """Say which names occur more than once: identical prompts tie, and every later class of the name scores 0."""
    if isinstance(names, str):
        return  # refused where prompts are made
    if twins := sorted(name for name, count in Counter(map(_folded, names)).items() if count > 1):
        warnings.warn(f"{len(twins)} names occur more than once ({', '.join(twins[:3])}): they tie", stacklevel=3)

"""Zero-shot classification by a pair scorer: every picture beside every class prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ktlib.evaluate.recognition import TEMPLATES, Batches, Recognition
from ktlib.evaluate.retrieval import chosen_score, score_matrix
from ktlib.models.vilt import PairScorer


def recognition(
    model: PairScorer,
    concept: str,
    pictures: Tensor,
    known: Batches,
    known_names: Sequence[str],
    *,
    templates: Sequence[str] = TEMPLATES,
    score: str = "logit",
) -> Recognition:
    """Score a pair scorer on a concept and on everything it knew, as `classification.recognition` does.

    Equal scores count for the class that comes first; the concept comes last. With several
    templates a class has the mean of their scores.

    Args:
        model: any pair scorer.
        concept: its name, put into the templates as all others.
        pictures: of the concept, (batch, 3, height, width) in [0, 1].
        known: batches of known pictures and their labels; walked through once.
        known_names: class names, in the order of the labels.
        templates: prompts of every class.
        score: `logit` or `softmax` (D32).

    Source: KT v1, Tab. 1, ViLT rows: argmax of the match score over all class prompts.
    """
    names = [*known_names, concept]
    prompts = [template.format(name) for name in names for template in templates]

    def scored(images: Tensor) -> Tensor:
        both = score_matrix(model, images, prompts)
        return chosen_score(both, score).view(len(images), len(names), len(templates)).mean(2)

    chosen = scored(pictures).argmax(1)
    alone, beside = [], []
    for images, labels in known:
        scores = scored(images)
        alone.append(scores[:, :-1].argmax(1) == labels)
        beside.append(scores.argmax(1) == labels)
    return Recognition(chosen == len(known_names), torch.cat(alone), torch.cat(beside), chosen)

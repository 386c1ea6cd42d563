"""Zero-shot classification: does the model recognise the concept, and what does it still know?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ktlib.models.dual import DualEncoder

TEMPLATES = ("a photo of a {}",)  # one prompt a class (D8): KT's baselines are below the 80-template ensemble

Batches = Iterable[tuple[Tensor, Tensor]]  # images (batch, 3, height, width) in [0, 1] and labels (batch,)


def classifier(
    model: DualEncoder, names: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> Float[Tensor, "names dim"]:
    """One unit vector a class: the mean of its unit prompt vectors, made unit again.

    Args:
        model: encodes the prompts.
        names: of the classes; put in as they are.
        templates: with a `{}` for the name.

    Source: Radford et al. 2021 (CLIP), prompt ensembling.
    """
    with torch.no_grad():
        prompts = model.encode_text([template.format(name) for name in names for template in templates])
    return F.normalize(prompts.view(len(names), len(templates), -1).mean(1), dim=1)


def encode(model: DualEncoder, images: Tensor, *, batch: int = 256) -> Float[Tensor, "count dim"]:
    """Unit vectors of many images, batch by batch, without gradients."""
    device = model.mean.device
    with torch.no_grad():
        return torch.cat([model.encode_image(part.to(device)) for part in images.split(batch)])


def zero_shot(
    model: DualEncoder,
    pictures: Tensor | str | Path,
    names: Sequence[str],
    templates: Sequence[str] = TEMPLATES,
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
        from ktlib.data.images import read_folder

        pictures = read_folder(Path(pictures), size=model.image_size)
    scores = model.logit_scale * encode(model, pictures) @ classifier(model, names, templates).T
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
    model: DualEncoder,
    concept: str,
    pictures: Tensor,
    known: Batches,
    known_names: Sequence[str],
    *,
    templates: Sequence[str] = TEMPLATES,
    concept_prompts: Sequence[str] | None = None,
) -> Recognition:
    """Score a model on a concept and on everything it knew.

    Equal scores count for the class that comes first, as argmax has it; the concept comes last.

    Args:
        model: any dual encoder.
        concept: its name, put into the templates as all others.
        pictures: of the concept, (batch, 3, height, width) in [0, 1].
        known: batches of known pictures and their labels; walked through once.
        known_names: class names, in the order of the labels.
        templates: prompts of every class.
        concept_prompts: prompts of the concept in place of the templates, for the baseline that
            puts the description into the classifier (KT v2, Tab. 2).

    Source: protocol of KT v1, Tab. 1: target among known names plus concept, retention on the
        known names alone (D8).
    """
    weights = classifier(model, known_names, templates)
    own = (
        classifier(model, [concept], templates) if concept_prompts is None else classifier(model, [""], concept_prompts)
    )
    everything = torch.cat([weights, own])
    chosen = (encode(model, pictures) @ everything.T).argmax(1)
    alone, beside = [], []
    for images, labels in known:
        scores = encode(model, images) @ everything.T
        labels = labels.to(scores.device)
        alone.append(scores[:, :-1].argmax(1) == labels)
        beside.append(scores.argmax(1) == labels)
    return Recognition(
        target=(chosen == len(known_names)).cpu(),
        retained=torch.cat(alone).cpu(),
        retained_with=torch.cat(beside).cpu(),
        mistaken=chosen.cpu(),
    )

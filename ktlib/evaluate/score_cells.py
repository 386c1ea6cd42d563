"""Which class names and which prompt gave the papers their ImageNet baselines? Score every cell and see."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from tqdm.auto import tqdm

from ktlib.data.imagenet import Validation
from ktlib.evaluate.calibration import CELLS, Cell
from ktlib.evaluate.recognition import classifier
from ktlib.models.dual import DualEncoder


def score_cells(models: Mapping[str, DualEncoder], validation: Validation) -> dict[Cell, dict[str, float]]:
    """Zero-shot accuracy of every model under every reading of "class names and prompt".

    Images are encoded once a model; only the classifiers differ.

    Args:
        models: by the name the published baseline goes under, `ViT-B/32`.
        validation: images, labels and WordNet names.

    Returns:
        Fractions in [0, 1], by cell and model.

    Source: ours (D8); the papers do not say which names they use.
    """
    accuracies: dict[Cell, dict[str, float]] = {cell: {} for cell in CELLS}
    for name, model in models.items():
        device = model.mean.device
        classifiers = [classifier(model, cell.prompts(validation.class_names(cell.names)), ("{}",)) for cell in CELLS]
        hits = torch.zeros(len(CELLS), device=device)
        for images, labels in tqdm(validation.batches(), desc=f"calibrating {name}"):
            with torch.no_grad():
                features = model.encode_image(images.to(device))
            for i, weights in enumerate(classifiers):
                hits[i] += ((features @ weights.T).argmax(1) == labels.to(device)).sum()
        for cell, count in zip(CELLS, hits.tolist(), strict=True):
            accuracies[cell][name] = count / len(validation)
    return accuracies

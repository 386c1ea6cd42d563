"""Which class names, prompt and pictures the papers used: chosen once a model, by accuracy before any transfer.

KT prints 58.10 % (ViT-B/32) and 70.79 % (ViT-L/14) on ImageNet-1k and 23.74 % (ViLT) on ImageNet-100, ZS 65.39 %
(ViT-B/16) on ImageNet-1k; none states how classes were named and prompted. For each of these baselines we score the
cells of its `Gate`, freeze the one nearest to what is printed, and never touch it again: it must not be chosen after
seeing what follows. A gate that no cell meets says so in its file: no difference measured after it can be interpreted.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from ktlib.data import tables
from ktlib.data.imagenet import Validation
from ktlib.data.manifests import CALIBRATIONS
from ktlib.data.prompts import templates
from ktlib.models.dual import DualEncoder
from ktlib.models.scoring import SHARD, Texts, chosen_score
from ktlib.models.vilt import PairScorer
from ktlib.store import prepare, write_text

TARGETS: Mapping[str, float] = {"ViT-B/32": 0.5810, "ViT-L/14": 0.7079}  # KT v1 Tab. 1, baseline on ImageNet-1k
TOLERANCE = 0.003  # a baseline further away than 0.3 points makes the transfer rows uninterpretable (ours)
GO_ON = "KTLIB_GO_ON"  # set to 1, a baseline that is missed is a warning
ENSEMBLE = "CLIP's 80 prompts"  # in place of one template: the plain mean of their features (D23)


@dataclass(frozen=True)
class Cell:
    """One reading of what a paper leaves open.

    Attributes:
        names: of the classes, a kind of `imagenet.Validation.class_names`.
        template: one prompt with `{}` for the name, or `ENSEMBLE`.
        picture: `centre` (short side to the model's, then the centre) or `whole` (nothing is cut off).
    """

    names: str
    template: str
    picture: str = "centre"

    @property
    def templates(self) -> tuple[str, ...]:
        """The prompts of a class, with a `{}` for its name."""
        return templates("ImageNet") if self.template == ENSEMBLE else (self.template,)

    def prompts(self, class_names: Sequence[str]) -> list[str]:
        """All prompts, class by class; the names are those of `imagenet.Validation.class_names(cell.names)`."""
        return [template.replace("{}", name) for name in class_names for template in self.templates]


@dataclass(frozen=True)
class Gate:
    """A baseline that is to be met before anything measured after it is interpreted.

    Attributes:
        name: of `manifests.CALIBRATIONS`.
        targets: model -> published accuracy in [0, 1].
        tolerance: how far the nearest cell may be.
        cells: readings.
    """

    name: str
    targets: Mapping[str, float]
    tolerance: float
    cells: tuple[Cell, ...]

    @property
    def file(self) -> Path:
        """Where the choice is frozen; absent until the cells were scored at paper scale."""
        return CALIBRATIONS[self.name].file


ONE_PROMPT = ("{}", "a photo of a {}", "a photo of a {}.", "A photo of a {}.")
CELLS = tuple(Cell(names, template) for names, template in product(("first", "all"), ONE_PROMPT))
CLIP = Gate("clip", TARGETS, TOLERANCE, CELLS)
# ZS Tab. 1, CLIP's row on ImageNet-1000; the curated names with the 80 prompts give about 68 % (D47).
ZOOM_SHOT = Gate(
    "zoom_shot",
    {"ViT-B/16": 0.6539},
    TOLERANCE,
    tuple(Cell(names, one) for names, one in product(("first", "all", "curated"), (*ONE_PROMPT, ENSEMBLE))),
)
# KT v1 Tab. 1, ViLT's baseline: 1187 of 5000 images of ImageNet-100. Each cell costs half a million passes (D47).
VILT = Gate(
    "vilt",
    {"ViLT-B/32": 0.2374},
    0.01,
    tuple(
        Cell(names, template, picture)
        for picture, names, template in product(("whole", "centre"), ("first", "all"), ("a photo of a {}.", "{}"))
    ),
)


def score_cells(
    models: Mapping[str, DualEncoder], validation: Validation, cells: Sequence[Cell] = CELLS
) -> dict[Cell, dict[str, float]]:
    """Zero-shot accuracy of every model under every reading of "class names and prompt".

    Images are encoded once a model; only the classifiers differ.

    Args:
        models: by the name the published baseline goes under, `ViT-B/32`.
        validation: images, labels and WordNet names.
        cells: readings, all with the centre of the picture.

    Returns:
        Fractions in [0, 1], by cell and model.

    Source: ours (D8, D47); the papers do not say which names they use.
    """
    accuracies: dict[Cell, dict[str, float]] = {cell: {} for cell in cells}
    for name, model in models.items():
        device = model.device
        classifiers = [_classifier(model, cell, validation.class_names(cell.names)) for cell in cells]
        hits = torch.zeros(len(cells), device=device)
        for images, labels in tqdm(validation.batches(), desc=f"calibrating {name}"):
            with torch.no_grad():
                features = model.encode_image(images.to(device))
            for i, weights in enumerate(classifiers):
                hits[i] += ((features @ weights.T).argmax(1) == labels.to(device)).sum()
        for cell, count in zip(cells, hits.tolist(), strict=True):
            accuracies[cell][name] = count / len(validation)
    return accuracies


def _classifier(model: DualEncoder, cell: Cell, names: Sequence[str]) -> Tensor:
    """A unit vector a class: of its one prompt, or of the plain mean of its prompts' features (D23)."""
    if len(cell.templates) == 1:
        return model.class_vectors(cell.prompts(names), ("{}",))
    means = []
    with torch.no_grad():
        for name in names:
            means.append(model.encode_text(cell.prompts([name]), normalize=False).mean(0))
    return F.normalize(torch.stack(means), dim=1)


def score_pairs(
    models: Mapping[str, PairScorer], validation: Validation, cells: Sequence[Cell] = VILT.cells
) -> dict[Cell, dict[str, float]]:
    """As `score_cells` for models that read an image and a prompt together: the prompt with the highest match logit.

    Args:
        models: by the name the published baseline goes under, `ViLT-B/32`.
        validation: images, labels and WordNet names; of ImageNet-100 in the paper.
        cells: readings of one prompt a class.
    """
    accuracies: dict[Cell, dict[str, float]] = {cell: {} for cell in cells}
    for name, model in models.items():
        for cell in cells:
            texts = Texts(model, cell.prompts(validation.class_names(cell.names)), too_long="cut")
            pictures = validation.pictures(None if cell.picture == "whole" else model.image_size)
            hits = 0
            for start in tqdm(range(0, len(pictures), SHARD), desc=f"calibrating {name}: {cell}"):
                shard = range(start, min(start + SHARD, len(pictures)))
                found = chosen_score(texts.beside(pictures, shard)).argmax(1)
                hits += int((found == torch.tensor(validation.labels[start : shard.stop])).sum())
            accuracies[cell][name] = hits / len(validation)
    return accuracies


def deviation(accuracy: Mapping[str, float], targets: Mapping[str, float] = TARGETS) -> float:
    """The largest distance of a cell's accuracies from the published ones.

    Args:
        accuracy: model -> top-1 accuracy in [0, 1].
        targets: model -> published accuracy in [0, 1].

    Raises:
        ValueError: a model of `targets` was not scored, or an accuracy is no fraction.
    """
    if absent := [model for model in targets if model not in accuracy]:
        raise ValueError(f"expected accuracies of {', '.join(targets)}, found none of {', '.join(absent)}; score it")
    if wrong := {model: accuracy[model] for model in targets if not 0 <= accuracy[model] <= 1}:
        raise ValueError(f"expected fractions in [0, 1], found {wrong}; divide percent by 100")
    return max(abs(accuracy[model] - target) for model, target in targets.items())


def choose(accuracies: Mapping[Cell, Mapping[str, float]], gate: Gate = CLIP) -> Cell:
    """The cell nearest to all published accuracies: smallest `deviation`, the first of the gate's in a tie.

    Args:
        accuracies: for every cell of the gate, model -> top-1 accuracy in [0, 1], measured without transfer.
        gate: what is published, and the cells.

    Raises:
        ValueError: a cell or a model was not scored, or an accuracy is no fraction.

    Source: ours; the papers state neither names nor prompt.
    """
    if absent := [cell for cell in gate.cells if cell not in accuracies]:
        raise ValueError(
            f"expected accuracies of all {len(gate.cells)} cells, found none of {absent}; score them first"
        )
    return min(gate.cells, key=lambda cell: deviation(accuracies[cell], gate.targets))


def freeze(accuracies: Mapping[Cell, Mapping[str, float]], gate: Gate = CLIP, *, path: Path | None = None) -> Cell:
    """Choose a cell and write it, with all that was measured, to a file that is then left alone.

    Args:
        accuracies: as in `choose`.
        gate: what is published, and the cells.
        path: of the file; by default the gate's.

    Raises:
        FileExistsError: a choice is frozen already.
        ValueError: see `choose`.
    """
    path = path or gate.file
    unfrozen(gate, path=path)
    cell = choose(accuracies, gate)
    distance = deviation(accuracies[cell], gate.targets)
    record: dict[str, Any] = {
        "chosen": asdict(cell),
        "deviation": distance,
        "within_tolerance": distance <= gate.tolerance,
        "targets": dict(gate.targets),
        "measured": [asdict(other) | {"accuracy": dict(accuracies[other])} for other in gate.cells],
    }
    write_text(path, json.dumps(record, indent=2) + "\n")
    return cell


def unfrozen(gate: Gate = CLIP, *, path: Path | None = None) -> None:
    """Refuse to score cells, which takes hours, for a choice that is frozen already or could not be written down.

    Args:
        gate: what is to be chosen.
        path: of the file; by default the gate's.

    Raises:
        FileExistsError: a choice is frozen already.
        ValueError: nothing can be written there.
    """
    path = path or gate.file
    if path.exists():
        raise FileExistsError(f"expected no frozen choice, found {path}; keep it, or a choice may follow the results")
    prepare(path.parent, what="a folder for the choice")


def frozen(gate: Gate = CLIP, *, path: Path | None = None) -> Cell:
    """The frozen cell; none where it misses what is published by more than the gate's tolerance (`missed`).

    Args:
        gate: what is published, and the cells.
        path: of the file; by default the gate's.

    Raises:
        FileNotFoundError: nothing was frozen yet.
        ValueError: the file is damaged, or names a cell that is not one of the gate's; or the gate is missed.
    """
    path = path or gate.file
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the frozen class names and prompt in {path}, found nothing; "
            f"run `python -m ktlib calibrate {gate.name}`, which scores every cell and freezes the nearest one"
        )
    try:
        record = json.loads(tables.text(path))
        cell = Cell(**record["chosen"])
        off = 0.0 if record.get("within_tolerance", True) else 100 * record["deviation"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(
            f"expected a frozen choice in {path}, found something else ({type(error).__name__}: {error}); restore the "
            "file from version control"
        ) from error
    if off:
        missed(
            f"expected a reading within {100 * gate.tolerance:g} points of the published baseline of "
            f"{', '.join(gate.targets)}, found that the nearest misses it by {off:.1f} points ({path}); look at the "
            "checkpoint, at how pictures are cut and normalised, and at the classes of each file"
        )
    if cell not in gate.cells:
        raise ValueError(f"expected one of {gate.cells}, found {cell} in {path}; restore the file from version control")
    return cell


def missed(what: str) -> None:
    """Stop at a baseline that is missed, for nothing measured after it can be interpreted; or warn and go on if told.

    Args:
        what: was expected and found, and what to look at.

    Raises:
        ValueError: `KTLIB_GO_ON` is not set.
    """
    if os.environ.get(GO_ON, "").strip() not in ("", "0"):
        warnings.warn(f"{what}. Nothing measured after it can be interpreted ({GO_ON} is set)", stacklevel=3)
        return
    raise ValueError(f"{what}. To go on all the same, set {GO_ON}=1: nothing measured then can be interpreted")

"""How the CLIP that reads drawn slices is trained: `python -m ktlib pocket train scan-clip`.

It plays BiomedCLIP's part in segmentation: a ViT whose patches are small enough for maps. It is shown tumours of
breasts and brains, healthy slices of all four tasks, and the films of `radiographs`; it never sees a nodule in CT
or a collapsed lung, whose names the dictionary explains (KT v1, Tab. 4: "novel").
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from open_clip.model import CLIP
from torch import Tensor

from ktlib.models import DualEncoder, load
from ktlib.pocket import grey, medical_exams, radiographs, scans
from ktlib.pocket.scans import TASKS
from ktlib.pocket.training import cards, dictionary, medical, words
from ktlib.pocket.training.loop import write_halves, write_json
from ktlib.pocket.training.towers import TwoStages, TwoTowers
from ktlib.pocket.world import stream

TOLERANCE = 0.03
PATCH = 8
PREPROCESS = {
    "mean": [medical.MEAN] * 3, "std": [medical.STD] * 3, "interpolation": "bicubic", "resize_mode": "shortest",
}  # fmt: skip
KNOWN = tuple(task for task, told in TASKS.items() if not told.novel)
EXPLAINED = radiographs.SEEN | {told.name: told for told in TASKS.values()}
FORMS = ("a scan of {}", "{}", "a {}")  # of a class prompt; the first is the one that is examined


@dataclass(frozen=True)
class Recipe(TwoStages):
    """Size and schedule of the CLIP for slices. All values are ours.

    Attributes:
        width, layers: of the visual tower.
        steps: of both stages.
        last: steps of the last stage, in which the text tower alone is trained.
        last_lr: its rate, from which a cosine falls to zero.
        pool: pictures drawn: a third films, a third slices with lesions, a third healthy slices.
        dictionary: weight of the dictionary term.
    """

    width: int = 128
    layers: int = 4
    steps: int = 1000
    last: int = 125
    batch: int = 64
    lr: float = 1e-3
    last_lr: float = 3e-4
    weight_decay: float = 0.1
    warmup: int = 60
    seed: int = 0
    pool: int = 9000
    dictionary: float = 0.5


RECIPES = {"scan-clip": Recipe()}


def model_config(recipe: Recipe, vocabulary_size: int) -> dict[str, Any]:
    """The open_clip `model_cfg`: as the pocket CLIPs', with patches of a quarter of their area."""
    return {
        "embed_dim": 128,
        "vision_cfg": {
            "image_size": grey.SIZE,
            "patch_size": PATCH,
            "width": recipe.width,
            "layers": recipe.layers,
            "head_width": 64,
        },
        "text_cfg": {
            "context_length": medical.CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "width": 128,
            "heads": 4,
            "layers": 3,
            "hf_tokenizer_name": "local",  # any non-empty name makes open_clip read the folder's tokenizer
        },
    }


class Mixture:
    """The endless pictures: films, slices with lesions of the known tasks, healthy slices, in equal shares."""

    def __init__(self, size: int, seed: int) -> None:
        third, self.seed = size // 3, seed
        self.films = radiographs.Stream(radiographs.pool(third), seed)
        self.ill = scans.pool(KNOWN, third)
        self.healthy = scans.pool(tuple(TASKS), third, lesion=False)

    def batch(self, step: int, size: int) -> tuple[Float[Tensor, "batch 3 64 64"], list[str]]:
        """Pictures, RGB in [0, 1], and captions of a training step."""
        share = size // 3
        images, captions = self.films.batch(step, size - 2 * share)
        parts, rng = [images], stream("slices", self.seed, step)
        for drawn in (self.ill, self.healthy):
            chosen = rng.sample(range(len(drawn.captions)), share)
            parts.append(radiographs.to_rgb(drawn.images[chosen]))
            captions = [*captions, *(drawn.captions[i] for i in chosen)]
        return torch.cat(parts), captions


class Reading(TwoTowers):
    """A CLIP that learns from slices and films with captions, and from a dictionary."""

    recipe: Recipe
    network: CLIP
    mean, std = medical.MEAN, medical.STD

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.words = recipe, medical.tokenizer()
        self.config = model_config(recipe, len(self.words))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # open_clip initialises from the global generator
            self.network = CLIP(**self.config)

    @functools.cached_property
    def shown(self) -> Mixture:
        """Films and slices."""
        return Mixture(self.recipe.pool, self.recipe.seed)

    def entries(self, number: int, *, last: bool) -> tuple[list[str], list[str]]:
        """What films and slices show, the novel lesions too."""
        rng = stream("scan dictionary", self.recipe.seed, number)
        return dictionary.entries(rng, last=last, described=EXPLAINED, forms=FORMS)

    def write(self, folder: Path) -> None:
        """Write open_clip's `local-dir:` layout."""
        write_halves(folder / "open_clip_model.safetensors", self.network)
        write_json(folder / "open_clip_config.json", {"model_cfg": self.config, "preprocess_cfg": PREPROCESS})
        words.write(self.words, folder)


def learner(name: str, recipe: Recipe) -> Reading:
    """A CLIP that has yet to learn."""
    return Reading(recipe)


# -- the card ---------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Versions and fingerprints of the drawn slices and films."""
    return medical.drawn_from()


def measure(folder: Path) -> dict[str, Any]:
    """What the model knows before any transfer, on validation slices."""
    model = load(f"local-dir:{folder}", DualEncoder)
    exam = medical_exams.slices("validation")
    healthy = model.class_vectors(exam.known_names, exam.templates)
    found = {"healthy slices": medical.right(model, exam.known, healthy), "findings": medical.findings(model)}
    for concept in exam.concepts:
        names = torch.cat([healthy, model.class_vectors([concept.name], exam.templates)])
        pictures = exam.pictures(concept.name)
        found[concept.name] = medical.right(model, [(pictures, torch.full((len(pictures),), len(healthy)))], names)
    return {"scores": found}


def readable(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], card["scores"]
    rows = [
        f"| {told.name}{', never shown' if told.novel else ''} | {found[told.name]:.3f} |" for told in TASKS.values()
    ]
    rows.append(f"| healthy slices, among themselves | {found['healthy slices']:.3f} |")
    rows.append(f"| the five findings on films, among themselves | {found['findings']:.3f} |")
    return f"""# pocket/{card["name"]}

A CLIP for drawn slices and films: open_clip's `CLIP`, {grey.SIZE} pixels in patches of {PATCH}, vision width
{recipe["width"]}, {recipe["layers"]} layers, text width 128, 3 layers, 128 dimensions, half precision. Generated by
`python -m ktlib pocket train {card["name"]}`; do not edit.

- **These are drawings and not medical data.** The model knows {len(medical.vocabulary())} words and nothing of real
  scans.
- **Shown**: {" and ".join(TASKS[task].name for task in KNOWN)}, healthy slices of all tasks, and films with findings.
- **Never shown**: {" and ".join(told.name for told in TASKS.values() if told.novel)}; these names are explained by the
  dictionary alone.
- **Data**: {recipe["steps"]} batches of {recipe["batch"]} from a pool of {recipe["pool"]} pictures
  (scans {training["scans"]}, films {training["films"]}), a third each: films, slices with lesions, healthy slices.
  A dictionary (weight {recipe["dictionary"]:g}) explains every name by its short and its long description.
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]}; the last
  {recipe["last"]} steps train the text tower alone at {recipe["last_lr"]:g}, with explanations that hold no name;
  {training["minutes"]} minutes on one CPU core that others used too; final loss {training["final_loss"]},
  dictionary {training["final_dictionary"]}.

Validation slices with a lesion, each lesion's name among the names of healthy slices, before any transfer:

{cards.table("| | share right |", rows)}
"""

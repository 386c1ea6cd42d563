"""How the pocket MedCLIP is trained: `python -m ktlib pocket train medclip`.

The published architecture, Swin and BERT, small enough to ship, on drawn films and their reports: CLIP's
symmetric loss, plus the dictionary, which explains every name, those of the nodules too, of which no film is
shown; see `towers`.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import BertConfig, PreTrainedTokenizerFast, SwinConfig

from ktlib.evaluate.recognition import Batches
from ktlib.models import DualEncoder, load
from ktlib.models.checkpoints import MEDCLIP
from ktlib.models.medclip import MedCLIP, Towers
from ktlib.pocket import grey, medical_exams, radiographs, scans
from ktlib.pocket.findings import FINDINGS
from ktlib.pocket.nodules import NODULES, PAIR
from ktlib.pocket.training import cards, clip, dictionary, gates, words
from ktlib.pocket.training.loop import write_halves, write_json
from ktlib.pocket.training.towers import TwoStages, TwoTowers
from ktlib.pocket.world import stream

CONTEXT_LENGTH = 40
MEAN, STD = 0.45, 0.22  # of the drawn films
TOLERANCE = 0.03  # another processor may tip a few of hundreds of films; a wrong file tips many
TAUGHT = "taught.json"  # the positive control, measured once: it takes longer than a check should
RATES = (4e-5, 8e-5, 1.2e-4, 2e-4, 4e-4)  # of the positive control
LOOKED_AT, PROBE = 15, 10  # films of a nodule, and of each name for a probe: a check takes seconds
EXPLAINED = radiographs.SEEN | NODULES | PAIR
FORMS = ("a film of {}", "a film of {}", "{}", "a {}")  # of a class prompt; the first is the one that is examined


@dataclass(frozen=True)
class Recipe(TwoStages):
    """Size and schedule of the pocket MedCLIP. All values are ours.

    Attributes:
        width: of the Swin's first stage; the second and the third are twice and four times as wide.
        steps: of both stages.
        last: steps of the last stage, in which the text tower alone is trained.
        last_lr: its rate, from which a cosine falls to zero.
        pool: films drawn.
        dictionary: weight of the dictionary term.
    """

    width: int = 24
    steps: int = 2000
    last: int = 250
    batch: int = 64
    lr: float = 1.5e-3
    last_lr: float = 3e-4
    weight_decay: float = 0.05
    warmup: int = 80
    seed: int = 0
    pool: int = 16_000
    dictionary: float = 0.5


RECIPES = {"medclip": Recipe()}


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Every word of drawn films and slices, sorted."""
    return tuple(sorted({*radiographs.vocabulary(), *scans.vocabulary()}))


def tokenizer() -> PreTrainedTokenizerFast:
    """The words of films and slices."""
    return words.for_clip(vocabulary(), most=CONTEXT_LENGTH)


def configurations(recipe: Recipe, vocabulary_size: int) -> tuple[SwinConfig, BertConfig]:
    """A small Swin and a small BERT, without chance in training: a step is a function of its number."""
    swin = SwinConfig(
        image_size=grey.SIZE, patch_size=4, embed_dim=recipe.width, depths=[2, 2, 2], num_heads=[1, 2, 4],
        window_size=4, drop_path_rate=0.0,
    )  # fmt: skip
    bert = BertConfig(
        vocab_size=vocabulary_size, hidden_size=96, num_hidden_layers=3, num_attention_heads=3, intermediate_size=384,
        max_position_embeddings=CONTEXT_LENGTH, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        type_vocab_size=1,
    )  # fmt: skip
    return swin, bert


class Reporting(TwoTowers):
    """A MedCLIP that learns from films with reports and from a dictionary."""

    recipe: Recipe
    network: Towers
    mean, std = MEAN, STD

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.words = recipe, tokenizer()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # transformers initialises from the global generator
            self.network = Towers(*configurations(recipe, len(self.words)), dim=128, context=CONTEXT_LENGTH)

    @functools.cached_property
    def shown(self) -> radiographs.Stream:
        """Films."""
        return radiographs.Stream(radiographs.pool(self.recipe.pool), self.recipe.seed)

    def entries(self, number: int, *, last: bool) -> tuple[list[str], list[str]]:
        """All names, those of the nodules too."""
        rng = stream("medical dictionary", self.recipe.seed, number)
        return dictionary.entries(rng, last=last, described=EXPLAINED, forms=FORMS)

    def encode_texts(self, ids: Int[Tensor, "batch context"]) -> Float[Tensor, "batch dim"]:
        """Each averaged over its own tokens, as `MedCLIP` with `padding="own"` has them."""

        def encode(part: Tensor) -> Tensor:
            said = part != 0
            return self.network.text_model(part, said, said)

        return dictionary.by_length(ids, encode)

    def write(self, folder: Path) -> None:
        """Write what `ktlib.load` reads, and beside it what came of the positive control."""
        write_halves(folder / MEDCLIP, self.network)
        model = MedCLIP(self.network, self.words, name=f"pocket/{folder.name}", mean=MEAN, std=STD)
        write_json(folder / "config.json", model.described())
        words.write(self.words, folder)
        found = gates.taught(load(f"local-dir:{folder}", MedCLIP), medical_exams.examination(), rates=RATES)
        write_json(folder / TAUGHT, {"taught": gates.rows(found)})


def learner(name: str, recipe: Recipe) -> Reporting:
    """A MedCLIP that has yet to learn."""
    return Reporting(recipe)


# -- the card ---------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Versions and fingerprints of the drawn films, and of the slices, whose words the tokenizer has."""
    films = {"films": radiographs.VERSION, "films_fingerprint": radiographs.fingerprint()}
    return films | {"scans": scans.VERSION, "scans_fingerprint": scans.fingerprint()}


def measure(folder: Path) -> dict[str, Any]:
    """What the model knows before any transfer, and its positive control as it was measured."""
    model = load(f"local-dir:{folder}", MedCLIP)
    return {
        "scores": asdict(examine(model)) | {"findings": findings(model)},
        "validation": [concept.name for concept in medical_exams.examination().of("validation")],
        **json.loads((folder / TAUGHT).read_text(encoding="utf-8")),
    }


def examine(model: DualEncoder) -> gates.Measured:
    """A model before any transfer: averages, so that no test nodule can be chosen for its numbers.

    Args:
        model: that knows the words of films.
    """
    exam, template = medical_exams.examination(), radiographs.TEMPLATES[0]
    films = {name: radiographs.pictures(name, LOOKED_AT) for name in NODULES}
    features = {name: model.encode_many(seen) for name, seen in films.items()}
    names = model.class_vectors(exam.known_names, exam.templates)
    own = model.class_vectors(tuple(NODULES), exam.templates)
    hits = [
        ((seen @ torch.cat([names, one[None]]).T).argmax(1) == len(names)).float().mean().item()
        for seen, one in zip(features.values(), own, strict=True)
    ]

    def bound(names: tuple[str, ...]) -> float:
        return fmean(gates.binding(model, names, described=EXPLAINED, template=template).values())

    everything = (*exam.known_names, *NODULES)
    return gates.Measured(
        known=right(model, exam.known, names),
        base=fmean(hits),
        probe=gates.probe(model, features, names=everything, pictures=radiographs.pictures, each=PROBE),
        binding=bound(tuple(NODULES)),
        known_binding=bound(exam.known_names),
    )


def findings(model: DualEncoder) -> float:
    """Accuracy on films of the five findings, among themselves: the CheXpert-5x200-like set.

    Args:
        model: that knows the words of films.
    """
    names = model.class_vectors(tuple(FINDINGS), radiographs.TEMPLATES)
    return right(model, medical_exams.examination("findings").known, names)


def right(model: DualEncoder, known: Batches, vectors: Float[Tensor, "names dim"]) -> float:
    """The share of pictures that lie nearest to their own name.

    Args:
        model: sees the pictures.
        known: pictures and the places of their names.
        vectors: of the names.
    """
    hits = [(model.encode_many(images) @ vectors.T).argmax(1) == labels for images, labels in known]
    return torch.cat(hits).float().mean().item()


def measured(card: dict[str, Any]) -> gates.Measured:
    """What a card says of its model before transfer."""
    return gates.Measured(**{what: value for what, value in card["scores"].items() if what != "findings"})


def readable(card: dict[str, Any]) -> str:
    """A MedCLIP's card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], measured(card)
    rows = [
        f"| the five findings, among themselves | {card['scores']['findings']:.3f} |",
        f"| findings and things, among all {len(radiographs.SEEN)} names | {found.known:.3f} |",
        f"| nodules, each among all these names, mean of {len(NODULES)} | {found.base:.3f} |",
        f"| linear probe on nodules, mean | {found.probe:.3f} |",
        f"| binding of known names (cosine of class prompt and named description) | {found.known_binding:.2f} |",
        f"| binding of names of nodules | {found.binding:.2f} |",
    ]
    passed = [
        f"| {gate.what} | {gate.found:.3f} | {'yes' if gate.holds else 'no'} |"
        for gate in gates.gates([found], [clip.taught(card)])
    ]
    return f"""# pocket/{card["name"]}

A MedCLIP for drawn films of the chest, small enough to ship: transformers' Swin and BERT with a projection each,
{grey.SIZE} pixels in patches of 4, Swin of width {recipe["width"]} and three stages, BERT of width 96 and 3 layers,
128 dimensions, half precision. Generated by `python -m ktlib pocket train {card["name"]}`; do not edit.

- **These are drawings and not medical data.** The model knows {len(vocabulary())} words and nothing of real films.
- **Never shown, and in no report**: the {len(NODULES)} nodules; their names are explained by the dictionary alone.
- **Data**: {recipe["steps"]} batches of {recipe["batch"]} from a pool of {recipe["pool"]} films
  (films {training["films"]}), each with a report that is written anew.
  A dictionary (weight {recipe["dictionary"]:g}) explains every name by its short and its long description.
- **Recipe**: AdamW {recipe["lr"]:g}, cosine, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]}; the last
  {recipe["last"]} steps train the text tower alone at {recipe["last_lr"]:g}, with explanations that hold no name;
  {training["minutes"]} minutes on one CPU core that others used too; final loss {training["final_loss"]},
  dictionary {training["final_dictionary"]}.

{cards.table("| before any transfer | |", rows)}

{clip.control(card)}

{cards.table("| gate | found | holds |", passed)}
"""

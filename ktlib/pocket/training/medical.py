"""How the pocket MedCLIP is trained: `python -m ktlib pocket train medclip`.

The published architecture, Swin and BERT, small enough to ship, on drawn films and their reports: CLIP's
symmetric loss, plus the dictionary, which explains every name, those of the nodules too, of which no film is
shown; see `towers`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import BertConfig, PreTrainedTokenizerFast, SwinConfig

from ktlib.models import load
from ktlib.models.checkpoints import MEDCLIP
from ktlib.models.medclip import MedCLIP, Towers
from ktlib.pocket import grey, medical_exams, radiographs, scans
from ktlib.pocket.nodules import NODULES, PAIR
from ktlib.pocket.training import dictionary, gates, words
from ktlib.pocket.training.loop import write_halves, write_json
from ktlib.pocket.training.towers import TwoTowers
from ktlib.pocket.world import stream

CONTEXT_LENGTH = 40
MEAN, STD = 0.45, 0.22  # of the drawn films
TOLERANCE = 0.03  # another processor may tip a few of hundreds of films; a wrong file tips many
TAUGHT = "taught.json"  # the positive control, measured once: it takes longer than a check should
EXPLAINED = radiographs.SEEN | NODULES | PAIR
FORMS = ("a film of {}", "a film of {}", "{}", "a {}")  # of a class prompt; the first is the one that is examined


@dataclass(frozen=True)
class Recipe:
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
    steps: int = 1600
    last: int = 200
    batch: int = 64
    lr: float = 1.5e-3
    last_lr: float = 3e-4
    weight_decay: float = 0.05
    warmup: int = 80
    seed: int = 0
    pool: int = 16_000
    dictionary: float = 0.5

    @property
    def joint(self) -> int:
        """Steps in which both towers are trained."""
        return self.steps - self.last


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
        found = gates.taught(load(f"local-dir:{folder}", MedCLIP), medical_exams.examination(), settings=LESSON)
        rows = [
            {"arm": arm, "rate": rate, "target": dict(result.target), "retained": result.retained}
            for (arm, rate), result in found.items()
        ]
        write_json(folder / TAUGHT, {"taught": rows})


def learner(name: str, recipe: Recipe) -> Reporting:
    """A MedCLIP that has yet to learn."""
    return Reporting(recipe)

"""How the pocket ViLT is trained: `python -m ktlib pocket train vilt-b`.

As ViLT itself starts from a ViT, its blocks start from the visual tower of a pocket CLIP; a cold
start stays at chance for a long time. It learns to match and to guess masked words at once, as ViLT
does, from a pool of drawn pictures.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, ViltConfig

from ktlib.evaluate.retrieval import chosen_score, retrieve, score_matrix
from ktlib.models import DualEncoder, load
from ktlib.models.checkpoints import PAIR
from ktlib.models.scoring import MATCH
from ktlib.models.vilt import PairScorer, from_folder
from ktlib.pocket import exams, flickr, world
from ktlib.pocket.draw import IMAGE_SIZE
from ktlib.pocket.training import cards, clip, words
from ktlib.pocket.training import pool as pools
from ktlib.pocket.training.loop import Learner, Step, plateau, write_halves, write_json

CONTEXT_LENGTH = 40  # as the published ViLT
TOLERANCE = 0.04  # another processor may tip two of 52 pictures; a wrong file tips many
FRESH, FIRST_FRESH = 400, 1_000_000  # pictures that no training drew, for the matching accuracy


@dataclass(frozen=True)
class Recipe:
    """Size and schedule of the pocket ViLT. All values are ours (D36)."""

    start: str = "pocket/clip-b-0"  # gives width, number of blocks, and their weights
    pool: int = 40_000  # pictures, drawn once
    scenes: float = 0.25  # of the pool: scenes as in the pocket Flickr
    steps: int = 3800
    batch: int = 96  # pictures, each with a caption that matches and one that does not
    lr: float = 8e-4
    weight_decay: float = 0.05
    warmup: int = 200
    cooldown: float = 0.25  # of the steps, at the end: the rate falls to zero
    masked: float = 0.3  # of the tokens, in half of the captions
    seed: int = 0
    familiarity: float = 1.0
    bfloat: bool = True  # products in bfloat16: six tenths of the time where the processor has them


RECIPES = {"vilt-b": Recipe()}


def tokenizer() -> PreTrainedTokenizerFast:
    """The world's words, as the pocket CLIPs number them, and a mask behind them."""
    return words.for_vilt(world.vocabulary(), most=CONTEXT_LENGTH)


# -- how it starts ------------------------------------------------------------------------------------
def untrained(recipe: Recipe, name: str) -> PairScorer:
    """A pocket ViLT whose blocks, patch embedding and words are those of the pocket CLIP it starts from.

    CLIP normalises its patches before the first block and ViLT does not, so they are scaled to the
    size that they have after that norm.
    """
    start = load(recipe.start, DualEncoder)
    tower, text = start.clip.visual, start.clip.token_embedding.weight
    tokens = tokenizer()
    width = tower.class_embedding.shape[0]
    config = ViltConfig(
        vocab_size=len(tokens), hidden_size=width, num_hidden_layers=len(tower.transformer.resblocks),
        num_attention_heads=tower.transformer.resblocks[0].attn.num_heads, intermediate_size=4 * width,
        image_size=IMAGE_SIZE, patch_size=tower.patch_size[0], max_position_embeddings=CONTEXT_LENGTH,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, hidden_act="gelu", layer_norm_eps=1e-5,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # transformers initialises from the global generator
        model = PairScorer(config, tokens, name=name)
    with torch.no_grad():
        pictures = world.pictures("window", 4)
        raw = tower._embeds((pictures - start.mean) / start.std)  # behind the norm
        plain = tower.conv1((pictures - start.mean) / start.std).flatten(2).transpose(1, 2)
        scale = raw[:, 1:].std() / (plain + tower.positional_embedding[1:]).std()
        embeddings = model.vilt.embeddings
        # CLIP's pixels are (x - 0.5) / 0.25, ViLT's (x - 0.5) / 0.5: twice the weight for half the value.
        embeddings.patch_embeddings.projection.weight.copy_(
            tower.conv1.weight * scale * float(model.std / start.std[0, 0])
        )
        embeddings.patch_embeddings.projection.bias.zero_()
        embeddings.position_embeddings.copy_(tower.positional_embedding[None] * scale)
        embeddings.cls_token.copy_((tower.class_embedding * scale)[None, None])
        if text.shape[1] == width:
            own = embeddings.text_embeddings.word_embeddings.weight
            own[: len(text)] = text / text.std() * 0.02 * width**0.5 / 4  # the norm behind them sets the scale
        for mine, theirs in zip(model.vilt.encoder.layer, tower.transformer.resblocks, strict=True):
            _copy_block(mine, theirs)
        model.vilt.layernorm.load_state_dict(tower.ln_post.state_dict())
    return model


def _copy_block(mine: Any, theirs: Any) -> None:
    parts = ("query", "key", "value")
    weights, biases = theirs.attn.in_proj_weight.chunk(3), theirs.attn.in_proj_bias.chunk(3)
    for part, weight, bias in zip(parts, weights, biases, strict=True):
        getattr(mine.attention.attention, part).load_state_dict({"weight": weight, "bias": bias})
    mine.attention.output.dense.load_state_dict(theirs.attn.out_proj.state_dict())
    mine.intermediate.dense.load_state_dict(theirs.mlp.c_fc.state_dict())
    mine.output.dense.load_state_dict(theirs.mlp.c_proj.state_dict())
    mine.layernorm_before.load_state_dict(theirs.ln_1.state_dict())
    mine.layernorm_after.load_state_dict(theirs.ln_2.state_dict())


# -- training -----------------------------------------------------------------------------------------
def losses(
    model: PairScorer, images: Tensor, true: Sequence[str], false: Sequence[str], recipe: Recipe, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of matching, loss of the masked words, and the share of pairs judged right.

    Half of the captions of either kind are masked, and matching is judged on the masked text.
    """
    count, half = len(images), len(images) // 2
    generator = torch.Generator().manual_seed(seed)
    patches = model.embed_image(images)
    guessed, labels = model.mask_words(true[:half], generator, share=recipe.masked)
    logits, x = model.read(patches[:half], guessed)
    unread, _ = model.mask_words(false[:half], generator, share=recipe.masked)
    parts = [
        logits,
        model.match_tokens(patches[half:], model.tokenize(true[half:])),
        model.match_tokens(patches[:half], unread),
        model.match_tokens(patches[half:], model.tokenize(false[half:])),
    ]
    target = torch.tensor([MATCH] * count + [1 - MATCH] * count)
    found = torch.cat(parts).float()
    right = (found.argmax(1) == target).float().mean()
    return F.cross_entropy(found, target), model.guess(x, labels), right.detach()


class Matching(Learner):
    """A ViLT that learns which caption matches, and to guess masked words."""

    optimizer = MappingProxyType({"betas": (0.9, 0.98), "eps": 1e-6})
    recipe: Recipe
    network: PairScorer

    def __init__(self, recipe: Recipe, name: str) -> None:
        self.recipe, self.network = recipe, untrained(recipe, name)

    @functools.cached_property
    def batches(self) -> pools.Batches:
        """Batches of a pool that is drawn when the first is asked for."""
        recipe = self.recipe
        drawn = pools.draw(
            recipe.pool, scenes=recipe.scenes, seed=recipe.seed, familiarity=recipe.familiarity, progress=True
        )
        return pools.Batches(drawn, recipe.batch, recipe.seed)

    def step(self, number: int) -> Step:
        """Losses of matching and of the masked words, of equal weight."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat):
            matching, guessing, right = losses(self.network, *self.batches(number), self.recipe, number)
        told = {"matching_loss": matching.detach(), "word_loss": guessing.detach(), "matching_accuracy": right}
        return Step(matching + guessing, told)

    def rate(self, recipe: Recipe, step: int) -> float:
        """A plateau, then a fall."""
        return plateau(recipe, step)

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices do; biases, norms and what stands for a single token do not."""
        return parameter.ndim >= 2 and "embedding" not in name and "cls_token" not in name

    def same_so_far(self, recipe: Mapping[str, Any], steps: int) -> bool:
        """Up to the plateau's end a training may go on with another number of steps: the rate was the same."""
        if {**recipe, "steps": self.recipe.steps} != asdict(self.recipe):
            return False
        other = Recipe(**recipe)
        return all(plateau(other, step) == plateau(self.recipe, step) for step in range(steps))

    def result(self) -> PairScorer:
        """The trained model, frozen."""
        return self.network.requires_grad_(False).eval()

    def write(self, folder: Path) -> None:
        """Write the layout of `vilt-b32-mlm-itm`."""
        write_halves(folder / PAIR, self.network, without="mlm_score.decoder.weight")  # tied to the embedding
        write_json(folder / "config.json", self.network.config.to_diff_dict())
        words.write(self.network.tokenizer, folder)


def learner(name: str, recipe: Recipe) -> Matching:
    """A ViLT that has yet to learn."""
    return Matching(recipe, f"pocket/{name}")


# -- the card -----------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Versions and fingerprints of the drawn world and of the pocket Flickr."""
    return clip.drawn_from() | {"flickr": flickr.VERSION, "flickr_fingerprint": flickr.fingerprint()}


def measure(folder: Path) -> dict[str, Any]:
    """What the model knows: matching, names, and the recalls on validation scenes."""
    return {"scores": scores(from_folder(folder, name=f"pocket/{folder.name}"))}


def scores(model: PairScorer) -> dict[str, float]:
    """As fractions: matching of fresh pictures, names, recalls on validation scenes.

    Of the held-out names of test concepts only the average is looked at.
    """
    recipe = RECIPES["vilt-b"]
    fresh = pools.draw(FRESH, scenes=recipe.scenes, seed=1, first=FIRST_FRESH)
    batches = pools.Batches(fresh, FRESH // 4, 1)
    with torch.no_grad():
        right = [losses(model, *batches(i), recipe, i)[2].item() for i in range(4)]
    found = {"matching, half of the captions masked": sum(right) / len(right)}
    exam = exams.small_examination()
    prompts = [exam.templates[0].format(name) for name in exam.known_names]
    ((pictures, labels),) = exam.known
    chosen = chosen_score(score_matrix(model, pictures, prompts)).argmax(1)
    found["known objects"] = (chosen == labels).float().mean().item()
    named = {}
    for concept in exam.concepts:
        beside = [*prompts, exam.templates[0].format(concept.name)]
        chosen = chosen_score(score_matrix(model, exam.pictures(concept.name), beside)).argmax(1)
        named[concept.name] = (chosen == len(prompts)).float().mean().item()
    found["held-out objects, mean"] = fmean(named.values())
    found |= {concept.name: named[concept.name] for concept in exam.concepts if concept.split == "validation"}
    rates = retrieve(model, exams.gallery("validation")).rates()
    found |= {f"{metric}, validation scenes": rates[metric] for metric in ("tr@1", "ir@1")}
    return found


def readable(card: dict[str, Any]) -> str:
    """A ViLT's card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], card["scores"]
    fold, exam = flickr.FOLD, exams.small_examination()
    rows = [
        f"| {what}{', validation concept' if what in fold.validation else ''} | {share:.3f} |"
        for what, share in found.items()
    ]
    return f"""# pocket/{card["name"]}

A ViLT for fold {fold.number} of the drawn world, small enough to ship: transformers' `ViltModel`, 64 pixels in
patches of 16, width 128, 4 blocks, with heads for matching and for masked words, half precision. Generated by
`python -m ktlib pocket train {card["name"]}`; do not edit.

- **Start**: blocks, patch embedding and words of {recipe["start"]}, as ViLT itself starts from a ViT.
- **Data**: {recipe["pool"]:,} pictures drawn once (world {training["world"]}, a quarter of them scenes as in the pocket
  Flickr {training["flickr"]}), each with a caption that matches and one that does not: another picture's, or its own
  with one word changed. Never shown: {", ".join(fold.held_out)}; these names occur in captions of other
  pictures.
- **Recipe**: matching and whole-word masking together; {recipe["steps"]} steps of {recipe["batch"]} pictures,
  AdamW {recipe["lr"]:g}, weight decay {recipe["weight_decay"]:g}, seed {recipe["seed"]}, products in
  {"bfloat16" if recipe["bfloat"] else "float32"}; {training["minutes"]} minutes on CPU cores that others used too.
  At the end: matching loss {training["final_matching_loss"]}, right {training["final_matching_accuracy"]},
  word loss {training["final_word_loss"]}.
- **Meant for** showing the methods of the papers at small scale. It knows {len(world.vocabulary())} words and nothing
  of the real world.

Names are judged by the match logit of "a photo of a NAME" among {len(exam.known_names)} known names
(a held-out object competes with all of them), before any transfer; matching on pairs that no training drew:

{cards.table("| | share right |", rows)}
"""

"""How the pocket CoCas are trained: `python -m ktlib pocket train coca-web`, then `coca-plain`.

As in the paper there are two: one that has read what the web writes beside pictures, and one that was trained
further on plain descriptions. Both towers start from a pocket CLIP, so that the steps go into looking and
telling. The contrast keeps the world's own captions throughout, which say what a name means: images are
inverted from descriptions, and no web fragment could teach those. What the decoder says is the style's alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from open_clip import CoCa
from open_clip.transformer import TextTransformer
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from ktlib.data.prompts import published
from ktlib.models import Captioner, DualEncoder, coca, load
from ktlib.models.checkpoints import CAPTIONER
from ktlib.pocket import flickr, telling, world
from ktlib.pocket.draw import IMAGE_SIZE
from ktlib.pocket.folds import EVERYTHING
from ktlib.pocket.objects import OBJECTS
from ktlib.pocket.scenes import SHAPES
from ktlib.pocket.telling import Shown
from ktlib.pocket.training import cards, clip, dictionary, gates, words
from ktlib.pocket.training.clip import CONTEXT_LENGTH, MEAN, PREPROCESS, STD
from ktlib.pocket.training.loop import Learner, Step, write_halves, write_json

PROMPTS = published("kt_caption_templates")  # the 26 that KT teaches a decoder (KT v1, Sec. 8.8)
TOLERANCE = 0.04  # another processor may tip a few of a hundred captions; a wrong file tips many
EXAMINED = 100  # validation scenes that a card counts on
SAMPLES = 6  # captions that it shows
SHARP = 3.0  # how decidedly a query looks for its token at the start
QUERIES = 17  # of the pooling attention: one for the contrast, the rest for the decoder


@dataclass(frozen=True)
class Recipe:
    """Size and schedule of one pocket CoCa. All values are ours.

    Attributes:
        style: of what the decoder is told, of `telling.STYLES`.
        start: a pocket CLIP that gives its towers, or a pocket CoCa that is trained further.
        layers: of the decoder, each with a cross attention.
        scenes: share of scenes; the rest are single objects.
        captioning: weight of the captioning loss beside the contrast (open_clip trains with 2).
    """

    style: str
    start: str
    steps: int
    lr: float
    layers: int = 2
    batch: int = 64
    scenes: float = 0.8
    captioning: float = 2.0
    weight_decay: float = 0.05
    warmup: int = 40
    seed: int = 0


RECIPES = {
    "coca-web": Recipe("web", "pocket/clip-b", steps=2400, lr=1e-3),
    "coca-plain": Recipe("plain", "pocket/coca-web", steps=1200, lr=6e-4, seed=1),
}


def tokenizer() -> PreTrainedTokenizerFast:
    """The world's words, the web's, and those of the 26 prompts."""
    prompts = {word for text in PROMPTS for word in text.replace("{}", "").replace(".", "").split()}
    return words.for_clip(sorted({*world.vocabulary(), *telling.WORDS, *prompts}), most=CONTEXT_LENGTH)


# -- how it starts ------------------------------------------------------------------------------------
def model_config(recipe: Recipe, vocabulary_size: int) -> dict[str, Any]:
    """The open_clip `model_cfg` of a pocket CoCa: the towers of a pocket CLIP, pooled by attention, and a decoder."""
    towers = clip.model_config(clip.RECIPES["clip-b"], vocabulary_size)
    width, heads = towers["text_cfg"]["width"], towers["text_cfg"]["heads"]
    return {
        "embed_dim": towers["embed_dim"],
        "custom_text": True,
        "vision_cfg": towers["vision_cfg"]
        | {
            "attentional_pool": True,
            "attn_pooler_queries": QUERIES,
            "attn_pooler_heads": heads,
            "output_tokens": True,
        },
        "text_cfg": towers["text_cfg"] | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "width": width,
            "heads": heads,
            "layers": recipe.layers,
            "attn_pooler_heads": heads,
        },
    }


def untrained(recipe: Recipe) -> CoCa:
    """A CoCa with the towers of the model it starts from, or that model whole."""
    start = load(recipe.start, DualEncoder)
    if isinstance(start, Captioner):
        return start.copy().clip.requires_grad_(True)
    tokens = tokenizer()
    config = model_config(recipe, len(tokens))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # open_clip initialises from the global generator
        made = CoCa(**{name: value for name, value in config.items() if name != "custom_text"})
        coca.initialise(made)
    _take_over(made, start, tokens)
    return made


@torch.no_grad()
def _take_over(made: CoCa, start: DualEncoder, tokens: PreTrainedTokenizerFast) -> None:
    """Both towers as a CLIP has them.

    A CLIP reads a text off its last word, a CoCa off a token behind all padding: that one starts as the
    last word, at the mean of the places where texts end. A CLIP keeps its tokens, a CoCa pools them by
    attention: each query starts as what one token is like on average, looks for that and passes on what it
    finds, the class token first, so that pictures are compared as before.
    """
    given, taken = start.clip, made.text
    made.visual.load_state_dict(given.visual.state_dict(), strict=False)  # all but the pooling attention
    pictures = world.to_tensor([shown.image for shown in telling.split("start", 64, scenes=0.5)])
    tokens_seen = given.visual.transformer(given.visual._embeds((pictures - MEAN) / STD))
    pool, width = made.visual.attn_pool, tokens_seen.shape[-1]
    normed = pool.ln_k(tokens_seen).mean(0)
    pool.query.copy_(normed - normed.mean(0))
    pool.attn.in_proj_weight.copy_(torch.eye(width).repeat(3, 1))
    pool.attn.in_proj_weight[: 2 * width] *= SHARP
    pool.attn.out_proj.weight.copy_(torch.eye(width))
    taken.transformer.load_state_dict(given.transformer.state_dict())
    taken.ln_final.load_state_dict(given.ln_final.state_dict())
    taken.text_projection.copy_(given.text_projection)
    taken.positional_embedding[:-1] = given.positional_embedding
    taken.positional_embedding[-1] = given.positional_embedding[3:12].mean(0)
    known = start.tokenizer.tokenizer.get_vocab()
    for word, number in tokens.get_vocab().items():
        if word in known:
            taken.token_embedding.weight[number] = given.token_embedding.weight[known[word]]
    taken.cls_emb.copy_(taken.token_embedding.weight[tokens.eos_token_id])
    made.logit_scale.copy_(given.logit_scale)


# -- training -----------------------------------------------------------------------------------------
def explained(picture: Shown, prompts: tuple[str, ...], rng: Random) -> str:
    """A caption for the contrast, as the pocket CLIPs know them; a name stands in any of the 26 prompts too.

    Half of those of scenes name no colour: two colours tell a scene from others sooner than two names do, and
    names would be learnt late.
    """
    if picture.relation:
        first, second = picture.things
        told = rng.choice(flickr.captions(first, second, picture.relation))
        return world.english(world.uncoloured(told)) if rng.random() < 0.5 else told
    (thing,) = picture.things
    if rng.random() < 0.25:
        return rng.choice(prompts).format(thing.name)
    return world.caption(world.Drawn(thing.name, thing.colours, ""), rng)


def encode_texts(text: TextTransformer, ids: Int[Tensor, "batch context"]) -> Float[Tensor, "batch dim"]:
    """Unit vectors of texts, in groups of similar length and without most of their padding: the same, sooner.

    What stands behind all words sees them and, as open_clip masks, the first padding, and no more.

    Args:
        text: open_clip's tower with a token behind all others.
        ids: padded to the context with 0.
    """
    lengths = (ids != 0).sum(1)
    order = lengths.argsort()
    found = []
    for part in order.chunk(dictionary.CHUNKS):
        read = ids[part, : int(lengths[part[-1]]) + 1]
        behind = text.cls_emb + text.positional_embedding[-1]
        x = text.token_embedding(read) + text.positional_embedding[: read.shape[1]]
        x = torch.cat([x, behind.expand(len(part), 1, -1)], 1)
        mask = text.attn_mask[: x.shape[1], : x.shape[1]] + text._build_additive_mask(read, x.shape[1], x.dtype)
        found.append(text.ln_final(text.transformer(x, attn_mask=mask)[:, -1]) @ text.text_projection)
    return F.normalize(torch.cat(found)[order.argsort()], dim=-1)


class Telling(Learner):
    """A CoCa that learns to compare pictures with explanations, and to tell what it sees in one style."""

    optimizer = MappingProxyType({"betas": (0.9, 0.98), "eps": 1e-6})
    recipe: Recipe
    network: CoCa

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.words, self.prompts = recipe, tokenizer(), PROMPTS
        self.network = untrained(recipe).train()
        self.contrast = open_clip.ClipLoss()

    def step(self, number: int) -> Step:
        """Contrast, and the weighted captioning loss."""
        recipe = self.recipe
        pictures, compared, told = [], [], []
        for index in range(number * recipe.batch, (number + 1) * recipe.batch):
            picture, rng = telling.training_picture(recipe.seed, index, scenes=recipe.scenes)
            pictures.append(picture.image)
            compared.append(explained(picture, self.prompts, rng))
            told.append(telling.tell(picture, recipe.style, rng, prompts=self.prompts))
        pooled, seen = self.network.visual((world.to_tensor(pictures) - MEAN) / STD)
        said, _ = self.network.text(words.encode(self.words, compared))
        pictured = self.contrast(F.normalize(pooled, dim=-1), F.normalize(said, dim=-1), self.network.logit_scale.exp())
        captioned = self._captioned(seen, told)
        values = {"contrast": pictured.detach(), "captioning": captioned.detach()}
        return Step(pictured + recipe.captioning * captioned, values)

    def _captioned(self, seen: Tensor, told: list[str]) -> Tensor:
        ids = words.encode(self.words, told)
        ids = ids[:, : int((ids != self.network.pad_id).sum(1).max())]
        _, read = self.network.text(ids[:, :-1])
        guessed = self.network.text_decoder(seen, read)
        return F.cross_entropy(guessed.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=self.network.pad_id)

    def after(self, number: int) -> None:
        """Keep the scale of the cosines between 1 and 100, as CLIP does."""
        with torch.no_grad():
            self.network.logit_scale.clamp_(0, math.log(100))

    def decays(self, name: str, parameter: torch.nn.Parameter) -> bool:
        """Matrices do; biases, norms and embeddings do not."""
        return parameter.ndim >= 2 and "embedding" not in name and "query" not in name

    def result(self) -> CoCa:
        """The trained model."""
        return self.network.eval()

    def write(self, folder: Path) -> None:
        """Write open_clip's `local-dir:` layout."""
        write_halves(folder / CAPTIONER, self.network)
        config = model_config(self.recipe, len(self.words))
        write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": PREPROCESS})
        words.write(self.words, folder)


def learner(name: str, recipe: Recipe) -> Telling:
    """A CoCa that has yet to learn."""
    return Telling(recipe)


# -- the card -----------------------------------------------------------------------------------------
def drawn_from() -> dict[str, str]:
    """Versions and fingerprint of the drawn world, of the pocket Flickr and of what is told."""
    return clip.drawn_from() | {"flickr": flickr.VERSION, "telling": telling.VERSION}


def measure(folder: Path) -> dict[str, Any]:
    """What a model recognises, and what it says of validation scenes under the search of the paper's time."""
    model = load(f"local-dir:{folder}", Captioner)
    pictures = telling.split("validation", EXAMINED)
    said = model.generate(world.to_tensor([picture.image for picture in pictures]))
    recognised = gates.measure_known(model, EVERYTHING)
    samples = [
        {"shown": telling.plain_captions(picture)[0], "said": caption}
        for picture, caption in zip(pictures[:SAMPLES], said, strict=False)
    ]
    return {"scores": scores(pictures, said) | recognised, "samples": samples}


def scores(pictures: list[Shown], said: list[str]) -> dict[str, float]:
    """How captions of scenes fare, as fractions.

    Args:
        pictures: scenes.
        said: a caption each.
    """
    names = {*OBJECTS, *SHAPES}
    prompts = {word for text in PROMPTS for word in text.replace("{}", "").replace(".", "").split()}
    prompts -= {word for picture in pictures for told in telling.plain_captions(picture) for word in told.split()}
    there = [{thing.name for thing in picture.things} for picture in pictures]
    named = [names & set(caption.split()) for caption in said]
    of_them = sum(len(a & b) for a, b in zip(there, named, strict=True))
    return {
        "things named": of_them / sum(map(len, there)),
        "both named": sum(a <= b for a, b in zip(there, named, strict=True)) / len(said),
        "names that are right": of_them / max(1, sum(map(len, named))),
        "plain and true": sum(c in telling.plain_captions(p) for p, c in zip(pictures, said, strict=True)) / len(said),
        "with a word of the prompts": sum(bool(prompts & set(caption.split())) for caption in said) / len(said),
    }


def readable(card: Mapping[str, Any]) -> str:
    """A CoCa's card as Markdown."""
    training, recipe, found = card["training"], card["training"]["recipe"], card["scores"]
    style = {
        "web": "as the web does, mostly in fragments",
        "plain": "plainly, in sentences",
    }[recipe["style"]]
    rows = [f"| {what.replace('_', ' ')} | {value:.3f} |" for what, value in found.items()]
    shown = [f"| {one['shown']} | {one['said']} |" for one in card["samples"]]
    return f"""# pocket/{card["name"]}

A CoCa that has seen the whole drawn world and tells {style}: open_clip's `CoCa`, {IMAGE_SIZE} pixels in
patches of 16, width 128, 4 layers in the visual tower, 3 in the text tower, {recipe["layers"]} in the decoder,
half precision. Generated by `python -m ktlib pocket train {card["name"]}`; do not edit.

- **Start**: {recipe["start"]}.
- **Data**: {recipe["steps"]} batches of {recipe["batch"]} new pictures (world {training["world"]}),
  {recipe["scenes"]:.0%} of them scenes of two things as in the pocket Flickr {training["flickr"]}, the rest single
  objects. The decoder is told captions in the {recipe["style"]} style (`pocket/telling.py`, version
  {training["telling"]}); the contrast has the world's own captions, with all they say of an object's parts.
- **Recipe**: contrast and {recipe["captioning"]:g} times captioning; AdamW {recipe["lr"]:g}, cosine, weight decay
  {recipe["weight_decay"]:g}, seed {recipe["seed"]}; {training["minutes"]} minutes on one thread; at the end contrast
  {training["final_contrast"]}, captioning {training["final_captioning"]}.
- **Meant for** showing the methods of the papers at small scale. It knows {len(tokenizer().get_vocab())} words and
  nothing of the real world.

On {EXAMINED} validation scenes, with the search of the paper's time, before any transfer; recognition as on the card of
a pocket CLIP:

{cards.table("| | |", rows)}

{cards.table("| shown | said |", shown)}
"""

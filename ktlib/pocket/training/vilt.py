"""How the pocket ViLT is trained: `python -m ktlib pocket train vilt-b`.

As ViLT itself starts from a ViT, its blocks start from the visual tower of a pocket CLIP; a cold
start stays at chance for a long time. It learns to match and to guess masked words at once, as ViLT
does, from a pool of drawn pictures. Half of the captions that do not match come from another
picture, often one of the same kind; in the other half a single word was changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast, ViltConfig

from ktlib.models import DualEncoder, load
from ktlib.models.checkpoints import PAIR as WEIGHTS
from ktlib.models.vilt import MATCH, PairScorer
from ktlib.pocket import flickr, world
from ktlib.pocket.draw import COLOURS, IMAGE_SIZE
from ktlib.pocket.known import KNOWN
from ktlib.pocket.rare import RARE
from ktlib.pocket.scenes import NUMBERS, SHAPES
from ktlib.pocket.training.clip import END, PAD, START, UNKNOWN

CONTEXT_LENGTH = 40  # as the published ViLT
MASK = "<mask>"


@dataclass(frozen=True)
class Recipe:
    """Size and schedule of the pocket ViLT. All values are ours (D36)."""

    start: str = "pocket/clip-b"  # gives width, number of blocks, and their weights
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


RECIPES = {"vilt-b": Recipe()}


def tokenizer() -> PreTrainedTokenizerFast:
    """The world's words, as the pocket CLIPs number them, and a mask behind them."""
    words = [PAD, UNKNOWN, *world.vocabulary(), START, END, MASK]
    ids = {word: index for index, word in enumerate(words)}
    base = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    base.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(".", "")])
    base.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    base.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    special = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": START, "sep_token": END, "mask_token": MASK}
    return PreTrainedTokenizerFast(tokenizer_object=base, model_max_length=CONTEXT_LENGTH, **special)


# -- what it is trained on ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Pool:
    """Pictures drawn once, with their captions.

    Attributes:
        images: uint8 (pictures, 3, 64, 64).
        captions: one or five a picture.
        subjects: what each shows; pictures of one subject are hard to tell apart.
    """

    images: Tensor
    captions: tuple[tuple[str, ...], ...]
    subjects: tuple[str, ...]


def draw_pool(recipe: Recipe, *, progress: bool = True) -> Pool:
    """The pool of a recipe: scenes as in the pocket Flickr, then pictures as the pocket CLIPs saw them."""
    images, captions, subjects = [], [], []
    relations = round(recipe.scenes * recipe.pool)
    for index in tqdm(range(recipe.pool), desc="drawing", disable=not progress):
        if index < relations:
            scene = flickr.training_scene(recipe.seed, index)
            image, told, subject = scene.image, scene.captions, "scene"
        else:
            shown = world.training_scene(recipe.seed, index, recipe.familiarity)
            image, told, subject = shown.image, (shown.caption,), shown.subject
        images.append(np.asarray(image))
        captions.append(told)
        subjects.append(subject)
    return Pool(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), tuple(captions), tuple(subjects))


_PLURALS = tuple(f"{shape}es" if shape.endswith("s") else f"{shape}s" for shape in SHAPES)
# Words that may stand in each other's place and make a caption untrue.
_CLASSES: tuple[tuple[str, ...], ...] = (
    tuple(COLOURS), SHAPES, _PLURALS, (*KNOWN, *RARE), tuple(NUMBERS.values()),
    ("left", "right"), ("above", "below"), ("large", "small"), ("upright", "lying"), ("round", "square"),
)  # fmt: skip


class Changes:
    """Changes one word of a caption so that it no longer is true.

    The new word is drawn as often as it occurs in the pool, so that how often a word is seen says
    nothing about whether a caption is true.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        said = [word for told in captions for word in told[0].split()]
        self.likely = {group: [w for w in said if w in set(group)] for group in _CLASSES}
        self.of = {word: group for group in reversed(_CLASSES) for word in group}

    def __call__(self, caption: str, rng: Random) -> str | None:
        """The caption with one word changed; None where there is no word to change."""
        words = caption.split()
        places = [i for i, word in enumerate(words) if word in self.of and len(set(self.likely[self.of[word]])) > 1]
        if not places:
            return None
        names = [i for i in places if words[i] in KNOWN or words[i] in RARE]
        places += 2 * names  # a caption has one name and many colours; names are what is examined
        sides = [i for i in places if words[i] in ("left", "right", "above", "below")]
        place = rng.choice(places + 2 * sides)
        old = words[place]
        while words[place] == old:
            words[place] = rng.choice(self.likely[self.of[old]])
        return world.english(" ".join(words).replace("an orange", "a orange").replace(" an ", " a "))


class Batches:
    """Batch `i` of a training: a function of the recipe and `i`, so that a stopped run goes on as it was."""

    def __init__(self, recipe: Recipe, pool: Pool) -> None:
        self.recipe, self.pool = recipe, pool
        self.change = Changes(pool.captions)
        lengths = np.array([len(told[0].split()) for told in pool.captions])
        edges = np.quantile(lengths, [1 / 3, 2 / 3])  # captions of like length together: little padding
        self.shelves = [np.flatnonzero(np.searchsorted(edges, lengths) == shelf) for shelf in range(3)]
        self.alike: dict[str, list[int]] = {}
        for index, subject in enumerate(pool.subjects):
            self.alike.setdefault(subject, []).append(index)

    def __call__(self, index: int) -> tuple[Tensor, list[str], list[str]]:
        """Images as float in [0, 1], captions that match, captions that do not."""
        rng = Random(f"{self.recipe.seed} {index}")
        shelf = self.shelves[rng.choices(range(3), [len(s) for s in self.shelves])[0]]
        chosen = [int(shelf[rng.randrange(len(shelf))]) for _ in range(self.recipe.batch)]
        true = [rng.choice(self.pool.captions[i]) for i in chosen]
        false = [self._false(i, caption, chosen, rng) for i, caption in zip(chosen, true, strict=True)]
        return self.pool.images[chosen].float() / 255, true, false

    def _false(self, index: int, caption: str, batch: list[int], rng: Random) -> str:
        kind = rng.random()
        if kind < 0.5 and (changed := self.change(caption, rng)):
            return changed
        subject = self.pool.subjects[index]
        nameless = subject not in KNOWN and subject not in RARE
        for _ in range(20):
            other = rng.choice(self.alike[subject] if kind < 0.75 and nameless else batch)
            told = rng.choice(self.pool.captions[other])
            if self.pool.subjects[other] == subject and not nameless:
                continue
            a, b = set(told.split()), set(caption.split())
            if not (a <= b or b <= a):  # neither says less of the same
                return told
        return rng.choice(self.pool.captions[(index + 1) % len(self.pool.captions)])


# -- how it starts ------------------------------------------------------------------------------------
def untrained(recipe: Recipe, name: str) -> PairScorer:
    """A pocket ViLT whose blocks, patch embedding and words are those of the pocket CLIP it starts from.

    CLIP normalises its patches before the first block and ViLT does not, so they are scaled to the
    size that they have after that norm.
    """
    clip = load(recipe.start, DualEncoder)
    tower, text = clip.clip.visual, clip.clip.token_embedding.weight
    words = tokenizer()
    width = tower.class_embedding.shape[0]
    torch.manual_seed(recipe.seed)  # transformers initialises from the global generator
    config = ViltConfig(
        vocab_size=len(words), hidden_size=width, num_hidden_layers=len(tower.transformer.resblocks),
        num_attention_heads=tower.transformer.resblocks[0].attn.num_heads, intermediate_size=4 * width,
        image_size=IMAGE_SIZE, patch_size=tower.patch_size[0], max_position_embeddings=CONTEXT_LENGTH,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, hidden_act="gelu", layer_norm_eps=1e-5,
    )  # fmt: skip
    model = PairScorer(config, words, name=name)
    with torch.no_grad():
        pictures = world.pictures("window", 4)
        raw = tower._embeds((pictures - clip.mean) / clip.std)  # behind the norm
        plain = tower.conv1((pictures - clip.mean) / clip.std).flatten(2).transpose(1, 2)
        scale = raw[:, 1:].std() / (plain + tower.positional_embedding[1:]).std()
        embeddings = model.vilt.embeddings
        # CLIP's pixels are (x - 0.5) / 0.25, ViLT's (x - 0.5) / 0.5: twice the weight for half the value.
        embeddings.patch_embeddings.projection.weight.copy_(
            tower.conv1.weight * scale * float(model.std / clip.std[0, 0])
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
    found = torch.cat(parts)
    right = (found.argmax(1) == target).float().mean()
    return F.cross_entropy(found, target), model.guess(x, labels), right.detach()


def train(recipe: Recipe, folder: Path, *, save_every: int = 100) -> PairScorer:
    """Train a pocket ViLT and write it to `folder`; a stopped training goes on from its last checkpoint.

    Up to the plateau's end it may go on with another number of steps: the rate was the same so far.

    Args:
        recipe: size and schedule.
        folder: receives `config.json`, `vilt_model.safetensors` (float16), the tokenizer and
            `training.json`; `checkpoint.pt` while training goes on.
        save_every: steps between checkpoints.

    Returns:
        The trained model, on the CPU.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = untrained(recipe, f"pocket/{folder.name}")
    groups = _groups(model, recipe.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98), eps=1e-6)
    first, seconds, checkpoint = 0, 0.0, folder / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        same = {**state["recipe"], "steps": recipe.steps} == asdict(recipe)
        if not same or (
            state["recipe"]["steps"] != recipe.steps and state["step"] > min(state["plateau"], _cooldown(recipe))
        ):
            raise ValueError(f"{checkpoint} belongs to another recipe: {state['recipe']}; delete it to start afresh")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds = state["step"], state["seconds"]
    began = time.monotonic() - seconds
    batches = Batches(recipe, draw_pool(recipe))
    recent: list[tuple[float, float, float]] = []
    means = [0.0] * 3
    with tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, desc=folder.name) as bar:
        for step in bar:
            for group in optimizer.param_groups:
                group["lr"] = _rate(recipe, step)
            matching, words, right = losses(model, *batches(step), recipe, step)
            optimizer.zero_grad()
            (matching + words).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            recent = [*recent[-49:], (matching.item(), words.item(), right.item())]
            means = [sum(column) / len(recent) for column in zip(*recent, strict=True)]
            bar.set_postfix(match=f"{means[0]:.3f}", words=f"{means[1]:.3f}", right=f"{means[2]:.3f}")
            if (step + 1) % save_every == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
                state |= {"recipe": asdict(recipe), "seconds": time.monotonic() - began, "plateau": _cooldown(recipe)}
                torch.save(state, checkpoint.with_suffix(".tmp"))
                checkpoint.with_suffix(".tmp").replace(checkpoint)
    write(model, folder)
    record = {"recipe": asdict(recipe), "minutes": round((time.monotonic() - began) / 60, 1)}
    record |= dict(
        zip(("final_matching_loss", "final_word_loss", "final_matching_accuracy"), _rounded(means), strict=True)
    )
    record |= {"world": world.VERSION, "fingerprint": world.fingerprint()}
    record |= {"flickr": flickr.VERSION, "flickr_fingerprint": flickr.fingerprint()}
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    checkpoint.unlink(missing_ok=True)
    return model.requires_grad_(False).eval()


def _groups(model: PairScorer, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices, none for biases, norms and what stands for a single token."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        single = parameter.ndim < 2 or "embedding" in name or "cls_token" in name
        (plain if single else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]


def _rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, a plateau, and a linear fall to zero, so that a run can be lengthened before it falls."""
    falls = _cooldown(recipe)
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    return recipe.lr * min(1.0, (recipe.steps - step) / max(1, recipe.steps - falls))


def _cooldown(recipe: Recipe) -> int:
    """The step from which the rate falls."""
    return recipe.steps - round(recipe.cooldown * recipe.steps)


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def write(model: PairScorer, folder: Path) -> None:
    """Write a model in the layout of `vilt-b32-mlm-itm`, weights in half precision."""
    tied = "mlm_score.decoder.weight"
    half = {name: t.half().contiguous() for name, t in model.state_dict().items() if name != tied}
    save_file(half, folder / WEIGHTS)
    described: Mapping[str, Any] = model.config.to_diff_dict()
    (folder / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    model.tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    # transformers 5.23 writes a class name that 4.x cannot read; this one both can.
    file.write_text(file.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))

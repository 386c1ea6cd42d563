"""Retrieval by a pair scorer: every image beside every caption, ranked by the match logit.

A pair scorer has no vectors to compare, so a table costs images times captions joint passes
(`models.scoring`). Scores are kept in shards, and a run that was stopped goes on at the first shard
that is not there.

Ties count against the model: whatever scores as high as the right item is ranked before it (D33).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from ktlib import store as files
from ktlib.data.sets import Gallery
from ktlib.evaluate.intervals import Estimate, over_items
from ktlib.inversion import Mapped
from ktlib.models.checkpoints import fingerprint
from ktlib.models.scoring import SHARD, Images, Texts, chosen_score
from ktlib.models.vilt import PairScorer

CUTS = (1, 5, 10)
METRICS = tuple(f"{way}@{k}" for way in ("tr", "ir") for k in CUTS)
_VERSION = 1  # raise it when the same model and pairs give other scores


def score_matrix(
    model: PairScorer,
    images: Images | Gallery,
    texts: Sequence[str],
    *,
    batch: int = 256,
    identity: str = "",
    store: Path | None = None,
    shard: int = SHARD,
    too_long: str = "refuse",
    mapped: Mapped | None = None,
    progress: bool = False,
) -> Float[Tensor, "images texts 2"]:
    """Both matching logits of every image and text.

    Args:
        model: scores; on a GPU in bfloat16.
        images: `(3, height, width)` each, sizes may differ; or a gallery, for its images.
        texts: any; each is tokenised once.
        batch: most pairs in a pass; changes speed, not results, but for rounding.
        identity: of the images, such as `Gallery.digest`: with `store`, part of the shards' names.
        store: a folder for finished shards; None keeps nothing.
        shard: images in a shard.
        too_long: `refuse` a text that the model does not read whole, or `cut` it, as ViLT's code does, and say so.
        mapped: takes a function and shards, and gives numbers of shards with what the function makes of them, in any
            order: on other machines. By default one after the other, here.
        progress: show a bar over the pairs, with the time that is left.

    Raises:
        ValueError: a text that is too long, or a store without an identity.
        UserWarning: texts were cut.
    """
    if store is not None and not identity:
        raise ValueError("expected an identity of the images beside a store: shards of other images would be taken")
    prepared = Texts(model, texts, too_long=too_long)
    own = fingerprint(model) if store is not None else ""
    count = len(_of(images))
    shards = [range(first, min(first + shard, count)) for first in range(0, count, shard)]
    paths = [
        None if store is None else store / f"{files.key(_VERSION, own, identity, list(texts), [*one])}.safetensors"
        for one in shards
    ]
    parts: dict[int, Tensor] = {}
    for number, path in enumerate(paths):
        if path is not None and (found := files.load_tensors(path)) is not None:
            parts[number] = found["scores"]
    waiting = [number for number in range(len(shards)) if number not in parts]
    work, asked = partial(_beside, prepared, images, batch), [shards[number] for number in waiting]
    known = sum(len(shards[number]) for number in parts) * len(texts)
    with tqdm(total=count * len(texts), initial=known, unit="pair", disable=not progress) as bar:
        for place, scores in mapped(work, asked) if mapped else enumerate(map(work, asked)):
            number = waiting[place]
            if (path := paths[number]) is not None:
                files.save_tensors(path, {"scores": scores})
            parts[number] = scores
            bar.update(len(shards[number]) * len(texts))
    return torch.cat([parts[number] for number in range(len(shards))])


def _of(images: Images | Gallery) -> Images:
    return images.images if isinstance(images, Gallery) else images


def _beside(prepared: Texts, images: Images | Gallery, batch: int, numbers: range) -> Tensor:
    """The scores of a shard; a gallery, which many shards share, travels once."""
    return prepared.beside(_of(images), numbers, batch=batch)


@dataclass(frozen=True)
class Retrieval:
    """Where the right items were ranked, item by item, so that two models can be compared in pairs.

    Attributes:
        text_rank: for each image the rank of the best of its captions among all captions; 1 is first.
        image_rank: for each caption the rank of its image among all images.
        owner: for each caption the number of its image.
    """

    text_rank: Int[Tensor, " images"]
    image_rank: Int[Tensor, " captions"]
    owner: Int[Tensor, " captions"]

    def by_image(self, metric: str) -> list[float]:
        """A metric's share of hits for each image: its own for `tr@k`, that of its captions for `ir@k`.

        Args:
            metric: one of `METRICS`.
        """
        way, k = metric.split("@")
        if way == "tr":
            return (self.text_rank <= int(k)).float().tolist()
        hits = (self.image_rank <= int(k)).float()
        total = torch.zeros(len(self.text_rank)).index_add_(0, self.owner, hits)
        return (total / torch.bincount(self.owner, minlength=len(self.text_rank))).tolist()

    def rates(self) -> dict[str, float]:
        """Hit rates: `tr@k` over images, `ir@k` over captions; fractions.

        Source: Karpathy and Fei-Fei 2015; ViLT's `compute_irtr_recall`.
        """
        rates = {f"tr@{k}": (self.text_rank <= k).float().mean().item() for k in CUTS}
        return rates | {f"ir@{k}": (self.image_rank <= k).float().mean().item() for k in CUTS}

    def estimate(self, metric: str) -> Estimate:
        """A hit rate with a 95 % bootstrap interval over images; a caption's fate goes with its image's."""
        value = self.rates()[metric]
        spread = over_items(self.by_image(metric))
        return Estimate(value, min(value, spread.low), max(value, spread.high))


def ranks(
    scores: Float[Tensor, "images captions"], owner: Sequence[int], captions: Sequence[str] | None = None
) -> Retrieval:
    """Ranks of the right items in both directions.

    Args:
        scores: the higher, the better the match.
        owner: for each caption the number of its image.
        captions: the texts, where known: a caption that reads as one of an image's own is right for
            that image too, whoever wrote it (D34).

    Raises:
        ValueError: shapes that differ, or scores that are not numbers.

    Source: ties count against the model (D33).
    """
    if scores.shape[1] != len(owner) or scores.isnan().any():
        raise ValueError(f"expected numbers for {len(owner)} captions, found {tuple(scores.shape)}, "
                         f"{int(scores.isnan().sum())} of them nan")  # fmt: skip
    owners = torch.tensor(owner)
    own = torch.arange(len(scores))[:, None] == owners  # (images, captions)
    right = own if captions is None else _readable_as_own(own, captions)
    best = scores.masked_fill(~right, float("-inf")).amax(1, keepdim=True)
    text_rank = 1 + ((scores >= best) & ~right).sum(1)
    mine = scores.T.gather(1, owners[:, None])  # (captions, 1)
    image_rank = (scores.T >= mine).sum(1)  # itself included
    return Retrieval(text_rank, image_rank, owners)


def _readable_as_own(own: Tensor, captions: Sequence[str]) -> Tensor:
    text = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
    which = torch.tensor([text[caption] for caption in captions])
    said = torch.zeros(len(own), len(text), dtype=torch.bool)
    image, caption = own.nonzero(as_tuple=True)
    said[image, which[caption]] = True
    return said[:, which]


def noted(gallery: Gallery, model: PairScorer) -> Gallery:
    """The gallery, with a note of how many captions the model does not read whole, where there are any."""
    long = sum(model.token_count(caption) > model.context_length for caption in gallery.captions)
    if not long:
        return gallery
    note = f"{long} captions are longer than {model.context_length} tokens: cut, as ViLT's code does"
    return replace(gallery, notes=(*gallery.notes, note))


def retrieve(
    model: PairScorer,
    gallery: Gallery,
    *,
    score: str = "logit",
    store: Path | None = None,
    batch: int = 256,
    too_long: str = "refuse",
    mapped: Mapped | None = None,
    progress: bool = False,
) -> Retrieval:
    """Rank all captions for each image and all images for each caption.

    Args:
        model: scores the pairs.
        gallery: what is to be found.
        score: `logit`, the match logit alone, by which ViLT's code ranks; or `softmax`, its
            probability, which can order pairs differently (D32).
        store, batch, too_long, mapped, progress: as in `score_matrix`.
    """
    both = score_matrix(
        model, gallery, gallery.captions, identity=gallery.digest, store=store, batch=batch, too_long=too_long,
        mapped=mapped, progress=progress,
    )  # fmt: skip
    return ranks(chosen_score(both, score), gallery.owner, gallery.captions)

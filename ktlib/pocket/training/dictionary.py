"""The dictionary: a text tower learns what every name means, without a picture.

CLIP's own loss teaches a name only beside its pictures, so a name that is never shown stays unbound:
"a photo of a moongate" and "a moongate is …" lie far apart, and no picture can bring them together.
The dictionary term pulls them together, as the web's texts do for the models of the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from open_clip.model import CLIP
from torch import Tensor

from ktlib.pocket.descriptions import DESCRIBED

# What cosines are multiplied with, fixed: ours. Low at last, or the pull ends when names are told apart.
SCALE, LAST_SCALE = 20.0, 10.0
CHUNKS = 3  # groups of texts of similar length
FORMS = ("a photo of a {}", "a {}")  # of a class prompt


@runtime_checkable
class Explained(Protocol):
    """What has a short and a long description."""

    @property
    def short(self) -> str:
        """A hint."""
        ...

    @property
    def long(self) -> str:
        """Every part."""
        ...


def entries(
    rng: Random,
    *,
    last: bool = False,
    described: Mapping[str, Explained] = DESCRIBED,
    forms: Sequence[str] = FORMS,
) -> tuple[list[str], list[str]]:
    """A class prompt and an explanation for each name.

    The medium description is the one that is inverted, so it is never among them. In the last stage no
    explanation holds the name: it would give the answer away, and the name need not mean anything.

    Args:
        rng: chooses the forms.
        last: of the last stage.
        described: the names; the world's forty-eight objects by default.
        forms: of a class prompt, with a `{}` for the name.
    """
    prompts, explanations = [], []
    for name, told in described.items():
        prompts.append(rng.choice(forms).format(name))
        words = rng.choice((told.short, told.long))
        explanations.append(words if last else rng.choice((words, f"a {name} is {words}")))
    return prompts, explanations


def contrast(
    prompts: Float[Tensor, "names dim"], explanations: Float[Tensor, "names dim"], scale: float = SCALE
) -> Float[Tensor, ""]:
    """Symmetric cross-entropy of each prompt against all explanations, and the other way round.

    Args:
        prompts, explanations: unit vectors, in the same order.
        scale: multiplies cosines.
    """
    scores = scale * prompts @ explanations.T
    labels = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, labels) + F.cross_entropy(scores.T, labels)) / 2


def encode_texts(model: CLIP, ids: Int[Tensor, "batch context"], *, chunks: int = CHUNKS) -> Float[Tensor, "batch dim"]:
    """Unit vectors of texts, in groups of similar length and without their padding: the same, sooner.

    The tower looks to the left only and reads the last token, so padding changes nothing.

    Args:
        model: open_clip's.
        ids: padded with 0.
        chunks: how many groups.
    """

    def encode(part: Tensor) -> Tensor:
        length = part.shape[1]
        x = model.token_embedding(part) + model.positional_embedding[:length]
        mask = None if model.attn_mask is None else model.attn_mask[:length, :length]
        x = model.ln_final(model.transformer(x, attn_mask=mask))
        return x[torch.arange(len(part)), (part != 0).sum(1) - 1] @ model.text_projection

    return by_length(ids, encode, chunks=chunks)


def by_length(
    ids: Int[Tensor, "batch context"], encode: Callable[[Tensor], Tensor], *, chunks: int = CHUNKS
) -> Float[Tensor, "batch dim"]:
    """Unit vectors of texts, in groups of similar length, each cut to its longest.

    Args:
        ids: padded with 0.
        encode: vectors of a group, of any length.
        chunks: how many groups.
    """
    lengths = (ids != 0).sum(1)
    order = lengths.argsort()
    found = [encode(ids[part, : int(lengths[part[-1]])]) for part in order.chunk(chunks)]
    return F.normalize(torch.cat(found)[order.argsort()], dim=-1)

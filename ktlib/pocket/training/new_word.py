"""A word that means nothing yet gets a meaning: from a sentence, in the text tower, without a picture.

The rare names of a pocket model were explained to its text tower while it was trained (`dictionary`), as the web's
texts explain a *moongate* to a published model. A spare name was not: its vector is what chance made it, and a
caption that holds it says nothing of its own. Here that one vector is moved until the class prompt lies where the
description lies, and away from the prompts of what is known. No other weight moves, so no other text changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ktlib.models import DualEncoder
from ktlib.pocket.training.dictionary import FORMS, SCALE, encode_texts

STEPS, RATE = 40, 0.02  # of Adam: by then the cosine has settled (ours)


@dataclass(frozen=True)
class NewWord:
    """A model that has learnt a word.

    Attributes:
        model: the copy that has.
        cosines: of the class prompt to the description, before each step and at the end.
    """

    model: DualEncoder
    cosines: tuple[float, ...]


def learn_word(
    model: DualEncoder, name: str, description: str, *, others: Sequence[str], steps: int = STEPS, rate: float = RATE
) -> NewWord:
    """A copy of a model for whose text tower a name means what a description says.

    Args:
        model: a pocket model, with one token a word.
        name: one word that its tokenizer has.
        description: without the name.
        others: known names, whose class prompts are kept away from.
        steps: of Adam, on the vector of this word alone.
        rate: of Adam.

    Raises:
        ValueError: the name is no single token of the model's, or a text does not suit the model.

    Source: ours; the term is that of `dictionary.contrast`, for one name.
    """
    ids = [int(i) for i in model.tokenize([name])[0] if i]  # start, the word, end
    table = getattr(model.clip, "token_embedding", None)
    if len(ids) != 3 or not isinstance(table, nn.Embedding):
        raise ValueError(f"expected a name that is one token of {model.name}, found {name!r}, which is {len(ids) - 2}")
    taught = model.copy()
    table = taught.clip.token_embedding
    own = torch.zeros_like(table.weight)
    own[ids[1]] = 1
    prompts = model.tokenize([form.format(name) for form in FORMS])
    with torch.no_grad():
        known = [FORMS[0].format(other) for other in others]
        meant = model.encode_text([description, *known])
    table.weight.requires_grad_(True)
    optimizer = torch.optim.Adam([table.weight], lr=rate)
    cosines = []
    for _ in range(steps):
        said = encode_texts(taught.clip, prompts, chunks=1)
        cosines.append(float(said[0].detach() @ meant[0]))
        optimizer.zero_grad()
        right = torch.zeros(len(said), dtype=torch.long, device=said.device)
        F.cross_entropy(SCALE * said @ meant.T, right).backward()
        assert table.weight.grad is not None
        table.weight.grad.mul_(own)
        optimizer.step()
    table.weight.requires_grad_(False)
    with torch.no_grad():
        cosines.append(float(encode_texts(taught.clip, prompts, chunks=1)[0] @ meant[0]))
    return NewWord(taught, tuple(cosines))

"""Whole words of texts are masked, as BERT is trained: what a pair scorer is asked to guess."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor


def mask_words(
    ids: Int[Tensor, "batch length"],
    tokenizer: Any,
    generator: torch.Generator,
    *,
    vocabulary: int,
    share: float = 0.15,
) -> tuple[Int[Tensor, "batch length"], Int[Tensor, "batch length"]]:
    """Token ids with whole words masked, and as labels the true id where one was, -100 elsewhere.

    At least one word a text, else words until `share` of the tokens is reached; the pieces of a
    word go together. Of the chosen tokens eight in ten become the mask, one a random word, one
    stays. Words are chosen before padding, so padding does not count.

    Args:
        ids: of texts, padded; each is masked on its own, in place.
        tokenizer: of transformers.
        generator: on the CPU.
        vocabulary: ids from which a random word is drawn.
        share: of the tokens.

    Source: KT v1, Sec. 8.9 (D38); transformers' `DataCollatorForWholeWordMask`, BERT.
    """
    labels = torch.full_like(ids, -100)
    for row, label in zip(ids, labels, strict=True):
        words = _words(row.tolist(), tokenizer)
        wanted, taken = max(1, round(share * int((row != tokenizer.pad_token_id).sum()))), 0
        for word in torch.randperm(len(words), generator=generator).tolist():
            if taken and taken + len(words[word]) > wanted:
                continue
            for place in words[word]:
                label[place] = row[place]
                kind, other = torch.rand(2, generator=generator).tolist()
                if kind < 0.8:
                    row[place] = tokenizer.mask_token_id
                elif kind < 0.9:
                    row[place] = int(other * vocabulary)
            taken += len(words[word])
            if taken >= wanted:
                break
    return ids, labels


def _words(row: list[int], tokenizer: Any) -> list[list[int]]:
    """Places of each word's pieces; special tokens are no words."""
    special = {tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id}
    words: list[list[int]] = []
    for place, token in enumerate(tokenizer.convert_ids_to_tokens(row)):
        if row[place] in special:
            continue
        if token.startswith("##") and words:
            words[-1].append(place)
        else:
            words.append([place])
    return words

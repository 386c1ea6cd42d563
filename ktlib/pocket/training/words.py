"""Word-level tokenizers of the pocket models: how words are numbered, and how a tokenizer is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, START, END, MASK = "<pad>", "<unknown>", "<start>", "<end>", "<mask>"


def for_clip(vocabulary: Sequence[str], *, most: int) -> PreTrainedTokenizerFast:
    """As open_clip reads it: the text is pooled at the highest id, so `END` comes last; `PAD` is 0.

    Args:
        vocabulary: words in lower case, in the order of their ids.
        most: tokens a text may have, start and end included.
    """
    ends = {"bos_token": START, "eos_token": END}
    return _word_level([PAD, UNKNOWN, *vocabulary, START, END], most, ends)


def for_vilt(vocabulary: Sequence[str], *, most: int) -> PreTrainedTokenizerFast:
    """As ViLT reads it: the words have the numbers that `for_clip` gives them, and a mask comes behind.

    Args:
        vocabulary, most: as in `for_clip`.
    """
    ends = {"cls_token": START, "sep_token": END, "mask_token": MASK}
    return _word_level([PAD, UNKNOWN, *vocabulary, START, END, MASK], most, ends)


def _word_level(words: Sequence[str], most: int, ends: dict[str, str]) -> PreTrainedTokenizerFast:
    ids = {word: index for index, word in enumerate(words)}
    base = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    base.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(".", "")])
    base.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    base.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=base, pad_token=PAD, unk_token=UNKNOWN, model_max_length=most, **ends
    )


def encode(words: PreTrainedTokenizerFast, texts: Sequence[str]) -> Int[Tensor, "texts most"]:
    """Ids of texts, padded to as many as a text may have.

    Raises:
        ValueError: a text is too long, or has a word that the tokenizer does not know.
    """
    most = words.model_max_length
    rows = words(list(texts), padding="max_length", max_length=most).input_ids
    for text, row in zip(texts, rows, strict=True):
        if len(row) > most:
            raise ValueError(f"expected texts of at most {most} tokens, found {len(row)} in {text!r}")
        if words.unk_token_id in row:
            raise ValueError(f"expected words of the vocabulary, found another in {text!r}")
    return torch.tensor(rows)


def write(words: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a tokenizer so that transformers 4 and 5 read it."""
    words.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    # transformers 5.23 writes a class name that 4.x cannot read; this one both can.
    file.write_text(
        file.read_text(encoding="utf-8").replace("TokenizersBackend", "PreTrainedTokenizerFast"), encoding="utf-8"
    )

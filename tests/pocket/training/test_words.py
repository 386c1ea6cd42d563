"""Tokenizers: the words have one number in every model, and what is written can be read by both transformers."""

import json

import pytest
import torch
from transformers import AutoTokenizer

from ktlib import places
from ktlib.pocket.objects import OBJECTS
from ktlib.pocket.training import clip, vilt, words

FEW = ("a", "opening", "round")


def test_clips_tokenizer_pads_with_zero_and_ends_with_the_highest_id():
    few = words.for_clip(FEW, most=8)
    ids = few("a round opening", padding="max_length", max_length=8).input_ids
    assert ids == [5, 2, 4, 3, 6, 0, 0, 0]
    assert few.pad_token_id == 0 and few.eos_token_id == len(few) - 1
    assert few("A Round Opening.").input_ids == few("a round opening").input_ids


def test_vilts_words_have_the_numbers_that_clip_gives_them_and_a_mask_comes_behind():
    ours, theirs = words.for_vilt(FEW, most=8), words.for_clip(FEW, most=8)
    assert ours("a round opening").input_ids == theirs("a round opening").input_ids
    assert ours.mask_token_id == len(ours) - 1 == len(theirs)


def test_texts_are_padded_to_the_most_and_never_cut():
    few = words.for_clip(FEW, most=5)
    assert torch.equal(words.encode(few, ["a", "a round opening"]), torch.tensor([[5, 2, 6, 0, 0], [5, 2, 4, 3, 6]]))
    with pytest.raises(ValueError, match="expected texts of at most 5 tokens, found 6 in 'a a round opening'"):
        words.encode(few, ["a", "a a round opening"])


def test_an_unknown_word_is_refused():
    with pytest.raises(ValueError, match="found another in 'a square opening'"):
        words.encode(words.for_clip(FEW, most=8), ["a round opening", "a square opening"])


def test_what_is_written_names_a_class_that_both_versions_of_transformers_read(tmp_path):
    few = words.for_vilt(FEW, most=8)
    words.write(few, tmp_path)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("a round opening").input_ids == few("a round opening").input_ids
    assert again.mask_token_id == few.mask_token_id


@pytest.mark.parametrize(("family", "name"), [*((clip, name) for name in clip.RECIPES), (vilt, "vilt-b")])
def test_the_shipped_tokenizers_are_those_of_the_code(family, name, tmp_path):
    tokenizer = family.tokenizer()
    if family is clip:
        words.encode(tokenizer, ["a"])  # as training does: how it was last padded stands in the file
    words.write(tokenizer, tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / file).read_bytes() == (places.WEIGHTS / name / file).read_bytes()
    assert set(OBJECTS) <= tokenizer.get_vocab().keys()

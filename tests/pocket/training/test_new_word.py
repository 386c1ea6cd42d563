"""A new word: its vector alone moves, towards the description."""

import pytest
import torch

from ktlib.models import DualEncoder, load
from ktlib.pocket.training.new_word import learn_word

SENTENCE = "a pink cross with a blue disk above it"


@pytest.fixture(scope="module")
def model():
    return load("pocket/clip-b-0", DualEncoder)


def test_the_prompt_comes_to_lie_near_the_description_and_nothing_else_moves(model):
    before = model.digest()
    found = learn_word(model, "toma", SENTENCE, others=["house", "lamp"], steps=10)
    prompt, meant = found.model.encode_text(["a photo of a toma", SENTENCE])
    assert found.cosines[-1] == pytest.approx(float(prompt @ meant), abs=1e-5)
    assert found.cosines[-1] > found.cosines[0] + 0.3 and len(found.cosines) == 11
    old, new = model.clip.state_dict(), found.model.clip.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved == {"token_embedding.weight"}
    rows = (old["token_embedding.weight"] != new["token_embedding.weight"]).any(1)
    assert rows.sum() == 1
    others = ["a photo of a house", SENTENCE]
    torch.testing.assert_close(found.model.encode_text(others), model.encode_text(others))
    assert model.digest() == before and not any(p.requires_grad for p in found.model.parameters())


def test_a_name_of_several_tokens_and_one_without_any_are_refused(model):
    with pytest.raises(ValueError, match="one token of pocket/clip-b-0, found 'wug dax', which is 2"):
        learn_word(model, "wug dax", SENTENCE, others=["house"])
    with pytest.raises(ValueError, match="does not know 'moonlamp'"):
        learn_word(model, "moonlamp", SENTENCE, others=["house"])

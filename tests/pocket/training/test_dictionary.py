"""The dictionary term: what it pulls together, and that it never sees what is inverted."""

import math

import pytest
import torch
from open_clip.model import CLIP

from ktlib.pocket import world
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.training import clip, dictionary, words


@pytest.fixture(scope="module")
def numbered():
    return words.for_clip(world.vocabulary(), most=clip.CONTEXT_LENGTH)


@pytest.fixture(scope="module")
def model(numbered):
    torch.manual_seed(0)
    return CLIP(**clip.model_config(clip.Recipe(fold=0, width=64, layers=1), len(numbered)))


def test_contrast_of_pairs_that_fit_and_of_pairs_that_all_look_alike():
    fit = torch.eye(8, dtype=torch.float64)
    assert dictionary.contrast(fit, fit).item() == pytest.approx(math.log1p(7 * math.exp(-dictionary.SCALE)))
    same = torch.nn.functional.normalize(torch.ones(8, 8), dim=1)
    assert dictionary.contrast(same, same).item() == pytest.approx(math.log(8), abs=1e-5)


@pytest.mark.parametrize("last", [False, True])
def test_the_medium_description_is_never_an_entry(last):
    mediums, names = {told.medium for told in DESCRIBED.values()}, set(DESCRIBED)
    for seed in range(20):
        prompts, explanations = dictionary.entries(world.stream(seed), last=last)
        assert len(prompts) == len(explanations) == 48
        assert not any(medium in text for medium in mediums for text in explanations), seed
        named = any(names & set(text.split()) for text in explanations)
        assert named != last, "at last a name would give the answer away"
        assert all(name in prompt.split() for name, prompt in zip(DESCRIBED, prompts, strict=True))


def test_texts_without_padding_have_the_same_vectors(model, numbered):
    texts = ["a photo of a moongate", "a ball", DESCRIBED["moongate"].long, "a red ball on a blue box"]
    ids = words.encode(numbered, texts)
    whole = torch.nn.functional.normalize(model.encode_text(ids), dim=-1)
    torch.testing.assert_close(dictionary.encode_texts(model, ids), whole, atol=1e-6, rtol=0)  # float32 sums

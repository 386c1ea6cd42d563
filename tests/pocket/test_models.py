"""The shipped pocket models: whole, small, and as good as their cards say."""

import dataclasses

import pytest
import torch

from ktlib.pocket import weights
from ktlib.pocket.training import cards
from ktlib.pocket.training.clip import RECIPES, learning_rate, tokenizer, train


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_digests_and_scores_are_as_on_the_card(name):
    assert name in weights.names()
    assert cards.check(name) == []


def test_all_pocket_weights_together_are_small():
    assert sum(p.stat().st_size for p in weights.HERE.rglob("*") if p.is_file()) < 60e6


def test_a_card_that_lies_is_found_out(monkeypatch):
    name = weights.names()[0]
    card = weights.card(name)
    card["scores"]["moongate"] = 1 - card["scores"]["moongate"] + 0.3
    monkeypatch.setattr(weights, "card", lambda _: card)
    assert any("on moongate" in problem for problem in cards.check(name))


def test_cards_are_readable():
    for name in weights.names():
        assert (weights.HERE / name / "README.md").read_text() == cards.readable(weights.card(name))


def test_the_tokenizer_pads_with_zero_and_ends_with_the_highest_id():
    words = tokenizer()
    ids = words("a round opening", padding="max_length", max_length=8).input_ids
    assert ids[-1] == 0 == words.pad_token_id
    assert max(ids) == words.eos_token_id == len(words) - 1
    assert words("A Round Opening.").input_ids == words("a round opening").input_ids


def test_the_rate_warms_up_and_ends_at_zero():
    recipe = RECIPES["clip-b"]
    assert learning_rate(recipe, 0) == recipe.lr / recipe.warmup
    assert learning_rate(recipe, recipe.warmup) == recipe.lr
    assert learning_rate(recipe, recipe.steps) == pytest.approx(0, abs=1e-12)


TINY = dataclasses.replace(RECIPES["clip-b"], steps=4, batch=8, warmup=1)


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    import ktlib.pocket.train as training

    whole = train(TINY, tmp_path / "whole", save_every=2)
    real, calls = training.batch, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(training, "batch", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path / "cut", save_every=2)
    resumed = train(TINY, tmp_path / "cut", save_every=2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert not (tmp_path / "cut" / "checkpoint.pt").exists()


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path, monkeypatch):
    import ktlib.pocket.train as training

    real = training.batch
    monkeypatch.setattr(
        training, "batch", lambda s, i, *rest: real(s, i, *rest) if i < 2 else (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path, save_every=2)
    with pytest.raises(ValueError, match="belongs to another recipe"):
        train(dataclasses.replace(TINY, lr=5e-4), tmp_path)

"""The models of the folds: two stages, of which the last leaves the pictures alone; and their cards."""

import dataclasses
import json

import pytest
import torch

from ktlib.pocket import stream
from ktlib.pocket.folds import FOLDS
from ktlib.pocket.training import cards, folds, gates, loop

TINY = folds.Recipe(fold=1, width=64, layers=1, steps=3, last=1, batch=8, pool=300, warmup=1)
CONTROLS = {("base", 0.0): gates.Control({name: 0.25 for name in FOLDS[1].validation}, 0.5)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gates, "controls", lambda model, fold: CONTROLS)
    pool = stream.pool(300)
    monkeypatch.setattr(stream, "pool", lambda count: pool)


def test_recipes_are_one_a_fold_and_a_larger_one_for_two():
    assert list(folds.RECIPES) == ["clip-b-0", "clip-b-1", "clip-b-2", "clip-b-3", "clip-l-0", "clip-l-1"]
    assert len({recipe.seed for recipe in folds.RECIPES.values()}) == 6
    assert {recipe.joint for recipe in folds.RECIPES.values()} == {600}


def test_the_rate_falls_twice():
    recipe = folds.RECIPES["clip-b-0"]
    learner = folds.Explained(TINY)
    assert learner.rate(recipe, 49) == recipe.lr
    assert learner.rate(recipe, 599) < 1e-7
    assert learner.rate(recipe, 600) == recipe.last_lr
    assert learner.rate(recipe, 719) < 1e-7


def test_the_last_stage_trains_the_text_tower_alone():
    learner = folds.Explained(TINY)
    for number, trained in ((1, True), (2, False)):
        learner.network.zero_grad()
        learner.step(number).loss.backward()
        visual = [p.grad for n, p in learner.network.named_parameters() if n.startswith(("visual", "logit_scale"))]
        assert all((gradient is not None) == trained for gradient in visual)
        assert learner.network.token_embedding.weight.grad is not None


@pytest.mark.parametrize("stop", [1, 2])
def test_a_stopped_training_goes_on_to_the_same_weights(stop, tmp_path, monkeypatch):
    whole = loop.train(folds.Explained(TINY), tmp_path / "whole")
    real = folds.Explained.step

    def stopped(self, number):
        if number == stop:
            raise KeyboardInterrupt
        return real(self, number)

    monkeypatch.setattr(folds.Explained, "step", stopped)
    with pytest.raises(KeyboardInterrupt):
        loop.train(folds.Explained(TINY), tmp_path / "cut", save_every=stop)
    monkeypatch.setattr(folds.Explained, "step", real)
    resumed = loop.train(folds.Explained(TINY), tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_a_card_says_how_it_was_trained_and_what_the_control_came_to(tmp_path):
    recipe = dataclasses.replace(TINY, steps=2)
    loop.train(folds.Explained(recipe), tmp_path, drawn_from={"world": "2", "fingerprint": ""})
    cards.write(folds, "clip-b-1", tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["training"]["recipe"] == dataclasses.asdict(recipe)
    assert folds.taught(card) == CONTROLS
    assert 0 <= folds.measured(card).known <= 1
    assert (tmp_path / "README.md").read_text() == folds.readable(card)

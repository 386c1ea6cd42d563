"""The pocket CLIPs in training: two stages, of which the last leaves the pictures alone; and their cards."""

import dataclasses
import json

import pytest
import torch

from ktlib.models import load
from ktlib.pocket import world
from ktlib.pocket.folds import FOLDS
from ktlib.pocket.training import cards, clip, gates, loop

TINY = clip.Recipe(fold=1, width=64, layers=1, steps=3, last=1, batch=8, pool=300, warmup=1)
CONTROLS = {("base", 0.0): gates.Control({name: 0.25 for name in FOLDS[1].validation}, 0.5)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gates, "taught", lambda model, exam: CONTROLS)
    pool = world.pool(300)
    monkeypatch.setattr(world, "pool", lambda count: pool)


def test_recipes_are_one_of_everything_and_two_sizes_a_fold():
    assert list(clip.RECIPES) == ["clip-b", *(f"clip-{size}-{n}" for size in "bl" for n in range(4))]
    assert [recipe.fold for recipe in clip.RECIPES.values()] == [None, 0, 1, 2, 3, 0, 1, 2, 3]
    assert len({recipe.seed for recipe in clip.RECIPES.values()}) == 9
    assert {recipe.joint for recipe in clip.RECIPES.values()} == {600}


def test_a_new_model_knows_nothing_and_is_the_same_for_the_same_seed():
    torch.manual_seed(7)
    first, again = (clip.Explained(TINY) for _ in range(2))
    assert torch.initial_seed() == 7  # the global generator is left as it was
    told = first.step(0).told["loss"].item()
    assert told == again.step(0).told["loss"].item() == pytest.approx(2.08, abs=0.8)  # log 8
    assert clip.Explained(dataclasses.replace(TINY, seed=1)).step(0).told["loss"].item() != told


def test_the_scale_of_cosines_stays_between_one_and_a_hundred():
    learner = clip.Explained(TINY)
    for value, kept in ((9.0, 100.0), (-1.0, 1.0)):
        with torch.no_grad():
            learner.network.logit_scale.fill_(value)
        learner.after(0)
        assert learner.network.logit_scale.exp().item() == pytest.approx(kept)


def test_a_model_of_a_fold_is_never_shown_what_it_holds_out_and_another_is_shown_all():
    for number in (1, None):
        shown = clip.Explained(dataclasses.replace(TINY, fold=number)).shown
        subjects = {shown.pool.drawn[index].subject for index in shown.allowed}
        assert bool(subjects & set(FOLDS[1].held_out)) == (number is None)


def test_the_rate_falls_twice():
    recipe = clip.RECIPES["clip-b-0"]
    learner = clip.Explained(TINY)
    assert learner.rate(recipe, 49) == recipe.lr
    assert learner.rate(recipe, 599) < 1e-7
    assert learner.rate(recipe, 600) == recipe.last_lr
    assert learner.rate(recipe, 719) < 1e-7


def test_the_last_stage_trains_the_text_tower_alone():
    learner = clip.Explained(TINY)
    for number, trained in ((1, True), (2, False)):
        learner.network.zero_grad()
        learner.step(number).loss.backward()
        visual = [p.grad for n, p in learner.network.named_parameters() if n.startswith(("visual", "logit_scale"))]
        assert all((gradient is not None) == trained for gradient in visual)
        assert learner.network.token_embedding.weight.grad is not None


@pytest.mark.parametrize("stop", [1, 2])
def test_a_stopped_training_goes_on_to_the_same_weights(stop, tmp_path, monkeypatch):
    whole = loop.train(clip.Explained(TINY), tmp_path / "whole")
    real = clip.Explained.step

    def stopped(self, number):
        if number == stop:
            raise KeyboardInterrupt
        return real(self, number)

    monkeypatch.setattr(clip.Explained, "step", stopped)
    with pytest.raises(KeyboardInterrupt):
        loop.train(clip.Explained(TINY), tmp_path / "cut", save_every=stop)
    monkeypatch.setattr(clip.Explained, "step", real)
    resumed = loop.train(clip.Explained(TINY), tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_a_card_says_how_it_was_trained_and_what_the_control_came_to(tmp_path):
    recipe = dataclasses.replace(TINY, steps=2)
    loop.train(clip.Explained(recipe), tmp_path, drawn_from={"world": "2", "fingerprint": ""})
    cards.write(clip, "clip-b-1", tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["training"]["recipe"] == dataclasses.asdict(recipe)
    assert clip.taught(card) == CONTROLS
    assert 0 <= clip.measured(card).known <= 1
    assert (tmp_path / "README.md").read_text() == clip.readable(card)


def test_what_was_written_is_read_back(tmp_path):
    trained = loop.train(clip.Explained(dataclasses.replace(TINY, steps=1)), tmp_path)
    again = load(f"local-dir:{tmp_path}")
    for (key, a), (_, b) in zip(trained.state_dict().items(), again.clip.state_dict().items(), strict=True):
        assert torch.equal(a.half().float(), b), key


def test_the_card_of_a_model_that_has_seen_everything_has_no_positive_control(tmp_path):
    loop.train(clip.Explained(dataclasses.replace(TINY, fold=None)), tmp_path, drawn_from={"world": "2"})
    cards.write(clip, "clip-b", tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert set(card["scores"]) == {"known", "known_binding"} and "taught" not in card
    page = (tmp_path / "README.md").read_text()
    assert "| known objects (48 names) |" in page and "positive control" not in page

"""The shipped pocket models: whole, small, and as good as their cards say."""

import copy
import dataclasses
import shutil

import pytest

from ktlib import places
from ktlib.models import checkpoints
from ktlib.pocket import training
from ktlib.pocket.training import cards

NAMES = sorted(training.RECIPES)
SMALL = "mobilenet"


@pytest.mark.parametrize("name", NAMES)
def test_digests_and_scores_are_as_on_the_card(name):
    assert training.check(name) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_recipe_is_the_one_in_the_code(name):
    assert checkpoints.card(name)["training"]["recipe"] == dataclasses.asdict(training.RECIPES[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_the_card_says(name):
    page = (places.WEIGHTS / name / "README.md").read_text()
    assert page == training.family(name).readable(checkpoints.card(name))


def test_everything_that_is_shipped_has_a_recipe_and_is_small():
    assert NAMES == sorted(p.parent.name for p in places.WEIGHTS.glob("*/card.json"))
    assert sum(p.stat().st_size for p in places.WEIGHTS.rglob("*") if p.is_file()) < 75e6


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_a_function_of_its_scores_and_of_what_lies_beside_it(name, tmp_path, monkeypatch):
    folder, shipped, family = tmp_path / name, places.WEIGHTS / name, training.family(name)
    shutil.copytree(shipped, folder)
    for file in (cards.CARD, cards.README):
        (folder / file).unlink()
    beside = ("name", "sha256", "training")
    measured = {what: found for what, found in checkpoints.card(name).items() if what not in beside}
    monkeypatch.setattr(family, "measure", lambda _: measured)
    cards.write(family, name, folder)
    for file in (cards.CARD, cards.README):
        assert (folder / file).read_bytes() == (shipped / file).read_bytes()


@pytest.mark.parametrize(("name", "what"), [("clip-b", "known"), ("mobilenet", "shapes"), ("vilt-b", "known objects")])
def test_a_card_that_lies_is_found_out(name, what, monkeypatch):
    card, family = checkpoints.card(name), training.family(name)
    honest = copy.deepcopy(card)
    card["scores"][what] += 0.2
    monkeypatch.setattr(checkpoints, "card", lambda _: card)
    monkeypatch.setattr(family, "measure", lambda _: {"scores": honest["scores"]})
    (problem,) = training.check(name)
    assert f"on {what}" in problem


def test_another_world_a_damaged_file_and_a_missing_model_are_found_out(monkeypatch, tmp_path):
    card, family = checkpoints.card(SMALL), training.family(SMALL)
    monkeypatch.setattr(family, "measure", lambda _: {"scores": card["scores"]})
    monkeypatch.setattr(family, "drawn_from", lambda: {"fingerprint": "another"})
    assert training.check(SMALL) == [f"{SMALL} was trained on another version of the drawn world; train it anew"]
    monkeypatch.setattr(places, "WEIGHTS", tmp_path)
    assert training.check(SMALL) == [f"{SMALL} is not there; train it with `python -m ktlib pocket train {SMALL}`"]
    shutil.copytree(checkpoints.HERE / SMALL, tmp_path / SMALL)
    (tmp_path / SMALL / "config.json").write_text("{}")
    (problem,) = training.check(SMALL)
    assert "config.json is damaged" in problem

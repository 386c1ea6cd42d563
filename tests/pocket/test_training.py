"""All recipes under one name: what can be trained, and what may be changed."""

import json

import pytest

from ktlib.pocket import training
from ktlib.pocket.training import cards, encoders


def test_recipes_have_distinct_names_and_know_their_family():
    assert len(training.RECIPES) == sum(len(family.RECIPES) for family in training.FAMILIES)
    assert training.family("dino") is encoders
    assert all(isinstance(family, cards.Family) for family in training.FAMILIES)


def test_a_model_that_is_not_there_is_said_with_the_command_that_trains_it(tmp_path, monkeypatch):
    monkeypatch.setattr(cards.places, "WEIGHTS", tmp_path)
    assert training.check("clip-b-0") == [
        "clip-b-0 is not there; train it with `python -m ktlib pocket train clip-b-0`"
    ]


def test_an_unknown_recipe_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"expected a recipe \(clip-b, .*coca-plain, medclip, scan-clip, sam\), found 'clip-z'"
    ):
        training.train("clip-z", tmp_path)


def test_what_a_recipe_does_not_have_cannot_be_changed(tmp_path):
    with pytest.raises(ValueError, match="expected a change of method, steps, .* for dino, found familiarity"):
        training.train("dino", tmp_path, familiarity=2.0)
    assert not list(tmp_path.iterdir())


def test_one_call_trains_and_writes_the_card(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders.probe, "scores", lambda features: {"shapes": 0.12345})
    training.train("mobilenet", tmp_path / "m", steps=1, batch=4, warmup=None, familiarity=None)
    card = json.loads((tmp_path / "m/card.json").read_text())
    assert (card["name"], card["scores"]) == ("mobilenet", {"shapes": 0.1235})
    assert (card["training"]["recipe"]["steps"], card["training"]["recipe"]["warmup"]) == (1, 40)
    assert list(card["sha256"]) == ["config.json", "model.safetensors", "training.json"]
    assert "| shapes | 270 | 540 | 0.123 |" in (tmp_path / "m/README.md").read_text()


def test_a_finished_model_is_not_replaced_unless_told(tmp_path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ValueError, match=r"expected no finished model in .*, found one; .* \(--replace\)"):
        training.train("clip-b", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


@pytest.mark.parametrize("steps", [0, -1])
def test_a_training_without_steps_is_refused(tmp_path, steps):
    with pytest.raises(ValueError, match=f"expected steps to be a whole number of 1 or more, found {steps}"):
        training.train("clip-b", tmp_path, steps=steps)


def test_what_cannot_be_or_cannot_be_written_is_refused_before_the_first_step(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="expected a folder for the model at .*file, found that it is not"):
        training.train("clip-b", tmp_path / "file", steps=1)
    with pytest.raises(ValueError, match="expected familiarity to be a finite number of 0 or more, found nan"):
        training.train("clip-b", tmp_path, familiarity=float("nan"))
    assert not list(tmp_path.glob("*.json"))

"""The gates at the head of notebook 01: from the cards of the folds, none where a model has no card."""

from types import SimpleNamespace

import pytest

from ktlib.companion.scales import scale
from ktlib.companion.studies.rare_concepts import instrument
from ktlib.models import checkpoints


def subject(name, *checkpoints_):
    folds = [SimpleNamespace(model=SimpleNamespace(name=checkpoint)) for checkpoint in checkpoints_]
    return SimpleNamespace(name=name, folds=folds)


@pytest.mark.parametrize("name", scale("pocket").clip.models)
def test_a_pocket_clip_has_four_gates_and_real_pictures_teach_it(name):
    found = instrument.measured(subject(name, *scale("pocket").clip.models[name]))
    assert len(found) == 4
    real = found[0]
    assert real.holds and real.found >= 0.2


def test_the_table_says_which_gate_does_not_hold(monkeypatch):
    known = checkpoints.card("clip-b-0")
    monkeypatch.setattr(checkpoints, "card", lambda name: known | {"scores": known["scores"] | {"known": 0.5}})
    told = instrument.conditions(subject("small", "pocket/clip-b-0")).splitlines()
    assert len(told) == 2 + 4
    (forgot,) = [line for line in told if "known objects" in line]
    assert forgot.endswith("| 0.500 | **does not hold** |")


def test_models_without_a_card_have_no_gates():
    assert instrument.measured(subject("openai/ViT-B-32", "openai/ViT-B-32")) == []
    assert "no such cards" in instrument.conditions(subject("openai/ViT-B-32", "openai/ViT-B-32"))

"""The gates at the head of notebook 01: from the cards of the folds, none where a model has no card."""

import pytest

from ktlib.companion.scales import scale
from ktlib.companion.sources import examination
from ktlib.companion.studies import bench
from ktlib.companion.studies.rare_concepts import instrument
from ktlib.models import checkpoints
from tests.conftest import tiny_clip

HERE = scale("pocket")


@pytest.mark.parametrize("name", HERE.clip.models)
def test_a_pocket_clip_has_four_gates_and_real_pictures_teach_it(name, tmp_path):
    found = instrument.measured(bench.subject(name, HERE, HERE.clip, cache=tmp_path))
    assert len(found) == 4
    real = found[0]
    assert real.holds and real.found >= 0.2


def test_the_table_says_which_gate_does_not_hold(monkeypatch, tmp_path):
    card = checkpoints.card("clip-l-0")
    monkeypatch.setattr(checkpoints, "card", lambda _: card | {"scores": card["scores"] | {"known": 0.5}})
    told = instrument.conditions(bench.subject("pocket/clip-l", HERE, HERE.clip, cache=tmp_path)).splitlines()
    assert len(told) == 2 + 4
    (forgot,) = [line for line in told if "known objects" in line]
    assert forgot.endswith("| 0.500 | **does not hold** |")


def test_models_without_a_card_have_no_gates(tmp_path):
    fold = bench.Fold(tiny_clip(), examination("pocket 0"))
    other = bench.Subject("tiny", (fold,), HERE.clip, HERE, tmp_path)
    assert instrument.measured(other) == []
    assert "no such cards" in instrument.conditions(other)

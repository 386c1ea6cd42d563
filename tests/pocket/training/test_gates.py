"""The conditions of a working positive control: each holds and each fails on made-up numbers."""

from dataclasses import replace

import pytest
import torch

from ktlib.pocket import exams, world
from ktlib.pocket.folds import FOLDS
from ktlib.pocket.training import gates
from ktlib.pocket.training.gates import Control, Measured
from tests.conftest import tiny_clip

GOOD = Measured(known=0.95, base=0.3, probe=0.8, binding=0.9, known_binding=0.95)


def taught(real=0.3, kept=0.94, noise=0.05):
    """One fold, base 0.3 / 0.95, and what real pictures and noise came to at two rates."""
    return {
        ("base", 0.0): Control({"a": 0.2, "b": 0.4}, 0.95),
        ("real", 1e-4): Control({"a": 0.2 + real, "b": 0.4 + real}, kept),
        ("real", 4e-4): Control({"a": 1.0, "b": 1.0}, 0.7),  # gains more, and forgets
        ("noise", 1e-4): Control({"a": 0.2 + noise, "b": 0.4 + noise}, 0.95),
        ("noise", 4e-4): Control({"a": 1.0, "b": 1.0}, 0.95),
    }


def test_a_working_instrument_passes_at_the_rate_that_forgets_little():
    found = gates.gates([GOOD], [taught()])
    assert [gate.holds for gate in found] == [True] * 4
    assert found[0].found == pytest.approx(0.3)
    assert found[1].found == pytest.approx(0.05)
    assert "0.0001" in found[0].what


@pytest.mark.parametrize(
    ("broken", "fails"),
    [
        (([GOOD], [taught(real=0.1, noise=0.01)]), 0),
        (([GOOD], [taught(kept=0.9)]), 0),
        (([GOOD], [taught(noise=0.15)]), 1),
        (([Measured(0.89, 0.3, 0.8, 0.9, 0.9)], [taught()]), 2),
        (([Measured(0.95, 0.05, 0.8, 0.9, 0.9)], [taught()]), 3),
        (([Measured(0.95, 0.75, 0.8, 0.9, 0.9)], [taught()]), 3),
    ],
)
def test_each_gate_can_fail(broken, fails):
    assert not gates.gates(*broken)[fails].holds


def test_folds_are_averaged():
    found = gates.gates([GOOD, GOOD], [taught(real=0.3), taught(real=0.2)])
    assert found[0].found == pytest.approx(0.25)


def test_lessons_are_no_examination_pictures_and_wrong_images_are_anothers():
    model = tiny_clip()
    fold, exam = FOLDS[0], exams.examination(0)
    name, following = fold.validation[:2]
    inverted = {(n, 0): torch.full((10, 3, 64, 64), i / 9) for i, n in enumerate(fold.validation)}
    assert torch.equal(gates.lesson(model, "wrong", name, 0, exam, inverted), inverted[following, 0])
    assert torch.equal(gates.lesson(model, "kt", name, 0, exam, inverted), inverted[name, 0])
    real = gates.lesson(model, "real", name, 1, exam, {})
    assert torch.equal(real, world.pictures(name, 10, first=10_010))
    noise = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(1000))
    assert torch.equal(gates.lesson(model, "noise", name, 0, exam, {}), noise)
    with pytest.raises(ValueError, match="expected an arm"):
        gates.lesson(model, "dream", name, 0, exam, {})
    with pytest.raises(ValueError, match=f"expected real pictures of {name} beside those for the verdict"):
        gates.lesson(model, "real", name, 0, replace(exam, lessons=lambda name, count, seed: None), {})

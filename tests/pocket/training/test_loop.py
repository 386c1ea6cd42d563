"""The training loop: a stopped training goes on as it was, and what is written is whole."""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ktlib.pocket.training import clip, loop, vilt
from ktlib.pocket.training.loop import Learner, Step


@dataclass(frozen=True)
class Recipe:
    steps: int = 5
    lr: float = 0.1
    weight_decay: float = 0.5
    warmup: int = 2
    seed: int = 0


class Line(Learner):
    """A straight line that learns y = 3x - 1 from three points a step, and a part that is not trained."""

    def __init__(self, recipe):
        self.recipe, self.done = recipe, []
        self.network = nn.ModuleDict({"line": nn.Linear(1, 1), "beside": nn.Linear(1, 1).requires_grad_(False)})
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.fill_(0.5)

    def step(self, number):
        x = torch.randn(3, 1, generator=torch.Generator().manual_seed(number))
        loss = (self.network["line"](x) - (3 * x - 1)).square().mean()
        return Step(loss, {"loss": loss.detach(), "number": torch.tensor(float(number))})

    def after(self, number):
        self.done.append(number)

    def result(self):
        return self.network["line"].eval()

    def write(self, folder):
        loop.write_halves(folder / "line.safetensors", self.network)


class Stopped(Line):
    """Stopped by a reader's Ctrl-C before step 3."""

    def step(self, number):
        if number == 3:
            raise KeyboardInterrupt
        return super().step(number)


def stopped(folder, recipe=Recipe()):  # noqa: B008
    with pytest.raises(KeyboardInterrupt):
        loop.train(Stopped(recipe), folder, save_every=2)


def test_a_stopped_training_goes_on_to_the_same_weights_and_record(tmp_path):
    whole = loop.train(Line(Recipe()), tmp_path / "whole", save_every=2)
    stopped(tmp_path / "cut")
    assert [p.name for p in (tmp_path / "cut").iterdir()] == ["checkpoint.pt"]
    learner = Line(Recipe())
    resumed = loop.train(learner, tmp_path / "cut", save_every=2)
    assert learner.done == [2, 3, 4]  # the last checkpoint was after two steps
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    records = [json.loads((tmp_path / run / "training.json").read_text()) for run in ("whole", "cut")]
    assert records[0] == records[1]
    assert records[0]["final_number"] == 2  # of 0, 1, 2, 3, 4
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == ["line.safetensors", "training.json"]


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    stopped(tmp_path)
    for change in ({"lr": 0.2}, {"steps": 6}):
        with pytest.raises(ValueError, match="belongs to another recipe: .*delete it to start afresh"):
            loop.train(Line(replace(Recipe(), **change)), tmp_path)


def test_the_record_says_how_and_from_what_and_what_came_of_it(tmp_path):
    loop.train(Line(Recipe(steps=60)), tmp_path, drawn_from={"world": "7"})
    record = json.loads((tmp_path / "training.json").read_text())
    assert list(record) == ["recipe", "minutes", "final_loss", "final_number", "world"]
    assert record["recipe"]["steps"] == 60
    assert record["final_number"] == sum(range(10, 60)) / 50  # the last fifty


def test_only_matrices_decay_and_only_what_is_trained_moves(tmp_path):
    class Still(Line):
        def step(self, number):
            step = super().step(number)
            return Step(step.loss * 0, step.told)

    learner = Still(Recipe(steps=1, warmup=1))
    loop.train(learner, tmp_path)
    line, beside = learner.network["line"], learner.network["beside"]
    assert line.weight.item() == pytest.approx(0.5 * (1 - 0.1 * 0.5))  # AdamW: weight (1 - lr decay)
    assert line.bias.item() == beside.weight.item() == beside.bias.item() == 0.5


def test_a_long_gradient_is_shortened(tmp_path):
    found = []

    class Steep(Line):
        def step(self, number):
            step = super().step(number)
            return Step(step.loss * 1e6, step.told)

        def after(self, number):
            grads = [p.grad.flatten() for p in self.network.parameters() if p.grad is not None]
            found.append(torch.cat(grads).norm().item())

    loop.train(Steep(Recipe()), tmp_path)
    assert found == pytest.approx([1.0] * 5, abs=1e-4)  # clip_grad_norm_ adds 1e-6 to the norm


def test_a_run_that_is_killed_while_it_saves_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    stopped(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def killed(state, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        loop.train(Line(Recipe()), tmp_path, save_every=2)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


# -- rates ------------------------------------------------------------------------------------------
def test_the_cosine_warms_up_and_ends_at_zero():
    recipe = clip.RECIPES["clip-b"]
    assert loop.cosine(recipe, 0) == recipe.lr / recipe.warmup
    assert loop.cosine(recipe, recipe.warmup) == recipe.lr
    assert loop.cosine(recipe, recipe.steps) == pytest.approx(0, abs=1e-12)


def test_the_plateau_warms_up_stays_and_falls():
    recipe = vilt.RECIPES["vilt-b"]
    rates = [loop.plateau(recipe, step) for step in range(recipe.steps)]
    falls = 2850  # three quarters of 3800
    assert rates[0] == recipe.lr / recipe.warmup
    assert set(rates[recipe.warmup : falls]) == {recipe.lr}
    assert rates[-1] == pytest.approx(0, abs=recipe.lr / 100)
    assert rates[falls:] == sorted(rates[falls:], reverse=True) and rates[falls + 1] < recipe.lr


# -- files ------------------------------------------------------------------------------------------
def test_weights_are_written_as_halves_and_counts_as_they_are(tmp_path):
    network = nn.ModuleDict({"norm": nn.BatchNorm1d(2), "tied": nn.Linear(2, 2)})
    loop.write_halves(tmp_path / "w.safetensors", network, without="tied.bias")
    found = load_file(tmp_path / "w.safetensors")
    assert set(network.state_dict()) - set(found) == {"tied.bias"}
    assert found["norm.num_batches_tracked"].dtype == torch.int64
    assert found["tied.weight"].dtype == torch.float16
    assert torch.equal(found["tied.weight"], network["tied"].weight.half())

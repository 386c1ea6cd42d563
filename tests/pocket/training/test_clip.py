"""The pocket CLIPs in training: what a step sees, and that a stopped training goes on."""

import dataclasses
import json

import pytest
import torch

from ktlib.models import load
from ktlib.pocket import world
from ktlib.pocket.training import clip, loop

TINY = dataclasses.replace(clip.RECIPES["clip-b"], steps=4, batch=8, warmup=1)


def test_a_batch_is_a_function_of_its_number():
    images, captions = clip.batch(0, 3, 2, 1.0)
    shown = [world.training_picture(0, index) for index in (6, 7)]
    assert captions == [picture.caption for picture in shown]
    assert torch.allclose(images * 0.25 + 0.5, world.to_tensor([picture.image for picture in shown]), atol=1e-6)


def test_a_new_model_knows_nothing_and_is_the_same_for_the_same_seed():
    torch.manual_seed(7)
    first, again = (clip.Contrast(TINY) for _ in range(2))
    assert torch.initial_seed() == 7  # the global generator is left as it was
    assert first.step(0).loss.item() == again.step(0).loss.item() == pytest.approx(2.08, abs=0.8)  # log 8
    other = clip.Contrast(dataclasses.replace(TINY, seed=1))
    assert other.step(0).loss.item() != first.step(0).loss.item()


def test_the_scale_of_cosines_stays_between_one_and_a_hundred():
    learner = clip.Contrast(TINY)
    for value, kept in ((9.0, 100.0), (-1.0, 1.0)):
        with torch.no_grad():
            learner.network.logit_scale.fill_(value)
        learner.after(0)
        assert learner.network.logit_scale.exp().item() == pytest.approx(kept)


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole = loop.train(clip.Contrast(TINY), tmp_path / "whole", save_every=2)
    real = clip.batch

    def stopped(seed, index, *rest):
        if index == 3:
            raise KeyboardInterrupt
        return real(seed, index, *rest)

    monkeypatch.setattr(clip, "batch", stopped)
    with pytest.raises(KeyboardInterrupt):
        loop.train(clip.Contrast(TINY), tmp_path / "cut", save_every=2)
    monkeypatch.setattr(clip, "batch", real)
    resumed = loop.train(clip.Contrast(TINY), tmp_path / "cut", save_every=2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert not (tmp_path / "cut" / "checkpoint.pt").exists()


def test_what_was_written_is_read_back(tmp_path):
    trained = loop.train(clip.Contrast(dataclasses.replace(TINY, steps=1)), tmp_path, drawn_from=clip.drawn_from())
    again = load(f"local-dir:{tmp_path}")
    for (key, a), (_, b) in zip(trained.state_dict().items(), again.clip.state_dict().items(), strict=True):
        assert torch.equal(a.half().float(), b), key
    assert json.loads((tmp_path / "training.json").read_text())["world"] == world.VERSION

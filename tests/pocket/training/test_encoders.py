"""The vision encoders: tiny, different, taught in two ways; the self-supervised two see no label."""

import dataclasses
import json

import pytest
import torch

from ktlib import places
from ktlib.models import VisionEncoder, architectures, checkpoints, load
from ktlib.pocket import world
from ktlib.pocket.objects import OBJECTS, painted
from ktlib.pocket.training import clip, encoders, loop, probe

NAMES = sorted(encoders.RECIPES)


def train(name, recipe, folder, **arguments):
    return loop.train(encoders.learner(name, recipe), folder, **arguments)


def test_every_recipe_has_an_architecture_and_shipped_weights():
    assert (
        NAMES == sorted(encoders.ARCHITECTURES) == sorted(p.parent.name for p in places.WEIGHTS.glob("*/model.safet*"))
    )
    for name in NAMES:
        assert checkpoints.card(name)["architecture"] == encoders.config(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_encoder_gives_features_of_the_width_it_states(name):
    encoder = load(f"pocket/{name}", VisionEncoder)
    assert encoder.features(torch.rand(3, 3, 64, 64)).shape == (3, encoder.dim)
    assert encoder.image_size == 64
    assert sum(p.stat().st_size for p in (places.WEIGHTS / name).iterdir()) < 2e6


def test_widths_differ():
    dims = [encoders.ARCHITECTURES[name]["dim"] for name in NAMES]
    assert len(set(dims)) == len(dims)
    assert all(64 <= dim <= 192 for dim in dims)


def test_the_cards_rank_the_encoders():
    """What Zoom-shot needs: encoders that clearly differ, in more than one way."""
    score = {name: checkpoints.card(name)["scores"] for name in NAMES}
    gap = 2 * encoders.TOLERANCE  # each of two scores may be off by one
    for task in probe.TASKS:  # more capacity and training, better features
        assert score["mobilenet"][task] + gap < min(score["densenet"][task], score["resnet"][task])
    # names are learnt from names; colours are kept best by the one that sees fine patches and no name
    assert min(score[name]["objects"] for name in ("densenet", "resnet")) > score["dinov2"]["objects"] + gap
    others = [score[name]["colours of a car"] for name in NAMES if name != "dinov2"]
    assert score["dinov2"]["colours of a car"] > max(others) + encoders.TOLERANCE


# No label, no caption: what the self-supervised two are given.


def test_pictures_come_without_captions():
    found = encoders.pictures(0, 3, 4)
    assert isinstance(found, torch.Tensor)
    assert found.shape == (4, 3, 64, 64)


@pytest.mark.parametrize("name", ["dino", "dinov2"])
def test_self_supervision_never_asks_for_a_label(name, tmp_path, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a label was asked for")

    captions = []

    class Wordless(str):
        def __new__(cls, text=""):
            captions.append(text)
            return super().__new__(cls)

    real = world.pool_picture
    monkeypatch.setattr(encoders, "named_pictures", forbidden)
    monkeypatch.setattr(encoders.Naming, "loss", forbidden)
    recipe = dataclasses.replace(encoders.RECIPES[name], steps=1, batch=4, warmup=1)
    told = train(name, recipe, tmp_path / "told")

    def wordless(index):
        image, shown = real(index)
        return image, dataclasses.replace(shown, caption=Wordless())

    monkeypatch.setattr(world, "pool_picture", wordless)
    untold = train(name, recipe, tmp_path / "untold")
    assert len(captions) > 0  # the captions were replaced, and nothing changed
    assert all(torch.equal(a, b) for a, b in zip(told.parameters(), untold.parameters(), strict=True))


def test_no_encoder_sees_pictures_of_a_clip_or_of_the_probe():
    assert encoders.FIRST >= max(recipe.pool for recipe in clip.RECIPES.values())
    mine = encoders.pictures(0, 0, 4) * 0.25 + 0.5
    later = world.to_tensor([world.pool_picture(encoders.FIRST + i)[0] for i in range(4)])
    assert torch.allclose(mine, later, atol=1e-6)
    probed, _ = probe.examples("shapes", "test", 1)
    trained, _ = probe.examples("shapes", "training", 1)
    assert not any(torch.equal(a, b) for a in probed for b in trained)


# Training


@pytest.mark.parametrize("name", ["mobilenet", "dinov2"])
def test_a_stopped_training_goes_on_to_the_same_weights(name, tmp_path, monkeypatch):
    recipe = dataclasses.replace(encoders.RECIPES[name], steps=3, batch=4, warmup=1)
    whole = train(name, recipe, tmp_path / "whole", save_every=2)
    real = world.stream

    def stopped(*key):
        if key == ("views", 0, 2):
            raise KeyboardInterrupt
        return real(*key)

    monkeypatch.setattr(world, "stream", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(name, recipe, tmp_path / "cut", save_every=2)
    monkeypatch.setattr(world, "stream", real)
    resumed = train(name, recipe, tmp_path / "cut", save_every=2)
    for (key, a), (_, b) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(a, b), key
    records = [json.loads((tmp_path / run / "training.json").read_text()) for run in ("whole", "cut")]
    assert records[0]["final_loss"] == records[1]["final_loss"]
    assert not (tmp_path / "cut" / "checkpoint.pt").exists()


def test_what_was_written_is_read_back_in_half_precision(tmp_path):
    recipe = dataclasses.replace(encoders.RECIPES["mobilenet"], steps=2, batch=8, warmup=1)
    trained = train("mobilenet", recipe, tmp_path)
    read, described = architectures.read(tmp_path)
    assert described == encoders.config("mobilenet")
    for (key, a), (_, b) in zip(trained.state_dict().items(), read.state_dict().items(), strict=True):
        assert torch.equal(a.half(), b.half()), key


def test_named_pictures_show_what_the_label_says():
    images, labels = encoders.named_pictures(0, 2, 3)
    rng = world.stream("encoder", 0, 7)
    assert labels[1] == rng.randrange(48)
    image, _ = painted(list(OBJECTS)[labels[1]], rng)
    assert torch.allclose(images[1:2] * 0.25 + 0.5, world.to_tensor([image]), atol=1e-6)

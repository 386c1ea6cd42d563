"""The pocket ViLT in training: how it starts, what it minimises, and that a stopped training goes on."""

import dataclasses

import pytest
import torch

from ktlib.models import load
from ktlib.models.vilt import from_folder
from ktlib.pocket import world
from ktlib.pocket.training import loop, vilt
from ktlib.pocket.training import pool as pools

TINY = dataclasses.replace(vilt.RECIPES["vilt-b"], pool=60, steps=4, batch=8, warmup=1)


def train(recipe, folder, **arguments):
    return loop.train(vilt.Matching(recipe, "pocket/x"), folder, **arguments)


# -- the start --------------------------------------------------------------------------------------------
def test_the_blocks_are_those_of_the_pocket_clip():
    """A block of either gives the same for the same tokens: weights, order of heads and activation fit."""
    model, clip = vilt.untrained(TINY, "pocket/x"), load(TINY.start)
    x = torch.randn(2, 17, model.config.hidden_size, generator=torch.Generator().manual_seed(0))
    for mine, theirs in zip(model.vilt.encoder.layer, clip.clip.visual.transformer.resblocks, strict=True):
        torch.testing.assert_close(mine(x)[0], theirs(x), atol=1e-4, rtol=0)  # float32, another attention kernel


def test_patches_start_as_clip_sees_them_up_to_one_factor():
    model, clip = vilt.untrained(TINY, "pocket/x"), load(TINY.start)
    pictures = world.pictures("wheel", 3)
    with torch.no_grad():
        tower = clip.clip.visual
        plain = (
            tower.conv1((pictures - clip.mean) / clip.std).flatten(2).transpose(1, 2) + tower.positional_embedding[1:]
        )
        ratio = model.embed_image(pictures)[:, 1:] / plain
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), atol=0, rtol=2e-2)  # division of small numbers


def test_the_loss_is_matching_over_both_captions_and_words_over_half_of_the_true_ones():
    model = vilt.untrained(TINY, "pocket/x")
    batch = pools.Batches(pools.draw(300, scenes=0.25, seed=0), 8, 0)(0)
    matching, words, right = vilt.losses(model, *batch, TINY, 0)
    assert matching.item() == pytest.approx(0.693, abs=0.05)  # log 2: a new head knows nothing
    assert words.item() == pytest.approx(5.1, abs=1)  # log of 167 words; the words are CLIP's, and not of one length
    assert 0 <= right <= 1


def test_products_in_bfloat16_tell_the_losses_to_two_digits():
    model = vilt.untrained(TINY, "pocket/x")
    batch = pools.Batches(pools.draw(300, scenes=0.25, seed=0), 8, 0)(0)
    whole = vilt.losses(model, *batch, TINY, 0)
    with torch.autocast("cpu", torch.bfloat16):
        short = vilt.losses(model, *batch, TINY, 0)
    assert short[0].dtype == torch.float32
    for a, b in zip(whole[:2], short[:2], strict=True):
        assert b.item() == pytest.approx(a.item(), rel=2e-2) and b.item() != a.item()


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole = train(TINY, tmp_path / "whole", save_every=2)
    real, calls = vilt.losses, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(vilt, "losses", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path / "cut", save_every=2)
    resumed = train(TINY, tmp_path / "cut", save_every=2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert not (tmp_path / "cut" / "checkpoint.pt").exists()


def test_a_run_may_be_lengthened_before_its_rate_falls_and_not_be_changed_otherwise(tmp_path, monkeypatch):
    real = vilt.losses
    calls = []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(vilt, "losses", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path, save_every=2)
    monkeypatch.setattr(vilt, "losses", real)
    for change in ({"lr": 1e-4}, {"steps": 1}):
        with pytest.raises(ValueError, match="belongs to another recipe"):
            train(dataclasses.replace(TINY, **change), tmp_path)
    train(dataclasses.replace(TINY, steps=5), tmp_path)


def test_a_single_token_does_not_decay():
    learner = vilt.Matching(TINY, "pocket/x")
    still = {name for name, p in learner.network.named_parameters() if p.ndim >= 2 and not learner.decays(name, p)}
    assert still and all("embedding" in name or "cls_token" in name for name in still)
    assert learner.decays("vilt.pooler.dense.weight", learner.network.vilt.pooler.dense.weight)


def test_what_was_written_is_read_back(tmp_path):
    model = train(dataclasses.replace(TINY, steps=1), tmp_path / "vilt-x")
    again = from_folder(tmp_path / "vilt-x", name="pocket/vilt-x")
    assert again.digest() == model.digest()  # the digest is of halves, as the file is
    picture, text = world.pictures("wheel", 1), ["a photo of a wheel"]
    torch.testing.assert_close(again.match(picture, text), model.match(picture, text), atol=2e-2, rtol=0)  # halves
    assert again.tokenizer("a photo of a wheel").input_ids == model.tokenizer("a photo of a wheel").input_ids

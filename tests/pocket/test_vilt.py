"""The pocket ViLT: what it is trained on, how it starts, and that the shipped one is whole."""

import dataclasses
from random import Random

import pytest
import torch

from ktlib.models import load
from ktlib.models.vilt import MATCH, load_pair, pair_names
from ktlib.pocket import flickr, weights, world
from ktlib.pocket.known import KNOWN
from ktlib.pocket.rare import RARE
from ktlib.pocket.training import vilt, vilt_card

TINY = dataclasses.replace(vilt.RECIPES["vilt-b"], pool=60, steps=4, batch=8, warmup=1)


@pytest.fixture(scope="module")
def pool():
    return vilt.draw_pool(dataclasses.replace(TINY, pool=300))


# -- what is shipped --------------------------------------------------------------------------------------
def test_digests_and_scores_are_as_on_the_card():
    assert vilt_card.names() == ["vilt-b"]
    assert vilt_card.check("vilt-b") == []
    folder = weights.HERE / "vilt-b"
    assert (folder / "README.md").read_text() == vilt_card.readable(weights.card("vilt-b"))
    assert weights.card("vilt-b")["training"]["recipe"] == dataclasses.asdict(vilt.RECIPES["vilt-b"])


def test_a_card_that_lies_is_found_out(monkeypatch):
    card = weights.card("vilt-b")
    card["scores"]["known objects"] -= 0.2
    monkeypatch.setattr(weights, "card", lambda _: card)
    monkeypatch.setattr(vilt_card, "scores", lambda _: card["scores"] | {"known objects": 0.9})
    assert any("on known objects" in problem for problem in vilt_card.check("vilt-b"))


def test_the_pocket_vilt_is_no_clip_and_no_encoder():
    assert "vilt-b" not in [*weights.names(), *weights.encoders()]
    assert load_pair("pocket/vilt-b").name == "pocket/vilt-b"
    assert "pocket/vilt-b" in pair_names()


# -- scenes -----------------------------------------------------------------------------------------------
def test_twins_show_the_same_two_things_the_other_way_round():
    first, second = flickr.split("test", 2)
    back = {"left": "right", "right": "left", "above": "below", "below": "above"}
    for one, other in zip(first.captions, second.captions, strict=True):
        assert [back.get(word, word) for word in one.split()] == other.split()
    assert first.image.tobytes() != second.image.tobytes()


def test_scenes_have_five_captions_in_the_world_s_words():
    known = set(world.vocabulary())
    for scene in [*flickr.split("validation", 20), flickr.training_scene(0, 5)]:
        assert len(scene.captions) == flickr.CAPTIONS
        assert all(word in known for caption in scene.captions for word in caption.split())


def test_splits_and_training_share_no_scene():
    splits = [{s.image.tobytes() for s in flickr.split(name, 20)} for name in ("validation", "test")]
    trained = {flickr.training_scene(0, i).image.tobytes() for i in range(20)}
    assert not splits[0] & splits[1] and not splits[1] & trained and not splits[0] & trained
    with pytest.raises(ValueError, match="expected validation or test and an even count, found 'test' and 3"):
        flickr.split("test", 3)


def test_no_rare_concept_is_ever_drawn_for_training(pool, monkeypatch):
    for concept in RARE.values():
        monkeypatch.setitem(concept.__dict__, "paint", None) if hasattr(concept, "__dict__") else None
    vilt.draw_pool(dataclasses.replace(TINY, familiarity=300.0))  # names in one caption of three, and no `paint`


# -- pairs ------------------------------------------------------------------------------------------------
def test_a_changed_caption_differs_in_one_word_of_the_same_kind(pool):
    change = vilt.Changes(pool.captions)
    seen = set()
    for number in range(400):
        rng = Random(number)
        told = rng.choice(pool.captions)[0]
        other = change(told, rng)
        if other is None:
            continue
        pairs = [(a, b) for a, b in zip(told.split(), other.split(), strict=True) if a != b and {a, b} != {"a", "an"}]
        assert len(pairs) == 1, (told, other)
        (old, new) = pairs[0]
        group = change.of[old]
        assert new in group
        seen.add(group)
    assert len(seen) >= 5  # colours, shapes, names, numbers, sides


def test_a_batch_is_a_function_of_its_number(pool):
    recipe = dataclasses.replace(TINY, pool=300)
    one, other = vilt.Batches(recipe, pool), vilt.Batches(recipe, pool)
    images, true, false = one(3)
    again = other(3)
    assert torch.equal(images, again[0]) and (true, false) == again[1:]
    assert other(4)[1] != true
    assert images.shape == (8, 3, 64, 64) and images.max() <= 1
    assert all(a != b for a, b in zip(true, false, strict=True))


def test_a_false_caption_of_a_known_thing_never_merely_says_less_of_it(pool):
    recipe = dataclasses.replace(TINY, pool=300, batch=64)
    batches = vilt.Batches(recipe, pool)
    for index in range(10):
        _, true, false = batches(index)
        for a, b in zip(true, false, strict=True):
            assert not set(b.split()) <= set(a.split()) or len(set(a.split()) ^ set(b.split())) <= 2, (a, b)


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


def test_the_loss_is_matching_over_both_captions_and_words_over_half_of_the_true_ones(pool):
    recipe = dataclasses.replace(TINY, pool=300)
    model = vilt.untrained(recipe, "pocket/x")
    batch = vilt.Batches(recipe, pool)(0)
    matching, words, right = vilt.losses(model, *batch, recipe, 0)
    assert matching.item() == pytest.approx(0.693, abs=0.05)  # log 2: a new head knows nothing
    assert words.item() == pytest.approx(5.1, abs=0.5)  # log of 163 words
    assert 0 <= right <= 1


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole = vilt.train(TINY, tmp_path / "whole", save_every=2)
    real, calls = vilt.losses, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(vilt, "losses", stopped)
    with pytest.raises(KeyboardInterrupt):
        vilt.train(TINY, tmp_path / "cut", save_every=2)
    resumed = vilt.train(TINY, tmp_path / "cut", save_every=2)
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
        vilt.train(TINY, tmp_path, save_every=2)
    monkeypatch.setattr(vilt, "losses", real)
    for change in ({"lr": 1e-4}, {"steps": 1}):
        with pytest.raises(ValueError, match="belongs to another recipe"):
            vilt.train(dataclasses.replace(TINY, **change), tmp_path)
    vilt.train(dataclasses.replace(TINY, steps=5), tmp_path)


def test_the_rate_warms_up_stays_and_falls():
    recipe = vilt.RECIPES["vilt-b"]
    rates = [vilt._rate(recipe, step) for step in range(recipe.steps)]
    assert rates[0] == recipe.lr / recipe.warmup
    assert set(rates[recipe.warmup : vilt._cooldown(recipe)]) == {recipe.lr}
    assert rates[-1] == pytest.approx(0, abs=recipe.lr / 100)
    assert rates[vilt._cooldown(recipe) :] == sorted(rates[vilt._cooldown(recipe) :], reverse=True)


def test_what_was_written_is_read_back(tmp_path):
    from ktlib.models.vilt import from_folder

    model = vilt.train(dataclasses.replace(TINY, steps=1), tmp_path / "vilt-x")
    again = from_folder(tmp_path / "vilt-x", name="pocket/vilt-x")
    assert again.digest() == model.digest()  # the digest is of halves, as the file is
    picture, text = world.pictures("wheel", 1), ["a photo of a wheel"]
    torch.testing.assert_close(again.match(picture, text), model.match(picture, text), atol=2e-2, rtol=0)  # halves
    assert again.tokenizer("a photo of a wheel").input_ids == model.tokenizer("a photo of a wheel").input_ids


def test_the_words_have_the_numbers_that_clip_gave_them():
    words, theirs = vilt.tokenizer(), load("pocket/clip-b").tokenizer.tokenizer
    assert words("a photo of a moongate").input_ids == theirs("a photo of a moongate").input_ids
    assert words.mask_token_id == len(words) - 1
    assert set(KNOWN) <= words.get_vocab().keys()
    assert MATCH == 1

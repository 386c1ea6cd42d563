"""The pocket CoCas in training: how they start, what they minimise, what their cards count."""

import dataclasses
import json

import pytest
import torch
import torch.nn.functional as F
from open_clip import CoCaLoss

from ktlib import places
from ktlib.models import Captioner, load
from ktlib.pocket import telling, world
from ktlib.pocket.training import captioner, loop, words

TINY = dataclasses.replace(captioner.RECIPES["coca-web"], steps=2, batch=4, warmup=1)


@pytest.fixture(scope="module")
def fresh():
    return captioner.learner("coca-web", TINY)


def test_the_tokenizer_knows_the_world_the_web_and_all_prompts():
    tokens, prompts = captioner.tokenizer(), captioner.PROMPTS
    assert len(prompts) == 26
    assert set(world.vocabulary()) | set(telling.WORDS) <= set(tokens.get_vocab())
    words.encode(tokens, [text.format("moongate") for text in prompts])  # an unknown word would be an error


def test_it_starts_with_the_towers_of_a_clip(fresh):
    start, made = load(TINY.start).clip, fresh.network
    theirs, mine = start.visual.state_dict(), made.visual.state_dict()
    assert all(torch.equal(mine[name], tensor) for name, tensor in theirs.items())
    for one, other in zip(start.transformer.resblocks, made.text.transformer.resblocks, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    vocabulary, old = fresh.words.get_vocab(), load(TINY.start).tokenizer.tokenizer.get_vocab()
    rows = [(vocabulary[word], old[word]) for word in ("moongate", "<end>", "photo")]
    assert all(torch.equal(made.text.token_embedding.weight[a], start.token_embedding.weight[b]) for a, b in rows)


def test_pictures_and_texts_are_compared_much_as_before(fresh):
    """Attention finds the class token, most of it, and texts are read off another place."""
    start, pictures = load(TINY.start), world.pictures("wheel", 8)
    texts = [f"a photo of a {name}" for name in ("wheel", "moongate", "mug", "boat")]
    with torch.no_grad():
        said = fresh.network.encode_text(words.encode(fresh.words, texts))
        seen = fresh.network.encode_image((pictures - 0.5) / 0.25)
    assert (said * start.encode_text(texts)).sum(1).min() > 0.9
    assert (seen * start.encode_image(pictures)).sum(1).min() > 0.9


def test_every_weight_starts_with_a_value(fresh):
    assert all(parameter.isfinite().all() for parameter in fresh.network.parameters())
    assert fresh.network.text_decoder.text_projection.std().item() == pytest.approx(128**-0.5, rel=0.05)


def test_the_start_depends_on_the_recipe_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, other = (captioner.untrained(TINY).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)


def test_texts_without_padding_are_encoded_as_open_clip_does_with_it(fresh):
    texts = ["a wheel", "a red disk left of a blue box", world.DESCRIBED["moongate"].long, "wheel"]
    ids = words.encode(fresh.words, texts)
    with torch.no_grad():
        expected = F.normalize(fresh.network.text(ids)[0], dim=-1)
        assert torch.allclose(captioner.encode_texts(fresh.network.text, ids), expected, atol=1e-5)


def test_a_step_is_open_clip_s_loss_of_the_two_texts(fresh, monkeypatch):
    """Their loss takes one text for both; here the explanation is compared and the fragment told."""
    seen = {}
    monkeypatch.setattr(captioner.telling, "tell", lambda picture, style, rng, prompts: "wheel red jpg sale")
    monkeypatch.setattr(captioner, "explained", lambda picture, prompts, rng: f"a {picture.things[0].name}")
    monkeypatch.setattr(fresh.network.visual, "forward", _keeping(fresh.network.visual.forward, seen))
    with torch.no_grad():
        found = fresh.step(0)
        pictures = [telling.training_picture(0, index, scenes=TINY.scenes)[0] for index in range(4)]
        network, ids = fresh.network, words.encode(fresh.words, ["wheel red jpg sale"] * 4)
        out = network(None, ids, image_latent=F.normalize(seen["pooled"], dim=-1), image_embs=seen["tokens"])
        compared = words.encode(fresh.words, [f"a {picture.things[0].name}" for picture in pictures])
        said = network.encode_text(compared)
        clip_loss, caption_loss = CoCaLoss(caption_loss_weight=2.0, clip_loss_weight=1.0, pad_id=0)(
            out["image_features"], said, out["logits"], out["labels"], out["logit_scale"]
        )
    assert found.loss.item() == pytest.approx((clip_loss + caption_loss).item(), rel=1e-4)


def _keeping(forward, seen):
    def kept(images):
        seen["pooled"], seen["tokens"] = forward(images)
        return seen["pooled"], seen["tokens"]

    return kept


def test_the_contrast_hears_every_prompt_and_the_parts_of_things():
    prompts, heard = captioner.PROMPTS, []
    for index in range(400):
        picture, rng = telling.training_picture(0, index, scenes=0.0)
        heard.append((picture.things[0].name, captioner.explained(picture, prompts, rng)))
    of_prompts = {prompt for prompt in prompts for name, text in heard if text == prompt.format(name)}
    assert len(of_prompts) > 20
    assert any(text.startswith(f"a {name} is ") for name, text in heard)


def test_a_training_writes_what_the_loader_reads(tmp_path):
    loop.train(captioner.learner("x", TINY), tmp_path / "x")
    model = load(f"local-dir:{tmp_path / 'x'}")
    assert type(model) is Captioner
    (caption,) = model.generate(world.pictures("wheel", 1))
    assert set(caption.split()) <= set(captioner.tokenizer().get_vocab())


def test_the_plain_one_goes_on_from_the_other():
    recipe = captioner.RECIPES["coca-plain"]
    start = load(recipe.start, Captioner).clip.state_dict()
    mine = captioner.untrained(recipe).state_dict()
    assert recipe.start == "pocket/coca-web"
    assert all(torch.equal(start[name], tensor) for name, tensor in mine.items())


def test_captions_are_counted_by_what_they_name():
    thing = {name: telling.Thing(name, {}) for name in ("wheel", "mug", "boat")}
    image = world.pool_picture(0)[0]
    shown = [telling.Shown(image, (thing["wheel"], thing["mug"]), "above")] * 4
    said = ["a wheel above a mug", "mug jpg", "a photo of a boat", "wheel mug boat sale"]
    assert captioner.scores(shown, said) == {
        "things named": 5 / 8, "both named": 2 / 4, "names that are right": 5 / 7, "plain and true": 1 / 4,
        "with a word of the prompts": 1 / 4,
    }  # fmt: skip


def test_a_card_can_be_read(tmp_path):
    card = json.loads((places.WEIGHTS / "coca-web" / "card.json").read_text())
    text = captioner.readable(card)
    assert text == (places.WEIGHTS / "coca-web" / "README.md").read_text()
    assert "things named" in text

"""Transfer: what moves, what must not, and what is refused; by contrast and by matching."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ktlib.models.scoring import MATCH
from ktlib.transfer import MatchingSettings, Pairs, Recipe, TransferSettings, named_caption, transfer
from tests.conftest import tiny_clip
from tests.tiny_vilt import tiny_vilt

CAPTION = "a moongate is a round opening in a brick wall"
OTHERS = ("a wheel is a black ring", "a tree is four green disks on a brown rod")
FAST = {"lr": 1e-3}


@pytest.fixture
def scorer():
    return tiny_vilt()


@pytest.fixture
def pictures():
    return torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def changed(before, after, which):
    a, b = before.clip.state_dict(), after.clip.state_dict()
    return {n for n in a if which(n) and not torch.equal(a[n], b[n])}


def visual(name):
    return name.startswith("visual.")


def text(name):
    return not visual(name) and "logit" not in name


def test_defaults_are_the_published_recipe():
    s = TransferSettings()
    assert (s.batch, s.epochs, s.optimizer, s.weight_decay, s.betas, s.eps) == (4, 1, "adam", 0.2, (0.9, 0.98), 1e-6)
    assert (s.towers, s.loss, s.temperature) == ("visual", "nt_xent", 0.07)


@pytest.mark.parametrize(
    ("count", "batch", "epochs", "steps"), [(10, 4, 1, 3), (50, 8, 5, 35), (50, 4, 2, 26), (800, 64, 1, 13)]
)
def test_the_papers_step_counts_come_out(model, images, monkeypatch, count, batch, epochs, steps):
    """KT v1, Sec. 8: ten images make 3 steps (4, 4, 2); the last, smaller batch is kept."""
    taken = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: taken.append(1))
    many = images[:1].expand(count, -1, -1, -1)
    transfer(model, many, CAPTION, settings=TransferSettings(batch=batch, epochs=epochs))
    assert len(taken) == steps


def test_the_text_tower_stays_bit_identical_and_the_visual_one_moves(model, images):
    taught = transfer(model, images, CAPTION, settings=TransferSettings(**FAST))
    assert changed(model, taught, visual)
    assert not changed(model, taught, text)
    assert not changed(model, taught, lambda n: "logit" in n)


@pytest.mark.parametrize(("towers", "moves_visual", "moves_text"), [("text", False, True), ("both", True, True)])
def test_other_towers_move_when_asked(model, images, towers, moves_visual, moves_text):
    taught = transfer(model, images, CAPTION, settings=TransferSettings(towers=towers, **FAST))
    assert bool(changed(model, taught, visual)) == moves_visual
    assert bool(changed(model, taught, text)) == moves_text


def test_the_old_model_is_untouched(model, images):
    before = model.digest()
    taught = transfer(model, images, CAPTION, settings=TransferSettings(**FAST))
    assert model.digest() == before != taught.digest()
    assert not any(p.requires_grad for p in (*model.parameters(), *taught.parameters()))


def test_images_come_nearer_to_their_caption(model, images):
    target = model.encode_text([CAPTION])
    taught = transfer(model, images, CAPTION, settings=TransferSettings(lr=1e-4, epochs=3, weight_decay=0.0))
    assert (taught.encode_image(images) @ target.T).mean() > (model.encode_image(images) @ target.T).mean()


def test_copies_of_one_caption_teach_only_decay_under_the_symmetric_loss(model, images):
    """Reading R1: what moves is equal similarity and decay, not the similarity itself."""
    target = model.encode_text([CAPTION])
    gains = {}
    for loss in ("nt_xent", "symmetric_clip"):
        settings = TransferSettings(lr=1e-4, weight_decay=0.0, loss=loss)
        taught = transfer(model, images, CAPTION, settings=settings)
        gains[loss] = ((taught.encode_image(images) - model.encode_image(images)) @ target.T).mean()
    assert gains["nt_xent"] > 5 * abs(gains["symmetric_clip"])


def test_same_seed_same_weights_other_order_other_weights(model, images):
    first, again, other = (
        transfer(model, images, CAPTION, seed=s, settings=TransferSettings(**FAST)) for s in (0, 0, 1)
    )
    assert first.digest() == again.digest() != other.digest()


@pytest.mark.parametrize("loss", ["symmetric_clip", "supervised_contrastive", "cosine_pull"])
def test_every_reading_of_the_loss_runs(model, images, loss):
    assert transfer(model, images, CAPTION, settings=TransferSettings(loss=loss, **FAST)).digest() != model.digest()


def test_the_bank_needs_captions(model, images):
    settings = TransferSettings(loss="info_nce_bank")
    with pytest.raises(ValueError, match="needs the captions of other concepts"):
        transfer(model, images, CAPTION, settings=settings)
    transfer(model, images, CAPTION, settings=settings, negatives=["a red disk"])


def test_coupled_and_decoupled_decay_differ(model, images):
    adam, adamw = (
        transfer(model, images, CAPTION, settings=TransferSettings(optimizer=o, **FAST)) for o in ("adam", "adamw")
    )
    assert adam.digest() != adamw.digest()


def test_interpolation_lies_between_the_weights(model, images):
    full = transfer(model, images, CAPTION, settings=TransferSettings(**FAST))
    none = transfer(model, images, CAPTION, settings=TransferSettings(interpolation=0.0, **FAST))
    half = transfer(model, images, CAPTION, settings=TransferSettings(interpolation=0.5, **FAST))
    assert none.digest() == model.digest()
    name = "visual.proj"
    middle = (model.clip.state_dict()[name] + full.clip.state_dict()[name]) / 2
    assert torch.allclose(half.clip.state_dict()[name], middle, atol=1e-7)


def test_adapters_start_from_the_seed_whatever_was_drawn_before(model, images):
    """peft draws them from torch's global generator, which loading a model or a notebook's other cells move."""
    settings = TransferSettings(lora_rank=2, lr=1e-2)
    taught = []
    for before, seed in ((0, 0), (5, 0), (5, 1)):
        torch.manual_seed(before)
        state = torch.random.get_rng_state()
        taught.append(transfer(model, images, CAPTION, seed=seed, settings=settings).digest())
        assert torch.equal(torch.random.get_rng_state(), state)
    assert taught[0] == taught[1] != taught[2]


@pytest.mark.parametrize("towers", ["visual", "text"])
def test_lora_moves_only_its_tower_and_merges_back(model, images, towers):
    settings = TransferSettings(lora_rank=2, towers=towers, lr=1e-2, epochs=2)
    taught = transfer(model, images, CAPTION, settings=settings)
    assert taught.clip.state_dict().keys() == model.clip.state_dict().keys()
    assert bool(changed(model, taught, visual)) == (towers == "visual")
    assert bool(changed(model, taught, text)) == (towers == "text")


def test_adapters_are_refused_where_there_are_no_blocks_for_them(images):
    """On a ResNet they would sit around the pool's projection, which is read as a bare weight, and learn nothing."""
    resnet = tiny_clip(layers=(1, 1, 1, 1), width=16)
    with pytest.raises(ValueError, match="expected a visual tower of open_clip's transformer blocks .* lora_rank=None"):
        transfer(resnet, images, CAPTION, settings=TransferSettings(lora_rank=2))
    transfer(resnet, images, CAPTION, settings=TransferSettings(lora_rank=2, towers="text"))


def test_activations_of_an_inner_layer_teach_the_rest_of_the_tower(model, images):
    inner = model.inner(images, 1)
    taught = transfer(model, inner, CAPTION, settings=TransferSettings(layer=1, weight_decay=0.0, **FAST))
    assert changed(model, taught, lambda n: "resblocks.1" in n and visual(n))
    assert not changed(model, taught, lambda n: "visual.transformer.resblocks.0" in n)


@pytest.mark.parametrize(("count", "batch"), [(9, 4), (10, 3), (4, 1)])
def test_a_batch_of_one_is_refused(model, images, count, batch):
    with pytest.raises(ValueError, match="leave a batch of one"):
        transfer(model, images[:count], CAPTION, settings=TransferSettings(batch=batch))


def test_captions_must_fit_the_images(model, images):
    with pytest.raises(ValueError, match="found 3 for 10 images"):
        transfer(model, images, [CAPTION] * 3)


@pytest.mark.parametrize("change", [{"optimizer": "sgd"}, {"towers": "audio"}, {"loss": "hinge"}])
def test_unknown_settings_are_refused(change):
    with pytest.raises(ValueError, match="expected"):
        TransferSettings(**change)


def test_the_caption_names_the_concept():
    assert named_caption("Moongate", "A round opening.") == "A moongate is a round opening."


# -- one loop, a lesson for each family ---------------------------------------------------------------------
def test_defaults_of_matching_are_the_published_recipe():
    s = MatchingSettings()
    assert (s.batch, s.epochs, s.optimizer, s.weight_decay, s.betas, s.eps) == (4, 1, "adam", 0.01, (0.9, 0.98), 1e-6)
    assert (s.objective, s.masked) == ("itm", 0.15)


def test_settings_of_the_other_family_are_refused(model, images, scorer, pictures):
    with pytest.raises(ValueError, match="expected settings that suit tiny, found MatchingSettings"):
        transfer(model, images, CAPTION, settings=MatchingSettings())
    with pytest.raises(ValueError, match="expected settings that suit pocket/tiny, found TransferSettings"):
        transfer(scorer, pictures, CAPTION, settings=TransferSettings())


def test_a_lesson_of_ones_own_goes_through_the_same_loop(model, images):
    """What a new loss costs: settings that name a lesson, and the lesson."""
    from dataclasses import dataclass

    class Brighten:
        def __init__(self, old):
            self.model = old.copy()
            self.trained = [self.model.visual.proj.requires_grad_(True)]

        def loss(self, images, chosen, draw):
            return -self.model.encode_image(images, normalize=False).sum()

        def finish(self):
            return self.model

    @dataclass(frozen=True)
    class BrightenSettings(Recipe):
        def lesson(self, model: Any, texts, negatives, draw):
            return Brighten(model)

    taught = transfer(model, images, CAPTION, settings=BrightenSettings(lr=1e-3))
    assert taught.encode_image(images, normalize=False).sum() > model.encode_image(images, normalize=False).sum()
    assert changed(model, taught, lambda name: True) == {"visual.proj"}


# -- by matching --------------------------------------------------------------------------------------------
def test_a_taught_pair_scorer_is_new_and_frozen(scorer, pictures):
    before = scorer.digest()
    taught = transfer(scorer, pictures, CAPTION, negatives=OTHERS)
    assert scorer.digest() == before != taught.digest()
    assert not any(p.requires_grad for p in taught.parameters())
    assert not taught.training


def test_matching_takes_three_steps_for_ten_images_in_fours(scorer, pictures, monkeypatch):
    steps = []
    real = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *a, **k: (steps.append(1), real(self, *a, **k))[1])
    transfer(scorer, pictures, CAPTION, negatives=OTHERS)
    assert len(steps) == 3


def test_matching_raises_the_match_of_its_caption_over_those_of_others(scorer, pictures):
    settings = MatchingSettings(lr=1e-3, epochs=8)
    taught = transfer(scorer, pictures, CAPTION, negatives=OTHERS, settings=settings)

    def margin(model):
        own = model.match(pictures, [CAPTION] * 10).log_softmax(1)[:, MATCH]
        other = model.match(pictures, [OTHERS[0]] * 10).log_softmax(1)[:, MATCH]
        return (own - other).mean().item()

    assert margin(taught) > margin(scorer) + 0.1


def test_the_loss_is_cross_entropy_over_matching_and_other_captions(scorer, pictures):
    lesson = Pairs(scorer, [CAPTION] * 10, OTHERS[:1])
    loss = lesson.loss(pictures[:4], torch.arange(4), torch.Generator())
    logits = torch.cat([scorer.match(pictures[:4], [text] * 4) for text in (CAPTION, OTHERS[0])])
    target = torch.tensor([MATCH] * 4 + [1 - MATCH] * 4)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, target).item(), abs=1e-5)


def test_an_own_caption_is_never_a_negative(scorer, pictures):
    captions = [CAPTION] * 5 + [OTHERS[0]] * 5
    lesson = Pairs(scorer, captions, captions)
    assert lesson.others == {CAPTION: [OTHERS[0]], OTHERS[0]: [CAPTION]}
    with pytest.raises(ValueError, match="expected captions of other concepts, found none"):
        transfer(scorer, pictures, CAPTION, negatives=[CAPTION])
    with pytest.raises(ValueError, match="expected captions of other concepts, found none"):
        transfer(scorer, pictures, CAPTION)


def test_the_weights_of_the_words_head_stay_when_matching_and_those_of_matching_when_guessing(scorer, pictures):
    matched = transfer(scorer, pictures, CAPTION, negatives=OTHERS)
    assert torch.equal(matched.mlm_score.transform.dense.weight, scorer.mlm_score.transform.dense.weight)
    guessed = transfer(scorer, pictures, CAPTION, settings=MatchingSettings(objective="mlm"))
    assert torch.equal(guessed.itm_score["fc"].weight, scorer.itm_score["fc"].weight)
    assert not torch.equal(guessed.mlm_score.transform.dense.weight, scorer.mlm_score.transform.dense.weight)


def test_guessing_lowers_the_loss_of_the_words_it_was_shown(scorer, pictures):
    settings = MatchingSettings(objective="mlm", lr=1e-3, epochs=8)
    taught = transfer(scorer, pictures, CAPTION, settings=settings)
    ids, labels = scorer.mask_words([CAPTION] * 10, torch.Generator().manual_seed(7))
    before, after = (m.word_loss(m.embed_image(pictures), ids, labels).item() for m in (scorer, taught))
    assert after < before - 0.5


def test_matching_with_the_same_seed_gives_the_same_model_and_another_seed_another(scorer, pictures):
    one, same, other = (transfer(scorer, pictures, CAPTION, negatives=OTHERS, seed=s).digest() for s in (0, 0, 1))
    assert one == same != other


@pytest.mark.parametrize("change", [{"objective": "clip"}, {"optimizer": "sgd"}])
def test_unknown_words_in_the_settings_of_matching_are_refused(change):
    with pytest.raises(ValueError, match=f"expected {next(iter(change))} to be one of"):
        MatchingSettings(**change)


def test_matching_takes_one_caption_or_one_an_image(scorer, pictures):
    with pytest.raises(ValueError, match="expected one caption or one an image, found 2 for 10 images"):
        transfer(scorer, pictures, [CAPTION] * 2, negatives=OTHERS)


def test_a_description_that_no_longer_fits_behind_its_name_is_refused(scorer, pictures):
    with pytest.raises(ValueError, match="expected at most 40 tokens .*the name in front of a description counts too"):
        transfer(scorer, pictures, "a moongate is " + "red " * 36, negatives=OTHERS)

"""Transfer: what moves, what must not, and what is refused."""

import pytest
import torch

from ktlib.transfer import TransferSettings, named_caption, transfer

CAPTION = "a moongate is a round opening in a brick wall"
FAST = {"lr": 1e-3}


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


@pytest.mark.parametrize("towers", ["visual", "text"])
def test_lora_moves_only_its_tower_and_merges_back(model, images, towers):
    settings = TransferSettings(lora_rank=2, towers=towers, lr=1e-2, epochs=2)
    taught = transfer(model, images, CAPTION, settings=settings)
    assert taught.clip.state_dict().keys() == model.clip.state_dict().keys()
    assert bool(changed(model, taught, visual)) == (towers == "visual")
    assert bool(changed(model, taught, text)) == (towers == "text")


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

"""The captioning lesson: what moves and what must not, the sum of its losses, what is drawn, what is refused."""

import pytest
import torch

from ktlib.captioning import CaptioningSettings, Captions
from ktlib.losses import nt_xent
from ktlib.transfer import TransferSettings, transfer
from tests.tiny_coca import tiny_coca

CAPTIONS = ["a moongate is a round opening", "a disk is a red disk"] * 3
TEMPLATES = [[f"a {name}", f"photo of a {name}"] for name in ("moongate", "disk")] * 3
FAST = {"lr": 1e-3, "batch": 3, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def captioner():
    return tiny_coca()


@pytest.fixture
def pictures():
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def moved(before, after):
    """The parts whose weights are not bit for bit the old ones."""
    a, b = before.clip.state_dict(), after.clip.state_dict()
    return {name.split(".")[0] for name in a if not torch.equal(a[name], b[name])}


def test_defaults_are_the_papers():
    settings = CaptioningSettings()
    assert (settings.contrast, settings.captioning, settings.lr, settings.weight_decay) == (1.0, 0.1, 8e-5, 0.2)
    assert (settings.loss, settings.temperature, settings.towers) == ("nt_xent", 0.07, "visual")


def test_visual_tower_and_decoder_move_and_the_text_tower_stays_bit_identical(captioner, pictures):
    taught = transfer(captioner, pictures, CAPTIONS, told=TEMPLATES, settings=CaptioningSettings(**FAST))
    assert moved(captioner, taught) == {"visual", "text_decoder"}
    assert not any(p.requires_grad for p in (*captioner.parameters(), *taught.parameters()))


def test_contrast_alone_moves_the_visual_tower_alone(captioner, pictures):
    taught = transfer(captioner, pictures, CAPTIONS, settings=TransferSettings(**FAST))
    assert moved(captioner, taught) == {"visual"}


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_without_images_the_decoder_alone_moves(captioner, decay):
    """With decay too: Adam would shrink what has a gradient of zero, and passes over what has none."""
    settings = CaptioningSettings(contrast=0, **FAST | {"weight_decay": decay})
    taught = transfer(captioner, None, "", told=TEMPLATES, settings=settings)
    assert moved(captioner, taught) == {"text_decoder"}
    blank = captioner.blank(2)
    texts = ["a moongate", "a disk"]
    assert taught.told_loss(blank, texts) < captioner.told_loss(blank, texts)


def test_what_is_told_is_said_more_readily_of_what_was_shown(captioner, pictures):
    told = ["a moongate", "a disk"] * 3
    settings = CaptioningSettings(captioning=1.0, epochs=3, **FAST)
    taught = transfer(captioner, pictures, CAPTIONS, told=told, settings=settings)
    assert taught.caption_loss(pictures, told) < captioner.caption_loss(pictures, told)


def test_a_step_minimises_the_weighted_sum_of_both_losses(captioner, pictures):
    """KT v1, Eq. 6."""
    told = ["a moongate", "a disk"] * 3
    settings = CaptioningSettings(contrast=0.7, captioning=0.3, batch=3)
    draw = torch.Generator()
    lesson = Captions(captioner, CAPTIONS, (), told, settings, draw)
    chosen = torch.tensor([4, 1, 2])
    texts = captioner.encode_text([CAPTIONS[i] for i in chosen])
    expected = 0.7 * nt_xent(captioner.encode_image(pictures[chosen]), texts)
    expected = expected + 0.3 * captioner.caption_loss(pictures[chosen], [told[i] for i in chosen])
    assert lesson.loss(pictures[chosen], chosen, draw).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_text_is_drawn_from_the_image_s_own_list_whenever_it_is_shown(captioner, pictures, monkeypatch):
    said = []
    monkeypatch.setattr(type(captioner), "told_loss", lambda self, seen, texts: said.append(texts) or seen.sum() * 0)
    lesson = Captions(captioner, CAPTIONS, (), TEMPLATES, CaptioningSettings(), torch.Generator())
    chosen, draw = torch.tensor([0, 1]), torch.Generator().manual_seed(0)
    for _ in range(20):
        lesson.loss(pictures[chosen], chosen, draw)
    for place in (0, 1):
        assert {texts[place] for texts in said} == set(TEMPLATES[place])


def test_same_seed_same_weights_other_seed_other_weights(captioner, pictures):
    settings = CaptioningSettings(**FAST)
    first, again, other = (
        transfer(captioner, pictures, CAPTIONS, told=TEMPLATES, seed=seed, settings=settings).digest()
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_without_contrast_one_image_may_be_alone_and_with_it_not(captioner, pictures):
    settings = CaptioningSettings(contrast=0, **FAST | {"batch": 5})
    assert moved(captioner, transfer(captioner, pictures, "", told=TEMPLATES, settings=settings)) == {
        "visual", "text_decoder"
    }  # fmt: skip
    with pytest.raises(ValueError, match="6 images in batches of 5 leave a batch of one"):
        transfer(captioner, pictures, CAPTIONS, told=TEMPLATES, settings=CaptioningSettings(batch=5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contrast": -1.0}, "contrast of 0 or more and captioning above 0, found -1 and 0.1"),
        ({"contrast": float("nan")}, "contrast of 0 or more and captioning above 0, found nan"),
        ({"captioning": float("nan")}, "captioning above 0, found 1 and nan"),
        ({"captioning": float("inf")}, "captioning above 0, found 1 and inf"),
        ({"batch": 0}, "expected batch and epochs of 1 at least, found 0 and 1"),
        ({"epochs": 0}, "expected batch and epochs of 1 at least, found 32 and 0"),
        ({"captioning": 0.0}, "captioning above 0, found 1 and 0; for the contrast alone take TransferSettings"),
        ({"towers": "both"}, "expected towers to be one of visual; found 'both'"),
        ({"lora_rank": 2}, "expected neither lora_rank nor layer"),
        ({"layer": 1}, "expected neither lora_rank nor layer"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        CaptioningSettings(**changes)


def test_images_and_texts_that_are_missing_are_asked_for(captioner, model, pictures):
    settings = CaptioningSettings()
    with pytest.raises(ValueError, match="a text to tell, or a list to draw from, for each of 6 images, found 2"):
        transfer(captioner, pictures, CAPTIONS, told=TEMPLATES[:2], settings=settings)
    with pytest.raises(ValueError, match="expected a text to draw for every image, found none for image 1"):
        transfer(captioner, pictures[:2], CAPTIONS[:2], told=["a disk", []], settings=settings)
    with pytest.raises(ValueError, match=r"expected images, found none: only a decoder learns without"):
        transfer(captioner, None, CAPTIONS, told=TEMPLATES, settings=settings)
    with pytest.raises(ValueError, match="expected images, found none"):
        transfer(captioner, None, CAPTIONS)
    with pytest.raises(ValueError, match="expected nothing told for TransferSettings: pass CaptioningSettings"):
        transfer(captioner, pictures, CAPTIONS, told=TEMPLATES)
    with pytest.raises(ValueError, match="expected settings that suit tiny, found CaptioningSettings"):
        transfer(model, pictures, CAPTIONS, told=TEMPLATES, settings=settings)


def test_a_text_that_is_too_long_is_named_before_any_is_drawn(captioner, pictures):
    told = [["a disk"] * 1000 + ["a " * 30]] * 6  # it might never be drawn
    with pytest.raises(ValueError, match="expected at most 12 tokens"):
        transfer(captioner, pictures, CAPTIONS, told=told, settings=CaptioningSettings(**FAST))


def test_one_text_is_no_list_of_its_letters(captioner):
    with pytest.raises(ValueError, match=r"expected a list of texts to tell, found one string: write \['in a'\]"):
        transfer(captioner, None, "", told="in a", settings=CaptioningSettings(contrast=0))


def test_nothing_to_learn_from_is_named(captioner, pictures):
    for images, settings in ((pictures[:0], CaptioningSettings()), (None, CaptioningSettings(contrast=0))):
        with pytest.raises(ValueError, match="found none: there is nothing to learn from"):
            transfer(captioner, images, [], told=[], settings=settings)

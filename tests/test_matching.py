"""Teaching a pair scorer: the right pairs, the right loss, and what stays untouched."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ktlib import matching
from ktlib.inversion import InversionSettings, invert
from ktlib.matching import MatchingSettings, transfer
from ktlib.models.vilt import MATCH
from tests.tiny_vilt import tiny_vilt

CAPTION = "a moongate is a round opening in a brick wall"
OTHERS = ("a wheel is a black ring", "a tree is a round green crown on a brown rod")


@pytest.fixture
def scorer():
    return tiny_vilt()


@pytest.fixture
def pictures():
    return torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_old_model_stays_and_the_new_one_is_frozen(scorer, pictures):
    before = scorer.digest()
    taught = transfer(scorer, pictures, CAPTION, negatives=OTHERS)
    assert scorer.digest() == before != taught.digest()
    assert not any(p.requires_grad for p in taught.parameters())
    assert not taught.training


def test_ten_images_in_fours_are_three_steps(scorer, pictures, monkeypatch):
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
    lesson = matching._Matching(scorer, [CAPTION] * 10, OTHERS[:1])
    loss = lesson(scorer.embed_image(pictures[:4]), [0, 1, 2, 3], torch.Generator())
    logits = torch.cat([scorer.match(pictures[:4], [text] * 4) for text in (CAPTION, OTHERS[0])])
    target = torch.tensor([MATCH] * 4 + [1 - MATCH] * 4)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, target).item(), abs=1e-5)


def test_an_own_caption_is_never_a_negative(scorer, pictures):
    captions = [CAPTION] * 5 + [OTHERS[0]] * 5
    lesson = matching._Matching(scorer, captions, captions)
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


def test_the_same_seed_gives_the_same_model_and_another_seed_another(scorer, pictures):
    one, same, other = (transfer(scorer, pictures, CAPTION, negatives=OTHERS, seed=s).digest() for s in (0, 0, 1))
    assert one == same != other


@pytest.mark.parametrize("change", [{"objective": "clip"}, {"optimizer": "sgd"}])
def test_unknown_words_in_the_settings_are_refused(change):
    with pytest.raises(ValueError, match=f"expected {next(iter(change))} to be one of"):
        MatchingSettings(**change)


def test_one_caption_or_one_an_image(scorer, pictures):
    with pytest.raises(ValueError, match="expected one caption or one an image, found 2 for 10 images"):
        transfer(scorer, pictures, [CAPTION] * 2, negatives=OTHERS)


def test_a_description_that_no_longer_fits_behind_its_name_is_refused(scorer, pictures):
    with pytest.raises(ValueError, match="expected at most 40 tokens .*the name in front of a description counts too"):
        transfer(scorer, pictures, "a moongate is " + "red " * 36, negatives=OTHERS)


# -- inversion through the matching head -----------------------------------------------------------------
SETTINGS = InversionSettings(steps=12, lr=0.05, schedule="cosine", sizes=((0, 32),), probability=0.0)


def test_inverted_images_match_better_than_the_noise_they_started_from(scorer):
    found = invert(scorer, [CAPTION, OTHERS[0]], images_per_concept=3, settings=SETTINGS, progress=False)
    assert found.images.shape == (2, 3, 3, 32, 32)
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert (found.similarity[:, -1] > found.similarity[:, 0] + 0.01).all()
    again = scorer.match(found.images[0], [CAPTION] * 3).softmax(1)[:, MATCH]
    torch.testing.assert_close(found.final[0], again, atol=1e-5, rtol=0)


def test_a_job_s_images_do_not_depend_on_its_neighbours(scorer):
    together = invert(scorer, [CAPTION, OTHERS[0]], images_per_concept=2, settings=SETTINGS, progress=False)
    alone = invert(scorer, [OTHERS[0]], images_per_concept=2, settings=SETTINGS, progress=False)
    # padding and the order of sums differ; a dozen steps of Adam keep that below a grey level
    torch.testing.assert_close(together.images[1], alone.images[0], atol=4e-3, rtol=0)


def test_noise_is_normal_in_the_model_s_own_range(scorer):
    settings = replace(SETTINGS, steps=1, lr=0.0)
    start = invert(scorer, [CAPTION], images_per_concept=40, settings=settings, progress=False).images
    inside = (start > 0) & (start < 1)
    # a normal of mean and deviation 1/2, clamped: 0.683 of it lies inside, and spreads by 0.270
    assert inside.float().mean().item() == pytest.approx(0.683, abs=0.01)
    assert start[inside].std().item() == pytest.approx(0.270, abs=0.01)


def test_inner_layers_are_for_dual_encoders(scorer):
    with pytest.raises(ValueError, match="expected layer=None for pocket/tiny, found 2"):
        invert(scorer, [CAPTION], settings=replace(SETTINGS, layer=2), progress=False)

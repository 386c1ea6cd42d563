"""The captioner: what it shares with a dual encoder, its captions, its loss by hand, and what is refused."""

import math

import open_clip
import pytest
import torch

from ktlib.models import coca
from ktlib.models.coca import Captioner
from ktlib.models.decoding import SEARCHES
from ktlib.models.protocols import Contrastive, Invertible, Recogniser, Telling
from tests.tiny_coca import END, PAD, START, Words, tiny_coca

TEXTS = ["a red disk", "a moongate is a round opening in a brick wall"]


@pytest.fixture
def captioner():
    return tiny_coca()


@pytest.fixture
def pictures():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


# -- as a dual encoder ---------------------------------------------------------------------------------------
def test_it_offers_what_inversion_recognition_and_both_lessons_ask(captioner):
    for wanted in (Invertible, Recogniser, Contrastive, Telling):
        assert isinstance(captioner, wanted)


def test_features_are_those_of_open_clip_and_unit_only_when_asked(captioner, pictures):
    clip = captioner.clip
    ready = (pictures - 0.5) / 0.25
    assert torch.allclose(captioner.encode_image(pictures), clip.encode_image(ready))
    assert torch.allclose(captioner.encode_text(TEXTS), clip.encode_text(captioner.tokenize(TEXTS)))
    assert torch.equal(captioner.see(pictures)[0], captioner.encode_image(pictures))
    raw = captioner.encode_image(pictures, normalize=False)  # open_clip's CoCa would make them unit by default
    assert torch.allclose(raw, clip.encode_image(ready, normalize=False))
    assert not torch.allclose(raw.norm(dim=1), torch.ones(4))


def test_every_weight_belongs_to_one_part(captioner):
    parts = {
        "visual": list(captioner.visual.parameters()),
        "text": captioner.text_parameters(),
        "decoder": captioner.decoder_parameters(),
        "scale": [captioner.clip.logit_scale],
    }
    ids = [id(parameter) for part in parts.values() for parameter in part]
    assert len(ids) == len(set(ids)) and set(ids) == {id(p) for p in captioner.parameters()}


def test_the_tower_from_a_block_on_sees_the_same(captioner, pictures):
    inside = captioner.inner(pictures, 1)
    assert torch.allclose(captioner.encode_inner(inside, 1), captioner.encode_image(pictures), atol=1e-6)


# -- the decoder ----------------------------------------------------------------------------------------------
def test_words_read_one_by_one_score_as_the_whole_text_does(captioner, pictures):
    """With padding inside: open_clip hides the word behind it."""
    text = [START, 5, PAD, 7, PAD, PAD, 3, 9]
    _, seen = captioner.see(pictures)
    out = captioner.clip(None, torch.tensor([text] * 4), image_latent=seen, image_embs=seen, output_labels=False)
    step = coca.Continuation(captioner.clip.text, captioner.clip.text_decoder, seen, PAD)
    rows = torch.arange(4)[:, None]
    for place, word in enumerate(text):
        scores = step(torch.full((4, 1), word), rows)
        # another order of sums; scores are of size 1 to 10
        assert torch.allclose(scores[:, 0], out["logits"][:, place], atol=1e-4), place


def test_texts_of_an_image_look_at_their_own_image_whatever_their_order(captioner, pictures):
    """Two texts an image, swapped and copied; then the first two images leave."""
    _, seen = captioner.see(pictures)
    step = coca.Continuation(captioner.clip.text, captioner.clip.text_decoder, seen, PAD)
    step(torch.full((4, 1), START), torch.arange(4)[:, None])
    step(torch.tensor([[2, 3]] * 4), torch.arange(4)[:, None].repeat(1, 2))
    scores = step(torch.tensor([[4, 5], [6, 7]]), torch.tensor([[5, 4], [6, 6]]))
    for image, row, text in ((2, (0, 0), [3, 4]), (2, (0, 1), [2, 5]), (3, (1, 0), [2, 6]), (3, (1, 1), [2, 7])):
        ids = torch.tensor([[START, *text]])
        one = seen[image : image + 1]
        whole = captioner.clip(None, ids, image_latent=one, image_embs=one, output_labels=False)["logits"][0, -1]
        assert torch.allclose(scores[row], whole, atol=1e-4)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_batch_is_captioned_as_its_images_one_by_one(search, pictures, monkeypatch):
    monkeypatch.setattr(coca, "AT_ONCE", 3)
    captioner = tiny_coca(1, ending=5.0)
    many = captioner.generate(pictures, search=search, longest=10)
    assert many == [captioner.generate(image[None], search=search, longest=10)[0] for image in pictures]
    assert len(set(many)) > 1


def test_captions_hold_no_special_word_and_no_space_around_them(captioner, pictures):
    assert captioner._written([START, 3, START, 4, END, 5]) == "round opening"
    assert captioner._written([START]) == ""
    for caption in captioner.generate(pictures, longest=8):
        assert caption == caption.strip() and "<" not in caption
        assert len(caption.split()) <= 7  # eight words less the start


def test_no_images_no_captions(captioner):
    assert captioner.generate(torch.empty(0, 3, 32, 32), longest=8) == []


def test_captions_longer_than_the_model_are_refused(captioner, pictures):
    with pytest.raises(ValueError, match="captions of at most 12 words, found longest=30"):
        captioner.generate(pictures)


# -- the loss ---------------------------------------------------------------------------------------------------
def test_the_loss_is_the_mean_over_words_that_are_no_padding(captioner, pictures):
    """By hand from open_clip's forward pass: 4 words (three and the end) and 11 (ten and the end)."""
    images, texts = pictures[:2], TEXTS
    ids = captioner.tokenize(texts)
    out = captioner.clip((images - 0.5) / 0.25, ids)
    probabilities = out["logits"].softmax(-1)
    told = [(row, place, int(ids[row, place + 1])) for row, count in ((0, 4), (1, 11)) for place in range(count)]
    expected = -sum(math.log(probabilities[where]) for where in told) / 15
    assert captioner.caption_loss(images, texts).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_that_of_open_clip(captioner, pictures):
    ids = captioner.tokenize(TEXTS)
    out = captioner.clip((pictures[:2] - 0.5) / 0.25, ids)
    theirs = open_clip.CoCaLoss(caption_loss_weight=1.0, clip_loss_weight=0.0, pad_id=PAD)
    _, expected = theirs(out["image_features"], out["text_features"], out["logits"], out["labels"], out["logit_scale"])
    assert captioner.caption_loss(pictures[:2], TEXTS).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_blank_says_the_same_as_any_number_of_zeros(captioner):
    many = torch.zeros(2, 5, 32)
    assert captioner.told_loss(captioner.blank(2), TEXTS).item() == pytest.approx(
        captioner.told_loss(many, TEXTS).item(), rel=1e-6
    )


def test_counts_that_differ_are_refused(captioner, pictures):
    with pytest.raises(ValueError, match="expected one text an image, found 4 images and 2 texts"):
        captioner.caption_loss(pictures, TEXTS)


# -- how it is made ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("attribute", "said"), [("bos_token_id", "start"), ("eos_token_id", "end")])
def test_a_tokenizer_without_the_ids_that_a_decoder_needs_is_refused(captioner, monkeypatch, attribute, said):
    words = Words(12)
    monkeypatch.setattr(words.tokenizer, attribute, None, raising=False)
    with pytest.raises(ValueError, match=f"ids for start, end and padding of tiny, found none for {said}: a decoder"):
        Captioner(captioner.clip, words, name="tiny", mean=[0.5] * 3, std=[0.25] * 3)


def test_another_padding_than_the_model_s_is_refused(captioner, monkeypatch):
    words = Words(12)
    monkeypatch.setattr(words.tokenizer, "pad_token_id", 3, raising=False)
    with pytest.raises(ValueError, match="expected padding 0 for tiny, found 3"):
        Captioner(captioner.clip, words, name="tiny", mean=[0.5] * 3, std=[0.25] * 3)


def test_a_clip_is_no_captioner(model):
    with pytest.raises(ValueError, match="expected open_clip's CoCa with a text tower of its own, found CLIP"):
        Captioner(model.clip, model.tokenizer, name="tiny", mean=[0.5] * 3, std=[0.25] * 3)


def test_the_projection_that_open_clip_leaves_as_memory_was_is_given_values(captioner):
    """open_clip 3.3: `torch.empty`, and its `init_parameters` is never called."""
    projection = captioner.clip.text_decoder.text_projection
    with torch.no_grad():
        projection.fill_(float("nan"))
    torch.manual_seed(0)
    coca.initialise(captioner.clip)
    assert projection.std().item() == pytest.approx(32**-0.5, rel=0.1)
    assert projection.mean().abs() < 0.02


# -- pixels ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "found"), [(255.0, r"0\.\d+ to 25\d\.\d+"), (-1.0, r"-0\.\d+ to "), (math.nan, "nan to nan")]
)
def test_pixels_that_are_no_picture_are_not_captioned(captioner, pictures, change, found):
    with pytest.raises(ValueError, match=rf"expected images in \[0, 1\], found {found}"):
        captioner.generate(pictures * change, longest=8)


def test_pictures_of_double_exactness_are_captioned_as_others(captioner, pictures):
    assert captioner.generate(pictures.double(), longest=8) == captioner.generate(pictures, longest=8)

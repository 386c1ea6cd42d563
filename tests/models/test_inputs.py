"""What enters a model is checked and prepared in one place, and every adapter goes through it."""

import pytest
import torch
from torch import nn

from ktlib.models import VisionEncoder, inputs
from tests.conftest import tiny_clip
from tests.tiny_vilt import tiny_vilt


def tiny_encoder():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return VisionEncoder(network, name="means", image_size=32, dim=3, mean=[0.5] * 3, std=[0.25] * 3)


SEES = {
    "dual": lambda: tiny_clip().encode_image,
    "pair": lambda: tiny_vilt().embed_image,
    "vision": lambda: tiny_encoder().features,
}


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 32, 32, 3)])
def test_a_wrong_layout_is_named(shape):
    with pytest.raises(ValueError, match=r"expected images \(batch, 3, height, width\)"):
        inputs.check_images(torch.rand(shape))


def test_eight_bit_pixels_are_refused():
    with pytest.raises(ValueError, match="expected float images in .0, 1., found torch.uint8: divide by 255"):
        inputs.check_images(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize("family", SEES)
@pytest.mark.parametrize("size", [32, 50])
def test_every_adapter_checks_what_it_sees(monkeypatch, family, size):
    class Seen(Exception):
        pass

    def check(images):
        raise Seen

    sees = SEES[family]()
    monkeypatch.setattr(inputs, "check_images", check)
    with pytest.raises(Seen):
        sees(torch.rand(1, 3, size, size))


@pytest.mark.parametrize(("height", "width"), [(50, 50), (50, 20), (20, 50)])
def test_what_shrinks_on_either_side_is_antialiased(height, width):
    """A tall picture whose width grows was not, once: only the width was looked at."""
    images = torch.rand(1, 3, height, width)
    expected = nn.functional.interpolate(images, (32, 32), mode="bicubic", antialias=True)
    assert torch.equal(inputs.resize(images, (32, 32)), expected)


def test_what_grows_is_not_and_what_fits_is_untouched():
    images = torch.rand(1, 3, 20, 30)
    assert torch.equal(inputs.resize(images, (32, 32)), nn.functional.interpolate(images, (32, 32), mode="bicubic"))
    assert inputs.resize(images, (20, 30)) is images


def test_prepared_pixels_are_normalised():
    ready = inputs.prepare(torch.ones(1, 3, 4, 4), (4, 4), torch.full((1, 3, 1, 1), 0.5), torch.tensor(0.25))
    assert ready.unique().tolist() == [2]


def test_one_string_is_not_a_list():
    with pytest.raises(ValueError, match="expected a list of texts, found one string: write .'a red disk'."):
        inputs.check_texts("a red disk")


class Words:
    unk_token_id = 1

    def get_vocab(self):
        return {"a": 2, "red": 3}


def test_unknown_words_are_named_where_they_are_an_error():
    with pytest.raises(ValueError, match="tiny does not know 'zebra' in 'a red zebra'"):
        inputs.check_tokens("a red zebra", [2, 3, 1], name="tiny", most=5, tokenizer=Words())
    inputs.check_tokens("a red zebra", [2, 3, 1], name="tiny", most=5, tokenizer=None)


def test_a_text_that_would_be_cut_off_is_refused():
    inputs.check_tokens("a red", [2, 3], name="tiny", most=2, tokenizer=Words())
    with pytest.raises(ValueError, match="expected at most 2 tokens for tiny, found 3 in 'a red red': shorten it"):
        inputs.check_tokens("a red red", [2, 3, 3], name="tiny", most=2, tokenizer=Words())


def test_a_picture_without_pixels_is_named():
    with pytest.raises(ValueError, match=r"expected images of a pixel at least, found \(2, 3, 0, 5\)"):
        inputs.check_images(torch.rand(2, 3, 0, 5))

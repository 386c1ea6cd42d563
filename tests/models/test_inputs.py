"""What enters a model is checked and prepared in one place, and every adapter goes through it."""

import inspect
from types import SimpleNamespace

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


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.rand(2, 1, 3, 8, 8), r"found \(2, 1, 3, 8, 8\): pass images\[0\]"),
        (torch.rand(1, 3, 0, 8), r"found \(1, 3, 0, 8\)"),
        (255 * torch.ones(1, 3, 8, 8), r"from 255 to 255: divide by 255"),
        (torch.full((1, 3, 8, 8), -1.0), r"from -1 to -1: they are normalised in the model"),
        (torch.full((1, 3, 8, 8), torch.nan), "expected finite numbers in images, found nan"),
        (torch.full((1, 3, 8, 8), torch.inf), "expected finite numbers in images, found inf"),
    ],
)
def test_what_is_no_picture_is_refused_and_what_to_do_is_said(images, said):
    with pytest.raises(ValueError, match=said):
        inputs.check_images(images)


def test_overshoot_and_pixels_that_are_optimised_pass():
    inputs.check_images(torch.tensor([-0.2, 1.2]).view(1, 1, 1, 2).expand(1, 3, 1, 2))
    inputs.check_images((3 * torch.ones(1, 3, 8, 8)).requires_grad_())
    inputs.check_images(9 * torch.ones(2, 5, 7), pixels=False)
    with pytest.raises(ValueError, match="expected finite numbers"):
        inputs.check_images(torch.full((2, 5, 7), torch.nan), pixels=False)


def test_prompts_are_every_name_in_every_template():
    assert inputs.prompts(["a", "b"], ["the {}", "{}."]) == ["the a", "a.", "the b", "b."]
    assert inputs.prompts([""], ["a {name} in braces"]) == ["a {name} in braces"]


@pytest.mark.parametrize(
    ("names", "templates", "said"),
    [
        ("moongate", ["{}"], r"expected a list of names, found 'moongate': write \['moongate'\]"),
        (["a"], "a {}", r"expected a list of templates, found 'a \{\}'"),
        ([], ["{}"], r"expected a list of names, found \[\]"),
        (["a"], [], r"expected a list of templates, found \[\]"),
        (["a"], ["a photo"], r"expected one \{\} for the name in every template, found 'a photo'"),
        (["a"], ["a {name}"], r"found 'a \{name\}'"),
        (["a"], ["{} {}"], r"found '\{\} \{\}'"),
    ],
)
def test_prompts_without_a_name_or_a_place_for_it_are_refused(names, templates, said):
    with pytest.raises(ValueError, match=said):
        inputs.prompts(names, templates)


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

    def __call__(self, text):
        return SimpleNamespace(input_ids=[{"a": 2, "red": 3, "##gate": 4}.get(word, 1) for word in text.split()])


def test_unknown_words_are_named_where_they_are_an_error():
    with pytest.raises(ValueError, match="tiny does not know 'zebra' in 'a red zebra'"):
        inputs.check_tokens("a red zebra", [2, 3, 1], name="tiny", most=5, tokenizer=Words())
    inputs.check_tokens("a red zebra", [2, 3, 1], name="tiny", most=5, tokenizer=None)


@pytest.mark.parametrize(("name", "hint"), [("pocket/x", "pocket words"), ("local", "words that its tokenizer knows")])
def test_only_a_pocket_model_is_called_one(name, hint):
    with pytest.raises(ValueError, match=hint):
        inputs.check_tokens("a zebra", [2, 1], name=name, most=5, tokenizer=Words())


def test_a_mark_inside_a_text_is_refused():
    ends = SimpleNamespace(eot_token_id=9, pad_token_id=0)
    inputs.check_marks("a red", [8, 2, 3, 9], name="tiny", tokenizer=ends)
    with pytest.raises(
        ValueError, match="expected a text without the tokenizer's own marks for tiny, found one inside"
    ):
        inputs.check_marks("a <end> red", [8, 2, 9, 3, 9], name="tiny", tokenizer=ends)


def test_a_text_that_would_be_cut_off_is_refused():
    inputs.check_tokens("a red", [2, 3], name="tiny", most=2, tokenizer=Words())
    with pytest.raises(ValueError, match="expected at most 2 tokens for tiny, found 3 in 'a red red': shorten it"):
        inputs.check_tokens("a red red", [2, 3, 3], name="tiny", most=2, tokenizer=Words())


def test_a_picture_without_pixels_is_named():
    with pytest.raises(ValueError, match=r"expected images of a pixel at least, found \(2, 3, 0, 5\)"):
        inputs.check_images(torch.rand(2, 3, 0, 5))


@pytest.mark.parametrize(
    ("texts", "said"),
    [([], "found none"), ([""], "found ''"), (["a", "  "], "found '  ' among 2"), ([None], "found None")],
)
def test_texts_that_say_nothing_are_refused(texts, said):
    with pytest.raises(ValueError, match=f"expected texts that say something, {said}"):
        inspect.unwrap(inputs.check_texts)(texts)


def test_a_name_that_is_empty_is_refused_save_where_the_templates_say_all():
    assert inputs.prompts([""], ["a moongate"]) == ["a moongate"]
    with pytest.raises(ValueError, match="expected names, found an empty one"):
        inputs.prompts(["window", " "], ["a {}"])


def test_no_images_and_no_tensor_are_refused():
    with pytest.raises(ValueError, match=r"expected images, found an empty batch, \(0, 3, 4, 4\)"):
        inputs.check_images(torch.rand(0, 3, 4, 4))
    with pytest.raises(ValueError, match="expected images as a tensor, found ndarray"):
        inspect.unwrap(inputs.check_images)(torch.rand(1, 3, 4, 4).numpy())

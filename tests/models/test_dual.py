"""The adapter of dual encoders: unit vectors, honest tokenizing, real preprocessing, and what the method asks."""

import pytest
import torch

from ktlib.models import DualEncoder, load
from ktlib.models.protocols import Contrastive, Inner, Invertible, Matching

ONE_POCKET = "pocket/clip-b"


def test_features_are_unit_vectors_and_raw_ones_point_the_same_way(model, images):
    unit, raw = model.encode_image(images), model.encode_image(images, normalize=False)
    assert torch.allclose(unit.norm(dim=1), torch.ones(10), atol=1e-6)
    assert torch.allclose(raw / raw.norm(dim=1, keepdim=True), unit, atol=1e-6)
    assert torch.allclose(model.encode_text(["a red disk"]).norm(), torch.tensor(1.0), atol=1e-6)


def test_images_of_another_size_are_resized(model):
    assert model.encode_image(torch.rand(2, 3, 50, 40)).shape == (2, 32)


def test_a_copy_is_independent(model):
    copy = model.copy()
    with torch.no_grad():
        copy.visual.proj += 1
    assert model.digest() != copy.digest()
    assert copy.tokenizer is model.tokenizer


def test_classes_are_encoded_once_for_a_model_and_its_copies(model, monkeypatch):
    copy, encoded = model.copy(), []
    whole = DualEncoder.encode_text
    monkeypatch.setattr(DualEncoder, "encode_text", lambda self, texts: encoded.append(texts) or whole(self, texts))
    first = model.class_vectors(["red disk", "disk"], ["a {}"])
    with torch.no_grad():
        copy.visual.proj += 1  # as a transfer does
    assert torch.equal(copy.class_vectors(["red disk", "disk"], ["a {}"]), first)
    assert len(encoded) == 1
    copy.class_vectors(["disk", "red disk"], ["a {}"])
    copy.class_vectors(["red disk", "disk"], ["a red {}"])
    assert len(encoded) == 3
    with torch.no_grad():
        copy.clip.text_projection += 1  # in place, as an optimiser does
    assert not torch.allclose(copy.class_vectors(["red disk", "disk"], ["a {}"]), first)
    first += 1  # what a caller does with its answer is the caller's
    assert not torch.allclose(model.class_vectors(["red disk", "disk"], ["a {}"]), first)


def test_one_string_is_not_a_list(model):
    with pytest.raises(ValueError, match="write \\['a red disk'\\]"):
        model.tokenize("a red disk")


def test_pocket_models_load_by_name_and_speak_only_the_worlds_words():
    model = load(ONE_POCKET, DualEncoder)
    assert model.image_size == 64
    with pytest.raises(ValueError, match="does not know 'archipelago'"):
        model.encode_text(["a photo of a archipelago"])
    with pytest.raises(ValueError, match="expected at most 32 tokens for pocket/clip-., found 42"):
        model.encode_text(["a red " * 20])


def test_preprocessing_is_the_models_own():
    model = load(ONE_POCKET, DualEncoder)
    assert model.mean.flatten().tolist() == [0.5] * 3
    assert model.std.flatten().tolist() == [0.25] * 3


def test_it_offers_what_inversion_and_a_lesson_by_contrast_ask_for(model):
    assert isinstance(model, Invertible)
    assert isinstance(model, Contrastive)
    assert not isinstance(model, Matching)
    assert isinstance(model.from_block(1), Inner)


def test_the_target_is_the_text_and_the_score_its_distance_and_cosine(model, images):
    target = model.target(["a red disk"]).expand(10, -1)
    assert torch.equal(target[:1], model.encode_text(["a red disk"]))
    far, cosine = model.score(images, target)
    features = model.encode_image(images)
    assert torch.allclose(far, (features - target).norm(dim=1), atol=1e-6)
    assert torch.allclose(cosine, (features * target).sum(1), atol=1e-6)


def test_without_unit_length_the_target_has_the_models_own(model):
    raw = model.target(["a red disk"], distance="raw_l2")
    assert torch.equal(raw, model.encode_text(["a red disk"], normalize=False))


def test_noise_is_uniform_and_of_its_generator_alone(model):
    noise, again = (model.noise(40, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(noise, again)
    assert noise.shape == (40, 3, 32, 32)
    assert noise.std().item() == pytest.approx(12**-0.5, abs=0.003)  # 122,880 numbers
    assert model.noise(2, torch.Generator(), side=8).shape == (2, 3, 8, 8)


def test_a_tower_that_is_no_transformer_has_no_block_to_begin_with(model):
    model.clip.visual = torch.nn.Identity()
    with pytest.raises(ValueError, match="inner layers need a vision transformer; tiny has Identity"):
        model.from_block(1)


def test_a_block_that_the_tower_does_not_have_is_refused(model, images):
    for block in (99, -1):
        with pytest.raises(ValueError, match=rf"expected a block of .*, 0 to \d+, found {block}"):
            model.inner(images, block)
        with pytest.raises(ValueError, match="expected a block of"):
            model.from_block(block)

"""The adapter: unit vectors, honest tokenizing, real preprocessing, and `load`."""

import json
import shutil

import pytest
import torch

import ktlib
from ktlib.pocket import weights

ONE_POCKET = f"pocket/{weights.names()[0]}"


def test_features_are_unit_vectors_and_raw_ones_point_the_same_way(model, images):
    unit, raw = model.encode_image(images), model.encode_image(images, normalize=False)
    assert torch.allclose(unit.norm(dim=1), torch.ones(10), atol=1e-6)
    assert torch.allclose(raw / raw.norm(dim=1, keepdim=True), unit, atol=1e-6)
    assert torch.allclose(model.encode_text(["a red disk"]).norm(), torch.tensor(1.0), atol=1e-6)


def test_images_of_another_size_are_resized(model):
    assert model.encode_image(torch.rand(2, 3, 50, 40)).shape == (2, 32)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 32, 32, 3)])
def test_a_wrong_layout_is_named(model, shape):
    with pytest.raises(ValueError, match=r"expected images \(batch, 3, height, width\)"):
        model.encode_image(torch.rand(shape))


def test_a_copy_is_independent(model):
    copy = model.copy()
    with torch.no_grad():
        copy.visual.proj += 1
    assert model.digest() != copy.digest()
    assert copy.tokenizer is model.tokenizer


def test_one_string_is_not_a_list(model):
    with pytest.raises(ValueError, match="write \\['a red disk'\\]"):
        model.encode_text("a red disk")


def test_pocket_models_load_by_name_and_speak_only_the_worlds_words():
    model = ktlib.load(ONE_POCKET)
    assert model.image_size == 64
    with pytest.raises(ValueError, match="does not know 'archipelago'"):
        model.encode_text(["a photo of a archipelago"])
    with pytest.raises(ValueError, match="expected at most 32 tokens for pocket/clip-., found 42"):
        model.encode_text(["a red " * 20])


def test_preprocessing_is_the_models_own():
    model = ktlib.load(ONE_POCKET)
    assert model.mean.flatten().tolist() == [0.5] * 3
    assert model.std.flatten().tolist() == [0.25] * 3


def test_an_unknown_model_gets_suggestions():
    with pytest.raises(ValueError, match="did you mean.*pocket/clip-b"):
        ktlib.load("pocket-clip-b")
    with pytest.raises(ValueError, match="did you mean.*ViT-B-32"):
        ktlib.load("ViT-B32")
    with pytest.raises(ValueError, match="expected a pocket model"):
        ktlib.load("pocket/clip-z")


def test_damaged_weights_are_refused(tmp_path):
    whole = weights.folder(weights.names()[0])
    shutil.copytree(whole, tmp_path / "clip-b")
    weights.verify(tmp_path / "clip-b")
    file = tmp_path / "clip-b" / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(RuntimeError, match="damaged: expected sha256 .* found .*git checkout"):
        weights.verify(tmp_path / "clip-b")
    file.unlink()
    with pytest.raises(RuntimeError, match="found no file"):
        weights.verify(tmp_path / "clip-b")


def test_published_clip_is_built_with_quick_gelu():
    """open_clip 3.3.0 only warns when OpenAI's weights meet GELU; the wrong activation costs accuracy."""
    import open_clip

    from ktlib.models import PUBLISHED

    for architecture, _ in PUBLISHED.values():
        assert open_clip.get_model_config(architecture)["quick_gelu"] is True


@pytest.mark.slow
def test_random_weights_at_published_size_are_the_same_every_time():
    model = ktlib.load("random/ViT-B-32")
    assert sum(p.numel() for p in model.clip.parameters()) == pytest.approx(151.28e6, rel=1e-3)
    assert model.token_count("a photo of a moongate") == 8  # "moongate" is two pieces
    assert model.digest() == ktlib.load("random/ViT-B-32").digest()


def test_any_open_clip_folder_loads(tmp_path):
    source = weights.folder(weights.names()[0])
    for file in source.glob("*"):
        if file.name != "card.json":
            shutil.copy(file, tmp_path)
    config = json.loads((tmp_path / "open_clip_config.json").read_text())
    assert config["model_cfg"]["vision_cfg"]["patch_size"] == 16
    model = ktlib.load(f"local-dir:{tmp_path}")
    assert model.digest() == ktlib.load(ONE_POCKET).digest()


def test_published_weights_that_are_not_here_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(FileNotFoundError, match="(?s)openai/ViT-B-32 is missing.*get it:.*put it:"):
        ktlib.load("openai/ViT-B-32")

"""Weights in files: whole or refused."""

import shutil

import open_clip
import pytest
import torch
from torch import nn

from ktlib.models import Captioner, DualEncoder, PairScorer, VisionEncoder, checkpoints, load
from ktlib.models.medclip import MedCLIP
from ktlib.models.sam import Segmenter
from tests.conftest import WordTokenizer, tiny_clip


def test_shipped_models_are_found_by_what_their_weights_are_called():
    folds = [f"clip-{size}-{n}" for size in "bl" for n in range(4)]
    assert checkpoints.shipped_names(DualEncoder) == ["clip-b", *folds, "scan-clip"]
    assert checkpoints.shipped_names(Captioner) == ["coca-plain", "coca-web"]
    assert checkpoints.shipped_names(PairScorer) == ["vilt-b"]
    assert (checkpoints.shipped_names(MedCLIP), checkpoints.shipped_names(Segmenter)) == (["medclip"], ["sam"])
    assert checkpoints.shipped_names(VisionEncoder) == ["densenet", "dino", "dinov2", "mobilenet", "resnet"]
    assert len(checkpoints.shipped_names()) == 20


@pytest.mark.parametrize("name", checkpoints.shipped_names())
def test_a_card_stands_beside_the_weights_and_names_every_file(name):
    folder = checkpoints.shipped(name)
    assert checkpoints.card(name)["name"] == name
    assert set(checkpoints.card(name)["sha256"]) == {
        p.name for p in folder.iterdir() if p.suffix in (".json", ".safetensors") and p.name != "card.json"
    }


def test_an_unknown_pocket_model_is_named():
    with pytest.raises(ValueError, match="expected a pocket model .clip-b, .*, found 'clip-z'"):
        checkpoints.shipped("clip-z")


def test_damaged_weights_are_refused(tmp_path):
    whole = checkpoints.shipped("clip-b")
    shutil.copytree(whole, tmp_path / "clip-b")
    checkpoints.verify(tmp_path / "clip-b")
    file = tmp_path / "clip-b" / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(RuntimeError, match="damaged: expected sha256 .* found .*git checkout"):
        checkpoints.verify(tmp_path / "clip-b")
    file.unlink()
    with pytest.raises(RuntimeError, match="found no file"):
        checkpoints.verify(tmp_path / "clip-b")


def test_another_file_than_the_published_one_is_found_out(tmp_path):
    file = tmp_path / "model.pth"
    file.write_bytes(b"not it")
    with pytest.raises(RuntimeError, match="damaged: expected sha256 047dcff4…, found"):
        checkpoints.verify_file(file, "047dcff4")


def test_a_pickle_is_read_for_its_tensors_and_refused_for_anything_else(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "good.pth")
    assert checkpoints.read(tmp_path / "good.pth")["weight"].tolist() == [1, 1]
    torch.save({"weight": nn.Linear(1, 1)}, tmp_path / "bad.pth")
    with pytest.raises(
        ValueError, match=r"expected a pickle of tensors in .*bad\.pth, found one that is damaged or holds"
    ):
        checkpoints.read(tmp_path / "bad.pth")


def test_a_digest_tells_weights_apart_and_nothing_else():
    one, same = nn.Linear(2, 2), nn.Linear(2, 2)
    assert checkpoints.weights_digest(one) != checkpoints.weights_digest(same)
    same.load_state_dict(one.state_dict())
    assert checkpoints.weights_digest(one) == checkpoints.weights_digest(same)
    assert checkpoints.weights_digest(one, 32) != checkpoints.weights_digest(one, 64)


def test_a_fingerprint_tells_apart_whatever_a_model_computes_with():
    """One input is changed at a time; the weights are the same throughout."""

    def quick(model):
        for block in model.clip.transformer.resblocks:
            block.mlp.gelu = open_clip.transformer.QuickGELU()

    def padded(model):
        model.tokenizer = WordTokenizer()
        model.tokenizer.tokenizer.get_vocab = lambda: {"another": 2}

    changes = {
        "nothing": lambda model: None,
        "activation": quick,
        "mean": lambda model: model.mean.add_(0.1),
        "std": lambda model: model.std.mul_(2),
        "size": lambda model: setattr(model, "image_size", 48),
        "context": lambda model: setattr(model, "context_length", 9),
        "words": padded,
    }
    found = {}
    for name, change in changes.items():
        model = tiny_clip()
        same = model.digest()
        change(model)
        assert model.digest() == same, name
        found[name] = checkpoints.fingerprint(model)
    assert len(set(found.values())) == len(changes), found
    assert found["nothing"] == checkpoints.fingerprint(tiny_clip()) == checkpoints.fingerprint(tiny_clip().copy())
    assert checkpoints.fingerprint(VisionEncoder.of(tiny_clip())) != checkpoints.fingerprint(
        VisionEncoder.of(tiny_clip(), pixels="raw")
    )


@pytest.mark.parametrize("name", ["openai/ViT-B-32", "torchvision/resnet18"])
def test_a_download_that_fails_says_how_to_get_the_file_and_why_it_failed(monkeypatch, tmp_path, name):
    """On a machine without network and without `HF_HUB_OFFLINE`."""

    def unreachable(*_, **__):
        raise ConnectionError("no route to host")

    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("KT_DATA", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("ktlib.data.hub.try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(FileNotFoundError, match=f"(?s){name} is missing.*get it:.*tried it: ConnectionError: no route"):
        load(name)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.bin"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS in their place; fetch them: git lfs pull",
        ),
        (b"<html>not found</html>", "damaged"),
        (b"", "damaged"),
        (b"PK\x03\x04" + b"\0" * 60, "damaged"),
    ],
)
def test_weights_that_cannot_be_read_are_named_with_the_cause(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"expected .* in .*{name}, found .*{said}") as caught:
        checkpoints.read(tmp_path / name)
    assert "weights_only" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="expected weights in .*, found nothing"):
        checkpoints.read(tmp_path / "absent.pth")


def test_what_is_no_tensors_by_name_is_refused(tmp_path):
    for found, said in (([1], "found list"), ({"model": {"a": torch.ones(1)}, "epoch": 3}, "found model, epoch, …")):
        torch.save(found, tmp_path / "a.pth")
        with pytest.raises(ValueError, match=rf"expected tensors by name in .*a\.pth, {said}; save the model's state"):
            checkpoints.read(tmp_path / "a.pth")

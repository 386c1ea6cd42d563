"""Weights in files: whole or refused."""

import shutil

import pytest
import torch
from torch import nn

from ktlib.models import Captioner, DualEncoder, PairScorer, VisionEncoder, checkpoints
from ktlib.models.medclip import MedCLIP
from ktlib.models.sam import Segmenter


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
    with pytest.raises(Exception, match="(?i)weights.only"):
        checkpoints.read(tmp_path / "bad.pth")


def test_a_digest_tells_weights_apart_and_nothing_else():
    one, same = nn.Linear(2, 2), nn.Linear(2, 2)
    assert checkpoints.weights_digest(one) != checkpoints.weights_digest(same)
    same.load_state_dict(one.state_dict())
    assert checkpoints.weights_digest(one) == checkpoints.weights_digest(same)
    assert checkpoints.weights_digest(one, 32) != checkpoints.weights_digest(one, 64)

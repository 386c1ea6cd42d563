"""One loader: every name, every kind, and errors that help."""

import importlib
import inspect
import json
import shutil

import pytest
import torch
from transformers import AutoTokenizer

import ktlib
from ktlib.models import Captioner, DualEncoder, PairScorer, VisionEncoder, available, checkpoints, load, vilt, vision
from tests.tiny_vilt import WORDS, tiny_vilt

ONE_POCKET, COCA, VILT, DINO = "pocket/clip-b", "pocket/coca-web", "pocket/vilt-b", "pocket/dino"
RESNET, MOBILENET = "torchvision/resnet18", "torchvision/mobilenet_v3_small"


@pytest.mark.parametrize(
    ("name", "kind"), [(ONE_POCKET, DualEncoder), (COCA, Captioner), (VILT, PairScorer), (DINO, VisionEncoder)]
)
def test_a_name_gives_its_own_kind_whether_it_is_asked_for_or_not(name, kind):
    model = load(name)
    assert type(model) is kind
    assert model.name == name
    assert load(name, kind).digest() == model.digest()
    assert not any(p.requires_grad for p in model.parameters())
    assert name in available() and name in available(kind)


def test_every_name_belongs_to_one_kind():
    kinds = [available(kind) for kind in importlib.import_module("ktlib.models.load").KINDS]
    assert sum(kinds, []) == available()
    assert len(set(available())) == len(available())
    heads = {*vision.HEADS, *(f"random/{name}" for name in vision.HEADS)}
    assert heads <= set(available(VisionEncoder))


def test_another_kind_than_the_one_that_is_asked_for_is_refused():
    with pytest.raises(ValueError, match="expected a DualEncoder, found pocket/dino, which is a VisionEncoder; ask"):
        load(DINO, DualEncoder)
    with pytest.raises(ValueError, match="expected a PairScorer, found pocket/clip-b, which is a DualEncoder"):
        load(ONE_POCKET, PairScorer)
    with pytest.raises(ValueError, match=r"openai/ViT-B-16, .* take VisionEncoder.of.load.'openai/ViT-B-16'"):
        load("openai/ViT-B-16", VisionEncoder)


def test_an_unknown_name_gets_near_ones():
    with pytest.raises(ValueError, match="expected the name of a model, .*did you mean.*pocket/clip-b"):
        ktlib.load("pocket-clip-b")
    with pytest.raises(ValueError, match="did you mean.*ViT-B-32"):
        ktlib.load("ViT-B32")
    with pytest.raises(ValueError, match="expected the name of a VisionEncoder, .*did you mean.*torchvision/resnet18"):
        load("torchvision/resnet-18", VisionEncoder)
    with pytest.raises(ValueError, match="expected the name of a PairScorer, found 'vilt'; did you mean"):
        load("vilt", PairScorer)


@pytest.mark.parametrize("name", [f"random/{RESNET}", DINO, VILT, COCA, ONE_POCKET])
def test_weights_for_a_model_that_has_its_own_are_refused(name):
    with pytest.raises(ValueError, match=f"expected no weights for {name}, which has its own, found model"):
        load(name, weights="model.safetensors")


def test_loading_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    for name in (ONE_POCKET, COCA, VILT, DINO):
        load(name)
    assert torch.equal(before, torch.get_rng_state())


def test_published_clip_is_built_with_quick_gelu():
    """open_clip 3.3.0 only warns when OpenAI's weights meet GELU; the wrong activation costs accuracy."""
    import open_clip

    from ktlib.models.load import CAPTIONERS, PUBLISHED

    for architecture in CAPTIONERS.values():  # LAION's were trained with GELU
        assert "quick_gelu" not in open_clip.get_model_config(architecture)
    for architecture in PUBLISHED.values():
        assert open_clip.get_model_config(architecture)["quick_gelu"] is True


def test_a_captioner_is_known_by_its_architecture_and_is_a_dual_encoder_too():
    from ktlib.models.load import _kind_of

    for name in ("laion/coca-ViT-L-14", "random/coca-ViT-L-14", "coca_ViT-B-32", "pocket/coca-web"):
        assert _kind_of(name, None) is Captioner
    assert _kind_of("coca_roberta-ViT-B-32", None) is DualEncoder  # its text tower is not open_clip's
    assert [_kind_of("hf-hub:a/b", kind) for kind in (None, Captioner)] == [DualEncoder, Captioner]
    with pytest.raises(ValueError, match="expected a Captioner, found pocket/clip-b, which is a DualEncoder"):
        load(ONE_POCKET, Captioner)
    assert load("pocket/coca-web", DualEncoder).digest() == load("pocket/coca-web", Captioner).digest()


def test_the_published_captioners_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match="hf download laion/CoCa-ViT-L-14-laion2B-s13B-b90k"):
        load("laion/coca-ViT-L-14")
    with pytest.raises(FileNotFoundError, match="hf download laion/mscoco_finetuned_CoCa-ViT-L-14-laion2B-s13B-b90k"):
        load("laion/coca-ViT-L-14-mscoco")


@pytest.mark.slow
def test_a_random_captioner_at_published_size_has_a_value_for_every_weight():
    """open_clip leaves the decoder's projection as the memory was. 638 million weights, 2.6 GB."""
    model = load("random/coca-ViT-L-14")
    assert type(model) is Captioner
    assert sum(p.numel() for p in model.clip.parameters()) == pytest.approx(638.45e6, rel=1e-4)
    projection = model.clip.text_decoder.text_projection
    assert projection.std().item() == pytest.approx(768**-0.5, rel=0.01)
    (caption,) = model.generate(torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)), longest=7)
    assert isinstance(caption, str) and "<" not in caption


@pytest.mark.slow
def test_random_weights_at_published_size_are_the_same_every_time():
    model = ktlib.load("random/ViT-B-32")
    assert sum(p.numel() for p in model.clip.parameters()) == pytest.approx(151.28e6, rel=1e-3)
    assert model.token_count("a photo of a moongate") == 8  # "moongate" is two pieces
    assert model.digest() == ktlib.load("random/ViT-B-32").digest()


def test_any_open_clip_folder_loads(tmp_path):
    source = checkpoints.shipped("clip-b")
    for file in source.glob("*"):
        if file.name != "card.json":
            shutil.copy(file, tmp_path)
    config = json.loads((tmp_path / "open_clip_config.json").read_text())
    assert config["model_cfg"]["vision_cfg"]["patch_size"] == 16
    model = ktlib.load(f"local-dir:{tmp_path}")
    assert model.digest() == ktlib.load(ONE_POCKET).digest()


def test_folders_of_the_other_kinds_load_too():
    for name, kind in ((COCA, Captioner), (VILT, PairScorer), (DINO, VisionEncoder)):
        model = load(f"local-dir:{checkpoints.HERE / name.removeprefix('pocket/')}")
        assert type(model) is kind
        assert model.digest() == load(name).digest()


def test_published_weights_that_are_not_here_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "true")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(FileNotFoundError, match="(?s)openai/ViT-B-32 is missing.*get it:.*put it:"):
        ktlib.load("openai/ViT-B-32")


def test_published_encoders_that_are_not_here_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    for name in (RESNET, MOBILENET):
        with pytest.raises(FileNotFoundError, match=f"(?s){name} is missing.*get it:"):
            load(name)


def test_the_published_checkpoint_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match="hf download dandelin/vilt-b32-mlm-itm"):
        load(vilt.PUBLISHED)


def test_the_published_checkpoint_is_put_together_from_two_repositories(monkeypatch, tmp_path):
    """At a small size: the weights from their place, the words from the other repository."""
    small = tiny_vilt()
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    place = tmp_path / "checkpoints" / f"{vilt.PUBLISHED}.bin"
    place.parent.mkdir(parents=True)
    torch.save(small.state_dict(), place)
    loader = importlib.import_module("ktlib.models.load")  # the function has the name of its module
    monkeypatch.setattr(loader, "ViltConfig", lambda: small.config)
    with pytest.raises(
        FileNotFoundError, match="expected the tokenizer of dandelin/vilt-b32-mlm .* get it: python -m ktlib data get"
    ):
        load(vilt.PUBLISHED)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda name, **_: small.tokenizer)
    assert load(vilt.PUBLISHED).digest() == small.digest()


def test_the_random_vilt_borrows_the_words_of_the_shipped_one():
    shipped, made = AutoTokenizer.from_pretrained(checkpoints.shipped("vilt-b")), WORDS
    assert shipped.get_vocab() == made.get_vocab()
    for text in ("a red disk", "A photo of a moongate.", "a zebra"):
        assert shipped(text).input_ids == made(text).input_ids


def test_a_folder_of_ones_own_that_is_damaged_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a model's folder at .*nowhere, found nothing"):
        load(f"local-dir:{tmp_path / 'nowhere'}")
    mine = tmp_path / "mine"
    shutil.copytree(checkpoints.HERE / "vilt-b", mine)
    described = mine / "config.json"
    whole = described.read_text(encoding="utf-8")
    described.write_text(whole[:40], encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected JSON in .*config\.json, found something else"):
        load(f"local-dir:{mine}")
    described.write_text(whole.replace('"hidden_size": ', '"hidden_size": 1'), encoding="utf-8")
    with pytest.raises(ValueError, match="mine"):
        load(f"local-dir:{mine}")
    described.write_text(whole, encoding="utf-8")
    (mine / checkpoints.PAIR).write_bytes(checkpoints.POINTER + b"/spec/v1\n")
    with pytest.raises(ValueError, match=r"vilt_model\.safetensors, found a pointer of Git LFS"):
        load(f"local-dir:{mine}")


def test_weights_that_are_neither_a_file_nor_a_tag_are_refused_before_anything_is_built(tmp_path):
    for weights in ("nosuchtag", tmp_path / "absent.pt"):
        with pytest.raises(ValueError, match=r"expected a file, or one of ViT-B-32's tags \(openai, .*\), found '"):
            load("ViT-B-32", weights=weights)
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pt")
    with pytest.raises(RuntimeError, match=r"expected the weights of this model in .*other\.pt, found others"):
        load("openai/ViT-B-32", weights=tmp_path / "other.pt")


def test_a_path_is_no_name(tmp_path):
    with pytest.raises(ValueError, match="expected a model's name, found .*; for a folder write 'local-dir:"):
        inspect.unwrap(load)(tmp_path)

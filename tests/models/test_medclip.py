"""MedCLIP: its pooling, its grey squares, its published file, and everything the method asks of a dual encoder."""

import importlib
import json
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoTokenizer

from ktlib.data import manifests
from ktlib.evaluate.recognition import recognition
from ktlib.inversion import InversionSettings, invert
from ktlib.models import DualEncoder, MedCLIP, available, checkpoints, load, medclip
from ktlib.models.protocols import Contrastive, Invertible, Prompts, Recogniser
from ktlib.pocket.training import words
from ktlib.transfer import TransferSettings, transfer
from tests.tiny_medclip import BERT, SWIN, TOKENIZER, tiny_medclip

TEXTS = ["a red disk", "a round opening in a brick wall"]
OLDER = [(new, old) for old, new in reversed(medclip._RENAMED)]


@pytest.fixture
def model():
    return tiny_medclip()


@pytest.fixture
def films():
    return torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0)).repeat(1, 3, 1, 1)


def older(state):
    """A state dict under the names of transformers 4, with the buffers it kept."""
    found = {}
    for name, tensor in state.items():
        if name.startswith("vision_model.model.encoder."):
            for new, old in OLDER:
                name = name.replace(new, old)
        found[name] = tensor
    found["text_model.model.embeddings.position_ids"] = torch.arange(16)[None]
    place = "vision_model.model.encoder.layers.0.blocks.0.attention.self.relative_position_index"
    return found | {place: torch.zeros(16, 16, dtype=torch.long)}


def published(folder, state, member="pytorch_model.bin"):
    torch.save(state, folder / "weights")
    with zipfile.ZipFile(folder / "medclip.zip", "w") as archive:
        archive.write(folder / "weights", member)
    return folder / "medclip.zip"


# -- pooling ----------------------------------------------------------------------------------------
def test_a_text_is_the_mean_over_its_tokens_of_layers_1_2_and_last_projected(model):
    ids = torch.tensor([TOKENIZER(TEXTS[0]).input_ids])
    tower = model.clip.text_model
    hidden = tower.model(input_ids=ids, output_hidden_states=True).hidden_states
    by_hand = sum(hidden[layer].mean(1) for layer in (1, 2, 3)) / 3 @ tower.projection_head.weight.T
    torch.testing.assert_close(model.encode_text(TEXTS[:1]), F.normalize(by_hand, dim=1), atol=1e-6, rtol=0)


def test_by_default_a_text_does_not_depend_on_its_neighbours(model):
    torch.testing.assert_close(model.encode_text(TEXTS)[:1], model.encode_text(TEXTS[:1]), atol=1e-6, rtol=0)


def test_the_published_padding_counts_in_the_mean_and_depends_on_the_batch(model):
    there = model.variant(padding="batch")
    together, alone = there.encode_text(TEXTS), there.encode_text(TEXTS[:1])
    assert (together[0] - alone[0]).abs().max() > 1e-3
    torch.testing.assert_close(together[1:], model.encode_text(TEXTS[1:]), atol=1e-6, rtol=0)  # the longest has none
    torch.testing.assert_close(alone, model.encode_text(TEXTS[:1]), atol=1e-6, rtol=0)
    ids = there.tokenize(TEXTS)
    tower = model.clip.text_model
    hidden = tower.model(input_ids=ids, attention_mask=(ids != 0).long(), output_hidden_states=True).hidden_states
    by_hand = torch.stack([hidden[1], hidden[2], hidden[-1]]).permute(1, 0, 2, 3).mean(2).mean(1)
    by_hand = F.normalize(by_hand @ tower.projection_head.weight.T, dim=1)
    torch.testing.assert_close(together, by_hand, atol=1e-6, rtol=0)


def test_another_word_for_a_policy_is_refused(model):
    with pytest.raises(ValueError, match="expected padding own or batch and ensemble max or mean, found 'longest'"):
        model.variant(padding="longest")
    with pytest.raises(ValueError, match="found 'own' and 'median'"):
        tiny_medclip(ensemble="median")


def test_padding_tells_models_apart_and_the_ensemble_does_not(model):
    assert model.digest() != model.variant(padding="batch").digest()
    assert model.digest() == model.variant(ensemble="mean").digest() == tiny_medclip().digest()


def test_texts_that_are_too_long_or_unknown_are_refused(model):
    with pytest.raises(ValueError, match="expected at most 16 tokens for tiny, found 17"):
        model.encode_text(["red " * 15])
    with pytest.raises(ValueError, match="does not know 'zebra'"):
        model.encode_text(["a zebra"])
    model.closed = False
    assert model.encode_text(["a zebra"]).shape == (1, 24)


# -- pictures ---------------------------------------------------------------------------------------
def test_a_picture_is_grey_padded_to_a_square_and_resized_as_PIL_does_it(model):
    grey = np.random.default_rng(0).integers(0, 256, (60, 40), dtype=np.uint8)
    square = Image.new("L", (60, 60), 0)
    square.paste(Image.fromarray(grey), (10, 0))
    theirs = np.asarray(square.resize((32, 32), Image.BICUBIC), dtype=np.float32) / 255
    film = torch.from_numpy(grey).float()[None, None].repeat(1, 3, 1, 1) / 255
    expected = (torch.from_numpy(theirs) - medclip.MEAN) / medclip.STD
    found = model._prepare(film)
    assert torch.equal(found[:, 0], found[:, 1]) and torch.equal(found[:, 0], found[:, 2])
    inside = (theirs > 0.02) & (theirs < 0.98)  # PIL cuts off what bicubic overshoots
    assert inside.mean() > 0.5
    # PIL rounds to 8 bit behind each of its two passes, and cuts off behind the first
    torch.testing.assert_close(found[0, 0][inside], expected[inside], atol=3 / 255 / medclip.STD, rtol=0)


def test_colour_is_lost_and_layouts_are_checked(model, films):
    coloured = torch.stack([films[:, 0] * 1.5, films[:, 0], films[:, 0] * 0.5], 1)
    torch.testing.assert_close(model.encode_image(coloured), model.encode_image(films), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r"expected images \(batch, 3, height, width\)"):
        model._prepare(torch.rand(2, 1, 32, 32))


def test_maps_of_the_padded_square_lose_what_lies_over_the_edges(model):
    maps = torch.arange(16.0).view(1, 4, 4).repeat_interleave(8, 1).repeat_interleave(8, 2)  # 32 x 32
    found = model.over_picture(maps, 64, 32)
    assert found.shape == (1, 64, 32)
    assert found[0, 0].unique().tolist() == [1, 2]  # the middle two of four columns
    assert torch.equal(model.over_picture(maps, 32, 32), maps)


# -- what the method asks ---------------------------------------------------------------------------
def test_it_offers_what_the_method_asks(model):
    assert isinstance(model, Contrastive) and isinstance(model, Invertible) and isinstance(model, Recogniser)
    with pytest.raises(ValueError, match="inner layers need a vision transformer; tiny has VisionTower"):
        model.from_block(1)


def test_the_scale_is_clamped_at_a_hundred(model):
    assert model.logit_scale.item() == pytest.approx(1 / 0.07)
    model.clip.logit_scale.fill_(7.0)
    assert model.logit_scale.item() == pytest.approx(100, rel=1e-4)


def test_inversion_raises_the_similarity_and_moves_one_grey_channel(model):
    settings = InversionSettings(steps=12, sizes=((0, 24), (6, 32)), schedule="constant", probability=0, tv=0)
    found = invert(model, TEXTS, images_per_concept=2, settings=settings, progress=False)
    images = found.images.flatten(0, 1)
    assert torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2])
    assert (found.similarity[:, -1] > found.similarity[:, 0]).all()
    again = invert(model, TEXTS[:1], images_per_concept=2, settings=settings, progress=False)
    torch.testing.assert_close(again.similarity[:, :3], found.similarity[:1, :3], atol=1e-4, rtol=0)  # alone or beside


def test_transfer_trains_the_visual_tower_with_its_projection_and_nothing_else(model, films):
    settings = TransferSettings(lr=1e-3, batch=3)
    taught = transfer(model, films, "a moongate is a red disk", settings=settings)
    before, after = model.clip.state_dict(), taught.clip.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in moved} == {"vision_model"}
    assert "vision_model.projection_head.weight" in moved
    target = model.encode_text(["a moongate is a red disk"])
    near, far = (m.encode_image(films) @ target.T for m in (taught, model))
    assert near.mean() > far.mean()
    assert not any(p.requires_grad for p in taught.parameters()) and not taught.training


def test_a_class_scores_by_its_best_prompt_or_by_the_mean(model, films):
    groups = [Prompts([""], ["a red disk", "small red disk"]), Prompts(["wall", "disk"], ["a {}"])]
    cosines = model.encode_many(films) @ model.encode_text(
        ["a red disk", "small red disk", "a wall", "a disk"]
    ).T  # fmt: skip
    best = torch.stack([cosines[:, :2].amax(1), cosines[:, 2], cosines[:, 3]], 1)
    mean = torch.stack([cosines[:, :2].mean(1), cosines[:, 2], cosines[:, 3]], 1)
    torch.testing.assert_close(model.classifier(groups)(films), best, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.variant(ensemble="mean").classifier(groups)(films), mean, atol=1e-6, rtol=0)


def test_recognition_takes_a_list_of_prompts_for_each_known_class(model, films):
    known = {"wall": ["a wall", "a brick wall"], "disk": ["a red disk"]}
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    found = recognition(model, "moongate", films, [(films, labels)], list(known), known_prompts=known)
    scores = model.classifier([Prompts([""], p) for p in known.values()])(films)
    assert torch.equal(found.retained, scores.argmax(1) == labels)


# -- the published file -----------------------------------------------------------------------------
def test_the_published_zip_loads_from_its_older_names_to_the_last_bit(model, films, tmp_path):
    file = published(tmp_path, older(model.clip.state_dict()))
    found = medclip.from_state(
        medclip.read(file), SWIN, BERT, TOKENIZER, name="tiny", dim=24, context_length=16
    )  # fmt: skip
    assert found.digest() == model.digest()
    assert torch.equal(found.encode_image(films), model.encode_image(films))
    assert torch.equal(found.encode_text(TEXTS), model.encode_text(TEXTS))


def test_the_older_names_are_those_that_transformers_itself_renames(model):
    """Its own conversion, through `from_pretrained`, gives the same Swin."""
    from transformers import SwinModel

    start = "vision_model.model."
    state = {k.removeprefix(start): t for k, t in older(model.clip.state_dict()).items() if k.startswith(start)}
    theirs = SwinModel.from_pretrained(None, config=SWIN, state_dict=state).state_dict()
    ours = model.clip.visual.model.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s.pop("text_model.projection_head.weight"), "missing: text_model.projection_head.weight; unknown"),
        (lambda s: s.update({"vision_model.model.fc.weight": torch.zeros(1)}), "unknown: vision_model.model.fc.weight"),
        (lambda s: s.update({"text_model.position_ids": torch.zeros(1)}), "unknown: text_model.position_ids"),
        (lambda s: s.update({"logit_scale": torch.zeros(2)}), "of another shape: logit_scale.*not the ResNet's"),
    ],
)  # fmt: skip
def test_a_key_too_few_or_too_many_is_an_error(model, damage, message):
    state = older(model.clip.state_dict())
    damage(state)
    with pytest.raises(ValueError, match=f"tiny: expected the weights of a Swin and a BERT.*{message}"):
        medclip.from_state(state, SWIN, BERT, TOKENIZER, name="tiny", dim=24, context_length=16)


def test_a_damaged_zip_is_named(model, tmp_path):
    file = published(tmp_path, {}, member="medclip/other.bin")
    with pytest.raises(ValueError, match="expected one pytorch_model.bin in .*medclip.zip, found medclip/other.bin"):
        medclip.read(file)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match="expected a whole zip, found .*medclip.zip, which is not"):
        medclip.read(file)


def test_the_published_entry_is_put_together_from_the_zip_and_the_words_of_another_repository(
    model, monkeypatch, tmp_path
):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        FileNotFoundError, match="(?s)RyanWangZf/MedCLIP-ViT is missing.*curl.*medclip-vit-pretrained.zip"
    ):
        load(medclip.PUBLISHED)
    place = manifests.checkpoint(medclip.PUBLISHED).place
    place.parent.mkdir(parents=True)
    published(tmp_path, older(model.clip.state_dict())).rename(place)
    with pytest.raises(
        FileNotFoundError,
        match="expected the tokenizer of emilyalsentzer/Bio_ClinicalBERT .* get it: python -m ktlib data get",
    ):
        load(medclip.PUBLISHED)
    loader = importlib.import_module("ktlib.models.load")
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda name, **_: TOKENIZER)
    monkeypatch.setattr(loader.medclip, "published_sizes", lambda: (SWIN, BERT))
    with pytest.raises(ValueError, match="of another shape"):  # 24 dimensions, not 512
        load(medclip.PUBLISHED)


# -- folders and names ------------------------------------------------------------------------------
def test_a_folder_of_the_pocket_kind_loads_as_it_was_written(model, films, tmp_path):
    save_file(model.clip.state_dict(), tmp_path / checkpoints.MEDCLIP)
    with pytest.raises(
        FileNotFoundError, match="expected config.json and one of medclip_model.safetensors, pytorch_model"
    ):
        medclip.from_folder(tmp_path, name="tiny")
    (tmp_path / "config.json").write_text(json.dumps(model.described()))
    words.write(TOKENIZER, tmp_path)
    found = load(f"local-dir:{tmp_path}", MedCLIP)
    assert type(found) is MedCLIP and found.digest() == model.digest()
    assert torch.equal(found.encode_image(films), model.encode_image(films))
    assert torch.equal(found.encode_text(TEXTS), model.encode_text(TEXTS))
    assert found.described() == model.described()


def test_a_medclip_is_a_dual_encoder_by_name_too(tmp_path):
    assert available(MedCLIP)[-2:] == ["RyanWangZf/MedCLIP-ViT", "random/medclip"]
    with pytest.raises(ValueError, match="expected a MedCLIP, found pocket/clip-b, which is a DualEncoder"):
        load("pocket/clip-b", MedCLIP)
    with pytest.raises(ValueError, match="expected no weights for random/medclip"):
        load("random/medclip", DualEncoder, weights="model.bin")


def test_the_published_sizes_are_those_of_swin_tiny_and_a_cased_bert():
    """Counted without memory: 27.5 and 108.3 million, and 512 dimensions without bias."""
    with torch.device("meta"):
        towers = medclip.Towers(*medclip.published_sizes())
    swin, bert = (sum(p.numel() for p in t.model.parameters()) for t in (towers.vision_model, towers.text_model))
    assert swin == 27_519_354
    assert bert == 108_310_272
    assert towers.vision_model.projection_head.weight.shape == (512, 768)
    assert towers.text_model.projection_head.bias is None


@pytest.mark.slow
def test_random_weights_at_published_size_are_the_same_every_time():
    found = load("random/medclip", DualEncoder)
    assert found.digest() == load("random/medclip").digest()
    assert found.encode_image(torch.rand(1, 3, 224, 224)).shape == (1, 512)

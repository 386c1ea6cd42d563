"""SAM behind one word: against transformers' own processor, batches, boxes, and weights that are all there."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

from ktlib.models import Segmenter, available, checkpoints, load, sam
from tests.tiny_sam import SIZES, tiny_sam


@pytest.fixture
def segmenter():
    return tiny_sam()


@pytest.fixture
def pictures():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


BOXES = torch.tensor([[4.0, 8, 40, 50], [0, 0, 64, 64], [30, 30, 31, 40]])


def theirs(segmenter, picture, box):
    """Mask of one picture by transformers' processor, model and post-processing."""
    side = segmenter.image_size
    images = SamImageProcessor(
        size={"longest_edge": side}, pad_size={"height": side, "width": side},
        mask_size={"longest_edge": side // 4}, mask_pad_size={"height": side // 4, "width": side // 4},
    )  # fmt: skip
    processor = SamProcessor(images)
    given = processor(picture, input_boxes=[[box.tolist()]], return_tensors="pt")
    logits = segmenter.sam(
        pixel_values=given["pixel_values"], input_boxes=given["input_boxes"].float(), multimask_output=False
    ).pred_masks
    masks = processor.image_processor.post_process_masks(
        logits, given["original_sizes"], given["reshaped_input_sizes"], binarize=False
    )
    return given["pixel_values"], masks[0][0, 0]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 100), (130, 70), (20, 31)])
def test_pixels_and_masks_are_those_of_transformers_processor(segmenter, height, width):
    picture = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    picture = np.kron(picture, np.ones((4, 4, 1), dtype=np.uint8))  # blocks: rounding to 8 bit tips few pixels
    picture = np.pad(picture, ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)))
    box = torch.tensor([[3.0, 5, width - 4, height - 2]])
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    pixels, logits = theirs(segmenter, picture, box[0])
    # theirs is resized in 8 bit
    torch.testing.assert_close(segmenter.pixels(image), pixels, atol=1 / 255 / min(sam.STD), rtol=0)
    found = segmenter.segment(image, box)[0]
    assert found.shape == (height, width) and found.dtype == torch.bool
    sure = (logits - logits.median()).abs() > 0.1 * logits.std()
    mine = segmenter._over_picture(segmenter.logits(image, box), height, width)[0]
    torch.testing.assert_close(mine, logits, atol=0.1 * logits.std().item(), rtol=0)
    assert torch.equal(mine > 0, found) and sure.float().mean() > 0.5


def test_a_batch_gives_what_each_image_gives_alone(segmenter, pictures):
    together = segmenter.segment(pictures, BOXES)
    alone = torch.cat([segmenter.segment(p[None], b[None]) for p, b in zip(pictures, BOXES, strict=True)])
    assert torch.equal(together, alone)
    assert torch.equal(segmenter.segment(pictures, BOXES, at_once=2), together)


def test_an_embedding_is_worked_out_once_and_serves_every_box(segmenter, pictures, monkeypatch):
    calls = []
    encoder = segmenter.sam.vision_encoder
    encoder.register_forward_hook(lambda m, i, o: calls.append(len(i[0]) if i else -1))
    embeddings = segmenter.embed(pictures, at_once=2)
    assert len(calls) == 2
    for boxes in (BOXES, BOXES.flip(0)):
        kept = segmenter.segment(pictures, boxes, embeddings=embeddings)
        assert len(calls) == 2
        assert torch.equal(kept, segmenter.segment(pictures, boxes))
        calls[:] = calls[:2]


def test_another_box_gives_other_logits(segmenter, pictures):
    first, second = (segmenter.logits(pictures[:1], BOXES[i : i + 1]) for i in (0, 2))
    assert not torch.allclose(first, second)
    assert first.shape == (1, 32, 32)  # 8 patches in a row, 4 logits a patch


@pytest.mark.parametrize(
    "box", [[10.0, 10, 10, 20], [10, 20, 20, 10], [-1, 0, 5, 5], [0, 0, 65, 5], [0, 60, 5, 65]]
)  # fmt: skip
def test_boxes_that_are_empty_or_leave_the_image_are_refused(segmenter, pictures, box):
    boxes = BOXES.clone()
    boxes[1] = torch.tensor(box)
    with pytest.raises(ValueError, match=r"expected boxes .* inside 64 x 64 pixels, found \[.*\] for image 1"):
        segmenter.segment(pictures, boxes)


def test_random_weights_of_the_image_encoder_have_a_gradient(segmenter, pictures):
    """With transformers' default of 1e-10 it would be nothing."""
    pictures.requires_grad_(True)
    segmenter.logits(pictures, BOXES).sum().backward()
    assert pictures.grad.abs().max() > 1e-8
    spread = segmenter.sam.vision_encoder.layers[0].attn.qkv.weight.std().item()
    assert spread == pytest.approx(0.02, rel=0.2)


def test_sizes_are_those_of_transformers_but_for_the_first_spread():
    ours, default = (c.to_dict() for c in (sam.config(**sam.SIZES["base"]), SamConfig()))
    assert ours["vision_config"].pop("initializer_range") == 0.02
    assert default["vision_config"].pop("initializer_range") == 1e-10
    assert ours == default


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("base", 93_735_728), ("large", 312_343_088), ("huge", 641_090_864)],
)
def test_the_published_sizes_count_as_published(name, parameters):
    """94, 312 and 641 million (Kirillov et al. 2023); counted without memory."""
    with torch.device("meta"):
        assert sum(p.numel() for p in SamModel(sam.config(**sam.SIZES[name])).parameters()) == parameters


# -- loading --------------------------------------------------------------------------------------------
def without_tied(model):
    return {k: t.contiguous() for k, t in model.sam.state_dict().items() if k != sam._TIED}


def test_a_folder_loads_as_it_was_written_the_tied_weight_held_once(segmenter, pictures, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="expected config.json and one of sam_model.safetensors, model.safetensors"
    ):
        sam.from_folder(tmp_path, name="tiny")
    save_file(without_tied(segmenter), tmp_path / checkpoints.SAM)
    (tmp_path / "config.json").write_text(json.dumps(segmenter.described()))
    found = load(f"local-dir:{tmp_path}", Segmenter)
    assert type(found) is Segmenter and found.digest() == segmenter.digest()
    assert torch.equal(found.segment(pictures, BOXES), segmenter.segment(pictures, BOXES))
    assert not found.training and not any(p.requires_grad for p in found.parameters())


def test_what_transformers_itself_writes_loads_too(segmenter, tmp_path):
    segmenter.sam.save_pretrained(tmp_path)
    assert load(f"local-dir:{tmp_path}").digest() == segmenter.digest()


def test_a_key_too_few_or_too_many_is_an_error(segmenter):
    state = without_tied(segmenter)
    del state["mask_decoder.iou_token.weight"]
    state["image_encoder.pos_embed"] = torch.zeros(1)
    with pytest.raises(
        ValueError, match="missing: mask_decoder.iou_token.weight; unknown: image_encoder.pos_embed.*\\.pth"
    ):
        sam.from_state(state, SIZES, name="tiny")


def test_the_published_weights_come_from_the_hub_s_file(segmenter, monkeypatch, tmp_path):
    monkeypatch.setenv("KT_DATA", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match="hf download facebook/sam-vit-huge model.safetensors"):
        load("facebook/sam-vit-huge")
    place = tmp_path / "checkpoints" / "facebook" / "sam-vit-huge.safetensors"
    place.parent.mkdir(parents=True)
    save_file(without_tied(segmenter), place)
    monkeypatch.setattr(sam, "config", lambda **_: SIZES)
    assert load("facebook/sam-vit-huge").digest() == segmenter.digest()


def test_a_copy_is_its_own(segmenter):
    other = segmenter.copy()
    with torch.no_grad():
        other.sam.mask_decoder.iou_token.weight.add_(1)
    assert other.digest() != segmenter.digest() == tiny_sam().digest()


def test_names():
    assert set(available(Segmenter)) >= {sam.PUBLISHED, "random/sam-vit-b"}
    with pytest.raises(ValueError, match="expected a Segmenter, found pocket/clip-b"):
        load("pocket/clip-b", Segmenter)


@pytest.mark.slow
def test_random_weights_at_published_size_segment_an_image():
    found = load("random/sam-vit-b", Segmenter)
    masks = found.segment(torch.rand(1, 3, 200, 300), torch.tensor([[10.0, 20, 150, 190]]))
    assert masks.shape == (1, 200, 300)

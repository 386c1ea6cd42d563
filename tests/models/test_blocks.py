"""Blocks of visual towers, whoever built them."""

import pytest
import torch
from open_clip.timm_model import TimmModel
from torch import nn
from transformers import ViTConfig, ViTModel

from ktlib.models.blocks import blocks, grid
from tests.conftest import tiny_clip
from tests.tiny_medclip import tiny_medclip


def test_open_clip_s_blocks_are_its_residual_blocks():
    tower = tiny_clip().visual
    assert blocks(tower) == list(tower.transformer.resblocks)


def test_a_swin_s_stages_are_taken_apart():
    tower = tiny_medclip().visual
    assert blocks(tower) == [block for stage in tower.model.encoder.layers for block in stage.blocks]
    assert len(blocks(tower)) == 3


def test_the_blocks_of_timm_in_open_clip_and_of_a_vit_of_transformers_are_found():
    trunk = TimmModel("vit_tiny_patch16_224", 16, image_size=32, pretrained=False)
    assert blocks(trunk) == list(trunk.trunk.blocks)
    tower = nn.Module()
    tower.model = ViTModel(ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32))
    assert [type(block).__name__ for block in blocks(tower)] == ["ViTLayer", "ViTLayer"]


def test_a_tower_without_known_blocks_is_named():
    with pytest.raises(ValueError, match="expected a tower of transformer blocks .* found Conv2d; add its place"):
        blocks(nn.Conv2d(3, 3, 1))


@pytest.mark.parametrize(("tokens", "expected"), [(197, (14, 1)), (49, (7, 0)), (201, (14, 5)), (17, (4, 1))])
def test_patches_are_the_largest_square_and_what_is_over_stands_in_front(tokens, expected):
    assert grid(tokens) == expected


def test_a_block_s_output_is_what_the_next_one_gets():
    """The hook of the saliency maps stands behind a block: its output, changed, is what the tower goes on with."""
    model = tiny_clip()
    images = torch.rand(2, 3, 32, 32)
    handle = blocks(model.visual)[0].register_forward_hook(lambda m, i, o: torch.zeros_like(o))
    changed = model.encode_image(images)
    handle.remove()
    torch.testing.assert_close(changed[0], changed[1])
    assert not torch.allclose(model.encode_image(images)[0], model.encode_image(images)[1])

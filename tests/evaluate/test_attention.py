"""Where a pair scorer looks: shares of the patches, in their places."""

import pytest
import torch

from ktlib.evaluate.attention import attention_map
from tests.tiny_vilt import tiny_vilt


def test_a_map_has_a_share_for_every_patch():
    model = tiny_vilt()
    image = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0))
    found = attention_map(model, image, "a moongate")
    rows, columns = (side // model.patch for side in model.prepare(image[None]).shape[-2:])
    assert found.shape == (rows, columns)
    assert found.sum().item() == pytest.approx(1.0) and (found > 0).all()


def test_it_is_the_product_of_the_blocks_half_mixed_with_the_identity():
    model = tiny_vilt()
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    first, second = model.attention(image[None], ["a moongate"])[:, 0].mean(1)
    half = torch.eye(len(first)) / 2
    row = ((second / 2 + half) @ (first / 2 + half))[0, -4:]
    torch.testing.assert_close(attention_map(model, image, "a moongate").flatten(), row / row.sum())

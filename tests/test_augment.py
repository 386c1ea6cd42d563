"""Affine views against kornia and against what can be worked out by hand."""

import math

import kornia.geometry.transform as oracle
import pytest
import torch

from ktlib import augment
from ktlib.augment import affine_matrices, affine_views

PUBLISHED = {"rotation": 30.0, "translation": 0.1, "scale": (0.7, 1.0), "probability": 0.5}


def uniforms(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_the_identity_is_passed_through_untouched():
    images = torch.rand(3, 3, 8, 8)
    never = torch.ones(3, 5) * 0.9
    assert affine_views(images, never) is images


def test_only_the_chosen_views_change():
    images = torch.rand(2, 3, 16, 16)
    views = affine_views(images, torch.tensor([[0.1, 0.9, 0.9, 0.1, 0.2], [0.9, 0.9, 0.9, 0.1, 0.2]]))
    assert not torch.equal(views[0], images[0])
    assert torch.equal(views[1], images[1])


def test_halves_mean_no_rotation_and_no_shift():
    (matrix,) = affine_matrices(uniforms([0.0, 0.5, 0.5, 0.5, 1.0]), **PUBLISHED)
    assert torch.allclose(matrix, torch.eye(2, 3, dtype=torch.float64))


def test_a_shift_of_a_tenth_moves_a_tenth_of_the_side():
    images = torch.zeros(1, 1, 10, 10, dtype=torch.float64)
    images[..., 5, 4] = 1
    right = affine_views(images, uniforms([0.0, 0.5, 1.0, 0.5, 1.0]), rotation=0.0, translation=0.1, scale=(1.0, 1.0))
    assert right[0, 0, 5, 5] == pytest.approx(1)  # one of ten pixels to the right


def test_shrinking_repeats_the_border():
    images = torch.ones(1, 3, 12, 12)
    small = affine_views(images, torch.tensor([[0.0, 0.5, 0.5, 0.5, 0.0]]))
    assert torch.allclose(small, images)


@pytest.mark.parametrize(("turn", "x", "y", "size"), [(0.9, 0.2, 0.7, 0.3), (0.1, 0.8, 0.4, 0.9)])
def test_views_agree_with_kornia(turn, x, y, size):
    images = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    ours = affine_views(images, uniforms([0.0, turn, x, y, size]))
    angle, scale = 30 * (2 * turn - 1), 0.7 + 0.3 * size
    shift = torch.tensor([[0.1 * 32 * (2 * x - 1), 0.1 * 32 * (2 * y - 1)]], dtype=torch.float64)
    cos, sin = scale * math.cos(math.radians(angle)), scale * math.sin(math.radians(angle))
    centre = torch.tensor([15.5, 15.5], dtype=torch.float64)
    linear = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    forward = torch.cat([linear, (centre - linear @ centre + shift[0])[:, None]], 1)[
        None
    ]  # input pixel to output pixel
    theirs = oracle.warp_affine(images, forward, (32, 32), padding_mode="border", align_corners=True)
    assert torch.allclose(ours, theirs, atol=1e-9)


def test_views_have_a_gradient():
    images = torch.rand(2, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    numbers = uniforms([0.0, 0.8, 0.3, 0.6, 0.4], [0.7, 0.1, 0.1, 0.1, 0.1])
    assert torch.autograd.gradcheck(lambda i: affine_views(i, numbers), images)


def test_several_views_of_each_image_are_what_each_is_alone():
    images = torch.rand(3, 2, 10, 14, dtype=torch.float64)
    numbers = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    numbers[:, 0] = torch.tensor([0.1, 0.9, 0.1, 0.9, 0.1, 0.1])
    together = affine_views(images, numbers)
    apart = torch.cat([affine_views(images, numbers[:3]), affine_views(images, numbers[3:])])
    assert torch.equal(together, apart)
    assert torch.equal(together[3], images[0])  # the second view of the first image is the identity


def test_several_views_have_a_gradient():
    images = torch.rand(2, 1, 5, 7, dtype=torch.float64, requires_grad=True)
    numbers = uniforms(
        [0.0, 0.8, 0.3, 0.6, 0.4], [0.7, 0.1, 0.1, 0.1, 0.1], [0.2, 0.1, 0.9, 0.2, 0.7], [0.3, 0.6, 0.2, 0.9, 0.1]
    )
    assert torch.autograd.gradcheck(lambda i: affine_views(i, numbers), images)


def test_views_that_do_not_share_out_evenly_are_refused():
    with pytest.raises(ValueError, match="same number of views of every image, found 3 of 2 images"):
        affine_views(torch.rand(2, 3, 8, 8), torch.rand(3, 5))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 9)])
def test_the_grid_is_torchs_own(height, width):
    matrices = torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theirs = torch.nn.functional.affine_grid(matrices, [4, 1, height, width], align_corners=False)
    torch.testing.assert_close(augment._grid(matrices, height, width), theirs)

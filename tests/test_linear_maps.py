"""Linear maps: scaling undone by algebra, and the map of least squares."""

import math

import pytest
import torch

from ktlib.linear_maps import Affine, least_squares, rescaling


def features(count, dim, seed, *, spread=1.0, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=g) * spread + shift


@pytest.fixture
def pair():
    """Features of 400 images in two spaces that a linear map nearly joins."""
    source = features(400, 6, 0, spread=0.1, shift=0.05)
    turned = torch.linalg.qr(features(6, 6, 1)).Q[:, :5]
    return source, 20 * source @ turned + features(1, 5, 2) + features(400, 5, 3, spread=0.5)


# -- scaling ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("spread", [0.01, 1.0, 50.0])
def test_rescaling_gives_the_variance_of_all_entries_together(spread):
    space = features(300, 8, 0, spread=spread, shift=2 * spread)
    scaled = space * rescaling(space)
    assert scaled.double().var(correction=0).item() == pytest.approx(4.5, rel=1e-5)


def test_equation_3_as_printed_turns_a_variance_v_into_v_squared_over_the_target():
    space = features(300, 8, 0, spread=3.0)
    variance = space.double().var(correction=0).item()
    literal = space * math.sqrt(variance / 4.5)
    assert literal.double().var(correction=0).item() == pytest.approx(variance**2 / 4.5, rel=1e-5)
    assert rescaling(space) == pytest.approx(math.sqrt(4.5 / variance), rel=1e-6)


def test_rescaling_reads_the_chosen_rows_alone():
    space = torch.cat([features(100, 4, 0), features(100, 4, 1, spread=9)])
    rows = torch.arange(100)
    assert rescaling(space, rows=rows) == pytest.approx(rescaling(space[:100]), rel=1e-9)


def test_a_map_between_scaled_spaces_is_undone_for_features_as_they_come():
    """y c₂ = (x c₁) W + b, so y = x (W c₁ / c₂) + b / c₂; exact in double precision up to rounding of float32."""
    generator = torch.Generator().manual_seed(0)
    affine = Affine(6, 5, [generator], torch.zeros(1))
    x, one, two = features(9, 6, 5), torch.tensor([[[3.0]]]), torch.tensor([[[0.25]]])
    (folded,) = affine.folded(one, two, bias_fix=True)
    by_hand = affine(x[None] * one)[0] / two[0]
    torch.testing.assert_close(folded(x), by_hand.detach(), rtol=1e-5, atol=1e-5)


def test_the_published_bias_is_off_by_the_sources_factor():
    generator = torch.Generator().manual_seed(0)
    affine = Affine(6, 5, [generator], torch.zeros(1))
    one, two = torch.tensor([[[3.0]]]), torch.tensor([[[0.25]]])
    (right,), (published,) = (affine.folded(one, two, bias_fix=fix) for fix in (True, False))
    torch.testing.assert_close(published.bias, right.bias * 3.0)
    torch.testing.assert_close(published.weight, right.weight)


# -- in closed form ---------------------------------------------------------------------------------
def test_least_squares_is_torchs_own(pair):
    source, clip = pair
    augmented = torch.cat([source, torch.ones(len(source), 1)], 1).double()
    solution = torch.linalg.lstsq(augmented, clip.double()).solution
    found = least_squares(source, clip).h
    torch.testing.assert_close(found.weight.double(), solution[:-1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.bias.double(), solution[-1], rtol=1e-4, atol=1e-4)


def test_least_squares_takes_the_smallest_map_where_images_are_fewer_than_dimensions():
    source, clip = features(5, 20, 0), features(5, 3, 1)
    found = least_squares(source, clip).h
    assert torch.allclose(found(source), clip, atol=1e-4)
    centred = source.double() - source.double().mean(0)  # of rank 4
    smallest = torch.linalg.pinv(centred, rtol=1e-10) @ (clip.double() - clip.double().mean(0))
    torch.testing.assert_close(found.weight.double(), smallest, rtol=1e-3, atol=1e-5)

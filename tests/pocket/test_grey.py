"""The pencil of films and slices: coverage, what lies on what, grain, exposure."""

import math
from random import Random

import numpy as np
import pytest

from ktlib.pocket import grey


@pytest.mark.parametrize("radius", [0.05, 0.2, 0.35])
def test_a_disk_covers_its_area(radius):
    covered = grey.disk(0.5, 0.5, radius).sum() / grey.SIZE**2
    assert covered == pytest.approx(math.pi * radius**2, rel=0.01)  # pixels at the edge count in part


def test_shapes_that_are_special_cases_of_each_other():
    disk = grey.disk(0.4, 0.6, 0.2)
    assert np.allclose(grey.ellipse(0.4, 0.6, 0.2, 0.2, turn=0.7), disk, atol=1e-4)
    assert np.allclose(grey.outline(0.4, 0.6, 0.2, []), disk, atol=1e-6)
    assert np.allclose(grey.line([(0.4, 0.6), (0.4, 0.6)], 0.4), disk, atol=1e-6)
    assert np.allclose(grey.round_box(0.4, 0.6, 0.2, 0.2, 0.2), disk, atol=1e-6)


def test_a_ring_is_a_disk_without_a_smaller_one():
    ring = grey.ring(0.5, 0.5, 0.3, 0.1)
    assert np.allclose(ring, grey.disk(0.5, 0.5, 0.35) - grey.disk(0.5, 0.5, 0.25), atol=1e-5)


def test_an_outline_has_as_many_bumps_as_its_wave():
    angles = np.linspace(0, 2 * math.pi, 360, endpoint=False)
    shape = grey.outline(0.5, 0.5, 0.3, [(5, 0.3, 0.0)])
    rows, columns = (np.floor((0.5 + 0.33 * f(angles)) * 64).astype(int) for f in (np.sin, np.cos))
    along = shape[rows, columns] > 0.5
    assert (along & ~np.roll(along, 1)).sum() == 5


def test_a_box_is_as_wide_and_high_as_it_was_asked_for():
    box = grey.round_box(0.5, 0.5, 0.25, 0.125, 0.0)
    assert (box[32] > 0.5).sum() == 32 and (box[:, 32] > 0.5).sum() == 16


def test_what_is_brighter_stays_below_what_is_laid_on_it():
    plate = np.where(grey.X < 0.5, 0.2, 0.9).astype(np.float32)
    laid = grey.lay(plate, np.ones_like(plate), 0.6)
    assert np.allclose(laid[:, :32], 0.6) and np.allclose(laid[:, 32:], 0.9)


@pytest.mark.parametrize("grain", [8, 20, 64])
def test_noise_has_mean_zero_and_deviation_one_and_depends_on_the_seed_alone(grain):
    found = grey.noise(Random(3), grain)
    assert found.shape == (64, 64)
    assert found.mean() == pytest.approx(0, abs=1e-5)
    assert found.std() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(found, grey.noise(Random(3), grain))
    assert not np.array_equal(found, grey.noise(Random(4), grain))


def test_coarse_noise_changes_little_from_pixel_to_pixel():
    steps = [np.abs(np.diff(grey.noise(Random(0), grain), axis=1)).mean() for grain in (8, 64)]
    assert steps[0] < steps[1] / 3


def test_exposure_by_hand():
    plate, grain = np.array([[0.5, 1.0]], np.float32), np.array([[1.0, 9.0]], np.float32)
    found = grey.exposed(plate, gain=0.5, shift=0.1, grain=grain, amount=0.04)
    # 0.6 + 0.04, and 0.5 * 0.5 + 0.6 + 2.5 * 0.04
    assert found.tolist() == [[round(255 * 0.64), round(255 * 0.95)]]
    assert found.dtype == np.uint8


def test_branches_lie_where_they_are_sent():
    found = grey.branches(Random(1), 0.2, 0.5, (-0.1, 0.1), 0.5, 0.02)
    assert found[:, :8].max() == 0
    assert found[:, 20:].max() == 1

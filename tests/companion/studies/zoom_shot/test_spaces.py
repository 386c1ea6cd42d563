"""Planes to look at clouds in, and distances between sets."""

from dataclasses import replace

import pytest
import torch

from ktlib.companion.studies.zoom_shot import spaces
from ktlib.companion.studies.zoom_shot.laboratory import TRAIN
from tests.zoom_shot_lab import made_up


def test_the_plane_between_two_clouds_shows_them_apart():
    g = torch.Generator().manual_seed(0)
    one = torch.randn(200, 5, generator=g) * torch.tensor([0.1, 5.0, 1.0, 1.0, 1.0])
    other = one[:50] + torch.tensor([1.0, 0, 0, 0, 0])
    origin, directions = spaces.plane_between(one, other)
    torch.testing.assert_close(directions.T @ directions, torch.eye(2), atol=1e-5, rtol=0)
    left, right = ((points - origin) @ directions for points in (one, other))
    assert (right.mean(0) - left.mean(0))[0] > 0.9
    assert abs((right.mean(0) - left.mean(0))[1]) < 1e-4  # all that keeps them apart is on the first axis
    assert left[:, 1].std() > 4


def test_distance_is_none_for_the_training_images_themselves(tmp_path):
    lab = made_up(tmp_path)
    same = replace(lab, features=dict(lab.features) | {("clip", "one"): lab.features["clip", TRAIN]})
    assert spaces.distance(same, "one") == pytest.approx(0, abs=1e-6)
    turned = replace(lab, features=dict(lab.features) | {("clip", "one"): -lab.features["clip", TRAIN]})
    assert spaces.distance(turned, "one") == pytest.approx(2, abs=1e-6)

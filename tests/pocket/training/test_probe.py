"""Linear probes: what they read, and what they do not."""

import pytest
import torch

from ktlib.pocket import scenes
from ktlib.pocket.training import probe


def test_the_probe_reads_what_is_linear_and_nothing_from_noise():
    generator = torch.Generator().manual_seed(0)
    labels, test_labels = (torch.arange(n) % 3 for n in (90, 300))
    noise, test_noise = torch.randn(90, 5, generator=generator), torch.randn(300, 5, generator=generator)
    assert probe.accuracy(noise, labels, test_noise, test_labels) == pytest.approx(1 / 3, abs=0.12)  # 4 standard errors
    told, test_told = noise.clone(), test_noise.clone()
    told[:, 0] += 20 * (labels == 0)
    told[:, 1] += 20 * (labels == 1)
    test_told[:, 0] += 20 * (test_labels == 0)
    test_told[:, 1] += 20 * (test_labels == 1)
    assert probe.accuracy(told, labels, test_told, test_labels) == 1


def test_examples_are_balanced_and_of_the_stated_classes():
    images, labels = probe.examples("colours of a car", "validation", 2)
    assert images.shape == (14, 3, 64, 64)
    assert labels.bincount().tolist() == [2] * 7
    assert probe.TASKS["shapes"][1] == scenes.SHAPES

"""Self-distillation, piece by piece."""

import inspect

import pytest
import torch

from ktlib.models import architectures
from ktlib.pocket.training import distillation
from ktlib.pocket.training.distillation import Distillation, View, crop, koleo, sinkhorn, tokens
from ktlib.pocket.training.encoders import config


def test_the_loss_of_self_distillation_takes_pictures_alone():
    assert list(inspect.signature(Distillation.loss).parameters) == ["self", "images", "generator"]


def test_a_crop_of_everything_is_the_picture_and_a_small_one_stays_inside():
    images, generator = torch.rand(2, 3, 64, 64), torch.Generator().manual_seed(0)
    flat = torch.full((8, 3, 64, 64), 0.3)
    assert torch.allclose(crop(flat, View(32, (0.2, 0.5)), generator), torch.full((8, 3, 32, 32), 0.3), atol=1e-6)
    ramp = torch.linspace(0, 1, 64).expand(8, 3, 64, 64)
    view = crop(ramp, View(32, (0.2, 0.3)), generator)
    assert (view[..., 1:] > view[..., :-1]).all()  # never mirrored, never beyond the edge
    assert (view[..., -1] - view[..., 0]).max() < 0.3**0.5 * (4 / 3) ** 0.5  # no wider than its area and shape allow
    assert crop(images, View(64, (0.5, 1.0)), generator).shape == images.shape


def test_sinkhorn_gives_each_picture_one_and_each_prototype_its_share():
    q = sinkhorn(torch.rand(32, 8) * 0.1, rounds=50)
    assert torch.allclose(q.sum(1), torch.ones(32), atol=1e-5)
    assert torch.allclose(q.sum(0), torch.full((8,), 4.0), atol=1e-3)  # 50 rounds are nearly converged


def test_koleo_of_two_opposite_features_is_minus_log_two():
    assert koleo(torch.tensor([[1.0, 0.0], [-3.0, 0.0]])).item() == pytest.approx(-torch.tensor(2.0).log().item())


def test_the_teacher_moves_a_fiftieth_of_the_way_at_first_and_not_at_all_at_the_end():
    torch.manual_seed(0)
    described = config("dino")
    learner = Distillation(
        architectures.build(described), architectures.build(described), described["dim"], masked=False
    )
    student, teacher = learner.student["backbone"].cls_token, learner.teacher["backbone"].cls_token
    with torch.no_grad():
        student += 1
    before = teacher.clone()
    learner.follow(1.0)
    assert torch.equal(teacher, before)
    learner.follow(0.0)
    assert torch.allclose(teacher, before + 0.02, atol=1e-6)
    assert not any(p.requires_grad for p in learner.teacher.parameters())


def test_a_masked_patch_leaves_no_trace():
    torch.manual_seed(0)
    vit = architectures.build(config("dinov2")).eval()
    images = torch.rand(1, 3, 64, 64)
    other = images.clone()
    other[..., :8, 8:16] = 0  # the second patch
    mask = torch.zeros(1, 64, dtype=torch.bool)
    assert not torch.equal(tokens(vit, images, mask, torch.zeros(80)), tokens(vit, other, mask, torch.zeros(80)))
    mask[0, 1] = True
    assert torch.equal(tokens(vit, images, mask, torch.zeros(80)), tokens(vit, other, mask, torch.zeros(80)))


def test_tokens_are_what_the_network_gives():
    torch.manual_seed(0)
    vit, images = architectures.build(config("dino")).eval(), torch.rand(2, 3, 64, 64)
    assert torch.equal(tokens(vit, images)[:, 0], vit(images))


def test_most_views_keep_their_colours():
    generator = torch.Generator().manual_seed(0)
    red = torch.full((1000, 3, 8, 8), -1.0)
    red[:, 0] = 1
    view = distillation.recolour(red, generator).mean((2, 3))
    kept = ((view[:, 0] > view[:, 1] + 0.5) & (view[:, 0] > view[:, 2] + 0.5)).float().mean().item()
    # neither grey nor exchanged, or exchanged for the same: a third of the orders leave red where it is
    expected = (1 - distillation.GREY) * (1 - distillation.EXCHANGED * 2 / 3)
    assert kept == pytest.approx(expected, abs=0.07)  # more than four standard errors
    assert kept > 0.5

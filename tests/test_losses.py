"""Each loss: a value by hand, a gradient, an invariance, and what it must not do."""

import math

import pytest
import torch
import torch.nn.functional as F

from ktlib import losses


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1)


@pytest.mark.parametrize("side", [64, 128, 224])
def test_total_variation_of_uniform_noise_is_four_s_sqrt_one_sixth(side):
    noise = torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(0))
    # Var(U - U') = 1/6 a difference and about s² differences a map: 1 % off for the missing rows and columns.
    assert losses.total_variation(noise).item() == pytest.approx(4 * side * math.sqrt(1 / 6), rel=0.02)


def test_total_variation_by_hand():
    image = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
    # along x: (1, 0), along y: (0, -1), down-right: 0 - 0, down-left: 0 - 1
    assert losses.total_variation(image).item() == pytest.approx(3.0)


def test_total_variation_of_a_flat_image_is_zero_and_its_mean_is_over_images():
    flat, rough = torch.full((1, 3, 8, 8), 0.4), torch.rand(1, 3, 8, 8)
    assert losses.total_variation(flat) == 0
    both = losses.total_variation(torch.cat([flat, rough]))
    assert both.item() == pytest.approx(losses.total_variation(rough).item() / 2, rel=1e-6)


def test_total_variation_has_the_gradient_of_its_definition():
    images = torch.rand(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(losses.total_variation, images)


def test_a_flat_image_has_a_finite_gradient():
    flat = torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.total_variation(flat), flat)
    assert torch.equal(gradient, torch.zeros_like(flat))


def test_nt_xent_by_hand():
    images, texts = torch.eye(4)[:2], torch.eye(4)[2:]
    texts = texts * 0 + torch.tensor([1.0, 0, 0, 0])  # both captions equal the first image
    # Cosines over temperature 1. Anchor image 0: positives 1 (its caption), others 0 and 1.
    e = math.e
    anchors = [-math.log(e / (1 + e + e)), -math.log(1 / (1 + 1 + 1))]  # images 0 and 1
    anchors += [-math.log(e / (e + 1 + e)), -math.log(1 / (e + 1 + e))]  # captions 0 and 1
    assert losses.nt_xent(images, texts, 1.0).item() == pytest.approx(sum(anchors) / 4, rel=1e-6)


def test_nt_xent_pulls_images_to_the_caption_and_pushes_them_apart():
    images = unit(4, 16).requires_grad_(True)
    texts = unit(1, 16, seed=1).expand(4, -1)
    (gradient,) = torch.autograd.grad(losses.nt_xent(images, texts), images)
    moved = F.normalize(images - 0.01 * gradient, dim=1).detach()
    assert (moved * texts).sum() > (images * texts).sum()


def test_copies_of_one_caption_teach_equal_images_nothing_under_the_symmetric_loss():
    """Reading R1: with equal similarities the loss is log B and there is no pull at all."""
    text = unit(1, 16)
    orthogonal = unit(4, 16, seed=2)
    orthogonal = F.normalize(orthogonal - (orthogonal @ text.T) * text, dim=1)
    images = F.normalize(0.3 * text + orthogonal, dim=1).requires_grad_(True)  # all at the same cosine
    loss = losses.symmetric_clip(images, text.expand(4, -1))
    (gradient,) = torch.autograd.grad(loss, images)
    assert loss.item() == pytest.approx(math.log(4))
    assert gradient.abs().max() < 1e-12


def test_copies_of_one_caption_level_unequal_images_under_the_symmetric_loss():
    """Reading R1: the slope at a cosine is (softmax - 1/B) / 2: the far ones are pulled, the near ones pushed away."""
    text, temperature = unit(1, 16), 0.2
    images = unit(4, 16, seed=3).requires_grad_(True)
    loss = losses.symmetric_clip(images, text.expand(4, -1), temperature)
    (gradient,) = torch.autograd.grad(loss, images)
    scaled = (images @ text.T)[:, 0].detach() / temperature
    slopes = (scaled.softmax(0) - 1 / 4) / 2
    assert torch.allclose(gradient, slopes[:, None] * text / temperature)
    assert slopes[scaled.argmax()] > 0.01 and slopes[scaled.argmin()] < -0.01  # it does teach these
    assert (gradient @ text.T).sum().abs() < 1e-12  # but no cosine in the mean
    assert loss.item() == pytest.approx((math.log(4) + (scaled.logsumexp(0) - scaled.mean()).item()) / 2)
    assert loss.item() > math.log(4)


def test_nt_xent_does_pull_where_the_symmetric_loss_does_not():
    text = unit(1, 16)
    images = unit(4, 16, seed=3).requires_grad_(True)
    (gradient,) = torch.autograd.grad(losses.nt_xent(images, text.expand(4, -1)), images)
    assert ((-gradient) @ text.T > 0).all()


@pytest.mark.parametrize("name", ["nt_xent", "symmetric_clip", "supervised_contrastive", "cosine_pull"])
def test_losses_have_a_gradient_and_ignore_the_order_of_pairs(name):
    loss = losses.CONTRASTIVE[name]
    images, texts = unit(3, 5).requires_grad_(True), unit(3, 5, seed=1)
    assert torch.autograd.gradcheck(lambda i: loss(i, texts, 0.5), images)
    order = [2, 0, 1]
    assert loss(images[order], texts[order]).item() == pytest.approx(loss(images, texts).item())


def test_a_bank_of_far_captions_is_already_satisfied():
    text = unit(1, 8)
    assert losses.info_nce_bank(text, text, negatives=-text).item() == pytest.approx(0, abs=1e-9)


def test_a_bank_counts_its_negatives():
    image = torch.tensor([[1.0, 0.0]])
    away = torch.tensor([[0.0, 1.0]])
    assert losses.info_nce_bank(image, away, 1.0, negatives=away.repeat(3, 1)).item() == pytest.approx(math.log(4))


def test_supervised_contrastive_with_one_concept_has_only_positives_left():
    text = unit(1, 8).expand(3, -1)
    # every score is a positive, so the mean log-probability is at best that of the uniform one: log 5
    assert losses.supervised_contrastive(text, text).item() == pytest.approx(math.log(5))


def test_cosine_pull_by_hand():
    assert losses.cosine_pull(torch.eye(2), torch.eye(2).flip(0), 0.5).item() == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["nt_xent", "symmetric_clip", "supervised_contrastive"])
def test_a_batch_of_one_is_refused(name):
    with pytest.raises(ValueError, match="at least 2 pairs, found 1"):
        losses.CONTRASTIVE[name](unit(1, 4), unit(1, 4))


def test_unequal_counts_are_named():
    with pytest.raises(ValueError, match="found 3 images and 2 captions"):
        losses.nt_xent(unit(3, 4), unit(2, 4))


# -- Zoom-shot --------------------------------------------------------------------------------------
def test_mean_squared_and_mean_absolute_by_hand():
    one, two = torch.tensor([[[0.0, 2.0], [4.0, 0.0]]]), torch.zeros(1, 2, 2)
    assert losses.mean_squared(one, two).tolist() == [5.0]  # (4 + 16) / 4
    assert losses.mean_absolute(one, two).tolist() == [1.5]  # (2 + 4) / 4


@pytest.mark.parametrize("loss", [losses.mean_squared, losses.mean_absolute, losses.cosines])
@pytest.mark.parametrize("fits", [1, 2])
def test_written_out_gradients_are_those_of_the_definition(loss, fits):
    """Of both arguments, of one alone, and where one is shared by several fits."""
    g = torch.Generator().manual_seed(3)
    one = torch.randn(2, 3, 4, generator=g, dtype=torch.float64, requires_grad=True)
    other = torch.randn(fits, 3, 4, generator=g, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (one, other))
    assert torch.autograd.gradcheck(lambda x: loss(x, other.detach()), one)
    assert torch.autograd.gradcheck(lambda x: loss(one.detach(), x), other)


def test_cosines_are_those_of_unit_vectors_and_zero_with_nothing():
    g = torch.Generator().manual_seed(4)
    images, texts = torch.randn(1, 3, 5, generator=g), torch.randn(1, 2, 5, generator=g)
    units = [x / x.square().sum(-1, keepdim=True).sqrt() for x in (images, texts)]
    torch.testing.assert_close(losses.cosines(images, texts), torch.einsum("fid,fpd->fip", *units))
    nothing = torch.zeros(1, 3, 5, requires_grad=True)
    found = losses.cosines(nothing, texts)
    found.sum().backward()
    assert found.eq(0).all() and nothing.grad.isfinite().all()


@pytest.mark.parametrize("matching", losses.MATCHINGS)
def test_distillation_is_least_where_the_student_is_the_teacher(matching):
    g = torch.Generator().manual_seed(0)
    teacher = torch.rand(1, 6, 5, generator=g, dtype=torch.float64) * 2 - 1
    student = teacher.clone().requires_grad_()
    best = losses.prompt_distillation(teacher, student, matching)
    (gradient,) = torch.autograd.grad(best.sum(), student)
    if matching == "ht_ce":  # a smooth minimum, at the teacher's entropy
        assert gradient.abs().max() < 1e-12
        entropy = -((5 * teacher).softmax(-1) * (5 * teacher).log_softmax(-1)).sum(-1).mean()
        assert best.item() == pytest.approx(entropy.item())
    else:
        assert best.item() == 0
    for _ in range(5):
        other = teacher + torch.randn(teacher.shape, generator=g, dtype=torch.float64)
        assert losses.prompt_distillation(teacher, other, matching) > best


def test_distillation_has_the_gradient_of_its_definition():
    g = torch.Generator().manual_seed(1)
    teacher, student = (torch.rand(2, 3, 4, generator=g, dtype=torch.float64) for _ in range(2))
    student.requires_grad_()
    for matching in losses.MATCHINGS:  # away from the kinks, where the gradient is defined
        assert torch.autograd.gradcheck(lambda s, m=matching: losses.prompt_distillation(teacher, s, m), student)


def test_softmax_of_raw_cosines_is_nearly_uniform_and_its_distance_nearly_nothing():
    """The literal reading (D21): over 44 prompts it is a thousandth of the distance of the cosines, or less."""
    g = torch.Generator().manual_seed(2)
    teacher, student = (torch.rand(1, 50, 44, generator=g) * 0.3 for _ in range(2))
    literal = losses.prompt_distillation(teacher, student, "softmax")
    assert literal < 0.03 * losses.prompt_distillation(teacher, student, "cosines")
    assert literal < 5e-3


def test_logit_matching_is_a_hundred_times_the_distance_of_cosines():
    teacher, student = torch.zeros(1, 2, 3), torch.full((1, 2, 3), 0.02)
    assert losses.prompt_distillation(teacher, student, "logits").item() == pytest.approx(2.0)
    assert losses.prompt_distillation(teacher, student, "cosines").item() == pytest.approx(0.02)


def test_cosines_do_not_see_lengths():
    images, texts = torch.randn(2, 4, 3), torch.randn(2, 5, 3)
    torch.testing.assert_close(losses.cosines(images * 7, texts * 0.1), losses.cosines(images, texts))


def test_an_unknown_matching_is_refused():
    with pytest.raises(ValueError, match="expected a matching of cosines"):
        losses.prompt_distillation(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), "kl")


def test_a_distance_of_zero_has_a_finite_gradient():
    at = torch.nn.functional.normalize(torch.ones(1, 4), dim=1).requires_grad_(True)
    (gradient,) = torch.autograd.grad(losses.distance(at, at.detach(), "l2").sum(), at)
    assert torch.isfinite(gradient).all()


def test_l2_and_cosine_say_the_same():
    a, b = torch.nn.functional.normalize(torch.randn(2, 5, 8), dim=-1)
    l2, cosine = losses.distance(a, b, "l2"), losses.distance(a, b, "cosine")
    assert torch.allclose(l2**2, 2 * cosine, atol=1e-6)


def test_raw_l2_is_the_distance_of_what_it_is_given():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    assert losses.distance(a, b, "raw_l2").item() == 5

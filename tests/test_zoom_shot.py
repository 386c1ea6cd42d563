"""Zoom-shot: least squares as the limit, each slip of the paper shown for what it does."""

import math
from dataclasses import replace

import pytest
import torch

from ktlib import losses, zoom_shot
from ktlib.linear_maps import Affine, least_squares, rescaling
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings, align, fit, fit_many

MSE = ZoomShotSettings(cycle=0.0, distillation=0.0)


def features(count, dim, seed, *, spread=1.0, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=g) * spread + shift


@pytest.fixture
def pair():
    """Features of 400 images in two spaces that a linear map nearly joins, of very different variance."""
    source = features(400, 6, 0, spread=0.1, shift=0.05)
    turned = torch.linalg.qr(features(6, 6, 1)).Q[:, :5]
    clip = 20 * source @ turned + features(1, 5, 2) + features(400, 5, 3, spread=0.5)
    return source, clip


TEXT = features(7, 5, 4)


# -- the limit --------------------------------------------------------------------------------------
def test_reconstruction_alone_converges_to_least_squares(pair):
    source, clip = pair
    settings = replace(MSE, lr=0.03, epochs=600, batch=400)
    found, exact = fit(source, clip, TEXT, settings), least_squares(source, clip)
    # Full batches and a rate that ends at 0: what is left is the slowest direction, well below one part in a hundred.
    for ours, best, inputs, scale in (
        (found.h, exact.h, source, clip.std()), (found.h_inverse, exact.h_inverse, clip, source.std())
    ):  # fmt: skip
        assert (ours(inputs) - best(inputs)).abs().max() < 0.01 * scale


def test_the_linear_aligners_loss_with_adam_is_zoom_shots_reconstruction(pair):
    """h sees the same gradient whether h⁻¹ is trained beside it or not, so this control needs no code of its own."""
    source, clip = pair
    alone = fit(source, clip, TEXT, replace(MSE, lr=0.01, batch=50))
    generator = torch.Generator().manual_seed(0)
    h = Affine(6, 5, [generator], clip)
    Affine(5, 6, [generator], clip)  # drawn for h⁻¹, left alone
    optimizer = torch.optim.Adam(h.parameters, lr=0.01)
    one, two = rescaling(source), rescaling(clip)
    for step, rows in enumerate(torch.randperm(400, generator=generator).split(50)):
        optimizer.param_groups[0]["lr"] = 0.01 * 0.5 * (1 + math.cos(math.pi * step / 8))
        optimizer.zero_grad()
        losses.mean_squared(h(source[rows][None] * one), clip[rows][None] * two).sum().backward()
        optimizer.step()
    (again,) = h.folded(torch.tensor(one), torch.tensor(two), bias_fix=True)
    torch.testing.assert_close(alone.h.weight, again.weight, rtol=1e-4, atol=1e-5)


# -- which is which ---------------------------------------------------------------------------------
def test_h_leads_into_clips_space_and_h_inverse_out_of_it(pair):
    source, clip = pair
    maps = fit(source, clip, TEXT, replace(MSE, lr=0.03, epochs=300, batch=400))
    # 5 of 6 dimensions and noise of 0.5 against a spread of 2: more than nine tenths of the variance is explained.
    assert (maps.h(source) - clip).var() < 0.1 * clip.var()


def test_algorithm_1_read_literally_maps_the_wrong_way(pair):
    """Alg. 1 calls CLIP's image I_s, so its `h` is Sec. 3's h⁻¹: it cannot even take the encoder's features."""
    source, clip = pair
    literal = fit(clip, source, source[:7], replace(MSE, lr=0.03, epochs=100, batch=400))
    with pytest.raises(ValueError, match=r"expected features \(count, 5\), found \(400, 6\)"):
        literal.h(source)
    narrow = source[:, :5]  # of equal width nothing stops it, and it maps to nowhere
    literal = fit(clip, narrow, narrow[:7], replace(MSE, lr=0.03, epochs=300, batch=400))
    rightly = fit(narrow, clip, TEXT, replace(MSE, lr=0.03, epochs=300, batch=400))
    assert (literal.h(narrow) - clip).square().mean() > 5 * (rightly.h(narrow) - clip).square().mean()


# -- training ---------------------------------------------------------------------------------------
def test_several_seeds_side_by_side_are_what_each_is_alone(pair):
    source, clip = pair
    settings = ZoomShotSettings(lr=0.01, batch=64, epochs=2)
    together = fit_many(source, clip, TEXT, settings, seeds=[0, 1])
    for seed, maps in enumerate(together):
        alone = fit(source, clip, TEXT, settings, seed=seed)
        # Products of stacked matrices may be summed in another order; Adam's signs amplify the last bit a little.
        torch.testing.assert_close(maps.h.weight, alone.h.weight, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(maps.losses["cycle"], alone.losses["cycle"], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(together[0].h.weight, together[1].h.weight, rtol=0.01)


def test_the_same_seed_gives_the_same_maps(pair):
    one, two = (fit(*pair, TEXT, ZoomShotSettings(batch=64), seed=3) for _ in range(2))
    assert torch.equal(one.h.weight, two.h.weight)
    assert torch.equal(one.h_inverse.bias, two.h_inverse.bias)


def test_half_precision_features_are_trained_on_as_float32(pair):
    source, clip = (space.half() for space in pair)
    maps = fit(source, clip, TEXT, MSE)
    assert maps.h.weight.dtype == torch.float32
    torch.testing.assert_close(maps.h.weight, fit(source.float(), clip.float(), TEXT, MSE).h.weight)


def test_every_image_is_seen_once_an_epoch(pair):
    rows = torch.arange(10, 55)
    plan = list(zoom_shot._plan([rows], [torch.Generator().manual_seed(0)], 20, 2))
    assert [part.shape[1] for part in plan] == [20, 20, 5, 20, 20, 5]
    for epoch in (plan[:3], plan[3:]):
        assert sorted(torch.cat(epoch, 1)[0].tolist()) == rows.tolist()


@pytest.mark.parametrize(
    ("settings", "terms"),
    [
        (MSE, {"reconstruction"}),
        (replace(MSE, reconstruction=0.0, cycle=1.0), {"cycle"}),
        (replace(MSE, reconstruction=0.0, distillation=1.0), {"distillation"}),
        (ZoomShotSettings(), {"reconstruction", "cycle", "distillation"}),
    ],
)
def test_each_subset_of_losses_trains_and_lowers_what_it_minimises(pair, settings, terms):
    maps = fit(*pair, TEXT, replace(settings, lr=0.01, epochs=10, batch=100))
    assert maps.losses.keys() == terms
    total = sum(maps.losses.values())
    assert total[-5:].mean() < total[:5].mean()


def test_the_objective_is_the_sum_of_the_papers_terms_written_out(pair):
    """Images, texts and returning images go through a map together; here each goes alone."""
    source, clip = (space[None, :50] for space in pair)
    text = TEXT[None]
    h, g = (Affine(a, b, [torch.Generator().manual_seed(a)], clip) for a, b in ((6, 5), (5, 6)))
    found = zoom_shot.objective(h, g, source, clip, text, ZoomShotSettings(distillation=2.0))
    l1, cos = losses.mean_absolute, losses.cosines
    teacher = cos(clip, text)
    by_hand = {
        "reconstruction": losses.mean_squared(h(source), clip) + losses.mean_squared(g(clip), source),
        "cycle": l1(g(h(source)), source) + l1(h(g(clip)), clip) + l1(h(g(text)), text),
        "distillation": 2.0 * (l1(cos(h(source), text), teacher) + l1(cos(source, g(text)), teacher)
        + l1(cos(g(clip), g(text)), teacher)),
    }  # fmt: skip
    assert found.keys() == by_hand.keys()
    for name, value in by_hand.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


# -- the Linear Aligner -----------------------------------------------------------------------------
def test_the_linear_aligner_is_sgd_on_the_squared_error(pair):
    source, clip = pair
    settings = AlignerSettings(epochs=3, batch=100, bias_fix=True)
    (found,) = align(source, clip, settings, seeds=[5])
    generator = torch.Generator().manual_seed(5)
    h = Affine(6, 5, [generator], clip)
    optimizer = torch.optim.SGD(h.parameters, lr=0.01, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
    one, two = rescaling(source), rescaling(clip)
    for _ in range(3):
        for rows in torch.randperm(400, generator=generator).split(100):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(h(source[rows][None] * one), clip[rows][None] * two).backward()
            optimizer.step()
        schedule.step()  # once an epoch, as published
    (again,) = h.folded(torch.tensor(one), torch.tensor(two), bias_fix=True)
    torch.testing.assert_close(found.h.weight, again.weight, rtol=1e-4, atol=1e-5)
    assert found.h_inverse is None


def test_given_time_the_linear_aligner_ends_near_least_squares(pair):
    source, clip = pair
    settings = AlignerSettings(lr=0.05, weight_decay=0.0, epochs=2000, period=2000, batch=400, bias_fix=True)
    (found,), exact = align(source, clip, settings), least_squares(source, clip)
    assert (found.h(source) - exact.h(source)).abs().max() < 0.01 * clip.std()


# -- what is refused --------------------------------------------------------------------------------
def test_features_of_different_images_are_refused(pair):
    source, clip = pair
    with pytest.raises(ValueError, match="of the same images, found 399 of the source and 400 of CLIP"):
        fit(source[1:], clip, TEXT)
    with pytest.raises(ValueError, match="CLIP's width 5, found 4"):
        fit(source, clip, TEXT[:, :4])
    with pytest.raises(ValueError, match=r"expected source features \(count, dim\), found \(0, 6\)"):
        fit(source[:0], clip[:0], TEXT)
    with pytest.raises(ValueError, match="equally many images for each of 2 seeds"):
        fit_many(source, clip, TEXT, seeds=[0, 1], rows=[torch.arange(5), torch.arange(6)])


@pytest.mark.parametrize("train", [lambda s, c: fit(s, c, TEXT), align], ids=["fit", "align"])
def test_features_without_variance_or_with_nan_are_refused(pair, train):
    source, clip = pair
    with pytest.raises(ValueError, match="found no variance"):
        train(torch.full_like(source, 0.7), clip)
    broken = source.clone()
    broken[3, 2] = float("nan")
    with pytest.raises(ValueError, match="finite features, found NaN"):
        train(broken, clip)


def test_a_training_that_diverges_says_so(pair):
    source, clip = pair
    with pytest.raises(RuntimeError, match="diverged: lower lr"):
        align(source, clip * 1e4, AlignerSettings(variance=None, lr=1e3, epochs=200))


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="not all 0"):
        ZoomShotSettings(0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="expected a matching of cosines, logits, softmax, ht_ce, found 'kl'"):
        ZoomShotSettings(matching="kl")

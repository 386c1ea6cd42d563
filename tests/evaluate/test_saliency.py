"""Maps: the bottleneck against a plain loop, its limits, Grad-CAM by hand, and the sanity checks."""

import pytest
import torch
import torch.nn.functional as F
from open_clip.timm_model import TimmModel
from scipy import stats

from ktlib.evaluate.saliency import SaliencySettings, grad_cam, likeness, randomised, saliency, sanity
from ktlib.models.blocks import blocks
from tests.conftest import tiny_clip
from tests.tiny_medclip import tiny_medclip

TEXT, OTHER = "a red disk", "a round opening"
FIRST = SaliencySettings(layer=0)


@pytest.fixture
def model():
    return tiny_clip()


def plain(model, image, text, settings, seed=0):
    """One image, all its copies through the whole tower, every update made, as M2IB's loop has it."""
    block = blocks(model.visual)[settings.layer]
    draw = torch.Generator().manual_seed(seed)
    target = model.encode_text([text])
    kept = {}

    def gate(module, given, output):
        x = output[0] if isinstance(output, tuple) else output
        if "alpha" not in kept:
            kept["alpha"] = torch.full_like(x[:1], settings.start).requires_grad_()
        keep = kept["alpha"].sigmoid().expand_as(x)
        mean, variance = keep * x, (1 - keep) ** 2
        kept["capacity"] = -0.5 * (1 + variance.log() - mean**2 - variance)
        noisy = mean + variance.sqrt() * torch.randn(x.shape, generator=draw)
        return (noisy, *output[1:]) if isinstance(output, tuple) else noisy

    handle = block.register_forward_hook(gate)
    optimizer = None
    for _ in range(settings.steps):
        features = model.encode_image(image[None].expand(settings.copies, -1, -1, -1))
        loss = settings.beta * kept["capacity"].mean() - F.cosine_similarity(features, target).mean()
        if optimizer is None:
            optimizer = torch.optim.Adam([kept["alpha"]], lr=settings.lr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    handle.remove()
    found = kept["capacity"].detach().mean(0).nansum(1)
    side = int(len(found) ** 0.5)
    found = found[len(found) - side**2 :].view(1, 1, side, side)
    found = F.interpolate(found, model.image_size, mode="bilinear")[0, 0]
    return (found - found.min()) / (found.max() - found.min())


@pytest.mark.parametrize(("make", "layer"), [(tiny_clip, 0), (tiny_medclip, 0), (tiny_medclip, 1), (tiny_medclip, 2)])
def test_maps_are_those_of_a_plain_loop_over_one_image(make, layer, images):
    model, settings = make(), SaliencySettings(layer=layer, beta=0.5)
    found = saliency(model, images[:3], TEXT, settings=settings)
    expected = torch.stack([plain(model, image, TEXT, settings) for image in images[:3]])
    assert found.shape == (3, 32, 32)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)  # rounding, through nine steps of Adam at rate 1


def test_a_map_does_not_depend_on_its_neighbours_nor_on_how_many_are_made_at_once(model, images):
    together = saliency(model, images[:4], TEXT, settings=FIRST)
    torch.testing.assert_close(
        saliency(model, images[:4], TEXT, settings=FIRST, at_once=1), together, atol=2e-3, rtol=0
    )
    torch.testing.assert_close(saliency(model, images[2:3], TEXT, settings=FIRST), together[2:3], atol=2e-3, rtol=0)


def test_each_image_is_asked_for_its_own_text(model, images):
    texts = [TEXT, OTHER]
    found = saliency(model, images[:2], texts, settings=FIRST)
    for number, text in enumerate(texts):
        alone = saliency(model, images[number : number + 1], text, settings=FIRST)
        torch.testing.assert_close(found[number : number + 1], alone, atol=2e-3, rtol=0)


def test_maps_run_from_0_to_1_and_the_same_seed_gives_the_same_bytes(model, images):
    found = saliency(model, images[:2], TEXT, settings=FIRST)
    assert found.amin((1, 2)).tolist() == [0, 0] and found.amax((1, 2)).tolist() == [1, 1]
    assert torch.equal(found, saliency(model, images[:2], TEXT, settings=FIRST))
    assert not torch.equal(found, saliency(model, images[:2], TEXT, settings=FIRST, seed=1))


def test_without_noise_left_to_pay_for_nothing_is_optimised_away(model, images):
    """In the first pass all gates are as open as they started: the map is the energy of the activations."""
    one = SaliencySettings(layer=0, steps=1)
    kept = {}
    handle = blocks(model.visual)[0].register_forward_hook(lambda m, i, o: kept.update(x=o))
    model.encode_image(images[:1])
    handle.remove()
    energy = kept["x"][:, 1:].square().sum(2).view(1, 1, 4, 4)  # all else in the sum is the same everywhere
    energy = F.interpolate(energy, 32, mode="bilinear")[:, 0]
    expected = (energy - energy.min()) / (energy.max() - energy.min())
    torch.testing.assert_close(saliency(model, images[:1], TEXT, settings=one), expected, atol=1e-4, rtol=0)


def test_a_larger_beta_lets_less_through(model, images):
    from ktlib.evaluate import saliency as module

    through = []
    for beta in (0.0, 10.0):
        settings = SaliencySettings(layer=0, beta=beta)
        gates = module._Gates(settings, torch.Generator().manual_seed(0))
        with module._Hook(blocks(model.visual)[0], gates):
            module._let_through(model, images[:2], model.encode_text([TEXT, TEXT]), gates, settings)
        through.append(gates.capacity.mean().item())
    assert through[1] < through[0]


def test_the_model_is_left_as_it_was_even_after_an_error(model, images):
    before, features = model.digest(), model.encode_image(images)
    saliency(model, images[:1], TEXT, settings=FIRST)
    with pytest.raises(RuntimeError, match="negative dimension"):
        saliency(model, images[:1], TEXT, settings=SaliencySettings(layer=0, copies=-1))
    assert not blocks(model.visual)[0]._forward_hooks
    assert model.digest() == before
    assert torch.equal(model.encode_image(images), features)
    assert all(p.grad is None for p in model.parameters())


def test_maps_are_the_same_where_nobody_wants_gradients(model, images):
    with torch.no_grad():
        quiet = saliency(model, images[:2], TEXT, settings=FIRST), grad_cam(model, images[:2], TEXT, layer=0)
    assert torch.equal(quiet[0], saliency(model, images[:2], TEXT, settings=FIRST))
    assert torch.equal(quiet[1], grad_cam(model, images[:2], TEXT, layer=0))


def test_maps_have_the_size_of_the_pictures(model, images):
    wide = F.interpolate(images[:1], (20, 40))
    assert saliency(model, wide, TEXT, settings=FIRST).shape == (1, 20, 40)
    assert grad_cam(tiny_medclip(), wide, TEXT, layer=0).shape == (1, 20, 40)


def test_layers_that_say_nothing_and_counts_that_differ_are_refused(model, images):
    with pytest.raises(ValueError, match="expected a layer from 0 to 1 for tiny, found 7"):
        saliency(model, images, TEXT)
    with pytest.raises(ValueError, match="expected a layer before the last for tiny, found 1: .*class token"):
        grad_cam(model, images, TEXT, layer=1)
    with pytest.raises(ValueError, match="expected one text or one an image, found 2 for 10 images"):
        saliency(model, images, [TEXT, OTHER], settings=FIRST)


def test_a_timm_tower_in_open_clip_works_too(model, images):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.clip.visual = TimmModel("vit_tiny_patch16_224", 32, image_size=224, pretrained=False).eval()
    model.image_size = 224
    found = saliency(model, images[:1], TEXT, settings=SaliencySettings(layer=7, steps=2, copies=2))
    assert found.amax().item() > 0.9 and found.unique().numel() > 4


# -- Grad-CAM -----------------------------------------------------------------------------------------
def test_grad_cam_weighs_channels_by_their_mean_slope(model, images):
    kept = {}

    def tap(module, given, output):
        kept["x"] = output.detach().requires_grad_()
        return kept["x"]

    handle = blocks(model.visual)[0].register_forward_hook(tap)
    cosine = F.cosine_similarity(model.encode_image(images[:1]), model.encode_text([TEXT]))
    (slope,) = torch.autograd.grad(cosine.sum(), kept["x"])
    handle.remove()
    x, weights = kept["x"].detach()[0, 1:], slope[0, 1:].mean(0)
    by_hand = torch.stack([(token * weights).sum() for token in x]).relu().view(1, 1, 4, 4)
    by_hand = F.interpolate(by_hand, 32, mode="bilinear")[:, 0]
    expected = (by_hand - by_hand.min()) / (by_hand.max() - by_hand.min()).clamp_min(1e-30)
    torch.testing.assert_close(grad_cam(model, images[:1], TEXT, layer=0), expected, atol=1e-5, rtol=0)


def test_grad_cam_is_the_same_in_one_pass_or_in_many(model, images):
    found = grad_cam(model, images, TEXT, layer=0)
    torch.testing.assert_close(found, grad_cam(model, images, TEXT, layer=0, at_once=3), atol=1e-4, rtol=0)


# -- sanity -------------------------------------------------------------------------------------------
def test_likeness_is_spearman_s_correlation():
    draw = torch.Generator().manual_seed(0)
    first, second = torch.rand(3, 5, 6, generator=draw), torch.rand(3, 5, 6, generator=draw).mul(4).round()  # ties
    expected = [stats.spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(likeness(first, second), torch.tensor(expected).float())
    torch.testing.assert_close(likeness(first, first), torch.ones(3))
    torch.testing.assert_close(likeness(first, 1 - first), -torch.ones(3))
    assert likeness(first, torch.ones_like(first)).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="expected two maps of each image"):
        likeness(first, second[:2])


def test_shuffled_weights_have_the_same_entries_in_other_places_and_texts_stay(model):
    other = randomised(model, seed=3)
    for (name, mine), theirs in zip(
        model.visual.named_parameters(), other.visual.parameters(), strict=True
    ):  # fmt: skip
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values), name
    assert not torch.equal(model.visual.conv1.weight, other.visual.conv1.weight)
    assert torch.equal(model.encode_text([TEXT]), other.encode_text([TEXT]))
    assert other.digest() == randomised(model, seed=3).digest() != model.digest()


def test_sanity_compares_with_other_noise_other_prompts_and_shuffled_weights(model, images):
    calls = []

    def explain(given, pictures, text, seed):
        calls.append((given is model, text, seed))
        return grad_cam(given, pictures, text, layer=0)

    found = sanity(model, images, TEXT, wrong=OTHER, nonsense="of of in", explain=explain)
    assert calls == [(True, TEXT, 0), (True, TEXT, 1), (True, OTHER, 0), (True, "of of in", 0), (False, TEXT, 0)]
    assert list(found) == ["again", "wrong", "nonsense", "weights"]
    torch.testing.assert_close(found["again"], torch.ones(10))  # Grad-CAM draws nothing
    assert all((found[what] < 0.999).any() for what in ("wrong", "nonsense", "weights"))


def test_sanity_s_default_is_the_bottleneck(monkeypatch, model, images):
    from ktlib.evaluate import saliency as module

    monkeypatch.setattr(module, "saliency", lambda m, i, t, *, seed: torch.rand(len(i), 4, 4))
    assert set(sanity(model, images, TEXT, wrong=OTHER, nonsense="of")) == {"again", "wrong", "nonsense", "weights"}

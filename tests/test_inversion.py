"""Inversion: it climbs, it repeats itself, it does not care about its neighbours, it resumes."""

import dataclasses
import math

import pytest
import torch

import ktlib.inversion as inversion
from ktlib.inversion import InversionSettings, invert, learning_rate

DESCRIPTION = "a round opening in a brick wall"
SHORT = InversionSettings(steps=12, sizes=((0, 8), (4, 16), (8, 32)))


def run(model, descriptions=(DESCRIPTION,), **changes):
    options = {"images_per_concept": 2, "settings": SHORT, "progress": False} | changes
    return invert(model, list(descriptions), **options)


def test_defaults_are_the_published_recipe():
    s = InversionSettings()
    assert (s.steps, s.lr, s.tv, s.probability, s.scale) == (5000, 0.1, 0.005, 0.5, (0.7, 1.0))
    assert s.sizes == ((0, 64), (900, 128), (1800, 224))


def test_five_steps_raise_the_similarity(model):
    settings = InversionSettings(steps=6, sizes=((0, 32),), probability=0.0, schedule="constant")
    found = run(model, settings=settings, images_per_concept=4)
    assert found.similarity[0, 5] > found.similarity[0, 0]


@pytest.mark.parametrize(
    "change", [{"distance": "cosine"}, {"distance": "raw_l2"}, {"layer": 1}, {"views": 3}, {"precision": "bfloat16"}]
)
def test_every_variant_raises_the_similarity(model, change):
    settings = InversionSettings(steps=10, sizes=((0, 32),), probability=0.0, schedule="constant", **change)
    found = run(model, settings=settings, images_per_concept=4)
    assert found.similarity[0, 9] > found.similarity[0, 0]


def test_images_lie_in_the_unit_cube_at_the_last_size(model):
    found = run(model)
    assert found.images.shape == (1, 2, 3, 32, 32)
    assert found.images.min() >= 0
    assert found.images.max() <= 1


def test_same_seed_same_bytes_other_seed_other_images(model):
    first, again, other = run(model), run(model), run(model, seed=1)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_a_job_does_not_depend_on_its_neighbours(model):
    alone = run(model)
    beside = run(model, [DESCRIPTION, "a red disk"])
    # the batch changes the order of sums inside matrix products, so not the last bit
    assert torch.allclose(alone.images[0], beside.images[0], atol=1e-3)


def test_inner_layers_give_activations(model):
    found = run(model, settings=InversionSettings(steps=3, layer=1))
    assert found.images.shape == (1, 2, 17, 64)  # 16 patches and the class token


def test_running_from_an_inner_layer_is_the_whole_model(model, images):
    whole = model.encode_image(images)
    assert torch.allclose(model.encode_inner(model.inner(images, 1), 1), whole, atol=1e-6)


def test_an_interrupted_run_goes_on_to_the_same_images(model, tmp_path, monkeypatch):
    whole = run(model)
    monkeypatch.setattr(inversion, "_CHECKPOINT_SECONDS", 0.0)
    calls, real = [], inversion.objective

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(inversion, "objective", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(model, store=tmp_path)
    assert [p.name.startswith("running-") for p in tmp_path.iterdir()] == [True]
    resumed = run(model, store=tmp_path)
    assert torch.equal(resumed.images, whole.images)
    assert torch.equal(resumed.similarity, whole.similarity)
    assert len(calls) == 8 + 5  # seven steps were done; the eighth and the rest follow


def test_a_finished_job_is_not_computed_again(model, tmp_path, monkeypatch):
    first = run(model, store=tmp_path)
    monkeypatch.setattr(inversion, "objective", None)
    again = run(model, store=tmp_path)
    assert torch.equal(first.images, again.images)
    assert again.seconds == 0


def test_other_settings_or_weights_are_computed_anew(model, tmp_path):
    from tests.conftest import tiny_clip

    first = run(model, store=tmp_path)
    rougher = run(model, store=tmp_path, settings=dataclasses.replace(SHORT, tv=0.0))
    other = run(tiny_clip(seed=1), store=tmp_path)
    assert not torch.equal(first.images, rougher.images)
    assert not torch.equal(first.images, other.images)


def test_a_damaged_file_is_computed_again(model, tmp_path):
    first = run(model, store=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(run(model, store=tmp_path).images, first.images)


def test_the_published_schedule_restarts_and_climbs_back():
    s = InversionSettings()
    assert learning_rate(s, 0) == learning_rate(s, 900) == learning_rate(s, 1800) == s.lr
    assert learning_rate(s, 899) == pytest.approx(0.006, abs=0.001)  # 899 of a half-wave of 1066 steps
    assert learning_rate(s, 1800 + 1066) == pytest.approx(0, abs=1e-6)
    assert learning_rate(s, 1800 + 2 * 1066) == pytest.approx(s.lr, rel=1e-3)
    assert learning_rate(s, 4999) < 1e-4


def test_clipinversion_with_more_steps_never_ends_its_cosine():
    s = InversionSettings(schedule="clipinversion")
    assert learning_rate(s, 3400) == s.lr
    assert learning_rate(s, 5000) == pytest.approx(0.05 * (1 + math.cos(0.8 * math.pi)))


def test_a_distance_of_zero_has_a_finite_gradient():
    at = torch.nn.functional.normalize(torch.ones(1, 4), dim=1).requires_grad_(True)
    (gradient,) = torch.autograd.grad(inversion.distance(at, at.detach(), "l2").sum(), at)
    assert torch.isfinite(gradient).all()


def test_l2_and_cosine_say_the_same():
    a, b = torch.nn.functional.normalize(torch.randn(2, 5, 8), dim=-1)
    l2, cosine = inversion.distance(a, b, "l2"), inversion.distance(a, b, "cosine")
    assert torch.allclose(l2**2, 2 * cosine, atol=1e-6)


def test_the_gradient_is_clipped_for_each_job_alone():
    gradient = torch.cat([torch.full((2, 3, 4, 4), 10.0), torch.full((2, 3, 4, 4), 1e-4)])
    clipped = inversion._clip(gradient, 2, 1.0)
    assert clipped[:2].norm().item() == pytest.approx(1, rel=1e-4)
    assert torch.equal(clipped[2:], gradient[2:])


def test_published_png_is_stretched_and_has_256_levels():
    images = torch.rand(2, 3, 8, 8) * 0.5 + 0.2
    png = inversion.as_published_png(images)
    assert png.amin((1, 2, 3)).tolist() == [0, 0]
    assert png.amax((1, 2, 3)).tolist() == [1, 1]
    assert torch.allclose((png * 255).round(), png * 255, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"descriptions": ["a purple wall"]}, "does not know 'purple'"),
        ({"descriptions": ["a red wall " * 4]}, "at most 12 tokens for tiny, found 14"),
        ({"descriptions": []}, "expected a list of descriptions"),
        ({"seed": [1, 2, 3]}, "one seed each"),
    ],
)
def test_bad_input_is_named(model, options, message):
    with pytest.raises(ValueError, match=message):
        run(model, **options)


@pytest.mark.parametrize("change", [{"schedule": "linear"}, {"distance": "l1"}, {"sizes": ((5, 8),)}])
def test_unknown_settings_are_refused(change):
    with pytest.raises(ValueError, match="expected"):
        InversionSettings(**change)


def test_a_stretched_recipe_grows_at_the_same_shares():
    assert InversionSettings().stretched(500).sizes == ((0, 64), (90, 128), (180, 224))
    assert InversionSettings().stretched(5000) == InversionSettings()

"""Inversion: it climbs, it repeats itself, it does not care about its neighbours, it resumes."""

import dataclasses
import inspect
import math

import pytest
import torch

import ktlib.inversion as inversion
from ktlib.inversion import InversionSettings, invert, learning_rate
from ktlib.losses import total_variation
from ktlib.models.protocols import Invertible
from ktlib.models.scoring import MATCH
from tests.tiny_vilt import tiny_vilt

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


def test_the_gradient_is_clipped_for_each_job_alone():
    gradient = torch.cat([torch.full((2, 3, 4, 4), 10.0), torch.full((2, 3, 4, 4), 1e-4)])
    clipped = inversion._clip(gradient, 2, 1.0)
    assert clipped[:2].norm().item() == pytest.approx(1, rel=1e-4)
    assert torch.equal(clipped[2:], gradient[2:])


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


# -- what the method asks of a model ----------------------------------------------------------------------
def test_the_objective_is_the_distance_plus_the_weighted_total_variation(model, images):
    """Eq. 3 with CLIPInversion's distance, written out."""
    settings = InversionSettings(tv=0.3, probability=0.0)
    targets = model.target([DESCRIPTION]).expand(10, -1)
    loss, similarity = inversion.objective(model, images, torch.rand(1, 10, 5), targets, settings)
    features = model.encode_image(images)
    by_hand = (features - targets).norm(dim=1).mean() + 0.3 * total_variation(images)
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert torch.allclose(similarity, (features * targets).sum(1), atol=1e-6)


def test_of_an_inner_layer_only_the_distance_is_left(model, images):
    targets = model.target([DESCRIPTION]).expand(10, -1)
    inner = model.from_block(1)
    loss, _ = inversion.inner_objective(inner, inner.enter(images), targets, InversionSettings(tv=5.0))
    assert loss.item() == pytest.approx((model.encode_image(images) - targets).norm(dim=1).mean().item(), rel=1e-5)


class Brightness:
    """No network at all: it wants images as bright as the text is long."""

    name, image_size, device = "brightness", 8, torch.device("cpu")

    def target(self, texts, *, distance="l2"):
        return torch.tensor([[len(text) / 100] for text in texts])

    def score(self, images, target, *, distance="l2"):
        off = images.mean((1, 2, 3)) - target[:, 0]
        return off.square(), -off.detach().abs()

    def noise(self, count, generator, *, side=None):
        return torch.rand(count, 3, side, side, generator=generator)

    def from_block(self, block):
        raise ValueError("no blocks")

    def digest(self):
        return "brightness"


def test_whatever_offers_what_is_asked_can_be_inverted():
    assert isinstance(Brightness(), Invertible)
    settings = InversionSettings(steps=40, sizes=((0, 8),), schedule="cosine", lr=0.05, tv=0.0)
    found = run(Brightness(), ["x" * 20, "x" * 80], settings=settings)
    assert found.images.mean((1, 2, 3, 4)).tolist() == pytest.approx([0.2, 0.8], abs=0.03)


# -- inversion through the matching head -----------------------------------------------------------------
CAPTION, OTHER = "a moongate is a round opening in a brick wall", "a wheel is a black ring"
PLAIN = InversionSettings(steps=12, lr=0.05, schedule="cosine", sizes=((0, 32),), probability=0.0)


@pytest.fixture
def scorer():
    return tiny_vilt()


def test_inverted_images_match_better_than_the_noise_they_started_from(scorer):
    found = invert(scorer, [CAPTION, OTHER], images_per_concept=3, settings=PLAIN, progress=False)
    assert found.images.shape == (2, 3, 3, 32, 32)
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert (found.similarity[:, -1] > found.similarity[:, 0] + 0.01).all()
    again = scorer.match(found.images[0], [CAPTION] * 3).softmax(1)[:, MATCH]
    torch.testing.assert_close(found.final[0], again, atol=1e-5, rtol=0)


def test_a_job_s_images_do_not_depend_on_its_neighbours(scorer):
    together = invert(scorer, [CAPTION, OTHER], images_per_concept=2, settings=PLAIN, progress=False)
    alone = invert(scorer, [OTHER], images_per_concept=2, settings=PLAIN, progress=False)
    # padding and the order of sums differ; a dozen steps of Adam keep that below a grey level
    torch.testing.assert_close(together.images[1], alone.images[0], atol=4e-3, rtol=0)


def test_noise_is_normal_in_the_model_s_own_range(scorer):
    settings = dataclasses.replace(PLAIN, steps=1, lr=0.0)
    start = invert(scorer, [CAPTION], images_per_concept=40, settings=settings, progress=False).images
    inside = (start > 0) & (start < 1)
    # a normal of mean and deviation 1/2, clamped: 0.683 of it lies inside, and spreads by 0.270
    assert inside.float().mean().item() == pytest.approx(0.683, abs=0.01)
    assert start[inside].std().item() == pytest.approx(0.270, abs=0.01)


def test_inner_layers_are_for_dual_encoders(scorer):
    with pytest.raises(ValueError, match="expected layer=None for pocket/tiny, found 2"):
        invert(scorer, [CAPTION], settings=dataclasses.replace(PLAIN, layer=2), progress=False)


def test_where_results_go_is_looked_at_before_the_work(model, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(inversion, "_optimise", lambda *a: pytest.fail("computed, then lost"))
    with pytest.raises(ValueError, match="expected a folder for inversions at .*file/store, found that it is not"):
        run(model, store=tmp_path / "file" / "store")


@pytest.mark.parametrize("steps", [1000, 1800, 2000])
def test_steps_that_the_sizes_do_not_fit_are_refused(steps):
    """The rate would go up and down within a stage, or the images would end at another size."""
    with pytest.raises(ValueError, match=rf"expected sizes that fit {steps} steps .*stretched\({steps}\)"):
        InversionSettings(steps=steps)
    InversionSettings().stretched(steps)
    InversionSettings(steps=steps, layer=1)  # activations do not grow


def test_a_seed_that_is_no_whole_number_is_said(model):
    with pytest.raises(ValueError, match="expected a seed of 64 bits, .* found 1.5"):
        inspect.unwrap(invert)(model, ["a window"], seed=1.5, progress=False)

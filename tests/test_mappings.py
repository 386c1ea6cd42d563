"""The laboratory of notebook 06, on features made by hand: two spaces that a matrix joins."""

from dataclasses import replace

import pytest
import torch
from ktlib.companion.sources import Sets
from PIL import Image

from ktlib.companion import scales
from ktlib.companion.record.rows import select
from ktlib.companion.studies.zoom_shot import claims
from ktlib.companion.studies.zoom_shot import laboratory as mappings
from ktlib.companion.studies.zoom_shot import tables as zoomshot_tables
from ktlib.companion.studies.zoom_shot.laboratory import IMAGES, RAW, TEXTS, TRAIN, Laboratory
from ktlib.data.sets import LabelledImages
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings

CLASSES, WIDTH = 6, 12
ENCODERS = ("good", "useless")


def labelled(name, count):
    def read(index):
        return Image.new("RGB", (8, 8), (index % 256, 0, 0))

    labels = tuple(i % CLASSES for i in range(count))
    return LabelledImages(name, read, labels, tuple("abcdef"), ("a {}",), f"{name} {count}")


@pytest.fixture
def lab(tmp_path):
    """`good` sees what CLIP sees, turned; `useless` sees noise. Set `two` has a target, `one` has none."""
    g = torch.Generator().manual_seed(0)
    classes = torch.randn(CLASSES, WIDTH, generator=g)
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=g)).Q
    tests = {"one": labelled("one", 60), "two": labelled("two", 120)}
    validation = {"three": labelled("three", 60)}
    targets = {"two": labelled("two, train", 90)}
    train = labelled(TRAIN, 600)
    everything = {TRAIN: train, "train: two": targets["two"]} | tests | validation
    features = {}
    for name, images in everything.items():
        clip = classes[list(images.labels)] + 0.3 * torch.randn(len(images), WIDTH, generator=g)
        features["clip", name] = clip.half()
        features["good", name] = (clip @ turn + 0.1 * torch.randn(clip.shape, generator=g)).half()
        features["useless", name] = torch.randn(len(images), WIDTH + 3, generator=g).half()
    features[RAW, TRAIN] = (features["clip", TRAIN].float() @ turn).half()  # a space that is not CLIP's
    pocket = scales.scale("pocket")
    zoom = replace(
        pocket.zoom_shot, clip="clip", encoders=ENCODERS, strongest="good", rates=(0.01, 0.1),
        settings=ZoomShotSettings(batch=20), aligner=AlignerSettings(batch=20, lr=0.1), aligner_rates=(0.1, 0.3),
        share=0.5,
    )  # fmt: skip
    return Laboratory(
        replace(pocket, zoom_shot=zoom), Sets("made up", train, tests, targets, ("p",) * 5, validation), "clip",
        ENCODERS, features, dict.fromkeys([*tests, *validation], classes), torch.randn(5, WIDTH, generator=g),
        {"clip": "c", "good": "g", "useless": "u"}, tmp_path,
    )  # fmt: skip


CHANCE = 1 / CLASSES


def test_a_map_brings_out_what_the_encoder_sees_and_nothing_else(lab):
    own = mappings.clip_itself(lab)
    assert own.accuracy(lab.sets.tests) == 1
    good, useless = (mappings.closed_form(lab, name) for name in ENCODERS)
    assert good.accuracy(lab.sets.tests) > 0.95
    # 180 images by 3 seeds of nearly the same map: chance, give or take three standard errors of 180.
    assert abs(useless.accuracy(lab.sets.tests) - CHANCE) < 3 * (CHANCE * (1 - CHANCE) / 180) ** 0.5
    trained = mappings.zoom_shot(lab, "good", ZoomShotSettings(batch=20, lr=0.03, epochs=10))
    assert trained.accuracy(lab.sets.tests) > 0.95
    assert trained.accuracy(lab.sets.tests, TEXTS) > 0.9


def test_a_probe_is_given_labels_where_there_is_a_target(lab):
    found = mappings.probe(lab, "good")
    assert list(found.hits) == [(IMAGES, "two")]
    assert found.hits[IMAGES, "two"].float().mean() > 0.95


def test_raw_pixels_lead_the_published_aligner_elsewhere(lab):
    settings = AlignerSettings(batch=20, lr=0.3, epochs=30, period=30)
    literal, right = (mappings.linear_aligner(lab, "good", settings, raw=raw) for raw in (True, False))
    assert right.accuracy(lab.sets.tests) > 0.9 > literal.accuracy(lab.sets.tests) + 0.3


def test_answers_are_computed_once_and_read_back_the_same(lab, monkeypatch):
    settings = ZoomShotSettings(batch=20, lr=0.03)
    first = mappings.zoom_shot(lab, "good", settings)
    monkeypatch.setattr(mappings, "fit_many", lambda *_, **__: pytest.fail("trained again"))
    again = mappings.zoom_shot(lab, "good", settings)
    assert first.hits.keys() == again.hits.keys()
    assert all(torch.equal(first.hits[k], again.hits[k]) for k in first.hits)
    with pytest.raises(pytest.fail.Exception):
        mappings.zoom_shot(lab, "good", replace(settings, lr=0.02))
    with pytest.raises(pytest.fail.Exception):
        mappings.zoom_shot(lab, "good", settings, share=0.1)


def test_a_share_is_the_same_part_for_every_method_and_another_for_every_seed(lab):
    one, again = lab.share(0.5), lab.share(0.5)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert [len(rows) for rows in one] == [300] * 3
    assert not torch.equal(one[0], one[1])
    assert set(lab.share(0.1)[0].tolist()) <= set(one[0].tolist())  # nested, so that shares are comparable


def test_mixed_training_is_half_target_and_as_many_in_all(lab):
    rows, source, clip = mappings._training(lab, "good", None, "mixed: two")
    for chosen in rows:
        assert len(chosen) == len(set(chosen.tolist())) == 90
        assert (chosen < 90).sum() == 45
    assert len(source) == len(clip) == 690
    rows, source, _ = mappings._training(lab, "good", None, "two")
    assert [len(chosen) for chosen in rows] == [90] * 3
    assert len(source) == 90


def test_target_training_takes_as_many_steps_as_the_usual_one(lab):
    settings = zoomshot_tables.equal_steps(lab, ZoomShotSettings(batch=20), "two")
    assert settings.epochs == 3  # 300 images usually, 90 of the target


def test_rows_have_one_line_a_set_and_seed_with_wilsons_interval(lab):
    answers = mappings.closed_form(lab, "good")
    rows = mappings.rows(lab, "ZS Tab. 1", "good", "least_squares", answers)
    assert {(row.concept, row.seed) for row in rows} == {(name, seed) for name in ("one", "two") for seed in (0, 1, 2)}
    assert {(row.concept, row.n) for row in rows} == {("one", 60), ("two", 120)}
    assert all(row.low <= row.value <= row.high and row.split == "test" for row in rows)
    assert {row.concept for row in mappings.rows(lab, "x", "good", "m", answers, split="validation")} == {"three"}
    (alike, *_) = mappings.rows(lab, "ZS Tab. 1", "clip", "clip", mappings.clip_itself(lab))
    assert alike.seed == -1


def test_gains_are_paired_over_the_same_images(lab):
    good, useless = (mappings.closed_form(lab, name) for name in ENCODERS)
    found = {row.concept: row for row in mappings.gains(lab, "ZS Tab. 1", "good", "m", good, {"useless": useless})}
    for name, row in found.items():
        means = [a.hits[IMAGES, name].float().mean().item() for a in (good, useless)]
        assert row.value == pytest.approx(means[0] - means[1], abs=1e-6)
        assert row.low < row.value < row.high
        assert row.setting == "over=useless"
    same = mappings.gains(lab, "ZS Tab. 1", "good", "m", good, {"itself": good})
    assert all(row.low == row.value == row.high == 0 for row in same)


def test_rates_are_chosen_on_validation_sets_alone(lab):
    rates, rows = zoomshot_tables.choose_rates(lab, progress=False)
    assert {row.split for row in rows} == {"validation"}
    assert {row.concept for row in rows} == {"three"}
    assert rates.keys() == zoomshot_tables.arms(lab.scale.zoom_shot).keys()
    for arm in ("losses=MSE", "losses=All"):
        scores = {}
        for rate in lab.scale.zoom_shot.rates:
            own = [row.value for row in rows if row.setting == f"{arm};lr={rate:g}"]
            scores[rate] = sum(own) / len(own)
        assert scores[rates[arm]] == max(scores.values())


def test_without_validation_sets_the_scales_rates_stand(lab):
    rates, rows = zoomshot_tables.choose_rates(replace(lab, sets=replace(lab.sets, validation={})), progress=False)
    assert rows == []
    assert rates["losses=All"] == lab.scale.zoom_shot.settings.lr
    assert rates["linear_aligner"] == lab.scale.zoom_shot.aligner.lr


def test_every_table_has_its_cells(lab):
    rates, _ = zoomshot_tables.choose_rates(lab, progress=False)
    compared = zoomshot_tables.methods(lab, rates, progress=False)
    assert {row.method for row in select(compared["ZS Tab. 1"], metric="top1")} == {
        "clip", "linear_aligner", "linear_aligner_fixed", "linear_aligner_tuned", "mse_adam", "least_squares",
        "zoom_shot",
    }  # fmt: skip
    assert {row.setting for row in compared["ZS Tab. 2"]} == {"mapping=h_inv"}
    one = zoomshot_tables.losses(lab, rates, progress=False)
    assert list(one) == ["ZS Tab. 3", "ZS Tab. 9"]  # one item an encoder
    assert {row.setting for row in one["ZS Tab. 9"]} == {f"losses={name}" for name in zoomshot_tables.COMBINATIONS}
    sized = zoomshot_tables.sizes(lab, rates, progress=False)
    assert {row.setting for row in sized["ZS Tab. 13"]} == {f"share={s};epochs={e}" for s, e in (
        (1, 1), (0.2, 1), (0.05, 1), (0.01, 1), (0.01, 20))}  # fmt: skip
    assert {row.setting for row in sized["ZS Tab. 5"]} == {f"share={s};epochs={e}" for s, e in (
        (1, 6), (0.2, 6), (0.01, 6), (0.01, 20), (0.01, 120))}  # fmt: skip
    aimed = zoomshot_tables.targets(lab, rates, progress=False)
    assert {(row.concept, row.setting) for row in aimed} == {
        ("two", f"train={n}") for n in ("target", "ImageNet", "mixed")
    }
    matched = zoomshot_tables.matchings(lab, rates, progress=False)
    assert all("losses=PG-KD" in row.setting for row in matched["ZS Tab. 8"])
    weighted = zoomshot_tables.weights_of_distillation(lab, rates, progress=False)
    assert {row.setting for row in weighted} == {f"weight={w}" for w in ("0.1", "1", "10", "100")}
    scaled = zoomshot_tables.rescalings(lab, rates, progress=False)
    assert len({row.setting for row in scaled}) == 3
    assert {row.item for row in [*weighted, *scaled]} == {claims.WEIGHTS, claims.RESCALING}


def test_the_mean_of_prompts_is_taken_before_any_normalising():
    def encode(texts, *, normalize):
        assert not normalize
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    found = mappings.class_features(encode, ["ab", "abc", "a"], ["{}", "xx{}"], chunk=2)
    torch.testing.assert_close(found, torch.tensor([[3.0, 1.0], [4.0, 1.0], [2.0, 1.0]]))


def test_the_plane_between_two_clouds_shows_them_apart():
    g = torch.Generator().manual_seed(0)
    one = torch.randn(200, 5, generator=g) * torch.tensor([0.1, 5.0, 1.0, 1.0, 1.0])
    other = one[:50] + torch.tensor([1.0, 0, 0, 0, 0])
    origin, directions = mappings.plane_between(one, other)
    torch.testing.assert_close(directions.T @ directions, torch.eye(2), atol=1e-5, rtol=0)
    left, right = ((points - origin) @ directions for points in (one, other))
    assert (right.mean(0) - left.mean(0))[0] > 0.9
    assert abs((right.mean(0) - left.mean(0))[1]) < 1e-4  # all that keeps them apart is on the first axis
    assert left[:, 1].std() > 4


def test_distance_is_none_for_the_training_images_themselves(lab):
    same = replace(lab, features=dict(lab.features) | {("clip", "one"): lab.features["clip", TRAIN]})
    assert mappings.distance(same, "one") == pytest.approx(0, abs=1e-6)
    turned = replace(lab, features=dict(lab.features) | {("clip", "one"): -lab.features["clip", TRAIN]})
    assert mappings.distance(turned, "one") == pytest.approx(2, abs=1e-6)

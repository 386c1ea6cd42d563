"""The laboratory of notebook 06, on features made by hand."""

from dataclasses import replace

import pytest
import torch

from ktlib.companion.studies.zoom_shot import laboratory
from ktlib.companion.studies.zoom_shot.laboratory import IMAGES, TEXTS
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings
from tests.zoom_shot_lab import CLASSES, ENCODERS, made_up


@pytest.fixture
def lab(tmp_path):
    return made_up(tmp_path)


CHANCE = 1 / CLASSES


def test_a_map_brings_out_what_the_encoder_sees_and_nothing_else(lab):
    own = laboratory.clip_itself(lab)
    assert own.accuracy(lab.sets.tests) == 1
    good, useless = (laboratory.closed_form(lab, name) for name in ENCODERS)
    assert good.accuracy(lab.sets.tests) > 0.95
    # 180 images by 3 seeds of nearly the same map: chance, give or take three standard errors of 180.
    assert abs(useless.accuracy(lab.sets.tests) - CHANCE) < 3 * (CHANCE * (1 - CHANCE) / 180) ** 0.5
    trained = laboratory.zoom_shot(lab, "good", ZoomShotSettings(batch=20, lr=0.03, epochs=10))
    assert trained.accuracy(lab.sets.tests) > 0.95
    assert trained.accuracy(lab.sets.tests, TEXTS) > 0.9


def test_a_probe_is_given_labels_where_there_is_a_target(lab):
    found = laboratory.probe(lab, "good")
    assert list(found.hits) == [(IMAGES, "two")]
    assert found.hits[IMAGES, "two"].float().mean() > 0.95


def test_raw_pixels_lead_the_published_aligner_elsewhere(lab):
    settings = AlignerSettings(batch=20, lr=0.3, epochs=30, period=30)
    literal, right = (laboratory.linear_aligner(lab, "good", settings, raw=raw) for raw in (True, False))
    assert right.accuracy(lab.sets.tests) > 0.9 > literal.accuracy(lab.sets.tests) + 0.3


def test_answers_are_computed_once_and_read_back_the_same(lab, monkeypatch):
    settings = ZoomShotSettings(batch=20, lr=0.03)
    first = laboratory.zoom_shot(lab, "good", settings)
    monkeypatch.setattr(laboratory, "fit_many", lambda *_, **__: pytest.fail("trained again"))
    again = laboratory.zoom_shot(lab, "good", settings)
    assert first.hits.keys() == again.hits.keys()
    assert all(torch.equal(first.hits[k], again.hits[k]) for k in first.hits)
    with pytest.raises(pytest.fail.Exception):
        laboratory.zoom_shot(lab, "good", replace(settings, lr=0.02))
    with pytest.raises(pytest.fail.Exception):
        laboratory.zoom_shot(lab, "good", settings, share=0.1)


def test_a_share_is_the_same_part_for_every_method_and_another_for_every_seed(lab):
    one, again = lab.share(0.5), lab.share(0.5)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert [len(rows) for rows in one] == [300] * 3
    assert not torch.equal(one[0], one[1])
    assert set(lab.share(0.1)[0].tolist()) <= set(one[0].tolist())  # nested, so that shares are comparable


def test_mixed_training_is_half_target_and_as_many_in_all(lab):
    rows, source, clip = laboratory._training(lab, "good", None, "mixed: two")
    for chosen in rows:
        assert len(chosen) == len(set(chosen.tolist())) == 90
        assert (chosen < 90).sum() == 45
    assert len(source) == len(clip) == 690
    rows, source, _ = laboratory._training(lab, "good", None, "two")
    assert [len(chosen) for chosen in rows] == [90] * 3
    assert len(source) == 90


def test_the_mean_of_prompts_is_taken_before_any_normalising():
    def encode(texts, *, normalize):
        assert not normalize
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    found = laboratory.class_features(encode, ["ab", "abc", "a"], ["{}", "xx{}"], chunk=2)
    torch.testing.assert_close(found, torch.tensor([[3.0, 1.0], [4.0, 1.0], [2.0, 1.0]]))

"""The tables of Zoom-shot, on features made by hand: whole, paired, at rates chosen on validation sets."""

from dataclasses import replace

import pytest

from ktlib.companion.record.rows import select, written
from ktlib.companion.studies.zoom_shot import RESCALING, WEIGHTS, laboratory, tables
from ktlib.companion.studies.zoom_shot.laboratory import IMAGES
from ktlib.companion.studies.zoom_shot.rates import FACTOR, ranges
from ktlib.linear_maps import DivergedError
from ktlib.zoom_shot import ZoomShotSettings
from tests.zoom_shot_lab import ENCODERS, made_up


@pytest.fixture
def lab(tmp_path):
    return made_up(tmp_path)


def test_target_training_takes_as_many_steps_as_the_usual_one(lab):
    settings = tables.equal_steps(lab, ZoomShotSettings(batch=20), "two")
    assert settings.epochs == 3  # 300 images usually, 90 of the target


def test_rows_have_one_line_a_set_and_seed_with_wilsons_interval(lab):
    answers = laboratory.closed_form(lab, "good")
    rows = tables.rows(lab, "ZS Tab. 1", "least_squares", answers)
    assert {(row.subject, row.seed) for row in rows} == {(name, seed) for name in ("one", "two") for seed in (0, 1, 2)}
    assert {(row.subject, row.n) for row in rows} == {("one", 60), ("two", 120)}
    assert all(row.low <= row.value <= row.high and row.split == "test" for row in rows)
    assert {row.subject for row in tables.rows(lab, "x", "m", answers, split="validation")} == {"three"}
    (alike, *_) = tables.rows(lab, "ZS Tab. 1", "clip", laboratory.clip_itself(lab))
    assert alike.seed is None


def test_gains_are_paired_over_the_same_images(lab):
    good, useless = (laboratory.closed_form(lab, name) for name in ENCODERS)
    found = {row.subject: row for row in tables.gains(lab, "ZS Tab. 1", "m", good, {"useless": useless})}
    for name, row in found.items():
        means = [a.hits[IMAGES, name].float().mean().item() for a in (good, useless)]
        assert row.value == pytest.approx(means[0] - means[1], abs=1e-6)
        assert row.low < row.value < row.high
        assert (row.metric, row.over, row.varied, row.model) == ("top1", "useless", {}, "good")
    same = tables.gains(lab, "ZS Tab. 1", "m", good, {"itself": good})
    assert all(row.low == row.value == row.high == 0 for row in same)


def test_rates_are_chosen_on_validation_sets_alone(lab):
    rates, rows = tables.choose_rates(lab, progress=False)
    assert {row.split for row in rows} == {"validation"}
    assert {row.subject for row in rows} == {"three"}
    assert list(rates) == [arm.name for arm in tables.arms(lab.scale.zoom_shot)]
    for arm in ("losses=MSE", "losses=All"):
        by_rate = {}
        for row in rows:
            if written(row.varied).startswith(f"{arm};lr="):
                by_rate.setdefault(row.lr, []).append(row.value)
        assert set(lab.scale.zoom_shot.rates) <= set(by_rate)
        scores = {rate: sum(own) / len(own) for rate, own in by_rate.items()}
        assert scores[rates[arm]] == max(scores.values())


def test_the_best_rate_of_every_arm_lies_inside_its_range_or_the_limit_was_reached(lab):
    narrow = replace(lab.scale.zoom_shot, rates=(0.0002, 0.0004), aligner_rates=(0.3, 0.9), limits=(1e-4, 0.01))
    rates, rows = tables.choose_rates(replace(lab, scale=replace(lab.scale, zoom_shot=narrow)), progress=False)
    found = ranges(rates, rows)
    assert list(found) == list(rates)
    assert found["losses=MSE"]["tried"].startswith("0.0002 to 0.0") and found["losses=MSE"]["tried"] != "0.0002 to 0.01"
    for facts in found.values():
        low, high = map(float, facts["tried"].split(" to "))
        best = float(facts["learning rate"])
        assert facts["best inside"] == ("yes" if low < best < high else "no: the limit was reached")
        if best == high:
            assert high * FACTOR > narrow.limits[1]
        if best == low:
            assert low / FACTOR < narrow.limits[0]


def test_a_rate_at_which_a_training_diverges_is_not_chosen_and_has_no_row(lab, monkeypatch):
    trained = tables.zoom_shot

    def fragile(lab, encoder, settings, **options):
        if settings.lr > 0.05:
            raise DivergedError("the training diverged")
        return trained(lab, encoder, settings, **options)

    monkeypatch.setattr(tables, "zoom_shot", fragile)
    rates, rows = tables.choose_rates(lab, progress=False)
    assert max(rate for arm, rate in rates.items() if arm != "linear_aligner") <= 0.05
    assert max(row.lr for row in select(rows, method="zoom_shot")) <= 0.05


def test_without_validation_sets_the_scales_rates_stand(lab):
    rates, rows = tables.choose_rates(replace(lab, sets=replace(lab.sets, validation={})), progress=False)
    assert rows == []
    assert rates["losses=All"] == lab.scale.zoom_shot.settings.lr
    assert rates["linear_aligner"] == lab.scale.zoom_shot.aligner.lr


def test_every_table_has_its_cells(lab):
    rates, _ = tables.choose_rates(lab, progress=False)
    compared = tables.methods(lab, rates, progress=False)
    assert {row.method for row in select(compared["ZS Tab. 1"], metric="top1")} == {
        "clip", "linear_aligner", "linear_aligner_fixed", "linear_aligner_tuned", "mse_adam", "least_squares",
        "zoom_shot",
    }  # fmt: skip
    assert {written(row.varied) for row in compared["ZS Tab. 2"]} == {"mapping=h_inv"}
    one = tables.losses(lab, rates, progress=False)
    assert list(one) == ["ZS Tab. 3", "ZS Tab. 9"]  # one item an encoder
    assert {written(row.varied) for row in one["ZS Tab. 9"]} == {f"losses={name}" for name in tables.COMBINATIONS}
    sized = tables.sizes(lab, rates, progress=False)
    assert {written(row.varied) for row in sized["ZS Tab. 13"]} == {f"share={s};epochs={e}" for s, e in (
        (1, 1), (0.2, 1), (0.05, 1), (0.01, 1), (0.01, 20))}  # fmt: skip
    assert {written(row.varied) for row in sized["ZS Tab. 5"]} == {f"share={s};epochs={e}" for s, e in (
        (1, 6), (0.2, 6), (0.01, 6), (0.01, 20), (0.01, 120))}  # fmt: skip
    aimed = tables.targets(lab, rates, progress=False)
    assert {(row.subject, written(row.varied)) for row in aimed} == {
        ("two", f"train={n}") for n in ("target", "ImageNet", "mixed")
    }
    matched = tables.matchings(lab, rates, progress=False)
    assert all(row.varied["losses"] == "PG-KD" for row in matched["ZS Tab. 8"])
    weighted = tables.weights_of_distillation(lab, rates, progress=False)
    assert {written(row.varied) for row in weighted} == {f"weight={w}" for w in ("0.1", "1", "10", "100")}
    scaled = tables.rescalings(lab, rates, progress=False)
    assert len({written(row.varied) for row in scaled}) == 3
    assert {row.item for row in [*weighted, *scaled]} == {WEIGHTS, RESCALING}

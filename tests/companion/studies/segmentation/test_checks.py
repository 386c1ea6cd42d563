"""What the checks of maps say is what the maps are like; examples are chosen by their rule."""

import pytest

from ktlib.companion.record.rows import select
from ktlib.companion.studies.segmentation import checks, examples, instrument, tables
from tests.companion.studies.segmentation import tiny
from tests.companion.studies.segmentation.test_tables import made
from tests.rows import row

DISK, OPENING = tiny.LESIONS


def test_both_kinds_of_map_are_checked_in_the_first_test_images(own):
    rows = checks.checks(own, DISK, tiny.MAPS)
    assert {r.method for r in rows} == {"m2ib", "grad_cam"}
    assert {r.n for r in select(rows, method="m2ib")} == {2} and {r.split for r in rows} == {"test"}
    alike = {r.varied["to"]: r.value for r in select(rows, method="grad_cam", metric="likeness")}
    assert alike["again"] == pytest.approx(1), "it knows no chance"
    assert alike["weights"] < 1
    assert {r.metric for r in rows} == {"likeness", "dsc", "dsc_coarse"}
    assert checks.checks(own, DISK, tiny.MAPS) == rows, "remembered"


def test_the_wrong_sentence_is_that_of_the_next_lesion(own, monkeypatch):
    asked = []
    real = checks.sanity
    monkeypatch.setattr(checks, "sanity", lambda *a, **k: asked.append(k["wrong"]) or real(*a, **k))
    for lesion in tiny.LESIONS:
        checks.checks(own, lesion, tiny.MAPS)
    assert set(asked[:2]) == {OPENING.prompt} and set(asked[2:]) == {DISK.prompt}


def alike(method, to, low, high):
    return row(
        item="checks of the maps", subject="disk", method=method, varied={"to": to}, metric="likeness", low=low,
        value=(low + high) / 2, high=high,
    )  # fmt: skip


def test_maps_are_told_apart_where_intervals_do_not_meet():
    rows = [alike("m2ib", "again", 0.8, 0.9), alike("m2ib", "wrong", 0.7, 0.85), alike("m2ib", "nonsense", 0.1, 0.2)]
    rows += [alike("m2ib", "weights", 0.1, 0.2)]
    bottleneck, cam = checks.meaning(rows)
    assert bottleneck == "disk, the bottleneck: its maps are not told from those of another lesion's sentence."
    assert cam == "disk, Grad-CAM: every map is flat."
    apart = [*rows[:1], alike("m2ib", "wrong", 0.1, 0.2), *rows[2:]]
    assert checks.meaning(apart)[0] == "disk, the bottleneck: its maps differ from all three."


def test_images_are_chosen_where_most_is_gained_in_the_middle_and_where_most_is_lost():
    before, after = made([0.5, 0.5, 0.5, None, 0.5], lr=None), made([0.6, 0.1, 0.5, None, 0.9])
    assert examples.chosen(before, after, 3) == {"most gained": [4], "in the middle": [2], "most lost": [1]}
    assert examples.chosen(before, after, 1) == {"most gained": [4], "in the middle": [2], "most lost": [1]}
    one = examples.chosen(made([0.5], lr=None), made([0.6]), 3)
    assert one == {"most gained": [0]}, "no image stands twice"


def test_shown_are_maps_boxes_masks_and_scores_of_both_models(own):
    course = instrument.courses(own.subject, "noise", progress=False)["disk", 0]
    before, after = tables.look(own, DISK, "test", [None, course], tiny.MAPS, progress=False)
    kinds = {"most gained": [1], "most lost": [3]}
    shown = examples.pictures(own, DISK, tiny.MAPS, kinds, {"base": None, "kt": course})
    assert [one.title for one in shown] == ["disk: most gained", "disk: most lost"]
    for one, place in zip(shown, (1, 3), strict=True):
        assert one.image.shape == (3, 32, 32) and one.truth.sum() == 100
        assert one.scores["base"] == pytest.approx(before.of("dsc")[place], abs=1e-5)
        assert one.scores["kt"] == pytest.approx(after.of("dsc")[place], abs=1e-5)
        assert set(one.maps) == set(one.boxes) == set(one.masks) == {"base", "kt"}


def test_the_first_look_is_at_the_first_validation_image(own):
    one = examples.first(own, DISK, tiny.MAPS)
    assert one.truth[4:14, 6:16].all() and set(one.maps) == {"base"} and one.scores == {}

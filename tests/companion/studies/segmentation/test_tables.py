"""What is found is what the parts give one by one; it is remembered, paired, and left out of nothing silently."""

from dataclasses import replace

import pytest
import torch

from ktlib import memory
from ktlib.companion.record.rows import select
from ktlib.companion.studies.segmentation import METRICS, SETTINGS, TABLE_4, instrument, practice, tables
from ktlib.evaluate.overlap import Scores, dice
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.evaluate.segmentation import segment
from tests.companion.studies.segmentation import tiny

DISK = tiny.LESIONS[0]


@pytest.fixture
def courses(own):
    return instrument.courses(own.subject, "noise", progress=False)


def look(own, courses, split="test", **more):
    return tables.look(own, DISK, split, courses, tiny.MAPS, progress=False, **more)


def test_scores_are_those_of_each_model_alone(own, courses):
    course = courses["disk", 0]
    before, after = look(own, [None, course])
    images, truths = next(own.images(DISK, "test").batches(9))
    for found, model in ((before, own.model), (after, instrument.taught(own.model, course))):
        alone = segment(model, own.segmenter, images, DISK.prompt, settings=tiny.MAPS)
        assert found.of("dsc") == pytest.approx(dice(alone.masks, truths).tolist())
        assert found.of("dsc_coarse") == pytest.approx(dice(alone.coarse.masks, truths).tolist())
    assert before.of("dsc_coarse") != after.of("dsc_coarse"), "the course changes where the model looks"


def test_what_was_found_is_remembered_and_each_image_is_embedded_once_for_all_models(own, courses, monkeypatch):
    embedded = []
    real = type(own.segmenter).embed
    monkeypatch.setattr(
        type(own.segmenter), "embed", lambda self, images, **k: embedded.append(len(images)) or real(self, images, **k)
    )
    jobs = [None, courses["disk", 0], courses["disk", 1]]
    first = look(own, jobs)
    assert embedded == [5]
    again = look(own, [*jobs[::-1]])[::-1]
    assert embedded == [5] and [one.of("nsd") for one in again] == [one.of("nsd") for one in first]
    look(own, [instrument.at(courses["disk", 0], 0.7)])
    tables.limits(own, DISK, "test")
    assert embedded == [5], "nor again for other courses, nor for the bounds"


def test_a_damaged_file_is_computed_again(own):
    (before,) = look(own, [None])
    (file,) = (own.subject.cache / "masks").glob("*.json")
    file.write_text("{")
    assert look(own, [None])[0].of("dsc") == before.of("dsc")


def test_the_bounds_do_not_need_the_model_that_looks(own):
    found = tables.limits(own, DISK, "test")
    assert set(found) == {"whole_image", "true_box"}
    assert all(len(one.of("dsc")) == 5 and one.settings is None for one in found.values())


def test_memory_that_ran_out_in_the_bounds_is_said_beside_the_table_that_shows_them(own, monkeypatch):
    monkeypatch.setattr(memory, "_notes", [])
    draw = type(own.segmenter).logits

    def small(self, images, *rest, **more):
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return draw(self, images, *rest, **more)

    monkeypatch.setattr(type(own.segmenter), "logits", small)
    tables.limits(own, DISK, "test")
    assert memory.noted(0.0).keys() == {"masks"}
    assert memory.told(60.0, SETTINGS) == {} and memory.told(0.0, TABLE_4).keys() == {"masks"}
    monkeypatch.setattr(memory, "_notes", [])  # another process, which reads what was kept
    tables.limits(own, DISK, "test")
    assert memory.told(60.0, SETTINGS) == {} and memory.told(0.0, TABLE_4).keys() == {"masks"}


# -- choices ------------------------------------------------------------------------------------------
def test_beta_and_layer_are_chosen_and_told_cell_by_cell(own):
    found = tables.choice(own, DISK)
    assert set(found.table) == {(0.1, 0), (1.0, 0)} and found.images == 3
    assert found.table[found.settings.beta, found.settings.layer] == max(found.table.values())
    assert found.settings.copies == tiny.MAPS.copies
    assert tables.choice(own, DISK) == found, "read back as it was"
    rows = tables.of_choice(own, DISK, found)
    assert {row.varied["beta"]: row.value for row in rows} == {
        f"{beta:g}": pytest.approx(value) for (beta, _), value in found.table.items()
    }
    assert {(row.split, row.n, row.metric, row.subject) for row in rows} == {("validation", 3, "dsc_coarse", "disk")}


def made(values, lr=1e-3, seed=0, digest="d", units=(), left_out=None):
    """What would be found with these scores, a score an image; None where there is nothing to find."""
    nothing = torch.tensor([value is None for value in values])
    numbers = torch.tensor([0.0 if value is None else value for value in values])
    scores = Scores(dict.fromkeys(("dsc", "iou", "nsd", "nsd_slab"), numbers), nothing)
    images = replace(tiny.masked("", "disk", "test", left_out=left_out).take(range(len(values))), digest=digest)
    images = replace(images, units=tuple(units))
    course = None if lr is None else instrument.Course(None, "", (), seed, replace(tiny.HERE.scans.transfer, lr=lr))
    return tables.Found(scores, scores, 0, images, DISK, "test", tiny.MAPS, course)


def test_the_rate_with_the_highest_mean_is_chosen_and_of_equals_the_smallest():
    found = {1e-3: {0: made([0.2, 0.4])}, 1e-2: {0: made([0.3, 0.3])}, 1e-1: {0: made([0.1, 0.1])}}
    assert tables.choose_rate(found) == 1e-3
    found[1e-1] = {0: made([0.9, None])}
    assert tables.choose_rate(found) == 1e-1, "images with nothing to find count for nothing"


def test_a_rate_at_the_end_is_said(own):
    said = tables.ends(own, {("disk", "kt"): 1e-3, ("disk", "real"): 1e-2, ("opening", "kt"): 5e-3})
    assert said == [
        "disk, kt: the smallest rate that was tried, 0.001", "disk, real: the largest rate that was tried, 0.01",
    ]  # fmt: skip


def test_every_rate_and_seed_is_tried_and_an_arm_may_lack_a_lesion(own, courses):
    found = tables.tried(own, DISK, "validation", courses, [0, 1], tiny.MAPS)
    assert {rate: set(seeds) for rate, seeds in found.items()} == {1e-3: {0, 1}, 1e-2: {0, 1}}
    assert found[1e-2][1].told == {"lr": "0.01"}
    assert tables.tried(own, DISK, "validation", {}, [0], tiny.MAPS) == {}


# -- rows ---------------------------------------------------------------------------------------------
def test_rows_hold_every_metric_and_what_was_left_out(own):
    rows = tables.measured(own, "KT Tab. 4", "kt", [made([0.5, None, 0.7], left_out={"f": "torn"})])
    assert [row.metric for row in rows] == list(METRICS)
    assert [row.value for row in rows] == pytest.approx([0.6] * len(rows))
    assert {(row.n, row.seed) for row in rows} == {(2, 0)}
    assert rows[0].varied == {"lr": "0.001", "left_out": "2"}, "one that could not be read, one with nothing to find"
    assert rows[0].dataset == "tiny disk"


def test_changes_are_paired_by_image_over_all_seeds(own):
    before, after = made([0.1, 0.5, 0.9], lr=None), {0: made([0.2, 0.6, 1.0]), 1: made([0.4, 0.8, 1.2], seed=1)}
    row = tables.changes(own, "KT Tab. 4", "kt", after, before, over="base")[0]
    assert (row.value, row.seed, row.over) == (pytest.approx(0.2), None, "base")
    assert (row.low, row.high) == (pytest.approx(0.1), pytest.approx(0.3)), "images agree, seeds do not"
    same = tables.changes(own, "KT Tab. 4", "kt", after, after, over="noise")[0]
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_other_images_and_seeds_that_lack_a_partner_are_refused(own):
    after = {0: made([0.1]), 1: made([0.1], seed=1)}
    with pytest.raises(ValueError, match=r"none before of \[1\]"):
        tables.changes(own, "i", "kt", after, {0: after[0]}, over="noise")
    with pytest.raises(ValueError, match="same images before and after"):
        tables.changes(own, "i", "kt", after, made([0.1], lr=None, digest="other"), over="base")


def test_images_of_one_patient_are_drawn_together(own):
    values = [0.0, 0.0, 1.0, 1.0]
    alone, together = (tables.measured(own, "i", "kt", [made(values, units=units)])[0] for units in ((), (0, 0, 1, 1)))
    assert together.high - together.low >= alone.high - alone.low
    assert (together.low, together.high) == (0, 1)
    assert made([0.1, None, 0.3], units=(0, 0, 1)).units == [0, 1], "patients of images with something to find"


def test_what_was_not_taught_is_left_out_of_a_table(own):
    rows = tables.compared(own, "i", made([0.1], lr=None), {"kt": {0: made([0.2])}}, [("kt", "base"), ("kt", "noise")])
    assert {(row.method, row.over) for row in rows} == {("base", ""), ("kt", ""), ("kt", "base")}


def test_the_published_practice_searches_anew_for_every_model(own, courses):
    rows, said = practice.searched(own, "KT Tab. 4", DISK, {0: courses["disk", 0]})
    assert set(said) == {"before", "after, seed 0"} and all(text.startswith("beta ") for text in said.values())
    assert {row.varied["searched"] for row in rows} == {"anew"}
    assert {(row.method, row.over) for row in rows} == {("base", ""), ("kt", ""), ("kt", "base")}
    search = tables.choice(own, DISK, rule="published", course=courses["disk", 0])
    assert search.rule == "published" and search.images == 3
    settings = SaliencySettings(**vars(search.settings))
    (done,) = tables.look(own, DISK, "test", [courses["disk", 0]], settings, progress=False)
    (row,) = select(rows, method="kt", metric="dsc")
    assert row.value == pytest.approx(sum(done.of("dsc")) / 5)

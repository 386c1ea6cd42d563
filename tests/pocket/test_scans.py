"""Drawn slices: masks are the pixels that the lesion drew, and captions say what is there."""

import numpy as np
import pytest
import torch

from ktlib.pocket import scans
from ktlib.pocket.scans import TASKS
from ktlib.pocket.training import medical, words

EVERY = pytest.mark.parametrize("task", list(TASKS))


@EVERY
def test_the_mask_is_what_the_lesion_drew(task):
    for index in range(6):
        drawn, _ = scans.layers(task, "test", index)
        with_it, without = drawn.plate(lesion=True), drawn.plate(lesion=False)
        assert np.array_equal(np.abs(with_it - without) > 0.04, drawn.mask), index  # at least half of 0.1 of contrast
        assert np.array_equal(with_it != without, drawn.mask)


@EVERY
def test_the_picture_with_a_lesion_is_the_one_without_but_for_the_mask(task):
    for index in range(3):
        drawn, rng = scans.layers(task, "test", index)
        state = rng.getstate()
        with_it = scans.exposed(drawn, rng)
        rng.setstate(state)
        without = scans.exposed(drawn, rng, lesion=False)
        assert not (with_it != without)[~drawn.mask].any()
        assert (with_it != without)[drawn.mask].mean() > 0.95
        assert np.array_equal(with_it, scans.scan(task, "test", index).image)


@EVERY
def test_a_lesion_has_a_size_that_can_be_outlined_and_a_healthy_slice_has_none(task):
    sizes = [scans.scan(task, "validation", index).mask.sum() for index in range(20)]
    assert min(sizes) >= 12 and max(sizes) < 64 * 64 / 8
    assert not any(scans.scan(task, "validation", index, lesion=False).mask.any() for index in range(5))


@EVERY
def test_a_lesion_is_on_the_side_and_of_the_size_that_its_caption_says(task):
    areas = {"small": [], "large": []}
    for index in range(40):
        drawn, _ = scans.layers(task, "train", index)
        size, place = drawn.told
        columns = drawn.mask.nonzero()[1]
        assert ("left" in place) == (columns.mean() + 0.5 < 32), index
        areas[size].append(drawn.mask.sum())
    assert min(map(len, areas.values())) > 5
    assert np.mean(areas["small"]) < 0.8 * np.mean(areas["large"])


@EVERY
def test_what_else_can_be_outlined_is_there_the_largest_first(task):
    for lesion in (True, False):
        drawn, _ = scans.layers(task, "train", 0, lesion=lesion)
        sizes = [mask.sum() for mask in drawn.parts]
        assert len(sizes) >= 2 and sizes == sorted(sizes, reverse=True) and sizes[-1] >= 12
        assert not any(np.array_equal(mask, drawn.mask) for mask in drawn.parts)
        assert sizes[0] > 3 * drawn.mask.sum() or task == "pneumothorax"


@EVERY
def test_a_slice_is_a_function_of_its_number_and_splits_share_none(task):
    again = scans.scan(task, "train", 3)
    assert np.array_equal(again.image, scans.scan(task, "train", 3).image)
    others = [scans.scan(task, split, 3).image.tobytes() for split in scans.SPLITS]
    others.append(scans.scan(task, "train", 3, lesion=False).image.tobytes())
    assert len(set(others)) == len(scans.SPLITS) + 1


def test_tasks_come_in_turn_and_a_larger_pool_begins_as_a_smaller_one():
    pool = scans.pool(("brain", "breast"), 5)
    for number, (task, index) in enumerate([("brain", 0), ("breast", 0), ("brain", 1), ("breast", 1), ("brain", 2)]):
        one = scans.scan(task, "train", index)
        assert np.array_equal(pool.images[number], one.image) and np.array_equal(pool.masks[number], one.mask)
        assert pool.captions[number] == one.caption
    assert torch.equal(scans.pool(("brain", "breast"), 3).images, pool.images[:3])


def test_an_unknown_task_or_split_is_refused():
    with pytest.raises(ValueError, match=r"expected a task \(nodules, .*brain\), found 'liver'"):
        scans.scan("liver", "test", 0)
    with pytest.raises(ValueError, match=r"expected a split \(train, .*\), found 'later'"):
        scans.scan("brain", "later", 0)


# -- words ------------------------------------------------------------------------------------------------
@EVERY
def test_every_text_is_read_whole_and_descriptions_hold_no_name(task):
    told = TASKS[task]
    captions = [scans.scan(task, "train", i, lesion=lesion).caption for i in range(12) for lesion in (True, False)]
    descriptions = [told.short, told.medium, told.long]
    words.encode(medical.tokenizer(), [*captions, *descriptions, told.name, told.prompt])  # refuses unknown words
    assert len(told.short.split()) < len(told.medium.split()) < len(told.long.split())
    assert not any(told.name in text for text in (*descriptions, told.prompt))


@EVERY
def test_healthy_slices_are_never_said_to_have_a_lesion(task):
    said = {scans.scan(task, "train", index, lesion=False).caption for index in range(30)}
    assert len(said) == 3
    assert not any(TASKS[task].name in caption or " with " in caption.replace("without", "") for caption in said)


def test_what_is_seen_of_lesions_are_the_known_ones_alone():
    names = [TASKS[task].name for task in ("nodules", "pneumothorax")]
    assert [told.name for told in TASKS.values() if told.novel] == names
    for caption in scans.pool(("breast", "brain"), 60).captions:
        assert not any(name in caption for name in names)


def test_the_fingerprint_changes_with_what_is_sampled():
    assert scans.fingerprint(1) == scans.fingerprint(1) != scans.fingerprint(2)

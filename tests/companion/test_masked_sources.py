"""Images with masks for notebook 03: drawn, generated and divided; no patient is on two sides."""

import pytest
import torch

from ktlib.companion import sources
from ktlib.companion.sources import generated_medical, masks
from ktlib.data.sets import MaskedImages
from ktlib.pocket import scans


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return generated_medical.medical(tmp_path_factory.mktemp("lesions"))


def test_four_lesions_two_of_them_new_drawn_or_published_with_the_same_names():
    drawn, files = sources.lesions("pocket"), sources.lesions("files")
    assert [one.name for one in drawn] == [one.name for one in files]
    assert [one.novel for one in drawn] == [one.novel for one in files] == [True, True, False, False]
    assert sources.lesions("fixtures") == files
    starts = [one.prompt.split()[:4] for one in files]
    assert starts[0] == ["A", "medical", "chest", "CT"] and starts[1] == ["A", "medical", "chest", "x-ray"]
    assert starts[2] == ["A", "medical", "breast", "mammogram"] and starts[3][:3] == ["A", "brain", "MRI"]
    with pytest.raises(ValueError, match="expected lesions"):
        sources.lesions("real")


def test_drawn_images_are_those_of_the_task_and_splits_share_none():
    test = sources.masked_images("pocket", "brain tumor", "test").take([3])
    image, truth = next(test.batches())
    drawn = scans.scan("brain", "test", 3)
    assert torch.equal(truth[0], torch.from_numpy(drawn.mask))
    assert torch.equal((image[0, 0] * 255).round().byte(), torch.from_numpy(drawn.image))
    other, _ = next(sources.masked_images("pocket", "brain tumor", "validation").take([3]).batches())
    assert not torch.equal(image, other)


def test_an_unknown_lesion_or_split_is_refused():
    with pytest.raises(ValueError, match="expected a lesion"):
        sources.masked_images("pocket", "moongate", "test")
    with pytest.raises(ValueError, match="expected a split"):
        sources.masked_images("pocket", "brain tumor", "train")


def whole(count, units=()):
    return MaskedImages("s", tuple(map(str, range(count))), lambda index: None, "d", units=units)


def test_a_set_is_divided_in_three_that_share_no_patient_and_lack_no_image():
    units = tuple(number // 7 for number in range(200))
    parts = {split: masks.divided(whole(200, units), split) for split in masks.SPLITS}
    seen = [file for part in parts.values() for file in part.files]
    assert sorted(seen, key=int) == [str(n) for n in range(200)]
    patients = [set(part.units) for part in parts.values()]
    assert not (patients[0] & patients[1] or patients[0] & patients[2] or patients[1] & patients[2])
    assert all(20 <= len(parts[split]) < 27 for split in ("validation", "lesson")), "the last patient may be whole"
    assert masks.divided(whole(200, units), "test").files == parts["test"].files


def test_a_small_set_leaves_every_side_something():
    assert {split: len(masks.divided(whole(3), split)) for split in masks.SPLITS} == dict.fromkeys(masks.SPLITS, 1)
    two = ("validation", "lesson")
    assert [len(masks.divided(whole(3), split, among=two)) for split in two] == [1, 2]


def test_generated_sets_go_through_the_published_readers(root):
    for lesion in masks.lesions():
        found = {split: masks.read_images(root, lesion.name, split, partial=True) for split in masks.SPLITS}
        assert {one.name for one in found.values()} == {lesion.like}
        assert all(len(one) for one in found.values())
        if lesion.name != "lung nodules":  # it comes divided
            assert not set(found["validation"].files) & set(found["test"].files)


def test_what_is_taught_is_the_published_description_and_real_images_are_those_of_the_lesson(root):
    exam = masks.examination(root, partial=True)
    assert [one.name for one in exam.concepts] == [one.name for one in masks.lesions()]
    assert exam.concept("pneumothorax").main.startswith("An abnormal collection of air in the pleural space")
    assert exam.lessons("brain tumor", 10, 0).shape == (2, 3, 224, 224), "as many as there are"
    assert exam.lessons("breast tumor", 10, 0) is None, "of one image nothing is learnt"
    with pytest.raises(NotImplementedError, match="nothing is named here"):
        exam.pictures("breast tumor")

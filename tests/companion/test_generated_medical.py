"""The generated medical sets go all the way: seen by their manifests, read whole, and fit for a segmentation."""

import pytest

from ktlib.companion.sources import generated_medical as fixtures
from ktlib.data import manifests, masked, radiographs, volumes
from ktlib.evaluate.segmentation import Batch


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fixtures.medical(tmp_path_factory.mktemp("medical"))


def masked_sets(root):
    return (
        masked.unitochest(root),
        masked.siim_pneumothorax(root, partial=True),
        masked.udiat(root, partial=True),
        volumes.brats_2023(root, partial=True),
    )


def test_every_masked_set_is_whole_and_its_batches_are_those_of_a_segmentation(root):
    found = {}
    for one in masked_sets(root):
        good = one.readable()
        assert not good.left_out and good.digest == one.digest
        batches = [Batch(*both) for both in good.batches(2)]
        found[good.name] = sum(len(batch.images) for batch in batches)
        for batch in batches:
            assert batch.images.shape[-2:] == batch.truths.shape[-2:]
            assert batch.truths.any((1, 2)).all()
    assert found == {"UnitoChest": 3, "SIIM Pneumothorax": 3, "UDIAT": 3, "BraTS23 Glioma": 6}


def test_both_sets_of_films_are_whole(root):
    for one in (
        radiographs.chexpert_5x200(root, partial=True),
        radiographs.jsrt(root, partial=True, side=fixtures.JSRT_SIDE),
    ):
        assert one.readable() is one and not one.left_out
        assert next(one.batches(4, 16)).shape == (4, 3, 16, 16)


def test_the_same_files_are_written_every_time(root, tmp_path):
    again = fixtures.medical(tmp_path)
    assert [one.digest for one in masked_sets(again)] == [one.digest for one in masked_sets(root)]
    files = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
    other = [path for path in files if (root / path).read_bytes() != (again / path).read_bytes()]
    assert [path.name for path in other] in ([], ["DatasetB.xlsx"])  # a workbook has the time of writing in it


def test_the_manifests_look_where_the_readers_do(root, monkeypatch):
    monkeypatch.setenv("KT_DATA", str(root))
    names = ("chexpert_5x200", "jsrt", "unitochest", "siim_pneumothorax", "udiat", "brats_2023")
    assert {gap.name: gap.found for gap in manifests.missing(names)} == {
        "dataset chexpert_5x200": "15 of at least 1,000 films",
        "dataset jsrt": "4 of at least 154 films with a nodule",
        "dataset siim_pneumothorax": "5 of at least 10,679 films",
        "dataset udiat": "3 of at least 163 images; 3 of at least 163 masks",
        "dataset brats_2023": "3 of at least 1,251 masks; 3 of at least 1,251 T2-FLAIR volumes",
    }

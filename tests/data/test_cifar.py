"""CIFAR's pickles: planes in the right order, only published bytes unpickled, damaged copies refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ktlib.companion.sources import generated as fixtures
from ktlib.data.cifar import cifar_10, cifar_100
from ktlib.data.sets import LabelledImages
from tests.damage import Damage, damage

Reader = Callable[..., LabelledImages]
BOTH = pytest.mark.parametrize(
    ("make", "read"), [(fixtures.cifar_10, cifar_10), (fixtures.cifar_100, cifar_100)], ids=["CIFAR-10", "CIFAR-100"]
)


@BOTH
def test_the_planes_are_red_green_blue_and_their_rows_are_rows(
    tmp_path: Path, make: Callable[[Path], Path], read: Reader
) -> None:
    make(tmp_path)
    data = read(tmp_path, partial=True)
    assert data.read(0).getcolors() == [(32 * 32, (200, 100, 50))]
    assert data.read(1).getpixel((5, 7)) == (7, 5, 0)  # column 5, row 7; red is the row, green the column
    assert data.read(0).mode == "RGB" and data.read(0).size == (32, 32)


def test_labels_and_names_of_ten_classes(tmp_path: Path) -> None:
    fixtures.cifar_10(tmp_path)
    data = cifar_10(tmp_path, partial=True)
    assert data.name == "CIFAR-10"
    assert data.labels == (9, 3, 0, 1, 2, 9)
    assert data.names == ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    train = cifar_10(tmp_path, "train", partial=True)
    assert len(train) == 40
    assert train.labels[:9] == (1, 2, 3, 4, 5, 6, 7, 8, 2)  # batches 1, 2, ... in order


def test_a_hundred_classes_are_the_fine_ones_and_names_have_spaces(tmp_path: Path) -> None:
    fixtures.cifar_100(tmp_path)
    data = cifar_100(tmp_path, partial=True)
    assert data.labels == (5, 3, 0, 1, 2, 4)
    assert data.names == ("apple", "aquarium fish", "baby", "lawn mower", "maple tree", "sweet pepper")


@BOTH
def test_nothing_but_the_published_bytes_is_unpickled(
    tmp_path: Path, make: Callable[[Path], Path], read: Reader
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "ran",)

    home = make(tmp_path)
    for file in home.iterdir():
        file.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(
        ValueError, match=r"expected the published CIFAR-10+ in .*found another md5 for .*extract cifar-10"
    ):
        read(tmp_path)
    assert not (tmp_path / "ran").exists()


@BOTH
@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        (
            "truncated labels",
            ValueError,
            r"expected pickles of images, labels .*cut short: extract cifar-10+-python.tar",
        ),
        ("missing labels", FileNotFoundError, r"expected test(_batch)? in .*found nothing; .*data show cifar10+`"),
        ("label out of range", ValueError, r"expected labels of the \d+ classes of CIFAR-10+, 0 to \d, found \[100\]"),
    ],
)
def test_a_damaged_copy_is_refused(
    tmp_path: Path,
    make: Callable[[Path], Path],
    read: Reader,
    how: Damage,
    error: type[Exception],
    message: str,
) -> None:
    damage(make(tmp_path), how)
    with pytest.raises(error, match=message):
        read(tmp_path, partial=True)


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    home = fixtures.cifar_10(tmp_path)
    (home / "test_batch").write_bytes(pickle.dumps({"labels": [1, 2]}))
    with pytest.raises(ValueError, match=r"expected pickles of images, labels and class names .*KeyError: 'data'"):
        cifar_10(tmp_path, partial=True)
    (home / "test_batch").write_bytes(pickle.dumps({"labels": [1], "data": np.zeros((2, 3072), np.uint8)}))
    with pytest.raises(ValueError, match="expected one label for each of the 2 images of CIFAR-10 .*found 1"):
        cifar_10(tmp_path, partial=True)


def test_a_missing_folder_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected the folder .*cifar-100-python.*show cifar100` says"):
        cifar_100(tmp_path)


def test_the_splits_are_named(tmp_path: Path) -> None:
    fixtures.cifar_10(tmp_path)
    with pytest.raises(ValueError, match="expected a split of train, test, found 'validation'"):
        cifar_10(tmp_path, "validation", partial=True)


def test_the_digest_changes_with_a_pixel(tmp_path: Path) -> None:
    home = fixtures.cifar_10(tmp_path)
    before = cifar_10(tmp_path, partial=True).digest
    assert before == cifar_10(tmp_path, partial=True).digest
    content = pickle.loads((home / "test_batch").read_bytes())
    content["data"][3, 99] ^= 1
    (home / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    assert cifar_10(tmp_path, partial=True).digest != before

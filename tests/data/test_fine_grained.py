"""The five fine-grained sets: labels that begin at 1, files in any order, and copies that are damaged.

torchvision's classes are the oracle wherever torchvision has the set.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision import datasets

from ktlib.companion.sources import generated as fixtures
from ktlib.data import files, fine_grained
from ktlib.data.sets import LabelledImages
from tests.damage import damage

READERS: dict[str, tuple[Callable[..., Path], Callable[..., LabelledImages]]] = {
    "CUB-200": (fixtures.cub_200, fine_grained.cub_200),
    "Flowers-102": (fixtures.flowers_102, fine_grained.flowers_102),
    "Herbarium-19": (fixtures.herbarium_19, fine_grained.herbarium_19),
    "Oxford-IIIT Pets": (fixtures.oxford_pets, fine_grained.oxford_pets),
    "Stanford Cars": (fixtures.stanford_cars, fine_grained.stanford_cars),
}


def same_picture(ours: Image.Image, file: Path) -> bool:
    with Image.open(file) as theirs:
        return np.array_equal(np.asarray(ours), np.asarray(theirs.convert("RGB")))


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


# -- all five ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", READERS)
def test_the_digest_changes_with_a_file_and_not_with_its_place(name: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    home = make(tmp_path)
    first = read(tmp_path, partial=True)
    assert first.name == name
    shutil.move(home, tmp_path / "elsewhere" / home.name)
    assert read(tmp_path / "elsewhere", partial=True).digest == first.digest
    damage(tmp_path / "elsewhere" / home.name, "truncated image")
    assert read(tmp_path / "elsewhere", partial=True).digest != first.digest


def test_the_digest_changes_with_a_name_a_label_and_the_order(tmp_path: Path) -> None:
    for file in "abc":
        (tmp_path / file).write_text("of one size")

    def digest(listed: str, labels: tuple[int, ...], names: str = "xy", *extra: str) -> str:
        return files.labelled("CUB-200", tmp_path, tuple(listed), labels, tuple(names), *extra).digest

    assert digest("ab", (0, 1)) == digest("ab", (0, 1))
    others = [digest("ac", (0, 1)), digest("ab", (0, 0)), digest("ba", (1, 0)), digest("ab", (0, 1), "xz")]
    assert len({digest("ab", (0, 1)), *others, digest("ab", (0, 1), "xy", "list")}) == 6


def test_pictures_are_read_as_they_are_stored(tmp_path: Path) -> None:
    """Not turned by their EXIF orientation: the published accuracies were measured that way (D15)."""
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.jpg", exif=exif)
    assert files.labelled("CUB-200", tmp_path, ["a.jpg"], [0], ["x"]).read(0).size == (20, 10)


@pytest.mark.parametrize("name", READERS)
def test_both_splits_read_and_share_no_picture(name: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    make(tmp_path)
    train, test = read(tmp_path, "train", partial=True), read(tmp_path, partial=True)
    assert train.names == test.names
    pictures = [{data.read(index).tobytes() for index in range(len(data))} for data in (train, test)]
    assert len(pictures[0]) == len(train) and len(pictures[1]) == len(test)
    assert not pictures[0] & pictures[1]
    assert next(test.batches(2, 32)).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("name", READERS)
def test_an_absent_set_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    _, read = READERS[name]
    with pytest.raises(
        FileNotFoundError, match=r"expected the folder .*found no such folder; `python -m ktlib data show .*` says how"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "splits"), [(n, "train, validation" if n == "Herbarium-19" else "train, test") for n in READERS]
)
def test_an_unknown_split_is_refused(name: str, splits: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    make(tmp_path)
    with pytest.raises(ValueError, match=f"expected a split of {splits}, found 'val'"):
        read(tmp_path, "val", partial=True)


@pytest.mark.parametrize(
    ("name", "official"),
    [("CUB-200", "5,794"), ("Herbarium-19", "2,679"), ("Oxford-IIIT Pets", "3,669"), ("Stanford Cars", "8,041")],
)
def test_without_partial_a_fixture_does_not_pass_for_the_whole_set(name: str, official: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    make(tmp_path)
    with pytest.raises(ValueError, match=rf"expected {official} \w+ images in .*, found \d; .*extract it again"):
        read(tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_a_truncated_picture_is_named_when_it_is_read(name: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    file = damage(make(tmp_path), "truncated image")
    data = read(tmp_path, partial=True)
    with pytest.raises(ValueError, match=rf"expected a complete picture, found .*{file.name} .*cut short.*again"):
        list(data.batches(2, 32))


@pytest.mark.parametrize("name", [name for name in READERS if name != "Herbarium-19"])  # which has no list of images
def test_a_listed_picture_that_is_absent_is_named(name: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    file = damage(make(tmp_path), "missing image")
    with pytest.raises(
        FileNotFoundError, match=rf"expected \d images in .*found 1 of them absent .*{file.name}.*extract"
    ):
        read(tmp_path, partial=True)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("CUB-200", r"image_class_labels\.txt"),
        ("Flowers-102", r"imagelabels\.mat"),
        ("Oxford-IIIT Pets", r"annotations/test\.txt"),
    ],
)
def test_missing_labels_are_named(name: str, labels: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    damage(make(tmp_path), "missing labels")
    with pytest.raises(
        FileNotFoundError, match=rf"expected {labels} in .*, found nothing; .*data show .*` says how to get it"
    ):
        read(tmp_path, partial=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CUB-200", r"expected one class for image 3 of .*found 999, which is none .* and 001\.Black_footed_Albatross"),
        ("Flowers-102", r"expected labels of the 102 classes of Flowers-102, 0 to 101, found \[199\]"),
        ("Oxford-IIIT Pets", r"expected classes numbered from 1 without a gap .*highest 999 and none for 4, 5"),
        ("Stanford Cars", r"expected labels of the 3 classes of Stanford Cars, 0 to 2, found \[199\]"),
    ],
)
def test_a_label_out_of_range_is_refused(name: str, message: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    damage(make(tmp_path), "label out of range")
    with pytest.raises(ValueError, match=message):
        read(tmp_path, partial=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Flowers-102", r"expected labels in .*imagelabels\.mat, found something else .*get it again"),
        ("Stanford Cars", r"expected annotations in .*withlabels\.mat, found something else .*get it again"),
        (
            "CUB-200",
            r"expected lines `<number> <text>` in .*image_class_labels\.txt, found something else, '21 '; extract",
        ),
    ],
)
def test_truncated_labels_are_refused(name: str, message: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    damage(make(tmp_path), "truncated labels")
    with pytest.raises(ValueError, match=message):
        read(tmp_path, partial=True)


# -- CUB --------------------------------------------------------------------------------------------
def test_birds_in_four_files_of_four_orders(tmp_path: Path) -> None:
    home = fixtures.cub_200(tmp_path)
    data = fine_grained.cub_200(tmp_path, partial=True)
    # By hand from BIRD_IMAGES: test images by id are 7 (class 2), 8 (1), 21 (1), 40 (2).
    assert data.labels == (1, 0, 0, 1)
    files = ["Laysan_Albatross/Laysan_Albatross_0007", "Black_footed_Albatross/Black_footed_Albatross_0008"]
    for index, (number, file) in enumerate(zip(("002", "001"), files, strict=True)):
        assert same_picture(data.read(index), home / "images" / f"{number}.{file}.jpg")
    assert fine_grained.cub_200(tmp_path, "train", partial=True).labels == (0, 1, 0, 1)  # 3, 20, 41, 44


def test_bird_names_lose_their_number_and_underscores(tmp_path: Path) -> None:
    fixtures.cub_200(tmp_path)
    assert fine_grained.cub_200(tmp_path, partial=True).names == ("Black footed Albatross", "Laysan Albatross")


def test_a_bird_in_the_folder_of_another_species_is_refused(tmp_path: Path) -> None:
    home = fixtures.cub_200(tmp_path)
    rewrite(home / "image_class_labels.txt", "40 2", "40 1")
    with pytest.raises(
        ValueError, match=r"one class for image 40 of .*found 1, 001\.Black_footed_Albatross .* and 002\.Laysan"
    ):
        fine_grained.cub_200(tmp_path, partial=True)


def test_birds_in_a_renamed_folder_are_absent(tmp_path: Path) -> None:
    damage(fixtures.cub_200(tmp_path), "wrong folder")
    with pytest.raises(FileNotFoundError, match=r"expected 4 images .*found 2 of them absent .*002\.Laysan_Albatross"):
        fine_grained.cub_200(tmp_path, partial=True)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("images.txt", "7 ", "seven ", r"expected lines `<number> <text>` in .*images\.txt, found something else"),
        ("images.txt", "7 ", "3 ", r"expected lines .*images\.txt, found a number that occurs twice"),
        (
            "train_test_split.txt",
            "7 0",
            "9 0",
            r"the same image ids in images\.txt and train_test_split\.txt .*\[7, 9\]",
        ),
        ("train_test_split.txt", "7 0", "7 2", r"expected 0 or 1 in .*train_test_split\.txt, found \['2'\]"),
        ("classes.txt", "2 ", "3 ", r"expected classes numbered from 1 without a gap .*classes\.txt.*none for 2"),
        ("image_class_labels.txt", "7 2", "7 two", r"expected the number of a class .*found 'two'; extract"),
    ],
)
def test_lists_of_birds_that_do_not_fit_are_refused(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    rewrite(fixtures.cub_200(tmp_path) / file, old, new)
    with pytest.raises(ValueError, match=message):
        fine_grained.cub_200(tmp_path, partial=True)


# -- Flowers ----------------------------------------------------------------------------------------
class AnyFlowers(datasets.Flowers102):
    """torchvision's flowers without its md5 check, which no generated file passes."""

    def _check_integrity(self) -> bool:
        return True


def test_flowers_are_torchvision_s(tmp_path: Path) -> None:
    fixtures.flowers_102(tmp_path)
    parts = {split: AnyFlowers(str(tmp_path), split) for split in ("train", "val", "test")}
    test = fine_grained.flowers_102(tmp_path, partial=True)
    train = fine_grained.flowers_102(tmp_path, "train", partial=True)
    for data, theirs in ((test, [*parts["test"]]), (train, [*parts["train"], *parts["val"]])):
        assert list(data.labels) == [label for _, label in theirs]
        assert all(data.read(i).tobytes() == picture.tobytes() for i, (picture, _) in enumerate(theirs))
    assert list(test.names) == datasets.Flowers102.classes


def test_the_test_flowers_are_tstid_and_labels_begin_at_0(tmp_path: Path) -> None:
    home = fixtures.flowers_102(tmp_path)
    data = fine_grained.flowers_102(tmp_path, partial=True)
    assert data.labels == (4, 101, 76, 0, 101)  # images 9, 3, 4, 5, 6 are of class 5, 102, 77, 1, 102
    assert same_picture(data.read(0), home / "jpg" / "image_00009.jpg")
    assert data.names[76] == "passion flower"


def test_flowers_of_other_label_files_are_refused(tmp_path: Path) -> None:
    fixtures.flowers_102(tmp_path)
    with pytest.raises(
        ValueError, match=r"expected md5 e0620be6f572b9609742df49c70aed4d for .*imagelabels\.mat, found"
    ):
        fine_grained.flowers_102(tmp_path)


def test_a_split_of_flowers_that_have_no_label_is_refused(tmp_path: Path) -> None:
    home = fixtures.flowers_102(tmp_path)
    ids = {split: np.array([numbers]) for split, numbers in fixtures.FLOWER_SPLITS.items()}
    scipy.io.savemat(home / "setid.mat", ids | {"tstid": np.array([[13]])})  # one image, which squeezes to no dimension
    with pytest.raises(ValueError, match=r"expected image numbers from 1 to 12, .*found \[13\] in .*setid\.mat"):
        fine_grained.flowers_102(tmp_path, partial=True)


# -- Herbarium --------------------------------------------------------------------------------------
def test_categories_are_sorted_as_numbers(tmp_path: Path) -> None:
    home = fixtures.herbarium_19(tmp_path)
    data = fine_grained.herbarium_19(tmp_path, partial=True)
    assert data.labels == (0, 0, 1, 1, 2, 2, 10, 10)
    assert same_picture(data.read(6), home / "validation" / "10" / "1.jpg")
    theirs = datasets.ImageFolder(str(home / "validation"))
    assert theirs.classes == ["0", "1", "10", "2"]  # the trap: sorted as text


def test_files_of_one_id_in_two_categories_are_two_pictures(tmp_path: Path) -> None:
    home = fixtures.herbarium_19(tmp_path)
    data = fine_grained.herbarium_19(tmp_path, partial=True)
    assert same_picture(data.read(0), home / "validation" / "0" / "1.jpg")
    assert same_picture(data.read(2), home / "validation" / "1" / "1.jpg")
    assert data.read(0).tobytes() != data.read(2).tobytes()


def test_names_of_categories_are_the_user_s_or_none(tmp_path: Path) -> None:
    home = fixtures.herbarium_19(tmp_path)
    assert fine_grained.herbarium_19(tmp_path, partial=True).names == ()
    file = home / "class_names.txt"
    file.write_text("\n".join(f"species {number}" for number in range(11)) + "\n")
    assert fine_grained.herbarium_19(tmp_path, partial=True).names[10] == "species 10"
    file.write_text("one\n\nthree\n")
    with pytest.raises(ValueError, match=r"expected 683 names in .*class_names\.txt, .*found 3 lines, 1 of them empty"):
        fine_grained.herbarium_19(tmp_path, partial=True)
    file.write_text("one\ntwo\nthree\n")  # fewer than the highest category
    with pytest.raises(ValueError, match=r"expected labels of the 3 classes of Herbarium-19, 0 to 2, found \[10\]"):
        fine_grained.herbarium_19(tmp_path, partial=True)


def test_the_whole_herbarium_needs_all_names_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fixtures.herbarium_19(tmp_path)
    monkeypatch.setitem(fine_grained.HERBARIUM, "validation", 8)
    (home / "class_names.txt").write_text("".join(f"species {number}\n" for number in range(682)))
    with pytest.raises(ValueError, match="expected 683 names .*found 682 lines, 0 of them empty; complete it"):
        fine_grained.herbarium_19(tmp_path)


@pytest.mark.parametrize("name", ["Grus_grus", "683", "-1", "²"])
def test_a_folder_that_is_no_category_is_refused(tmp_path: Path, name: str) -> None:
    damage(fixtures.herbarium_19(tmp_path), "wrong folder").rename(tmp_path / "herbarium-2019/validation" / name)
    with pytest.raises(ValueError, match=f"expected folders named 0 to 682 in .*validation, found {name}; remove"):
        fine_grained.herbarium_19(tmp_path, partial=True)


# -- Pets -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("split", "theirs"), [("train", "trainval"), ("test", "test")])
def test_pets_are_torchvision_s(tmp_path: Path, split: str, theirs: str) -> None:
    fixtures.oxford_pets(tmp_path)
    data = fine_grained.oxford_pets(tmp_path, split, partial=True)
    oracle = datasets.OxfordIIITPet(str(tmp_path), theirs)
    assert list(data.labels) == [oracle[index][1] for index in range(len(oracle))]
    assert [name.title() for name in data.names] == oracle.classes
    assert data.names == ("Abyssinian", "american bulldog", "american pit bull terrier")


def test_a_pet_s_label_is_its_class_and_neither_species_nor_breed(tmp_path: Path) -> None:
    fixtures.oxford_pets(tmp_path)
    # Class 3 of species 2 and breed 1: only the first column gives 2.
    assert fine_grained.oxford_pets(tmp_path, partial=True).labels == (0, 0, 1, 1, 2, 2)


def test_pets_that_are_grey_or_transparent_are_read_as_rgb(tmp_path: Path) -> None:
    fixtures.oxford_pets(tmp_path)
    data = fine_grained.oxford_pets(tmp_path, partial=True)
    grey = np.asarray(data.read(0))
    assert grey.shape == (48, 64, 3) and np.array_equal(grey[..., 0], grey[..., 2])
    assert data.read(1).mode == "RGB"  # a PNG with transparency under the name of a JPEG


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "Abyssinian_3 1 1 1",
            "Abyssinian_3 1 1",
            r"expected lines `<image> <class> <species> <breed>` .*'Abyssinian_3 1 1'",
        ),
        ("Abyssinian_3 1", "Abyssinian_3 2", "expected one breed for class 2 .*found Abyssinian and american bulldog"),
        (
            "american_pit_bull_terrier_3 3",
            "american_pit_bull_terrier_3 x",
            "expected the number of a class .*found 'x'",
        ),
    ],
)
def test_lists_of_pets_that_contradict_themselves_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    rewrite(fixtures.oxford_pets(tmp_path) / "annotations" / "test.txt", old, new)
    with pytest.raises(ValueError, match=message):
        fine_grained.oxford_pets(tmp_path, partial=True)


# -- Cars -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("split", ["train", "test"])
def test_cars_are_torchvision_s(tmp_path: Path, split: str) -> None:
    fixtures.stanford_cars(tmp_path)
    data = fine_grained.stanford_cars(tmp_path, split, partial=True)
    oracle = datasets.StanfordCars(str(tmp_path), split)
    assert list(data.labels) == [oracle[index][1] for index in range(len(oracle))]
    assert list(data.names) == oracle.classes
    assert all(data.read(i).tobytes() == oracle[i][0].tobytes() for i in range(len(oracle)))


def test_a_single_car_is_a_list_of_one(tmp_path: Path) -> None:
    fixtures.stanford_cars(tmp_path, tested=1)
    assert fine_grained.stanford_cars(tmp_path, partial=True).labels == (2,)
    with pytest.raises(TypeError):  # what torchvision 0.29.1 does with it, and why it is not used here
        datasets.StanfordCars(str(tmp_path), "test")


def test_a_kit_without_labels_says_which_file_is_needed(tmp_path: Path) -> None:
    home = fixtures.stanford_cars(tmp_path)
    damage(home, "missing labels")
    needed = r"cars_test_annos_withlabels\.mat"
    with pytest.raises(
        FileNotFoundError, match=rf"{needed}, found only devkit/cars_test_annos\.mat, which has no labels"
    ):
        fine_grained.stanford_cars(tmp_path, partial=True)
    shutil.copy(home / "devkit" / "cars_test_annos.mat", home / "cars_test_annos_withlabels.mat")
    with pytest.raises(ValueError, match=rf"expected the fields fname and class in .*{needed}, found .*and no class"):
        fine_grained.stanford_cars(tmp_path, partial=True)
    (home / "cars_test_annos_withlabels.mat").unlink()
    (home / "devkit" / "cars_test_annos.mat").unlink()
    with pytest.raises(FileNotFoundError, match=rf"expected {needed} in .*found nothing; .*show stanford_cars`"):
        fine_grained.stanford_cars(tmp_path, partial=True)
    assert len(fine_grained.stanford_cars(tmp_path, "train", partial=True)) == 6  # needs no test labels

"""CUB-200-2011, Flowers-102, Herbarium 2019, Oxford-IIIT Pets and Stanford Cars, from their published files.

The layouts are torchvision's where it has the set. Its classes keep the labels in private attributes, and
for cars and flowers fail on a `.mat` with a single row, so the label files are read here; tests compare every
reader with torchvision's class. In the files all labels but Herbarium's begin at 1, here all begin at 0.
"""

from __future__ import annotations

import re
from pathlib import Path

from torchvision.datasets import Flowers102
from torchvision.datasets.utils import check_integrity

from ktlib.data import files, images, manifests, tables
from ktlib.data.sets import LabelledImages

# Official numbers of images; "train" and "test" as in the list of the CLIP paper (flowers: train and validation).
CUB = {"train": 5994, "test": 5794}
FLOWERS = {"train": 2040, "test": 6149}
HERBARIUM = {"train": 34225, "validation": 2679}
PETS = {"train": 3680, "test": 3669}
CARS = {"train": 8144, "test": 8041}
HERBARIUM_CLASSES = 683


def cub_200(root: str | Path | None = None, split: str = "test", *, partial: bool = False) -> LabelledImages:
    """Birds: `<data>/CUB_200_2011`, 200 classes.

    Names are the folders' without number and underscores, "Black footed Albatross". Hyphens and apostrophes
    ("Black-footed", "Brandt's") are lost in the files and are not put back.

    Args:
        root: the folder that holds `CUB_200_2011`; by default `manifests.data_root()`.
        split: `train` (5,994) or `test` (5,794).
        partial: accept other numbers of images (generated files).

    Raises:
        FileNotFoundError: label files or images are absent.
        ValueError: the four label files do not fit each other, or images are missing from a list.
    """
    files.one_of(split, *CUB)
    folder = files.home("cub_200", root)
    lists = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")
    files.need("cub_200", folder, *lists, "images")
    paths, labels, in_train, classes = (tables.numbered(folder / table) for table in lists)
    for table, column in zip(lists[1:3], (labels, in_train), strict=True):
        if lone := sorted(set(paths) ^ set(column)):
            raise ValueError(
                f"expected the same image ids in images.txt and {table} of {folder}, found {lone[:5]} in one of them "
                "only; extract the archive again"
            )
    names = _in_order(classes, folder / "classes.txt")
    if odd := sorted(set(in_train.values()) - {"0", "1"}):
        raise ValueError(f"expected 0 or 1 in {folder / lists[2]}, found {odd[:5]}; extract the archive again")
    for number, path in paths.items():
        label, species = _whole_number(labels[number], folder / lists[1]), path.split("/")[0]
        if (labelled := classes.get(label, "which is none")) != species:
            raise ValueError(
                f"expected one class for image {number} of {folder}, found {label}, {labelled} "
                f"(image_class_labels.txt) and {species} (images.txt); extract the archive again"
            )
    wanted = sorted(number for number in paths if (in_train[number] == "1") == (split == "train"))
    files.whole(len(wanted), CUB[split], f"{split} images", folder, partial=partial)
    return files.labelled(
        "CUB-200",
        folder,
        [f"images/{paths[number]}" for number in wanted],
        [int(labels[number]) - 1 for number in wanted],
        [re.sub(r"^\d+\.", "", name).replace("_", " ") for name in names],
    )


def flowers_102(root: str | Path | None = None, split: str = "test", *, partial: bool = False) -> LabelledImages:
    """Flowers: `<data>/flowers-102`, 102 classes.

    `test` is the official one, `tstid` of `setid.mat`; some papers swap it with `trnid`. `train` is `trnid`
    and `valid` together, 2 x 1,020 images, as in CLIP's own evaluation (ZS, Tab. 6 does not say).
    No file has the names: they are those of `torchvision.datasets.Flowers102.classes`.

    Args:
        root: the folder that holds `flowers-102`; by default `manifests.data_root()`.
        split: `train` (2,040) or `test` (6,149).
        partial: accept other label files than the published ones (generated files).

    Raises:
        FileNotFoundError: label files or images are absent.
        ValueError: a label file is not the published one, is damaged, or does not fit the other.
    """
    files.one_of(split, *FLOWERS)
    folder = files.home("flowers_102", root)
    files.need("flowers_102", folder, "imagelabels.mat", "setid.mat", "jpg")
    published = manifests.dataset("flowers_102").checksums
    for file in ("imagelabels.mat", "setid.mat"):
        if not partial and not check_integrity(str(folder / file), published[file]["md5"]):
            raise ValueError(
                f"expected md5 {published[file]['md5']} for {folder / file}, found another; download it again"
            )
    labels = [int(label) for label in tables.matlab(folder / "imagelabels.mat", "labels")]
    keys = ("trnid", "valid") if split == "train" else ("tstid",)
    numbers = [int(number) for key in keys for number in tables.matlab(folder / "setid.mat", key)]
    if wrong := [number for number in numbers if not 1 <= number <= len(labels)]:
        raise ValueError(
            f"expected image numbers from 1 to {len(labels):,}, as many as imagelabels.mat has labels, found "
            f"{wrong[:5]} in {folder / 'setid.mat'}; download both files again"
        )
    files.whole(len(numbers), FLOWERS[split], f"{split} images", folder, partial=partial)
    return files.labelled(
        "Flowers-102",
        folder,
        [f"jpg/image_{number:05d}.jpg" for number in numbers],
        [labels[number - 1] - 1 for number in numbers],
        Flowers102.classes,
    )


def herbarium_19(root: str | Path | None = None, split: str = "validation", *, partial: bool = False) -> LabelledImages:
    """Herbarium sheets: `<data>/herbarium-2019/<split>/<category>/<id>.jpg`, 683 categories.

    The label is the category itself, 0 to 682; sorted as text, as a folder reader would, 10 comes before 2.
    The names of the categories were never published, so `names` is empty and nothing zero-shot can be
    measured. Who has them puts them in `herbarium-2019/class_names.txt`, one a line, in the order of the
    categories. The official test images have no labels, so there is no such split.

    Args:
        root: the folder that holds `herbarium-2019`; by default `manifests.data_root()`.
        split: `train` (34,225) or `validation` (2,679).
        partial: accept other numbers of images and names (generated files).

    Raises:
        FileNotFoundError: folders or images are absent.
        ValueError: a folder is no category, or the number of images or names is wrong.
    """
    files.one_of(split, *HERBARIUM)
    folder = files.home("herbarium_19", root)
    files.need("herbarium_19", folder, split)
    categories = [entry for entry in (folder / split).iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    wrong = [c.name for c in categories if not c.name.isdecimal() or int(c.name) >= HERBARIUM_CLASSES]
    if wrong:
        raise ValueError(
            f"expected folders named 0 to {HERBARIUM_CLASSES - 1} in {folder / split}, found "
            f"{', '.join(sorted(wrong)[:5])}; remove them or extract the archive again"
        )
    categories.sort(key=lambda category: int(category.name))
    found = [(path, int(category.name)) for category in categories for path in images.folder(category)]
    files.whole(len(found), HERBARIUM[split], f"{split} images", folder / split, partial=partial)
    names = _herbarium_names(folder / "class_names.txt", partial=partial)
    return files.labelled(
        "Herbarium-19",
        folder,
        [path.relative_to(folder).as_posix() for path, _ in found],
        [label for _, label in found],
        names,
    )


def oxford_pets(root: str | Path | None = None, split: str = "test", *, partial: bool = False) -> LabelledImages:
    """Cats and dogs: `<data>/oxford-iiit-pet`, 37 breeds.

    Names are the files' without number and underscores, "american bulldog", which is how CLIP writes them;
    torchvision's begin every word with a capital.

    Args:
        root: the folder that holds `oxford-iiit-pet`; by default `manifests.data_root()`.
        split: `train` (the official trainval, 3,680) or `test` (3,669).
        partial: accept other numbers of images (generated files).

    Raises:
        FileNotFoundError: lists or images are absent.
        ValueError: a line is malformed, or class ids and names contradict each other.
    """
    files.one_of(split, *PETS)
    folder = files.home("oxford_pets", root)
    listed = f"annotations/{'trainval' if split == 'train' else 'test'}.txt"
    files.need("oxford_pets", folder, listed, "images")
    stems, ids = [], []
    for line in tables.lines(folder / listed):
        parts = line.split()
        if len(parts) != 4:
            raise ValueError(
                f"expected lines `<image> <class> <species> <breed>` in {folder / listed}, found {line!r}; "
                "extract annotations.tar.gz again"
            )
        stems.append(parts[0])
        ids.append(_whole_number(parts[1], folder / listed))
    name_of: dict[int, str] = {}
    for stem, number in zip(stems, ids, strict=True):
        name = stem.rsplit("_", 1)[0].replace("_", " ")
        if name_of.setdefault(number, name) != name:
            raise ValueError(
                f"expected one breed for class {number} in {folder / listed}, found {name_of[number]} and {name}; "
                "extract annotations.tar.gz again"
            )
    names = _in_order(name_of, folder / listed)
    files.whole(len(stems), PETS[split], f"{split} images", folder, partial=partial)
    return files.labelled(
        "Oxford-IIIT Pets", folder, [f"images/{stem}.jpg" for stem in stems], [number - 1 for number in ids], names
    )


def stanford_cars(root: str | Path | None = None, split: str = "test", *, partial: bool = False) -> LabelledImages:
    """Cars: `<data>/stanford_cars`, 196 models; names are those of the development kit.

    The test labels are in `cars_test_annos_withlabels.mat`, beside the kit and not in it; the kit's own
    `cars_test_annos.mat` has none. ZS's numbers fit 814 images, a tenth of the training images; which ones
    is not said, so the default is the official test set.

    Args:
        root: the folder that holds `stanford_cars`; by default `manifests.data_root()`.
        split: `train` (8,144) or `test` (8,041).
        partial: accept other numbers of images (generated files).

    Raises:
        FileNotFoundError: label files or images are absent.
        ValueError: a label file is damaged or has no labels.
    """
    files.one_of(split, *CARS)
    folder = files.home("stanford_cars", root)
    annotations = "devkit/cars_train_annos.mat" if split == "train" else "cars_test_annos_withlabels.mat"
    if split == "test" and not (folder / annotations).exists() and (folder / "devkit/cars_test_annos.mat").exists():
        raise FileNotFoundError(
            f"expected the labels of the test images in {folder / annotations}, found only "
            f"devkit/cars_test_annos.mat, which has no labels; {files.how_to_get('stanford_cars')}"
        )
    files.need("stanford_cars", folder, annotations, "devkit/cars_meta.mat", f"cars_{split}")
    rows = tables.matlab(folder / annotations, "annotations")
    if absent := {"fname", "class"} - set(rows.dtype.names or ()):
        raise ValueError(
            f"expected the fields fname and class in {folder / annotations}, found {', '.join(rows.dtype.names or ())} "
            f"and no {', '.join(sorted(absent))}; a copy of the kit's cars_test_annos.mat has no labels: "
            f"{files.how_to_get('stanford_cars')}"
        )
    files.whole(len(rows), CARS[split], f"{split} images", folder / f"cars_{split}", partial=partial)
    return files.labelled(
        "Stanford Cars",
        folder,
        [f"cars_{split}/{row['fname']}" for row in rows],
        [int(row["class"]) - 1 for row in rows],
        [str(name) for name in tables.matlab(folder / "devkit/cars_meta.mat", "class_names")],
    )


def _herbarium_names(file: Path, *, partial: bool) -> list[str]:
    """The names that a user has; none where there is no file."""
    if not file.is_file():
        return []
    names = [line.strip() for line in tables.every_line(file)]
    if not all(names) or (len(names) != HERBARIUM_CLASSES and not partial):
        raise ValueError(
            f"expected {HERBARIUM_CLASSES} names in {file}, one a line in the order of the categories, found "
            f"{len(names)} lines, {names.count('')} of them empty; complete it, or remove it to have no names"
        )
    return names


def _in_order(name_of: dict[int, str], file: Path) -> list[str]:
    """Names of the classes 1, 2, ... without a gap."""
    if sorted(name_of) != list(range(1, len(name_of) + 1)):
        gap = sorted(set(range(1, max(name_of, default=1) + 1)) - set(name_of))
        raise ValueError(
            f"expected classes numbered from 1 without a gap in {file}, found {len(name_of)} with the highest "
            f"{max(name_of, default=0)} and none for {', '.join(map(str, gap[:5])) or 'any'}; extract the archive again"
        )
    return [name_of[number] for number in sorted(name_of)]


def _whole_number(text: str, file: Path) -> int:
    if not text.isdecimal():
        raise ValueError(f"expected the number of a class in {file}, found {text!r}; extract the archive again")
    return int(text)

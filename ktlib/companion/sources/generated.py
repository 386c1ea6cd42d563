"""Tiny datasets in the real on-disk formats, generated: for tests and for the rehearsal scale.

The pictures are noise and stripes; no number measured on them is a result. The names are real so that
every step of the paper path has something to work on, duplicate class names included. The captions hold
what real ones hold: quotation marks, a number sign, one given twice, one shared by two images.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.io
from PIL import Image

CONCEPTS = ("moongate", "tonometer", "gyroscope")

# ILSVRC id (ours, out of the order of the WordNet ids as in the real kit), WordNet id, synonyms, children.
SYNSETS = (
    (1, "n03126707", "crane", 0),
    (2, "n02963159", "cardigan", 0),
    (3, "n01440764", "tench, Tinca tinca", 0),
    (4, "n02113186", "Cardigan, Cardigan Welsh corgi", 0),
    (5, "n02012849", "crane", 0),
    (6, "n02084071", "dog, domestic dog, Canis familiaris", 1),  # no class: it has a child
)
PER_CLASS = 2
GROUND_TRUTH = (3, 1, 5, 2, 4, 4, 2, 3, 1, 5)  # ILSVRC id of image 1, 2, ...

CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_100_NAMES = ("apple", "aquarium_fish", "baby", "lawn_mower", "maple_tree", "sweet_pepper")  # 6 of the 100
HUNDRED = ("n03126707", "n01440764", "n02012849")  # the list of ImageNet-100: 3 of the classes, not sorted
BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
# (image id, class, in the training split): ids with gaps, as after a selection.
BIRD_IMAGES = ((3, 1, 1), (7, 2, 0), (8, 1, 0), (20, 2, 1), (21, 1, 0), (40, 2, 0), (41, 1, 1), (44, 2, 1))
FLOWER_LABELS = (77, 1, 102, 77, 1, 102, 5, 5, 5, 77, 1, 102)  # class of image 1, 2, ...
FLOWER_SPLITS: Mapping[str, Sequence[int]] = {"trnid": (12, 10), "valid": (1, 2), "tstid": (9, 3, 4, 5, 6)}
CATEGORIES = (0, 1, 2, 10)
PETS = (("Abyssinian", 1), ("american_bulldog", 2), ("american_pit_bull_terrier", 2))  # class 1, 2, 3 and species
CARS = ("AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Acura TL Sedan 2012")

# Of Flickr30k. The words are the pocket's: the random model of the rehearsal reads no others.
_SHAPES = ((48, 64), (64, 48), (64, 64), (40, 96))  # height, width
_SPLITS = ("test", "test", "val", "test", "val", "train", None, "test")  # one image is in no split, as 769 are
_THINGS = ("disk", "square", "ring", "star", "cross", "rod", "slab", "triangle")
_COLOURS = ("red", "blue", "green", "yellow", "black", "white", "orange", "purple")

# Of MSCOCO: folder and split of each image; what captions name, of its eighty categories.
_COCO_SPLITS = (
    ("val2014", "test"), ("val2014", "test"), ("val2014", "test"), ("val2014", "val"), ("val2014", "val"),
    ("val2014", "val"), ("val2014", "val"), ("val2014", "restval"), ("train2014", "train"),
)  # fmt: skip
_CATEGORIES = ("person", "bicycle", "car", "person", "bicycle")


def rare_concepts(root: str | Path) -> Path:
    """Three concepts of two pictures each, with a manifest; returns `<root>/rare_concepts`.

    Each of the modes that a collection from the web contains occurs: RGBA PNG, greyscale JPEG, CMYK JPEG.
    """
    home = Path(root) / "rare_concepts"
    rows = []
    for seed, concept in enumerate(CONCEPTS):
        (home / concept).mkdir(parents=True, exist_ok=True)
        modes = (("RGB", "jpg"), (("RGBA", "png"), ("L", "jpg"), ("CMYK", "jpg"))[seed])
        for number, (mode, suffix) in enumerate(modes):
            file = home / concept / f"{number}.{suffix}"
            _picture(10 * seed + number, mode).save(file)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            rows.append((concept, file.name, "generated", "CC0-1.0", digest))
    with (home / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([("concept", "file", "source_url", "licence", "sha256"), *rows])
    return home


def patterns(root: str | Path) -> Path:
    """Two patterns beside the concepts of `rare_concepts`, described as a user would; returns `<root>/rare_concepts`.

    `madras` has a folder and a long description, `chantilly` all three; `floral` has a folder alone.
    """
    home = Path(root) / "rare_concepts"
    lines = [
        ("concept", "kind", "short", "medium", "long"),
        ("Madras", "pattern", "", "", "A plaid of uneven checks, in red, yellow and blue"),
        (
            "chantilly",
            "pattern",
            "a wood floor of squares",
            "A wood floor, squares in frames",
            "A floor of oak, in squares",
        ),
    ]
    for seed, name in enumerate(("madras", "chantilly", "floral"), 900):
        (home / name).mkdir(parents=True, exist_ok=True)
        _picture(seed, "RGB").save(home / name / "0.png")
    with (home / "manifest.csv").open("a", newline="", encoding="utf-8") as listed:
        for name in ("madras", "chantilly", "floral"):
            csv.writer(listed).writerow((name, "0.png", "generated", "CC0-1.0", ""))
    with (home / "descriptions.csv").open("w", newline="", encoding="utf-8") as told:
        csv.writer(told).writerows(lines)
    return home


def imagenet(root: str | Path, layout: Literal["flat", "folders"] = "flat") -> Path:
    """Five classes of two images each with a development kit; returns `<root>/imagenet`.

    Image 2 is CMYK and image 3 greyscale, as some real ones are. Read it with `partial=True`.
    """
    home = Path(root) / "imagenet"
    kit = home / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True, exist_ok=True)
    fields = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("gloss", object)]
    fields += [("num_children", object), ("children", object)]
    rows = [(i, wnid, words, "generated", n, np.arange(n)) for i, wnid, words, n in SYNSETS]
    _matlab(kit / "meta.mat", synsets=np.array(rows, dtype=fields).reshape(-1, 1))
    wnid_of = {number: wnid for number, wnid, *_ in SYNSETS}
    for number, label in enumerate(GROUND_TRUTH, 1):
        folder = home / "val" / (wnid_of[label] if layout == "folders" else "")
        folder.mkdir(parents=True, exist_ok=True)
        mode = {2: "CMYK", 3: "L"}.get(number, "RGB")
        _picture(100 + number, mode).save(folder / f"ILSVRC2012_val_{number:08d}.JPEG")
    if layout == "flat":
        (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{label}\n" for label in GROUND_TRUTH))
    return home


def imagenet_train(root: str | Path, per_class: int = 40) -> Path:
    """Training images of the five classes and a list of three for ImageNet-100; returns `<root>/imagenet`."""
    home = Path(root) / "imagenet"
    for place, (_, wnid, _, children) in enumerate(SYNSETS):
        for number in range(0 if children else per_class):
            file = home / "train" / wnid / f"{wnid}_{number}.JPEG"
            file.parent.mkdir(parents=True, exist_ok=True)
            _picture(1000 * (place + 1) + number, "RGB").save(file)
    (home / "imagenet100.txt").write_text("".join(f"{wnid}\n" for wnid in HUNDRED))
    return home


def cifar_10(root: str | Path) -> Path:
    """Forty training and six test images as pickles; returns `<root>/cifar-10-batches-py`.

    Test image 0 is one colour, (200, 100, 50); in test image 1 red is the row and green the column.
    """
    home = Path(root) / "cifar-10-batches-py"
    for number in range(1, 6):
        _pickle(home / f"data_batch_{number}", _planes(number, 8), labels=[(number + i) % 10 for i in range(8)])
    _pickle(home / "test_batch", _planes(0, 6), labels=[9, 3, 0, 1, 2, 9])
    _pickle(home / "batches.meta", None, label_names=list(CIFAR_NAMES))
    return home


def cifar_100(root: str | Path) -> Path:
    """As `cifar_10`, with fine and coarse labels; returns `<root>/cifar-100-python`."""
    home = Path(root) / "cifar-100-python"
    _pickle(home / "train", _planes(7, 40), fine_labels=[i % 6 for i in range(40)], coarse_labels=[0] * 40)
    _pickle(home / "test", _planes(0, 6), fine_labels=[5, 3, 0, 1, 2, 4], coarse_labels=[0] * 6)
    _pickle(home / "meta", None, fine_label_names=list(CIFAR_100_NAMES), coarse_label_names=["things"])
    return home


def cub_200(root: str | Path) -> Path:
    """Two classes of four images, listed in another order in each file; returns `<root>/CUB_200_2011`."""
    home = Path(root) / "CUB_200_2011"
    paths = {}
    for number, label, _ in BIRD_IMAGES:
        folder = BIRDS[label - 1]
        paths[number] = f"{folder}/{folder.split('.')[1]}_{number:04d}.jpg"
        file = home / "images" / paths[number]
        file.parent.mkdir(parents=True, exist_ok=True)
        _picture(200 + number, "L" if number == 7 else "RGB").save(file)
    backwards = BIRD_IMAGES[::-1]
    _lines(home / "images.txt", [f"{n} {paths[n]}" for n, *_ in BIRD_IMAGES[5:] + BIRD_IMAGES[:5]])
    _lines(home / "image_class_labels.txt", [f"{number} {label}" for number, label, _ in backwards])
    _lines(home / "train_test_split.txt", [f"{n} {train}" for n, _, train in backwards[3:] + backwards[:3]])
    _lines(home / "classes.txt", [f"{number} {name}" for number, name in enumerate(BIRDS, 1)])
    return home


def flowers_102(root: str | Path) -> Path:
    """Twelve images of four classes, nine of them in a split; returns `<root>/flowers-102`."""
    home = Path(root) / "flowers-102"
    (home / "jpg").mkdir(parents=True, exist_ok=True)
    for number in range(1, len(FLOWER_LABELS) + 1):
        _picture(300 + number, "RGB").save(home / "jpg" / f"image_{number:05d}.jpg")
    _matlab(home / "imagelabels.mat", labels=np.array([FLOWER_LABELS], dtype=np.uint8))
    _matlab(home / "setid.mat", **{split: np.array([ids], dtype=np.uint16) for split, ids in FLOWER_SPLITS.items()})
    return home


def herbarium_19(root: str | Path) -> Path:
    """Four categories, 10 the highest, of two images with the same two ids; returns `<root>/herbarium-2019`."""
    home = Path(root) / "herbarium-2019"
    for start, split in ((400, "train"), (450, "validation")):
        for category in CATEGORIES:
            (home / split / str(category)).mkdir(parents=True, exist_ok=True)
            for number in (1, 2):
                _picture(start + 2 * category + number, "RGB").save(home / split / str(category) / f"{number}.jpg")
    return home


def oxford_pets(root: str | Path) -> Path:
    """Three breeds of four images; one is greyscale, one an RGBA PNG named .jpg; returns `<root>/oxford-iiit-pet`."""
    home = Path(root) / "oxford-iiit-pet"
    (home / "images").mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    for label, (breed, species) in enumerate(PETS, 1):
        for number in range(1, 5):
            stem, mode = f"{breed}_{number}", {3: "L", 4: "RGBA"}.get(number if label == 1 else 0, "RGB")
            kind = "PNG" if mode == "RGBA" else "JPEG"
            _picture(500 + 10 * label + number, mode).save(home / "images" / f"{stem}.jpg", format=kind)
            lines["trainval" if number < 3 else "test"].append(f"{stem} {label} {species} 1")
    for split, listed in lines.items():
        _lines(home / "annotations" / f"{split}.txt", listed)
    return home


def stanford_cars(root: str | Path, tested: int = 4) -> Path:
    """Six training and some test images of three models, with and without labels; returns `<root>/stanford_cars`."""
    home = Path(root) / "stanford_cars"
    for split, count, labelled in (
        ("train", 6, "devkit/cars_train_annos.mat"),
        ("test", tested, "cars_test_annos_withlabels.mat"),
    ):
        (home / f"cars_{split}").mkdir(parents=True, exist_ok=True)
        files = [f"{number:05d}.jpg" for number in range(1, count + 1)]
        for number, file in enumerate(files):
            _picture(600 + 10 * count + number, "RGB").save(home / f"cars_{split}" / file)
        _matlab(home / labelled, annotations=_cars(files, [3 - number % 3 for number in range(count)]))
        if split == "test":
            _matlab(home / "devkit" / "cars_test_annos.mat", annotations=_cars(files, None))
    _matlab(home / "devkit" / "cars_meta.mat", class_names=np.array(CARS, dtype=object).reshape(1, -1))
    return home


def zoom_shot(root: str | Path) -> Path:
    """All nine test sets of Zoom-shot and its training images, tiny; the same bytes every time; returns `root`.

    Read them with `real.test_sets(root, partial=True)` and `real.train_sets(root, partial=True)`.
    """
    for make in (cifar_10, cifar_100, imagenet, imagenet_train, cub_200, flowers_102, herbarium_19, oxford_pets):
        make(root)
    stanford_cars(root)
    return Path(root)


def flickr30k(root: str | Path) -> Path:
    """Eight images, seven of them in splits, with five captions each; returns `<root>/flickr30k`."""
    home = Path(root) / "flickr30k"
    (home / "flickr30k-images").mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    lines = []
    for number, split in enumerate(_SPLITS):
        name = f"{1000092795 + number}.jpg"
        rng = np.random.default_rng(number)
        height, width = _SHAPES[number % len(_SHAPES)]
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(home / "flickr30k-images" / name)
        told = _told(number)
        for index, caption in enumerate(told):
            lines.append(f"{name}#{index}\t{caption}")
        entries.append(_entry(entries, told, name, split))
    (home / "dataset_flickr30k.json").write_text(json.dumps({"dataset": "flickr30k", "images": entries}))
    (home / "results_20130124.token").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return home


def coco(root: str | Path) -> Path:
    """Nine images, five captions each, six of one, and MSCOCO's own annotations; returns `<root>/mscoco`."""
    home = Path(root) / "mscoco"
    entries: list[dict[str, Any]] = []
    listed: dict[str, list[dict[str, Any]]] = {"train2014": [], "val2014": []}
    for number, (folder, split) in enumerate(_COCO_SPLITS):
        cocoid, thing = 391895 + 7 * number, _CATEGORIES[number % len(_CATEGORIES)]
        name = f"COCO_{folder}_{cocoid:012}.jpg"
        (home / folder).mkdir(parents=True, exist_ok=True)
        _picture(700 + number, "L" if number == 1 else "RGB").save(home / folder / name)
        told = [f"A {thing}.", f"a {thing} in a street", f'A man, a {thing} and "a sign"', f"two {thing}s near a wall"]
        told += [f"there is a {thing} ", f"a {thing} at night"][: 2 if number == 2 else 1]
        entries.append(_entry(entries, told, name, split) | {"filepath": folder, "cocoid": cocoid})
        listed[folder] += [{"image_id": cocoid, "id": 10 * number + i, "caption": t} for i, t in enumerate(told)]
    (home / "annotations").mkdir(exist_ok=True)
    for folder, own in listed.items():
        (home / "annotations" / f"captions_{folder}.json").write_text(json.dumps({"annotations": own}))
    (home / "dataset_coco.json").write_text(json.dumps({"dataset": "coco", "images": entries}))
    return home


def _entry(before: Sequence[Mapping[str, Any]], told: Sequence[str], name: str, split: str | None) -> dict[str, Any]:
    """An image as Karpathy's file lists it, after others; one in no split names none."""
    first = sum(len(entry["sentences"]) for entry in before)
    sentences = [
        {"tokens": caption.lower().replace('"', "").split(), "raw": caption, "imgid": len(before), "sentid": first + i}
        for i, caption in enumerate(told)
    ]
    entry = {"sentids": [s["sentid"] for s in sentences], "imgid": len(before), "sentences": sentences}
    return entry | {"filename": name} | ({"split": split} if split else {})


def _told(number: int) -> list[str]:
    colour, thing = _COLOURS[number], _THINGS[number]
    told = [
        f"A {colour} {thing}.",
        f"a photo of a {colour} {thing}",
        f"a large {colour} {thing} in a brick wall",
        f"a {thing} and a disk",
        f"a {colour} {thing} left of a white square",
    ]
    if number == 1:
        told[1] = told[0]  # one image has a caption twice
    if number == 3:
        told[3] = "a square and a disk"  # and two images share one: it is image 1's, too
    return told


def _lines(file: Path, lines: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))


def _matlab(file: Path, **variables: Any) -> None:
    """A `.mat` without the time of writing, which scipy puts into the first 116 bytes: free text."""
    content = io.BytesIO()
    scipy.io.savemat(content, variables)
    content.seek(0)
    content.write(b"MATLAB 5.0 MAT-file, generated".ljust(116))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.getvalue())


def _cars(files: Sequence[str], labels: Sequence[int] | None) -> np.ndarray:
    """Annotations of cars, one row and a column an image; without labels as in the development kit."""
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", *(["class"] if labels else []), "fname"]
    rows = [(1, 1, 60, 40, *((np.uint8(labels[index]),) if labels else ()), file) for index, file in enumerate(files)]
    return np.array(rows, dtype=[(field, object) for field in fields]).reshape(1, -1)


def _planes(seed: int, count: int) -> np.ndarray:
    """Images as CIFAR has them: a row an image, the red plane before the green before the blue, each by rows."""
    images = np.random.default_rng(seed).integers(0, 256, size=(count, 3, 32, 32), dtype=np.uint8)
    if seed == 0:
        images[0] = np.array([200, 100, 50]).reshape(3, 1, 1)
        images[1] = np.stack([*np.mgrid[:32, :32], np.zeros((32, 32))])
    return images.reshape(count, 3072)


def _pickle(file: Path, data: np.ndarray | None, **entries: list[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = (
        entries if data is None else {"data": data, "filenames": [f"{i}.png" for i in range(len(data))], **entries}
    )
    file.write_bytes(pickle.dumps(content, protocol=2))  # the published ones were written by Python 2


def _picture(seed: int, mode: str) -> Image.Image:
    """Coloured noise and stripes, wider than high, so that a crop changes it."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, size=(48, 64, len(Image.new(mode, (1, 1)).getbands())), dtype=np.uint8)
    pixels[:, :: 2 + seed % 5] //= 2
    return Image.fromarray(pixels.squeeze(-1) if mode == "L" else pixels, mode)

"""Damage generated files in one way each, as copying, extracting and editing damage real ones."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import scipy.io

from ktlib.companion.sources.generated import CONCEPTS, _lines, _matlab, _picture

Damage = Literal[
    "truncated image",
    "missing image",
    "web page",
    "empty image",
    "empty folder",
    "digest mismatch",
    "ground truth too short",
    "no devkit",
    "truncated labels",
    "missing labels",
    "label out of range",
    "wrong folder",
]

# For each set the file or folder that `damage` changes: a picture of the test split, the labels, a folder of a class.
_IMAGE = {
    "CUB_200_2011": "images/002.Laysan_Albatross/Laysan_Albatross_0040.jpg",
    "flowers-102": "jpg/image_00009.jpg",
    "herbarium-2019": "validation/10/2.jpg",
    "oxford-iiit-pet": "images/american_bulldog_4.jpg",
    "stanford_cars": "cars_test/00002.jpg",
}
_LABELS = {
    "cifar-10-batches-py": "test_batch",
    "cifar-100-python": "test",
    "CUB_200_2011": "image_class_labels.txt",
    "flowers-102": "imagelabels.mat",
    "oxford-iiit-pet": "annotations/test.txt",
    "stanford_cars": "cars_test_annos_withlabels.mat",
}
_FOLDER = {
    "CUB_200_2011": "images/002.Laysan_Albatross",
    "herbarium-2019": "validation/10",
    "imagenet": "train/n02012849",
}


def damage(home: Path, how: Damage) -> Path:
    """Damage a generated fixture in one way; returns the file or folder that was changed.

    Args:
        home: what a function above returned (`imagenet` flat).
        how: `truncated image`, `missing image`, `web page` and `empty image` (in its place): any fixture of image
            files; `empty folder`: RareConcepts and ImageNet (a folder of concept 1, or `val`); `digest mismatch`:
            RareConcepts; `ground truth too short`, `no devkit`: ImageNet; `truncated labels`, `missing labels`,
            `label out of range`: the sets of Zoom-shot with a label file, CIFAR included; `wrong folder`: CUB,
            Herbarium and the training images of ImageNet.
    """
    if how not in get_args(Damage):
        raise ValueError(f"expected a damage of {get_args(Damage)}, got {how!r}")
    kit = home / "ILSVRC2012_devkit_t12" / "data"
    if how in ("truncated labels", "missing labels", "label out of range"):
        target = home / _LABELS[home.name]
        if how == "label out of range":
            _mislabel(target)
    elif how == "wrong folder":
        target = home / _FOLDER[home.name]
        shutil.move(target, target.with_name("Grus_grus"))
        return target.with_name("Grus_grus")
    elif how == "ground truth too short":
        target = kit / "ILSVRC2012_validation_ground_truth.txt"
        _lines(target, target.read_text().split()[:-1])
    elif how == "no devkit":
        target = kit / "meta.mat"
    elif home.name in _IMAGE:
        target = home / _IMAGE[home.name]
    else:
        target = sorted((home / (CONCEPTS[0] if home.name == "rare_concepts" else "val")).iterdir())[-1]
    if how in ("truncated image", "truncated labels"):
        target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    elif how in ("web page", "empty image"):
        target.write_text("<!DOCTYPE html><title>Sign in</title>" if how == "web page" else "", encoding="utf-8")
    elif how in ("missing image", "missing labels", "no devkit"):
        target.unlink()
    elif how == "digest mismatch":
        _picture(999, "RGB").save(target)
    elif how == "empty folder":
        target = target.parent
        for file in target.iterdir():
            file.unlink()
    return target


def _mislabel(file: Path) -> None:
    """Give the last entry of a label file a class that does not exist."""
    if file.suffix == ".txt":  # `<image> <class> ...`
        *lines, last = file.read_text().splitlines()
        image, _, *rest = last.split()
        _lines(file, [*lines, " ".join([image, "999", *rest])])
    elif file.suffix == ".mat":
        content = {name: value for name, value in scipy.io.loadmat(str(file)).items() if name[0] != "_"}
        if "labels" in content:
            content["labels"][0, -4] = 200  # of image 9, which is in the test split
        else:
            content["annotations"]["class"][0, -1] = np.array([[200]], dtype=np.uint8)
        _matlab(file, **content)
    else:
        content = pickle.loads(file.read_bytes())
        content["labels" if "labels" in content else "fine_labels"][-1] = 100
        file.write_bytes(pickle.dumps(content, protocol=2))


# -- Flickr30k -----------------------------------------------------------------------------------------
FlickrDamage = Literal[
    "missing image", "truncated image", "four captions", "empty caption", "no split file", "half a split file",
    "a line without a tab",
]  # fmt: skip


def damage_flickr30k(home: Path, how: FlickrDamage) -> Path:
    """FlickrDamage a generated Flickr30k in one way; returns the file that was changed.

    Args:
        home: what `flickr30k` returned.
        how: what to do to it; the damaged image is the first of the test split.
    """
    split_file = home / "dataset_flickr30k.json"
    image = home / "flickr30k-images" / "1000092795.jpg"
    if how == "missing image":
        image.unlink()
        return image
    if how == "truncated image":
        image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
        return image
    if how == "no split file":
        split_file.unlink()
        return split_file
    if how == "half a split file":
        split_file.write_text(split_file.read_text()[: split_file.stat().st_size // 2])
        return split_file
    if how == "a line without a tab":
        file = home / "results_20130124.token"
        file.write_text(file.read_text().replace("\t", " ", 1))
        return file
    if how not in get_args(FlickrDamage):
        raise ValueError(f"expected a damage of {get_args(FlickrDamage)}, got {how!r}")
    facts = json.loads(split_file.read_text())
    sentences = facts["images"][0]["sentences"]
    if how == "four captions":
        sentences.pop()
    else:
        sentences[2]["raw"] = " "
    split_file.write_text(json.dumps(facts))
    return split_file


# -- MSCOCO --------------------------------------------------------------------------------------------
CocoDamage = Literal[
    "missing image", "truncated image", "no split file", "half a split file", "no caption", "empty caption",
    "an image twice", "a picture twice", "another folder", "a path for a name", "half the annotations", "no ids",
    "a number for a caption", "a list for an id", "no image at all", "no caption at all", "half a character",
]  # fmt: skip


def damage_coco(home: Path, how: CocoDamage) -> Path:
    """Damage a generated MSCOCO in one way; returns the file that was changed.

    Args:
        home: what `coco` returned.
        how: what to do to it; the damaged image is the first of the test split.
    """
    split_file, image = home / "dataset_coco.json", home / "val2014" / "COCO_val2014_000000391895.jpg"
    if how == "missing image":
        image.unlink()
    elif how == "no image at all":
        for file in image.parent.iterdir():
            file.unlink()
    elif how == "truncated image":
        image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    elif how == "no split file":
        split_file.unlink()
    elif how in ("half a split file", "half the annotations"):
        file = split_file if how == "half a split file" else home / "annotations" / "captions_val2014.json"
        file.write_text(file.read_text()[: file.stat().st_size // 2])
    else:
        facts = json.loads(split_file.read_text())
        first, second, *_ = facts["images"]
        if how == "no caption":
            first["sentences"] = []
        elif how == "empty caption":
            first["sentences"][2]["raw"] = " "
        elif how == "an image twice":
            second |= {name: first[name] for name in ("cocoid", "filename")}
        elif how == "a picture twice":
            second["filename"] = first["filename"]
        elif how == "a number for a caption":
            first["sentences"][2]["raw"] = 7
        elif how == "a list for an id":
            first["cocoid"] = [391895]
        elif how == "no caption at all":
            facts["images"] = [entry | {"sentences": []} for entry in facts["images"]]
        elif how == "half a character":
            first["sentences"][0]["raw"] = "a dog \ud83d"  # of an emoji that was cut in two
        elif how == "another folder":
            first["filepath"] = "val2017"
        elif how == "a path for a name":
            first["filename"] = "../" + first["filename"]
        else:
            del first["cocoid"]
        split_file.write_text(json.dumps(facts))
    return image if "image" in how else split_file

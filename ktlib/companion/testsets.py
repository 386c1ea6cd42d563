"""The sets of Zoom-shot: the nine it is tested on, and those it is trained on.

Each is read by the reader of its format; nothing is decoded before a batch is asked for.
"""

from __future__ import annotations

from pathlib import Path

from ktlib.data import imagenet
from ktlib.data.cifar import cifar_10, cifar_100
from ktlib.data.fine_grained import cub_200, flowers_102, herbarium_19, oxford_pets, stanford_cars
from ktlib.data.manifests import data_root
from ktlib.data.sets import LabelledImages


def test_sets(root: str | Path | None = None, *, partial: bool = False) -> dict[str, LabelledImages]:
    """The nine test sets by name, in the order of ZS Tab. 1.

    Herbarium 2019 is represented by its validation images, the only labelled ones that are not for training;
    ImageNet-100 and -1000 by ILSVRC's validation images.

    Args:
        root: the folder that holds all of them; by default `manifests.data_root()`.
        partial: accept fewer files than the official ones (`fixtures.zoom_shot`).

    Raises:
        FileNotFoundError: a set is absent or incomplete.
        ValueError: a set is damaged.
    """
    root = data_root() if root is None else Path(root)
    sets = (
        cifar_10(root, partial=partial),
        cifar_100(root, partial=partial),
        imagenet.imagenet_100(root / "imagenet", partial=partial),
        imagenet.imagenet_1000(root / "imagenet", partial=partial),
        cub_200(root, partial=partial),
        flowers_102(root, partial=partial),
        herbarium_19(root, partial=partial),
        oxford_pets(root, partial=partial),
        stanford_cars(root, partial=partial),
    )
    return {images.name: images for images in sets}


def train_sets(root: str | Path | None = None, *, partial: bool = False) -> dict[str, LabelledImages]:
    """The training images of the seven sets of ZS Tab. 6, in its order, and of `ImageNet`, on which all else trains.

    Flowers-102 means its 1,020 training and 1,020 validation images together (see `flowers_102`), pets their
    official trainval. Labels are there, but Zoom-shot does not use them.

    Args:
        root: the folder that holds all of them; by default `manifests.data_root()`.
        partial: accept fewer files than the official ones (`fixtures.zoom_shot`).

    Raises:
        FileNotFoundError: a set is absent or incomplete.
        ValueError: a set is damaged.
    """
    root = data_root() if root is None else Path(root)
    sets = [read(root, "train", partial=partial) for read in (cifar_10, cifar_100, cub_200, flowers_102, herbarium_19)]
    sets += [read(root, "train", partial=partial) for read in (oxford_pets, stanford_cars)]
    sets += [imagenet.train(root / "imagenet", partial=partial)]
    return {images.name: images for images in sets}


def class_names(images: LabelledImages) -> tuple[str, ...]:
    """The names of the classes, for a zero-shot evaluation.

    Raises:
        ValueError: the set has none (Herbarium 2019 without a `class_names.txt`).
    """
    if not images.names:
        raise ValueError(
            f"expected class names for a zero-shot evaluation on {images.name}, found none: they were never "
            "published; put your own, one a line in the order of the categories, into "
            "herbarium-2019/class_names.txt, or leave the set out"
        )
    return images.names

"""CIFAR-10 and CIFAR-100 as torchvision reads them: `<data>/cifar-10-batches-py`, `<data>/cifar-100-python`.

torchvision compares the md5 of every extracted file before it unpickles one, so nothing but the published
bytes is ever unpickled. `partial=True` switches that off, for generated files: a pickle runs the code it
contains, so never use it on files from elsewhere.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import check_integrity

from ktlib.data import files
from ktlib.data.prompts import templates
from ktlib.data.sets import LabelledImages
from ktlib.store import key


class _Partial10(CIFAR10):
    """CIFAR-10 of other bytes than the published ones: a digest of None is not compared."""

    train_list = [[file, None] for file, _ in CIFAR10.train_list]
    test_list = [[file, None] for file, _ in CIFAR10.test_list]
    meta = CIFAR10.meta | {"md5": None}


class _Partial100(CIFAR100):
    """CIFAR-100, likewise."""

    train_list = [[file, None] for file, _ in CIFAR100.train_list]
    test_list = [[file, None] for file, _ in CIFAR100.test_list]
    meta = CIFAR100.meta | {"md5": None}


def cifar_10(root: str | Path | None = None, split: str = "test", *, partial: bool = False) -> LabelledImages:
    """The 50,000 training or 10,000 test images of CIFAR-10.

    Args:
        root: the folder that holds `cifar-10-batches-py`; by default `manifests.data_root()`.
        split: `train` or `test`.
        partial: accept other files than the published ones; see the top of this module.

    Raises:
        FileNotFoundError: a file is absent.
        ValueError: a file is not the published one, is damaged, or labels and images do not fit.
    """
    return _read("CIFAR-10", "cifar10", _Partial10 if partial else CIFAR10, root, split)


def cifar_100(root: str | Path | None = None, split: str = "test", *, partial: bool = False) -> LabelledImages:
    """The 50,000 training or 10,000 test images of CIFAR-100, with its 100 fine labels.

    Args:
        root: the folder that holds `cifar-100-python`; by default `manifests.data_root()`.
        split: `train` or `test`.
        partial: accept other files than the published ones; see the top of this module.

    Raises:
        FileNotFoundError: a file is absent.
        ValueError: a file is not the published one, is damaged, or labels and images do not fit.
    """
    return _read("CIFAR-100", "cifar100", _Partial100 if partial else CIFAR100, root, split)


def _read(
    name: str, manifest: str, kind: type[CIFAR10] | type[CIFAR100], root: str | Path | None, split: str
) -> LabelledImages:
    files.one_of(split, "train", "test")
    folder = files.home(manifest, root)
    digests = {
        file: md5 for file, md5 in (*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"]))
    }
    files.need(manifest, folder, *digests)
    if foreign := [file for file, md5 in digests.items() if not check_integrity(str(folder / file), md5)]:
        raise ValueError(
            f"expected the published {name} in {folder}, found another md5 for {', '.join(foreign)}; extract "
            f"{kind.filename} again, and if that does not help download it again"
        )
    try:
        data = kind(str(folder.parent), train=split == "train")
        pictures, labels = data.data, data.targets
    except (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError) as error:
        raise ValueError(
            f"expected pickles of images, labels and class names in {folder}, found one that cannot be read "
            f"({type(error).__name__}: {error}); it was probably cut short: extract {kind.filename} again"
        ) from error
    names = [name.replace("_", " ") for name in data.classes]
    _check(name, folder, len(pictures), labels, names)

    def read(index: int) -> Image.Image:
        return Image.fromarray(pictures[index])

    digest = key(name, names, torch.from_numpy(pictures), labels)
    return LabelledImages(name, read, tuple(labels), tuple(names), templates(name), digest)


def _check(name: str, folder: Path, count: int, labels: Sequence[int], names: Sequence[str]) -> None:
    if count != len(labels):
        raise ValueError(
            f"expected one label for each of the {count:,} images of {name} in {folder}, found {len(labels):,}; "
            "extract the archive again"
        )
    if wrong := sorted({label for label in labels if not 0 <= label < len(names)}):
        raise ValueError(
            f"expected labels of the {len(names)} classes of {name}, 0 to {len(names) - 1}, found {wrong[:5]} in "
            f"{folder}; extract the archive again"
        )

"""What the readers of labelled image files share: where a set is, whether it is whole, and its digest.

Nothing is decoded here and no content is read: a set may have a million files. A digest therefore
covers the name, the size in bytes and the label of each file, in their order.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ktlib.data import images, manifests
from ktlib.data.prompts import templates
from ktlib.data.sets import LabelledImages
from ktlib.store import key


def home(manifest: str, root: str | Path | None) -> Path:
    """The folder of a set.

    Args:
        manifest: name of the set's manifest, `cub_200`; it says where the set lies.
        root: the folder that holds the sets; by default `manifests.data_root()`.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = (manifests.data_root() if root is None else Path(root)) / manifests.dataset(manifest).where
    if not folder.is_dir():
        raise FileNotFoundError(f"expected the folder {folder}, found no such folder; {how_to_get(manifest)}")
    return folder


def need(manifest: str, folder: Path, *files: str) -> None:
    """Refuse to go on without some files (or folders) of a set.

    Raises:
        FileNotFoundError: one is absent; the message names all that are.
    """
    if absent := [file for file in files if not (folder / file).exists()]:
        raise FileNotFoundError(f"expected {', '.join(absent)} in {folder}, found nothing; {how_to_get(manifest)}")


def how_to_get(manifest: str) -> str:
    """Where a reader finds the way to a set."""
    return f"`python -m ktlib data show {manifest}` says how to get it"


def one_of(split: str, *splits: str) -> None:
    """Refuse a split that a set does not have.

    Raises:
        ValueError: with the splits that there are.
    """
    if split not in splits:
        raise ValueError(f"expected a split of {', '.join(splits)}, found {split!r}")


def whole(found: int, official: int, what: str, folder: Path, *, partial: bool) -> None:
    """Refuse a set that has another number of images than the official one, unless `partial`.

    Raises:
        ValueError: with both numbers.
    """
    if found != official and not partial:
        why = "the archive or the copy was cut short: extract it again"
        if found > official:
            why = (
                "there are files that do not belong to it, such as copies: remove them, or extract it into a new folder"
            )
        raise ValueError(
            f"expected {official:,} {what} in {folder}, found {found:,}; {why} (partial=True accepts any number, for "
            "generated files)"
        )


def labelled(
    name: str, folder: Path, files: Sequence[str], labels: Sequence[int], names: Sequence[str], *extra: str
) -> LabelledImages:
    """Labelled pictures from files, read when they are needed and as they are stored.

    Pictures are not turned by their EXIF orientation: CLIP and torchvision read them as stored, and
    the published accuracies were measured that way (D15).

    Args:
        name: of the set, as the papers write it.
        folder: that holds the files.
        files: paths of the images, relative to `folder`.
        labels: for each image the place of its class in `names`.
        names: of the classes; empty where a set has none.
        extra: whatever else the digest shall cover.

    Raises:
        FileNotFoundError: an image is absent.
        ValueError: a label has no name, or there is no image at all.
    """
    if not files:
        raise ValueError(f"expected images of {name} in {folder}, found none; extract the archive again")
    if wrong := sorted({label for label in labels if label < 0 or (names and label >= len(names))}):
        raise ValueError(
            f"expected labels of the {len(names)} classes of {name}, 0 to {len(names) - 1}, found {wrong[:5]} in "
            f"{folder}; labels and class names are of different releases or damaged: get both again"
        )
    listing, absent = [], []
    for file, label in zip(files, labels, strict=True):
        try:
            listing.append(f"{file} {os.stat(os.path.join(folder, file)).st_size} {label}")
        except FileNotFoundError:
            absent.append(file)
    if absent:
        raise FileNotFoundError(
            f"expected {len(files):,} images in {folder}, found {len(absent):,} of them absent "
            f"({', '.join(absent[:3])}{', ...' if len(absent) > 3 else ''}); extract the archive again"
        )
    kept = tuple(files)

    def read(index: int) -> Image.Image:
        return images.read_image(folder / kept[index], upright=False)

    digest = key(name, list(names), listing, *extra)
    return LabelledImages(name, read, tuple(labels), tuple(names), templates(name), digest)

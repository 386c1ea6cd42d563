"""ImageNet-1k: validation and training images, their labels and the names of their classes.

Two layouts under `<data>/imagenet`: `val/<wnid>/*.JPEG` (torchvision's folders), or the archive as it
is handed out, `val/ILSVRC2012_val_000xxxxx.JPEG`, labelled by the development kit. The label of a
class is the place of its WordNet id among the sorted ids, as in torchvision and in CLIP's list of
names. The kit's own ILSVRC ids (1 to 1000) are in another order, so they are never used as labels.

The kit's `meta.mat` is read with scipy: torchvision's parser wants the packed archive and checks the
md5 of it, so it reads no fixture. Fields and filter (`num_children == 0`) are those of
`torchvision.datasets.imagenet.parse_devkit_archive`.

`read` is what Knowledge Transfer is measured on. `imagenet_1000`, `imagenet_100` and `train` are the same
files as Zoom-shot needs them: with OpenAI's curated names and its 80 prompts. ImageNet-100 is whatever a list
of a hundred WordNet ids says (`class_list`): ZS names no list, and several are in use.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ktlib.data import files, images, tables
from ktlib.data.manifests import data_root
from ktlib.data.sets import LabelledImages

CLASSES, PER_CLASS = 1000, 50  # ILSVRC2012 validation: 50,000 images
TRAIN = 1_281_167  # training images of ILSVRC2012
HUNDRED = 100  # classes of ImageNet-100
KINDS = ("first", "all", "curated")
_GET = files.how_to_get("imagenet_1k_val")
_AGAIN = "extract the development kit again"
_NUMBERED = re.compile(r"ILSVRC2012_val_(\d{8})\.jpe?g", re.IGNORECASE)


@dataclass(frozen=True)
class Pictures:
    """Images of files by number, RGB in [0, 1]: (3, size, size) of the centre or, without a size, whole."""

    paths: tuple[Path, ...]
    size: int | None = None

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Float[Tensor, "3 height width"]:
        """One of them."""
        picture = images.read_image(self.paths[index], upright=False)
        return images.to_tensor([images.resize(picture, self.size) if self.size else picture])[0]


@dataclass(frozen=True)
class Validation:
    """Paths and labels of the images; nothing is decoded before `batches` asks for it.

    Attributes:
        paths: of the images, sorted by name.
        labels: for each image the place of its class in `wnids`.
        wnids: WordNet ids of the classes, sorted.
        words: for each class its WordNet synonyms, `tench, Tinca tinca`.
    """

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    wnids: tuple[str, ...]
    words: tuple[str, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def class_names(self, kind: str) -> list[str]:
        """One name for each class, in the order of the labels.

        Args:
            kind: `first` synonym (crane, maillot and, lower-cased, cardigan occur twice; identical prompts
                tie, and every later class of the same name scores 0); `all` synonyms joined by ", ";
                `curated`, OpenAI's list (`curated_names`).

        Raises:
            ValueError: an unknown kind.
        """
        if kind not in KINDS:
            raise ValueError(f"expected a kind of {', '.join(KINDS)}, got {kind!r}")
        if kind == "first":
            return [words.split(", ")[0] for words in self.words]
        if kind == "all":
            return list(self.words)
        return curated_names(self.wnids)

    def pictures(self, size: int | None = None) -> Pictures:
        """The images by number, read when asked for and as they are stored; see `batches`.

        Args:
            size: side in pixels of the centre; None for the whole picture as it is.
        """
        return Pictures(self.paths, size)

    def batches(
        self, batch_size: int = 64, size: int = 224
    ) -> Iterator[tuple[Float[Tensor, "batch 3 size size"], Int[Tensor, " batch"]]]:
        """The images with their labels, in the order of `paths`; the last batch may be smaller.

        Pictures are not turned by their EXIF orientation: CLIP and torchvision read them as stored,
        and the published accuracies were measured that way.

        Raises:
            ValueError: an image is damaged; the message names the file.
        """
        for start in range(0, len(self), batch_size):
            files = self.paths[start : start + batch_size]
            pictures = [images.resize(images.read_image(file, upright=False), size) for file in files]
            yield images.to_tensor(pictures), torch.tensor(self.labels[start : start + batch_size])


def read(root: str | Path | None = None, *, partial: bool = False) -> Validation:
    """Find the images, their labels and the class names.

    Args:
        root: the folder that holds `val`; by default `imagenet` in `manifests.data_root()`.
        partial: accept fewer classes and images (generated fixtures). Everything else is still checked.

    Raises:
        FileNotFoundError: images or development kit are absent.
        ValueError: counts, labels or folders do not fit each other.
    """
    root = _home(root)
    kit = _kit(root)
    wnid_of, words_of = _synsets(kit / "meta.mat")
    if not partial and (len(words_of) != CLASSES or set(wnid_of) != set(range(1, CLASSES + 1))):
        raise ValueError(
            f"expected {CLASSES} classes with the ids 1 to {CLASSES} in {kit / 'meta.mat'}, found {len(words_of)}; "
            "extract the development kit of ILSVRC2012, task 1 & 2, again"
        )
    wnids = tuple(sorted(words_of))
    val = root / "val"
    entries = sorted(val.glob("[!.]*"))
    if folders := [entry for entry in entries if entry.is_dir()]:
        found = _from_folders(folders, wnids)
    else:
        found = _from_flat([entry for entry in entries if _NUMBERED.fullmatch(entry.name)], kit, wnid_of)
    if not found:
        packed = root / "ILSVRC2012_img_val.tar"
        todo = f"extract {packed} into it" if packed.is_file() else _GET
        raise FileNotFoundError(
            f"expected val/<wnid>/*.JPEG or val/ILSVRC2012_val_<number>.JPEG in {root}, found no image; {todo}"
        )
    counts = Counter(wnid for _, wnid in found)
    wrong = {wnid: counts[wnid] for wnid in wnids if counts[wnid] != PER_CLASS}
    if wrong and not partial:
        some = ", ".join(f"{wnid}: {count}" for wnid, count in list(wrong.items())[:3])
        raise ValueError(
            f"expected {PER_CLASS} images of each of {CLASSES} classes in {val}, found {len(found):,} in all and "
            f"{len(wrong)} classes with another number ({some}); the archive or the copy was cut short: "
            "compare its md5 with 29b22e2961454d5413ddabcf34fc5622 and extract it again"
        )
    place = {wnid: index for index, wnid in enumerate(wnids)}
    return Validation(
        paths=tuple(path for path, _ in found),
        labels=tuple(place[wnid] for _, wnid in found),
        wnids=wnids,
        words=tuple(words_of[wnid] for wnid in wnids),
    )


@dataclass(frozen=True)
class ClassList:
    """The classes of ImageNet-100.

    Attributes:
        wnids: their WordNet ids, sorted: the label of a class is its place here, whatever the order in the file.
        sha256: of the file, to be reported beside every number measured with it.
    """

    wnids: tuple[str, ...]
    sha256: str


def class_list(root: str | Path | None = None, *, partial: bool = False) -> ClassList:
    """The WordNet ids in `imagenet100.txt`, one a line in any order.

    Args:
        root: the folder that holds the list; by default `imagenet` in `manifests.data_root()`.
        partial: accept another number than 100 (generated files).

    Raises:
        FileNotFoundError: there is no list.
        ValueError: a line is no WordNet id, occurs twice or is no class of ImageNet-1k, or there are not 100.
    """
    file = _home(root) / "imagenet100.txt"
    if not file.is_file():
        raise FileNotFoundError(
            f"expected the WordNet ids of ImageNet-100, one a line, in {file}, found nothing; "
            f"{files.how_to_get('imagenet_100')}"
        )
    content = file.read_bytes()
    lines = tables.text(file).split()
    if unknown := [line for line in lines if line not in _places()]:
        raise ValueError(
            f"expected WordNet ids of ImageNet-1k in {file}, one a line, such as n01440764, found "
            f"{', '.join(unknown[:5])}; correct or remove them"
        )
    if twice := sorted(line for line, count in Counter(lines).items() if count > 1):
        raise ValueError(f"expected every WordNet id once in {file}, found {', '.join(twice[:5])} twice; remove one")
    if len(lines) != HUNDRED and not partial:
        raise ValueError(f"expected {HUNDRED} WordNet ids in {file}, found {len(lines)}; complete the list")
    return ClassList(tuple(sorted(lines)), hashlib.sha256(content).hexdigest())


def imagenet_1000(root: str | Path | None = None, *, partial: bool = False) -> LabelledImages:
    """The validation images of all classes; see `read` for arguments and errors."""
    home = _home(root)
    data = read(home, partial=partial)
    return files.labelled("ImageNet-1000", home, _inside(home, data.paths), data.labels, curated_names(data.wnids))


def imagenet_100(root: str | Path | None = None, *, partial: bool = False) -> LabelledImages:
    """The validation images of the classes in `imagenet100.txt`; labels are places among the sorted WordNet ids.

    The sha256 of the list is a part of the digest; `class_list` gives it.

    Args:
        root: the folder that holds `val` and `imagenet100.txt`; by default `imagenet` in `manifests.data_root()`.
        partial: accept fewer classes and images (generated files).

    Raises:
        FileNotFoundError: the list, the images or the development kit are absent.
        ValueError: see `class_list` and `read`; or the images have no class that is on the list.
    """
    home = _home(root)
    data = hundred(home, partial=partial)
    return files.labelled(
        "ImageNet-100",
        home,
        _inside(home, data.paths),
        data.labels,
        curated_names(data.wnids),
        class_list(home, partial=partial).sha256,
    )


def hundred(root: str | Path | None = None, *, partial: bool = False) -> Validation:
    """The validation images of the classes in `imagenet100.txt`, with their WordNet names; see `imagenet_100`."""
    home = _home(root)
    wanted = class_list(home, partial=partial)
    data = read(home, partial=partial)
    if absent := [wnid for wnid in wanted.wnids if wnid not in data.wnids]:
        raise ValueError(
            f"expected images of every class in {home / 'imagenet100.txt'}, found none of {', '.join(absent[:5])} "
            f"among the {len(data.wnids)} classes of the development kit; correct the list"
        )
    place = {wnid: index for index, wnid in enumerate(wanted.wnids)}
    words = dict(zip(data.wnids, data.words, strict=True))
    kept = [(p, place[data.wnids[k]]) for p, k in zip(data.paths, data.labels, strict=True) if data.wnids[k] in place]
    return Validation(
        paths=tuple(path for path, _ in kept),
        labels=tuple(label for _, label in kept),
        wnids=wanted.wnids,
        words=tuple(words[wnid] for wnid in wanted.wnids),
    )


def train(root: str | Path | None = None, *, partial: bool = False) -> LabelledImages:
    """The 1,281,167 training images, `train/<wnid>/*.JPEG`, sorted by WordNet id and name.

    Needs no development kit. Each file's size is asked for: seconds on a local disk, minutes on a slow one.

    Args:
        root: the folder that holds `train`; by default `imagenet` in `manifests.data_root()`.
        partial: accept fewer classes and images (generated files). Labels are then places among those there are.

    Raises:
        FileNotFoundError: there are no folders of images.
        ValueError: a folder is no class of ImageNet-1k, or the number of images is wrong.
    """
    home = _home(root)
    folder = home / "train"
    wnids = sorted(e.name for e in os.scandir(folder) if e.is_dir() and e.name[0] != ".") if folder.is_dir() else []
    if not wnids:
        packed = sorted(folder.glob("n*.tar"))[:1] or [home / "ILSVRC2012_img_train.tar"]
        found = f"only archives such as {packed[0]}; extract each" if packed[0].is_file() else "nothing"
        raise FileNotFoundError(
            f"expected train/<wnid>/*.JPEG in {home}, found {found}; {files.how_to_get('imagenet_1k_train')}"
        )
    if unknown := [wnid for wnid in wnids if wnid not in _places()]:
        raise ValueError(
            f"expected folders named by the WordNet ids of ImageNet-1k in {folder}, found {', '.join(unknown[:5])}; "
            "remove them or rename them"
        )
    paths, labels, others = [], [], []
    for label, wnid in enumerate(wnids):
        names = [e.name for e in os.scandir(folder / wnid) if not e.name.startswith(".")]  # macOS leaves ._x.JPEG
        inside = sorted(name for name in names if name.lower().endswith((".jpeg", ".jpg")))
        others += [f"{wnid}/{name}" for name in names if not name.lower().endswith((".jpeg", ".jpg"))]
        paths += [f"train/{wnid}/{name}" for name in inside]
        labels += [label] * len(inside)
    if others:
        warnings.warn(f"{len(others)} files in {folder} are no JPEG and left out: {others[:3]}", stacklevel=2)
    files.whole(len(paths), TRAIN, f"training images of {CLASSES} classes", folder, partial=partial)
    return files.labelled("ImageNet", home, paths, labels, curated_names(wnids))


def curated_names(wnids: Sequence[str]) -> list[str]:
    """OpenAI's class names (`open_clip.zero_shot_metadata.IMAGENET_CLASSNAMES`) of any of the 1000 WordNet ids.

    Raises:
        ValueError: an id is none of ImageNet-1k.
    """
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # here: the reader needs no model library

    if unknown := [wnid for wnid in wnids if wnid not in _places()]:
        raise ValueError(f"expected WordNet ids of ImageNet-1k, found {', '.join(unknown[:5])}; correct them")
    return [IMAGENET_CLASSNAMES[_places()[wnid]] for wnid in wnids]


@functools.cache
def _places() -> dict[str, int]:
    """WordNet id of ImageNet-1k -> its place among the sorted ids, which is timm's order."""
    from timm.data import ImageNetInfo  # here: `read` needs no model library

    return {wnid: place for place, wnid in enumerate(ImageNetInfo("imagenet-1k").label_names())}


def _home(root: str | Path | None) -> Path:
    return data_root() / "imagenet" if root is None else Path(root)


def _inside(home: Path, paths: Sequence[Path]) -> list[str]:
    return [path.relative_to(home).as_posix() for path in paths]


def _kit(root: Path) -> Path:
    homes = [root / "ILSVRC2012_devkit_t12" / "data", root / "data"]
    for home in homes:
        if (home / "meta.mat").is_file():
            return home
    packed = root / "ILSVRC2012_devkit_t12.tar.gz"
    found, todo = "nothing", _GET
    if packed.is_file():
        found, todo = packed.name, f"extract it: tar -xzf {packed} -C {root}"
    raise FileNotFoundError(f"expected the development kit's {homes[0] / 'meta.mat'}, found {found}; {todo}")


def _synsets(file: Path) -> tuple[dict[int, str], dict[str, str]]:
    """ILSVRC id -> WordNet id, and WordNet id -> synonyms, of the classes (synsets without children)."""
    what = "the structure synsets (ILSVRC2012_ID, WNID, words, num_children)"
    rows = tables.matlab(file, "synsets", what=what, todo=_AGAIN)
    try:
        leaves = [row for row in rows if row["num_children"] == 0]
        wnid_of = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
        return wnid_of, {str(row["WNID"]): str(row["words"]) for row in leaves}
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"expected {what} in {file}, found something else ({error}); {_AGAIN}") from error


def _from_folders(folders: list[Path], wnids: Sequence[str]) -> list[tuple[Path, str]]:
    if unknown := [folder.name for folder in folders if folder.name not in wnids]:
        raise ValueError(
            f"expected folders named by the WordNet ids of the development kit in {folders[0].parent}, "
            f"found {', '.join(unknown[:5])}; remove them, or use the validation images of ILSVRC2012"
        )
    return [(path, folder.name) for folder in folders for path in images.folder(folder)]


def _from_flat(paths: list[Path], kit: Path, wnid_of: dict[int, str]) -> list[tuple[Path, str]]:
    """The n-th line of the ground truth is the ILSVRC id of image number n."""
    if not paths:
        return []
    file = kit / "ILSVRC2012_validation_ground_truth.txt"
    if not file.is_file():
        raise FileNotFoundError(
            f"expected the labels of the flat images in {file}, found nothing; extract the development kit again"
        )
    lines = tables.text(file).split()
    if unknown := sorted({line for line in lines if not line.isdigit() or int(line) not in wnid_of}):
        raise ValueError(
            f"expected ILSVRC ids of the {len(wnid_of)} classes in {file}, found {', '.join(unknown[:5])}; "
            "extract the development kit again, and take images and kit from the same release"
        )
    numbers = [int(path.name.split("_")[-1].split(".")[0]) for path in paths]
    if numbers != list(range(1, len(lines) + 1)):
        raise ValueError(
            f"expected one image for each of the {len(lines):,} labels in {file}, found {len(paths):,} images numbered "
            f"{numbers[0]} to {numbers[-1]}; one of the two was cut short: extract images and development kit again"
        )
    return [(path, wnid_of[int(line)]) for path, line in zip(paths, lines, strict=True)]

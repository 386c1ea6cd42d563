"""Images with masks of a lesion: UnitoChest, SIIM's pneumothorax films, UDIAT; BraTS has a module of its own.

Image and mask go together by name, never by the order of two folders (D63). What cannot be used is left out with a
reason, and the rest is still read: a file that is absent or stands there twice is noticed here, one that is damaged
when it is read, or at once by `MaskedImages.readable`. None of these sets may be handed on, so none is in the
repository; `data_manifests/datasets/` says how to get them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import openpyxl
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from ktlib.data import dicom, files, images, tables
from ktlib.data.sets import MaskedImages, Pair
from ktlib.store import key

UNITOCHEST = ("train", "val", "test")
UNITOCHEST_COLUMNS = ("patientID", "exam", "slice", "image", "mask")
LUNG_WINDOW = (-1350.0, 150.0)  # Hounsfield units that are shown, from black to white (D67)
SIIM = {1: ("train-rle.csv", 10_679), 2: ("stage_2_train.csv", 12_047)}  # list and number of films of each stage
SIIM_PAPER = 500  # films in KT v1, Tab. 4; which, it does not say
UDIAT = 163
KINDS = ("benign", "malignant")
SOFT = 0.25  # share of grey pixels from which a file is a picture and no mask

Mask = Bool[Tensor, "height width"]


# -- a picture and its mask -------------------------------------------------------------------------------
def pair(image: Image.Image, mask: Mask, *, files: Sequence[Path], note: str = "") -> Pair:
    """An image with its mask.

    Args:
        image: 8-bit RGB.
        mask: of it.
        files: image and mask, for the error.
        note: as in `Pair`.

    Raises:
        ValueError: they differ in size.
    """
    (width, height), (rows, columns) = image.size, mask.shape
    if (rows, columns) != (height, width):
        raise ValueError(
            f"expected a mask as large as its image, found {width} x {height} pixels in {files[0]} and {columns} x "
            f"{rows} in {files[-1]}; they are not of one picture, or one was resized: fetch both again"
        )
    return Pair(image, mask, note)


def read_mask(path: Path) -> Mask:
    """The pixels of a mask file that are not black; transparency does not count.

    A file with more than two values has soft edges, from a compression or a resizing: there a pixel counts from half
    of the brightest on.

    Args:
        path: of an image file, of 1, 8 or 16 bit, with a palette or in colour.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, is cut short, has two values of which none is 0, or so many between that it is
            no mask.
    """
    stored = images.decoded(path)
    if stored.mode in ("LA", "RGBA"):
        stored = stored.convert(stored.mode[:-1])
    values = np.asarray(stored)
    values = (values if values.ndim == 2 else values.max(axis=2)).astype(np.float64)
    found = np.unique(values).tolist()
    if found[0] < 0 or (len(found) == 2 and found[0] != 0) or not np.isfinite(values).all():
        raise ValueError(
            f"expected a mask whose background is 0 in {path}, found {', '.join(f'{one:g}' for one in found[:3])}: "
            "which of them is the lesion it does not say; save the background as 0"
        )
    if len(found) <= 2:
        return torch.from_numpy(values > 0)
    share = values / values.max()
    if (between := float(((share > 0.1) & (share < 0.9)).mean())) > SOFT:
        raise ValueError(
            f"expected a mask in {path}, found a picture: {between:.0%} of its pixels are neither dark nor bright; "
            "was the image saved in place of its mask?"
        )
    return torch.from_numpy(share >= 0.5)


def decode_rle(runs: str, *, height: int, width: int) -> Mask:
    """A mask from SIIM's run lengths: pairs of how many pixels to pass over, and how many to mark.

    Pixels count down the columns, from the left. Each run begins where the one before ended, which is not Kaggle's
    usual form: there runs begin at absolute places, counted from 1.

    Args:
        runs: numbers and spaces; empty for an empty mask.
        height, width: of the image.

    Raises:
        ValueError: no whole numbers, an odd number of them, or a run past the last pixel.

    Source: SIIM-ACR Pneumothorax Segmentation, the function `rle2mask` that comes with the competition.
    """
    words = runs.split()
    if not all(word.isdecimal() for word in words) or len(words) % 2:
        raise ValueError(
            f"expected pairs of whole numbers, found {len(words)} entries, {' '.join(words[:6])!r}; the row was cut "
            "short: fetch the list again"
        )
    flat, place = torch.zeros(height * width, dtype=torch.bool), 0
    for skip, length in zip(map(int, words[::2]), map(int, words[1::2]), strict=True):
        place += skip + length
        if place > len(flat):
            raise ValueError(
                f"expected runs inside {width} x {height} pixels, found one that ends at {place:,} of {len(flat):,}; "
                "it is of another image, or its runs begin at absolute places: fetch the list again"
            )
        flat[place - length : place] = True
    return flat.view(width, height).T.contiguous()


def _rgb(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(grey).convert("RGB")


def _sizes(pairs: Iterable[Sequence[Path]], folder: Path) -> list[list[object]]:
    """Names and sizes of files, for a digest."""
    return [[[path.relative_to(folder).as_posix(), path.stat().st_size] for path in both] for both in pairs]


def _by_name(folder: Path, *endings: str) -> dict[str, list[Path]]:
    """Every file below a folder with one of these endings, by name; hidden ones are passed over."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in endings and path.name[0] != "." and path.is_file():
            found.setdefault(path.name, []).append(path)
    return found


def _only(there: Sequence[Path], what: str, of: str, folder: Path) -> str:
    """Why a file cannot be used that is not there exactly once; empty where it can."""
    if len(there) == 1:
        return ""
    found = " and ".join(str(path.relative_to(folder)) for path in there[:3]) or "none"
    return f"expected one {what} of {of} in {folder}, found {found}; {'take one away' if there else 'fetch it again'}"


def _left(name: str, folder: Path, kept: Sequence[object], left_out: Mapping[str, str]) -> None:
    """Refuse a set of which nothing is left.

    Raises:
        ValueError: with the first reason.
    """
    if not kept:
        why = next(iter(left_out.values()), "there are none")
        raise ValueError(f"expected images with masks of {name} in {folder}, found none that can be used: {why}")


# -- lungs in CT --------------------------------------------------------------------------------------
def unitochest(root: str | Path | None = None, split: str = "test") -> MaskedImages:
    """Slices of CT with nodules: `<data>/unitochest/<split>/{images,masks}` and `<split>_dataset.csv`.

    Slices whose mask the list leaves blank have no nodule: they are counted and not used, as KT uses slices with
    nodules. Which split it takes it does not say: the test split is ours (D67). Shown is the lung window,
    `LUNG_WINDOW`.

    Args:
        root: the folder that holds `unitochest`; by default `manifests.data_root()`.
        split: `train`, `val` or `test`.

    Raises:
        FileNotFoundError: the list or a folder is absent.
        ValueError: an unknown split, a column is missing, or no slice can be used.
    """
    files.one_of(split, *UNITOCHEST)
    home = files.home("unitochest", root)
    listed = f"{split}_dataset.csv"
    files.need("unitochest", home, listed, f"{split}/images", f"{split}/masks")
    pictures, masks = _by_name(home / split / "images", ".dcm"), _by_name(home / split / "masks", ".png")
    rows = tables.rows(home / listed, UNITOCHEST_COLUMNS)
    told: dict[str, set[str]] = {}
    owners: dict[str, set[str]] = {}
    blank = 0
    for row in rows:
        image, mask = (Path((row[column] or "").strip()).name for column in ("image", "mask"))
        if mask.lower() in ("", "nan"):
            blank += 1
            continue
        told.setdefault(image, set()).add(mask)
        owners.setdefault(image, set()).add((row["patientID"] or "").strip())
    kept, left_out = [], {}
    for image, several in told.items():
        if len(several) > 1:
            left_out[image] = (
                f"expected one mask for {image} in {home / listed}, found {', '.join(sorted(several))}; join them"
            )
            continue
        if len(owners[image]) > 1 or "" in owners[image]:
            found = " and ".join(sorted(patient or "none" for patient in owners[image]))
            left_out[image] = f"expected one patientID for {image} in {home / listed}, found {found}; correct the row"
            continue
        mask = next(iter(several))
        lacks = _only(pictures.get(image, []), "image", image, home) or _only(masks.get(mask, []), "mask", image, home)
        if lacks:
            left_out[image] = lacks
        else:
            kept.append((image, pictures[image][0], masks[mask][0]))
    _left("UnitoChest", home, kept, left_out)

    def read(index: int) -> Pair:
        _, image, mask = kept[index]
        shown = dicom.to_eight_bits(dicom.hounsfield(image), *LUNG_WINDOW)
        return pair(_rgb(shown), read_mask(mask), files=(image, mask))

    patients = {image: next(iter(owners[image])) for image, *_ in kept}
    number = {patient: place for place, patient in enumerate(dict.fromkeys(patients.values()))}
    return MaskedImages(
        "UnitoChest",
        tuple(image for image, *_ in kept),
        read,
        key("unitochest", split, list(LUNG_WINDOW), _sizes((both for _, *both in kept), home)),
        units=tuple(number[patients[image]] for image, *_ in kept),
        left_out=left_out,
        notes=(f"{blank} slices of the {split} split without a nodule: not used",),
    )


# -- collapsed lungs on films ---------------------------------------------------------------------------
def siim_pneumothorax(root: str | Path | None = None, *, stage: int = 2, partial: bool = False) -> MaskedImages:
    """Films with a pneumothorax: `<data>/siim-pneumothorax`, DICOM files at any depth and the list of a stage.

    The list has a row, or several, for a film: run lengths (`decode_rle`), or -1 where there is nothing; several rows
    are several parts of one mask. Films without a pneumothorax are counted and not used. A film without a row is
    counted too: nobody says that it is healthy. KT uses 500 films and does not say which: `sample(SIIM_PAPER)` (D67).

    Args:
        root: the folder that holds `siim-pneumothorax`; by default `manifests.data_root()`.
        stage: of the competition: 1, `train-rle.csv`, or 2, `stage_2_train.csv`.
        partial: accept another number of films in the list (generated files).

    Raises:
        FileNotFoundError: the list is absent.
        ValueError: an unknown stage, a column is missing, another number of films, or none can be used.
    """
    if stage not in SIIM:
        raise ValueError(f"expected stage 1 or 2, found {stage!r}")
    listed, official = SIIM[stage]
    home = files.home("siim_pneumothorax", root)
    files.need("siim_pneumothorax", home, listed)
    runs: dict[str, list[str]] = {}
    for row in tables.rows(home / listed, ("ImageId", "EncodedPixels"), padded=True):  # " EncodedPixels", " -1"
        runs.setdefault(row["ImageId"].strip(), []).append((row["EncodedPixels"] or "").strip())
    files.whole(len(runs), official, f"films in {listed}", home, partial=partial)
    films = {path.removesuffix(".dcm"): there for path, there in _by_name(home, ".dcm").items()}
    kept, left_out, healthy = [], {}, 0
    for film, parts in runs.items():
        if set(parts) == {"-1"}:
            healthy += 1
        elif {"-1", ""} & set(parts):
            left_out[film] = (
                f"expected run lengths or -1 for {film} in {home / listed}, found "
                f"{'both' if '-1' in parts else 'neither'}; fetch the list again"
            )
        elif lacks := _only(films.get(film, []), "film", film, home):
            left_out[film] = lacks
        else:
            kept.append((film, films[film][0], parts))
    _left("SIIM Pneumothorax", home, kept, left_out)

    def read(index: int) -> Pair:
        film, path, parts = kept[index]
        grey, note = dicom.film(path)
        height, width = grey.shape
        try:
            masks = [decode_rle(part, height=height, width=width) for part in parts]
        except ValueError as error:
            raise ValueError(f"the mask of {film} in {home / listed} cannot be read: {error}") from error
        return pair(_rgb(grey), torch.stack(masks).any(0), files=(path, home / listed), note=note)

    orphans = len(films.keys() - runs.keys())
    return MaskedImages(
        "SIIM Pneumothorax",
        tuple(film for film, *_ in kept),
        read,
        key("siim", stage, _sizes(([path] for _, path, _ in kept), home), [parts for *_, parts in kept]),
        left_out=left_out,
        notes=(
            f"{healthy} films without a pneumothorax: not used",
            f"{orphans} films without a row in {listed}: not used",
        ),
    )


# -- breasts in ultrasound ------------------------------------------------------------------------------
def udiat(root: str | Path | None = None, *, partial: bool = False) -> MaskedImages:
    """Ultrasound of breasts: `<data>/BUS/original/*.png`, `<data>/BUS/GT/*.png`, and `DatasetB.xlsx` beside them.

    Names are numbers: `000001` and `1` are the same image. What the lesion is stands in the workbook, where there is
    one (columns `Image` and `Type`).

    Args:
        root: the folder that holds `BUS`; by default `manifests.data_root()`.
        partial: accept another number of images (generated files).

    Raises:
        FileNotFoundError: a folder is absent.
        ValueError: another number of images, none with a mask, or a workbook that cannot be read.
    """
    home = files.home("udiat", root)
    files.need("udiat", home, "original", "GT")
    pictures: dict[str, list[Path]] = {}
    masks: dict[str, list[Path]] = {}
    for found, folder in ((pictures, "original"), (masks, "GT")):
        for path in images.folder(home / folder):
            found.setdefault(_number(path.stem), []).append(path)
    names = sorted(pictures.keys() | masks.keys())
    files.whole(len(names), UDIAT, "images", home, partial=partial)
    kinds = _kinds(home / "DatasetB.xlsx")
    kept, left_out = [], {}
    for name in names:
        lacks = _only(pictures.get(name, []), "image", name, home) or _only(masks.get(name, []), "mask", name, home)
        if not lacks and kinds and name not in kinds:
            lacks = f"expected a row for {name} in {home / 'DatasetB.xlsx'}, found none; add it"
        if lacks:
            left_out[name] = lacks
        else:
            kept.append((name, pictures[name][0], masks[name][0]))
    _left("UDIAT", home, kept, left_out)

    def read(index: int) -> Pair:
        _, image, mask = kept[index]
        return pair(images.read_image(image, upright=False), read_mask(mask), files=(image, mask))

    told = tuple(kinds[name] for name, *_ in kept) if kinds else ()
    return MaskedImages(
        "UDIAT",
        tuple(name for name, *_ in kept),
        read,
        key("udiat", _sizes((both for _, *both in kept), home), told),
        kinds=told,
        left_out=left_out,
        notes=tuple(f"{told.count(kind)} {kind}" for kind in KINDS) if told else ("no DatasetB.xlsx: kinds not known",),
    )


def _number(name: object) -> str:
    """A name of six digits, as the files have it; workbooks keep numbers without the zeros."""
    text = str(name).strip().removesuffix(".png")
    whole = re.fullmatch(r"(\d+)(\.0)?", text)
    return f"{int(whole[1]):06d}" if whole else text


def _kinds(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        head, *rows = book.worksheets[0].iter_rows(values_only=True)
        book.close()
    except Exception as error:  # openpyxl throws whatever a damaged file leads it to
        raise ValueError(
            f"expected a workbook with the columns Image and Type in {file}, found something else "
            f"({type(error).__name__}: {error}); fetch it again, or take it away: kinds are then not known"
        ) from error
    columns = [str(cell).strip() for cell in head]
    if not {"Image", "Type"} <= set(columns):
        raise ValueError(f"expected the columns Image and Type in {file}, found {', '.join(columns)}; rename them")
    image, kind = columns.index("Image"), columns.index("Type")
    found: dict[str, str] = {}
    for row in rows:
        name, told = (str(row[place] if place < len(row) else None).strip() for place in (image, kind))
        if name != "None" and found.setdefault(_number(name), told.lower()) != told.lower():
            raise ValueError(
                f"expected one kind for {_number(name)} in {file}, found {found[_number(name)]} and {told.lower()}; "
                "take one row away"
            )
    if odd := {name: told for name, told in found.items() if told not in KINDS}:
        name, told = next(iter(odd.items()))
        raise ValueError(
            f"expected {' or '.join(KINDS)} for every image in {file}, found {told!r} for {name}; correct it"
        )
    return found

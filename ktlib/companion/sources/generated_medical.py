"""Tiny medical sets in the real on-disk formats, generated: for tests and for the rehearsal scale.

Nothing here is of a patient: pictures are noise with a bright ellipse in it, which is what the masks are of. Every
oddity that the real files have and that a reader must not mind occurs: lists with blanks, spaces and side views, lines
that end in a carriage return, big-endian numbers, slices padded with -2000, several rows for one film, films that no
list names, numbers with and without zeros, volumes with other axes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import openpyxl
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

FINDINGS = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
# CheXpert's labels in the order of its tables, which is another.
CHEXPERT_COLUMNS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip
JSRT_SIDE = 32
# Film, subtlety, size, age, sex, x, y, kind, place, diagnosis: as the real table has them.
JSRT_ROWS = (
    ("JPCLN001.IMG", 5, 15, "53", "male", 25, 10, "malignant", "l.upper lobe", "lung cancer"),
    ("JPCLN002.IMG", 3, 20, "?", "female", 8, 12, "malignant", "r.middle lobe", "lung cancer"),
    ("JPCLN003.IMG", 1, 9, "71", "male", 9, 20, "benign", "r.lower lobe", "granuloma"),
    ("JPCLN004.IMG", 4, 12, "44", "female", 22, 20, "benign", "l.lower lobe", "hamartoma"),
)
SLICE = (16, 24)  # rows and columns: not square, so that a transposed mask is noticed


def chexpert_5x200(root: str | Path, per_class: int = 3) -> Path:
    """Films of the five findings with both lists, and a film in none; returns `<root>/chexpert`."""
    home = Path(root) / "chexpert"
    entries, rows = {}, []
    for number in range(per_class * len(FINDINGS)):
        label, place = number % len(FINDINGS), number // len(FINDINGS)
        view = "view2_lateral" if number == 1 else "view1_frontal"
        path = f"train/patient{number:05d}/study1/{view}.jpg"
        file = home / "CheXpert-v1.0-small" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_noise(1000 + number, (39, 32))).save(file)
        entries[f"{900 - number}"] = {"image_path": path, "label": [int(label == one) for one in range(5)]}
        told = dict.fromkeys(CHEXPERT_COLUMNS, ("", "0.0", "-1.0")[place % 3]) | {FINDINGS[label]: "1.0"}
        rows.append([str(number), f"./data/CheXpert/data/CheXpert-v1.0-small/{path}", f"patient{number:05d}"])
        rows[-1] += [told[column] for column in CHEXPERT_COLUMNS]
    (home / "chexpert_5x200.json").write_text(json.dumps(entries, indent=4))
    with (home / "chexpert-5x200-meta.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([["", "imgpath", "subject_id", *CHEXPERT_COLUMNS], *rows])
    return home


def jsrt(root: str | Path, ending: str = "\r") -> Path:
    """Two malignant and two benign films and two clear ones, 32 x 32; returns `<root>/jsrt`.

    Read it with `partial=True, side=JSRT_SIDE`. Nodules are dark in the file, as there air is the brightest.

    Args:
        root: the folder to write to.
        ending: of lines of the table.
    """
    home = Path(root) / "jsrt"
    (home / "All247images").mkdir(parents=True, exist_ok=True)
    films = [(row[0], row[5:7]) for row in JSRT_ROWS] + [("JPCNN001.IMG", ()), ("JPCNN002.IMG", ())]
    for number, (name, centre) in enumerate(films):
        levels = 2000 + _noise(1100 + number, (JSRT_SIDE, JSRT_SIDE)).astype(np.uint16) * 4
        if centre:
            levels[ellipse((JSRT_SIDE, JSRT_SIDE), (int(centre[1]), int(centre[0])), (3, 3))] = 300 + number
        levels.astype(">u2").tofile(home / "All247images" / name)
    table = ending.join("\t".join(map(str, row)) for row in JSRT_ROWS) + ending
    (home / "CLNDAT_EN.txt").write_bytes(table.encode())
    return home


def unitochest(root: str | Path) -> Path:
    """Four slices of two patients in the test split, one of them without a nodule; returns `<root>/unitochest`."""
    home = Path(root) / "unitochest"
    for split in ("train", "val", "test"):
        rows: list[tuple[object, ...]] = []
        for number, (patient, blank) in enumerate(((1, False), (1, False), (2, True), (2, False))):
            name, mask = f"{patient:03d}_1_{80 + number}.dcm", ellipse(SLICE, (7, 6 + 3 * number), (3, 4))
            values = np.where(mask, 1074, 174) + _noise(1200 + number, SLICE) // 16  # stored: 1024 more than HU
            values[:2, :2] = -2000
            folder = home / split / "images" / f"patient_{patient:04d}"
            slice_of_ct(folder / name, values.astype(np.int16))
            (home / split / "masks").mkdir(parents=True, exist_ok=True)
            file = "" if blank else name.replace(".dcm", "_mask.png")
            if file:
                Image.fromarray(mask.astype(np.uint8) * 255).save(home / split / "masks" / file)
            rows.append((f"{patient:03d}", 1, 80 + number, name, file))
        with (home / f"{split}_dataset.csv").open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerows([("patientID", "exam", "slice", "image", "mask"), *rows])
    return home


def siim_pneumothorax(root: str | Path) -> Path:
    """Five films and the lists of both stages; returns `<root>/siim-pneumothorax`.

    `film-1` has two rows, `film-2` one, `film-3` is healthy, `film-4` has inverted grey levels, and of `film-5` no
    list knows.
    """
    home = Path(root) / "siim-pneumothorax"
    rows: list[tuple[str, str]] = []
    for number in range(1, 6):
        name, parts = f"film-{number}", []
        if number in (1, 2, 4):
            parts = [ellipse(SLICE, (5, 6), (3, 4))]
        if number == 1:
            parts.append(ellipse(SLICE, (10, 17), (3, 3)))
        grey = np.where(np.any(parts, axis=0), 230, _noise(1300 + number, SLICE) // 2) if parts else _noise(7, SLICE)
        folder = home / "dicom-images-train" / f"study-{number}" / f"series-{number}"
        film(folder / f"{name}.dcm", grey.astype(np.uint8), inverted=number == 4)
        if number != 5:
            rows += [(name, encode_rle(part)) for part in parts] or [(name, "-1")]
    for listed, space in (("train-rle.csv", " "), ("stage_2_train.csv", "")):
        lines = [f"ImageId,{space}EncodedPixels", *(f"{name},{space}{runs}" for name, runs in rows)]
        (home / listed).write_text("\n".join(lines) + "\n")
    return home


def udiat(root: str | Path) -> Path:
    """Three images of three sizes with masks of 8 and of 1 bit, and the workbook; returns `<root>/BUS`."""
    home = Path(root) / "BUS"
    for folder in ("original", "GT"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for number, shape in enumerate(((20, 30), (24, 28), (20, 36)), 1):
        mask = ellipse(shape, (9, 12), (4, 6))
        grey = np.where(mask, 20, 90 + _noise(1400 + number, shape) // 4).astype(np.uint8)
        Image.fromarray(grey).save(home / "original" / f"{number:06d}.png")
        stored = Image.fromarray(mask.astype(np.uint8) * 255)
        (stored.convert("1") if number == 2 else stored).save(home / "GT" / f"{number:06d}.png")
    workbook(home / "DatasetB.xlsx", [("Image", "Type"), (1, "Benign"), ("000002", "Malignant"), (3.0, "Benign")])
    return home


def brats_2023(root: str | Path) -> Path:
    """Two patients, one of them scanned twice, tumours in slices 1 and 2 of five; returns `<root>/brats_2023`.

    The volumes' axes go to the left and to the back, as BraTS has them; the second case is not compressed.
    """
    home = Path(root) / "brats_2023"
    data = home / "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData"
    for number, case in enumerate(("BraTS-GLI-00000-000", "BraTS-GLI-00002-000", "BraTS-GLI-00002-001")):
        brain, labels = np.zeros((16, 20, 5), np.int16), np.zeros((16, 20, 5), np.uint8)
        for level in range(5):
            inside = ellipse((16, 20), (8, 10), (6, 8))
            brain[..., level] = np.where(inside, 300 + _noise(1500 + 10 * number + level, (16, 20)).astype(np.int16), 0)
        labels[3:7, 8:13, 1:3], labels[4:6, 9:12, 1:3], labels[5, 10, 1] = 2, 3, 1
        brain[labels > 0] += 600
        suffix = ".nii" if number == 1 else ".nii.gz"
        for kind in ("t1c", "t1n", "t2f", "t2w"):
            volume(data / case / f"{case}-{kind}{suffix}", brain)
        volume(data / case / f"{case}-seg{suffix}", labels)
    return home


def medical(root: str | Path) -> Path:
    """All six sets; returns `root`. Read them with `partial=True`, and JSRT with `side=JSRT_SIDE`."""
    for make in (chexpert_5x200, jsrt, unitochest, siim_pneumothorax, udiat, brats_2023):
        make(root)
    return Path(root)


# -- files, one at a time -------------------------------------------------------------------------------
def film(file: Path, grey: np.ndarray, *, inverted: bool = False) -> Path:
    """A film as DICOM, 8-bit; `inverted` stores white as 0 (MONOCHROME1)."""
    stored = 255 - grey if inverted else grey
    return _dicom(file, stored, SecondaryCaptureImageStorage, "MONOCHROME1" if inverted else "MONOCHROME2")


def slice_of_ct(file: Path, values: np.ndarray, **tags: object) -> Path:
    """A slice of CT as DICOM, signed 16-bit; what is stored is Hounsfield units and 1024."""
    return _dicom(file, values, CTImageStorage, "MONOCHROME2", **{"RescaleSlope": 1, "RescaleIntercept": -1024, **tags})


def volume(file: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """A volume as NIfTI; by default with BraTS's axes: to the left, to the back, up."""
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0]) if affine is None else affine), file)
    return file


def workbook(file: Path, rows: Sequence[Sequence[object]]) -> Path:
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(list(row))
    book.save(file)
    return file


def encode_rle(mask: np.ndarray) -> str:
    """A mask as SIIM's run lengths: down the columns, each run counted from the end of the one before."""
    flat = np.concatenate([[0], mask.T.ravel().astype(int), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return " ".join(map(str, np.diff(edges, prepend=0)))


def ellipse(shape: tuple[int, int], centre: tuple[int, int], radii: tuple[int, int]) -> np.ndarray:
    """A mask: rows and columns of the shape, the centre and the radii."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside: np.ndarray = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 <= 1
    return inside


def _dicom(file: Path, pixels: np.ndarray, kind: pydicom.uid.UID, photometric: str, **tags: object) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[file.name])
    data = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, photometric
    bits = 8 * pixels.itemsize
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    for tag, value in tags.items():
        setattr(data, tag, value)
    data.PixelData = pixels.tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(file, enforce_file_format=True)
    return file


def _noise(seed: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

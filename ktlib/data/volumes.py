"""BraTS 2023, adult glioma: slices of brains with a tumour, from volumes in NIfTI.

What KT shows of a volume it does not say. Shown here is T2-FLAIR, in axial slices, and the mask is of the whole
tumour, every label above 0 (D67). A volume may be stored with any order and direction of its axes; it is turned so
that a slice looks as a radiologist sees it: the face up, the patient's right on the left.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch
from nibabel.affines import obliquity
from nibabel.orientations import inv_ornt_aff, io_orientation
from PIL import Image

from ktlib.data import dicom, files
from ktlib.data.sets import MaskedImages, Pair
from ktlib.store import key

CASES = 1251  # of the training data, which alone have masks
MODALITIES = ("t1c", "t1n", "t2f", "t2w")
LABELS = (0, 1, 2, 3)  # nothing, necrosis, swelling, enhancing tumour; up to 2022 the last was 4
BRIGHTEST = 99.5  # percentile of what is not black in a volume that is shown white (D67)
TURNED = 1.0  # degrees off the axes at which slices are no longer axial (ours)
_CASE = re.compile(r"BraTS-GLI-(\d{5})-\d{3}")


def brats_2023(
    root: str | Path | None = None, *, modality: str = "t2f", first: int = 0, partial: bool = False
) -> MaskedImages:
    """Axial slices with a tumour: `<data>/brats_2023/**/BraTS-GLI-NNNNN-TTT/BraTS-GLI-NNNNN-TTT-{t2f,seg}.nii.gz`.

    Every mask is read at once, to see which slices have a tumour. A case that cannot be used is left out whole: one
    without a mask, with another axis or another grid than its mask, turned in space, or with labels of another year.

    Args:
        root: the folder that holds `brats_2023`; by default `manifests.data_root()`.
        modality: `t1c`, `t1n`, `t2f` or `t2w`.
        first: only so many cases, 0 for all: the documented subset of a smaller budget.
        partial: accept another number of cases (generated files).

    Raises:
        FileNotFoundError: the folder is absent.
        ValueError: an unknown modality, a negative `first`, another number of cases, or none that can be used.
    """
    if modality not in MODALITIES:
        raise ValueError(f"expected a modality of {', '.join(MODALITIES)}, found {modality!r}")
    if first < 0:
        raise ValueError(f"expected a number of cases, or 0 for all, found first={first}")
    home = files.home("brats_2023", root)
    folders = sorted(path for path in home.rglob("BraTS-GLI-*") if path.is_dir() and _CASE.fullmatch(path.name))
    files.whole(len(folders), CASES, "cases", home, partial=partial)
    kept: list[tuple[Path, Path, int]] = []  # image, mask, slice
    sizes, left_out, clear = [], {}, 0
    names = Counter(folder.name for folder in folders)
    for folder in folders[: first or None]:
        try:
            if names[folder.name] > 1:
                raise ValueError(
                    f"expected one folder {folder.name} in {home}, found {names[folder.name]}; take all but one away"
                )
            image, mask = (_file(folder, kind) for kind in (modality, "seg"))
            tumour = _mask(mask)
            _on_one_grid(image, mask)
        except (ValueError, FileNotFoundError) as error:
            left_out[folder.name] = str(error)
            continue
        there = np.flatnonzero(tumour.any((0, 1))).tolist()
        clear += tumour.shape[2] - len(there)
        kept += [(image, mask, level) for level in there]
        sizes.append([folder.name, image.stat().st_size, mask.stat().st_size, there])
    if not kept:
        why = next(iter(left_out.values()), "there are no cases, or none has a tumour")
        raise ValueError(f"expected slices with a tumour in {home}, found none that can be used: {why}")

    # A volume serves all its slices, which follow each other.
    pictures, masks = functools.lru_cache(2)(_picture), functools.lru_cache(2)(_mask)

    def read(index: int) -> Pair:
        image, mask, level = kept[index]
        shown = Image.fromarray(as_seen(pictures(image), level)).convert("RGB")
        return Pair(shown, torch.from_numpy(as_seen(masks(mask), level)))

    cases = [mask.parent.name for _, mask, _ in kept]
    patients = [_patient(case) for case in cases]
    number = {patient: place for place, patient in enumerate(dict.fromkeys(patients))}
    return MaskedImages(
        "BraTS23 Glioma",
        tuple(f"{case}/{level}" for case, (*_, level) in zip(cases, kept, strict=True)),
        read,
        key("brats_2023", modality, sizes),
        units=tuple(number[patient] for patient in patients),
        left_out=left_out,
        notes=(f"{clear} slices without a tumour: not used",),
    )


def as_seen(volume: npt.NDArray, level: int) -> npt.NDArray:
    """An axial slice as a radiologist sees it: the face up, the patient's right on the left.

    Args:
        volume: axes to the right, to the front and up.
        level: of the slice.

    Returns:
        rows and columns of a picture.
    """
    return np.ascontiguousarray(volume[::-1, ::-1, level].T)


def _patient(case: str) -> str:
    found = _CASE.fullmatch(case)
    return found[1] if found else case


def _file(folder: Path, kind: str) -> Path:
    found = [path for end in (".nii.gz", ".nii") if (path := folder / f"{folder.name}-{kind}{end}").is_file()]
    if not found:
        raise FileNotFoundError(
            f"expected {folder.name}-{kind}.nii.gz in {folder}, found nothing; fetch the case again"
        )
    if len(found) > 1:
        raise ValueError(f"expected one {kind} in {folder}, found .nii.gz and .nii; take one away")
    return found[0]


def _opened(path: Path) -> Any:
    """A volume along the axes of the body, as it is stored; only its head has been read."""
    volume: Any = nib.load(path)
    if len(volume.shape) != 3:
        raise ValueError(
            f"expected a volume with three axes in {path}, found {len(volume.shape)}: {volume.shape}; take one of them"
        )
    if not np.isfinite(volume.affine).all():
        raise ValueError(f"expected where the volume lies in space in {path}, found numbers that are not finite")
    if (degrees := float(np.degrees(obliquity(volume.affine)).max())) > TURNED:
        raise ValueError(
            f"expected a volume along the axes of the body in {path}, found one turned by {degrees:.0f} degrees, whose "
            "slices are not axial; resample it, image and mask together"
        )
    return volume


def _upright(path: Path) -> npt.NDArray:
    """What a volume holds, its axes to the right, to the front and up."""
    return np.asanyarray(nib.as_closest_canonical(_opened(path)).dataobj)


def _readable(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """What is wrong with a file, in one sentence."""

    @functools.wraps(read)
    def wrapped(path: Path) -> Any:
        try:
            return read(path)
        except Exception as error:  # nibabel throws whatever a damaged file leads it to
            if type(error) is ValueError and str(path) in str(error):
                raise  # ours
            raise ValueError(
                f"expected a volume in NIfTI, found {path} ({path.stat().st_size:,} bytes), which cannot be read "
                f"({type(error).__name__}: {' '.join(str(error).split())}); it was probably cut short: fetch it again"
            ) from error

    return wrapped


@_readable
def _picture(path: Path) -> npt.NDArray[np.uint8]:
    volume = _upright(path).astype(np.float32)
    if not np.isfinite(volume).all():
        raise ValueError(f"expected numbers in {path}, found some that are not finite; fetch it again")
    head = volume[volume > 0]
    return dicom.to_eight_bits(volume, 0.0, float(np.percentile(head, BRIGHTEST)) if head.size else 0.0)


@_readable
def _mask(path: Path) -> npt.NDArray[np.bool_]:
    labels = _upright(path)
    if odd := sorted(set(np.unique(labels).tolist()) - set(LABELS)):
        raise ValueError(
            f"expected the labels {', '.join(map(str, LABELS))} in {path}, found {', '.join(map(str, odd[:5]))} too; "
            f"{'up to 2022 4 stood for 3: take the case of 2023' if odd == [4] else 'fetch it again'}"
        )
    return labels > 0


@_readable
def _grid(path: Path) -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
    """Its shape and place in space, once its axes go to the right, to the front and up."""
    volume = _opened(path)
    axes = io_orientation(volume.affine)
    shape = tuple(volume.shape[axis] for axis in np.argsort(axes[:, 0]))
    return shape, volume.affine @ inv_ornt_aff(axes, volume.shape)


def _on_one_grid(image: Path, mask: Path) -> None:
    (shape, affine), (other, theirs) = _grid(image), _grid(mask)
    if shape != other:
        raise ValueError(
            f"expected a mask as large as its image, found {' x '.join(map(str, shape))} in {image} and "
            f"{' x '.join(map(str, other))} in {mask}; they are not of one volume: fetch both again"
        )
    if not np.allclose(affine, theirs, atol=1e-2):  # of a millimetre
        raise ValueError(
            f"expected image and mask at one place in space, found other positions in {image} and {mask}; resample "
            "the mask to the image, or fetch both again"
        )

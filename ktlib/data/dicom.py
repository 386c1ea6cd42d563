"""One grey picture from a DICOM file, through pydicom: a film as it is looked at, or a slice of CT in Hounsfield units.

Whose picture it is stands in the file too. Nothing of that is read.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels import apply_modality_lut

AIR = -1024.0  # Hounsfield units: nothing is thinner; what lies below was never measured
GREYS = ("MONOCHROME1", "MONOCHROME2")  # small numbers are white, or black
USED = ("PhotometricInterpretation", "RescaleSlope", "RescaleIntercept")
INVERTED = "pictures stored with black for white (MONOCHROME1): turned"

Grey = npt.NDArray[np.uint8]


def film(path: Path) -> tuple[Grey, str]:
    """A film, black where nothing held the rays back, and a note on what was done to it.

    MONOCHROME1 means that small numbers are white: such a film is turned, or bones would be black. Eight bits stay as
    they are, more are brought to eight from the smallest to the largest value (ours, D66).

    Args:
        path: of the file.

    Returns:
        8-bit grey (height, width); `INVERTED`, or nothing.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no DICOM file, or has no picture that can be decoded, or not a single grey one.
    """
    data, pixels = _read(path)
    grey = pixels if pixels.dtype == np.uint8 else to_eight_bits(pixels, float(pixels.min()), float(pixels.max()))
    if data.PhotometricInterpretation == "MONOCHROME1":
        return 255 - grey, INVERTED
    return grey, ""


def hounsfield(path: Path) -> npt.NDArray[np.float32]:
    """A slice of CT in Hounsfield units; what lies below air's, where the scanner saw nothing, is air.

    Args:
        path: of the file.

    Returns:
        (height, width), -1024 or more.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as for `film`, or the file does not say how its numbers become Hounsfield units (a slope of 0).
    """
    data, pixels = _read(path)
    told = [data.get(tag) for tag in USED[1:]]
    if not all(isinstance(one, float) and math.isfinite(one) for one in told) or not told[0]:
        found = "none" if None in told else ", ".join(map(str, told))
        raise ValueError(
            f"expected RescaleSlope and RescaleIntercept in {path}, found {found}: its numbers cannot be turned into "
            "Hounsfield units; export the slice again, or take it away"
        )
    if data.get("PhotometricInterpretation") == "MONOCHROME1":
        raise ValueError(f"expected MONOCHROME2 in {path}, found MONOCHROME1, which turns Hounsfield units upside down")
    return np.maximum(apply_modality_lut(pixels, data), AIR).astype(np.float32)


def to_eight_bits(values: npt.NDArray, low: float, high: float) -> Grey:
    """Values as grey levels: `low` and less is 0, `high` and more is 255; all 0 where both are the same."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    return np.round(np.clip((values.astype(np.float32) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _read(path: Path) -> tuple[pydicom.FileDataset, npt.NDArray]:
    if not path.is_file():
        raise FileNotFoundError(f"expected a DICOM file at {path}, found nothing; check the path")
    try:
        data = pydicom.dcmread(path)
        syntax = data.file_meta.get("TransferSyntaxUID")
        for tag in USED:
            data.get(tag)  # a tag is read when it is asked for
    except Exception as error:  # pydicom throws whatever a damaged file leads it to
        raise ValueError(
            f"expected a DICOM file, found {path} ({path.stat().st_size:,} bytes), which is none ({error}); it was "
            "probably cut short or is of another format: fetch it again"
        ) from error
    if "PixelData" not in data:
        raise ValueError(f"expected a picture in {path}, found a DICOM file without pixel data; fetch it again")
    try:
        pixels = data.pixel_array
    except Exception as error:  # and so do its decoders
        named = "no transfer syntax" if syntax is None else getattr(syntax, "name", syntax)
        why = f"{named}: {' '.join(str(error).split())}"
        raise ValueError(
            f"expected a picture that can be decoded in {path}, found one that cannot ({why}); it was cut "
            "short: fetch it again; or it needs a decoder: pip install pylibjpeg[all]"
        ) from error
    if pixels.ndim != 2:
        raise ValueError(
            f"expected one grey picture in {path}, found an array of {' x '.join(map(str, pixels.shape))}: it is in "
            "colour or has several frames; export it as one grey picture, or take it away"
        )
    if (grey := data.get("PhotometricInterpretation")) not in GREYS:
        raise ValueError(f"expected {' or '.join(GREYS)} in {path}, found {grey!r}; export it as a grey picture")
    return data, pixels

"""Films with a label: the CheXpert-5x200 list, and the nodules of JSRT.

Neither may be handed on, so neither is in the repository; `data_manifests/datasets/` says how to get them. A film that
cannot be used is left out with a reason, and the rest is still read: one that is absent is noticed here, one that is
damaged when it is read, or at once by `LabelledImages.readable`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ktlib.data import dicom, files, images, tables
from ktlib.data.finding_prompts import FINDINGS
from ktlib.data.prompts import PLAIN
from ktlib.data.sets import LabelledImages
from ktlib.store import key

LISTS = ("chexpert_5x200.json", "chexpert-5x200-meta.csv")  # of PRIOR, and of MedCLIP
FOLDERS = ("CheXpert-v1.0-small", "CheXpert-v1.0")
PER_CLASS = 200
_CHEXPERT = re.compile(r"^.*CheXpert-v1\.0(-small)?/")

JSRT_SIDE = 2048  # pixels
JSRT_LEVELS = 4096  # 12 bit
JSRT_NODULES, JSRT_CLEAR = 154, 93
JSRT_NAMES = ("Benign Nodule", "Lung Cancer")  # as KT v1, Tab. 2 names them
CLEAR = "No Nodule"
_RECORD = re.compile(r"(?=JPC[LN]N\d{3}\.IMG)", re.IGNORECASE)


# -- CheXpert-5x200 -----------------------------------------------------------------------------------
def chexpert_5x200(root: str | Path | None = None, *, partial: bool = False) -> LabelledImages:
    """Two hundred films of each of five findings, one finding a film: `<data>/chexpert` and one of two lists.

    - `chexpert_5x200.json`, PRIOR's: a path and five zeros and ones for each film, in the order of `FINDINGS`.
    - `chexpert-5x200-meta.csv`, MedCLIP's: the path in `imgpath` (or `Path`, as in CheXpert's own tables) and a column
      for each finding, 1.0, 0.0, -1.0 (uncertain) or blank. 212 of its films are taken from the side.

    PRIOR's is taken where both are there (D66). All films are of CheXpert's training part: they tell what is kept, and
    not how well unseen films are recognised.

    Args:
        root: the folder that holds `chexpert`; by default `manifests.data_root()`.
        partial: accept other numbers of films than 200 of each finding (generated files).

    Raises:
        FileNotFoundError: there is no list, no folder of films, or no film.
        ValueError: the list is damaged, a column is missing, or it has another number of films of a finding.
    """
    home = files.home("chexpert_5x200", root)
    listed = [home / name for name in LISTS if (home / name).is_file()]
    folders = [home / name for name in FOLDERS if (home / name).is_dir()]
    if not listed or not folders:
        lacks = " or ".join(FOLDERS if listed else LISTS)
        raise FileNotFoundError(f"expected {lacks} in {home}, found nothing; {files.how_to_get('chexpert_5x200')}")
    told = _from_json(listed[0]) if listed[0].suffix == ".json" else _from_csv(listed[0])
    counts = Counter(label for label in told.values() if isinstance(label, int))
    if not partial and [counts[label] for label in range(len(FINDINGS))] != [PER_CLASS] * len(FINDINGS):
        found = ", ".join(f"{counts[label]} {name}" for label, name in enumerate(FINDINGS))
        raise ValueError(
            f"expected {PER_CLASS} films of each finding in {listed[0]}, found {found}; it is another list or was cut "
            "short: fetch it again"
        )
    labels, left_out = {}, {}
    for file, label in told.items():
        if isinstance(label, str):
            left_out[file] = label
        elif not (folders[0] / file).is_file():
            left_out[file] = f"expected {file} in {folders[0]}, found nothing; extract CheXpert again"
        else:
            labels[file] = label
    if not labels:
        raise FileNotFoundError(
            f"expected the {len(told):,} films of {listed[0].name} in {folders[0]}, found none "
            f"({next(iter(left_out.values()), 'the list is empty')}); {files.how_to_get('chexpert_5x200')}"
        )
    side = sum("lateral" in file.lower() for file in labels)

    def read(path: Path) -> Image.Image:
        return images.read_image(path, upright=False)

    notes = (f"{listed[0].name}: {len(labels)} films, {side} of them from the side",)
    return _films("CheXpert-5x200", folders[0], labels, FINDINGS, read, left_out, notes)


def _from_json(file: Path) -> dict[str, int | str]:
    """The label of each film, or why it has none."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        return _once(((entry["image_path"], entry["label"]) for entry in entries.values()), file)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected image_path and label of every film in {file}, found something else "
            f"({type(error).__name__}: {error}); it was cut short or is another file: fetch it again"
        ) from error


def _from_csv(file: Path) -> dict[str, int | str]:
    rows = tables.rows(file, FINDINGS)
    columns = [column for column in ("imgpath", "Path") if rows and column in rows[0]]
    if rows and not columns:
        raise ValueError(f"expected a column imgpath or Path in {file}, found {', '.join(rows[0])}; rename one")
    return _once(((row[columns[0]], [row[finding] or "" for finding in FINDINGS]) for row in rows), file)


def _once(rows: Iterable[tuple[str, Sequence[object]]], file: Path) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for path, values in rows:
        film = _below(path)
        again = f"expected one row for {film} in {file}, found several; take all but one away"
        found[film] = again if film in found else _single(values, file)
    return found


def _below(path: str) -> str:
    """A path below CheXpert's folder, whatever its list puts in front."""
    return _CHEXPERT.sub("", path.strip().replace("\\", "/")).removeprefix("./")


def _single(values: Sequence[object], file: Path) -> int | str:
    """The one finding of a film, or why it is none. Blank is absent; -1, uncertain, is not present."""
    try:
        numbers = [float(str(value).strip() or 0) for value in values]
    except ValueError:
        return f"expected 1, 0, -1 or nothing for each finding in {file}, found {list(values)}; correct the row"
    if len(numbers) != len(FINDINGS) or numbers.count(1) != 1 or set(numbers) - {1, 0, -1}:
        return f"expected one finding of {len(FINDINGS)} for a film in {file}, found {list(values)}; take the row away"
    return numbers.index(1)


# -- JSRT ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Nodule:
    """What the clinical table says of a film.

    Attributes:
        subtlety: from 1, extremely subtle, to 5, obvious.
        size: in millimetres.
        age: in years; None where it is not known.
        sex: as the table has it.
        x, y: of the nodule's centre in pixels.
        malignant: or benign.
        location: as the table has it.
        diagnosis: as the table has it.
    """

    subtlety: int
    size: float
    age: int | None
    sex: str
    x: int
    y: int
    malignant: bool
    location: str
    diagnosis: str


def jsrt_table(root: str | Path | None = None) -> tuple[dict[str, Nodule], dict[str, str]]:
    """The clinical table of films with a nodule, `<data>/jsrt/CLNDAT_EN.txt`, and rows that cannot be read.

    Its lines end in any of three ways, and some in none: a record begins with the name of a film. Its columns are not
    those of the User's Guide.

    Args:
        root: the folder that holds `jsrt`; by default `manifests.data_root()`.

    Returns:
        What is said of each film, by name, `JPCLN001`; and of those of which nothing usable is said, why.

    Raises:
        FileNotFoundError: there is no table.
        ValueError: it has no record.
    """
    home = files.home("jsrt", root)
    file = _anycase(home, "CLNDAT_EN.txt")
    if file is None:
        raise FileNotFoundError(f"expected CLNDAT_EN.txt in {home}, found nothing; {files.how_to_get('jsrt')}")
    found: dict[str, Nodule] = {}
    bad: dict[str, str] = {}
    for record in _RECORD.split(file.read_text(encoding="latin-1")):
        name, *cells = (cell.strip() for cell in record.split("\t"))
        if not name:
            continue
        film = name.upper().removesuffix(".IMG")
        try:
            if film in found:
                raise ValueError("a second row")
            subtlety, size, age, sex, x, y, kind, location, diagnosis = [*cells, *[""] * (9 - len(cells))][:9]
            malignant = {"malignant": True, "benign": False}[kind.lower()]
            known = None if age == "?" else int(age)
            found[film] = Nodule(
                int(subtlety), float(size), known, sex, int(x), int(y), malignant, location, " ".join(diagnosis.split())
            )
        except (ValueError, KeyError) as error:
            bad[film] = (
                f"expected film, subtlety, size, age, sex, x, y, benign or malignant, place and diagnosis between tabs "
                f"in {file}, found {' | '.join(cells)!r} for {film} ({error}); correct the row"
            )
            found.pop(film, None)
    if not found:
        raise ValueError(f"expected records JPCLN001.IMG, … in {file}, found none; fetch the table again")
    return found, bad


def jsrt(
    root: str | Path | None = None, *, clear: bool = False, partial: bool = False, side: int = JSRT_SIDE
) -> LabelledImages:
    """Films with a benign or a malignant nodule: `<data>/jsrt/**/JPCLNnnn.IMG` and the clinical table.

    A file is nothing but 2048 x 2048 numbers of 16 bit, the larger byte first, of which 12 are used; air is the
    largest. Films are turned, so that bones are bright, and scaled from their darkest to their brightest value (D66).

    Args:
        root: the folder that holds `jsrt`; by default `manifests.data_root()`.
        clear: films without a nodule, `JPCNNnnn.IMG`, as a third class.
        partial: accept other numbers of films (generated files).
        side: of a film in pixels (generated files).

    Raises:
        FileNotFoundError: the folder or the table is absent.
        ValueError: other numbers of films, or none that can be used.
    """
    home = files.home("jsrt", root)
    table, left_out = jsrt_table(root)
    there: dict[str, list[Path]] = {}
    for path in sorted(home.rglob("*")):
        if path.suffix.lower() == ".img" and path.name[0] != ".":
            there.setdefault(path.stem.upper(), []).append(path)
    said = {name: int(nodule.malignant) for name, nodule in table.items()}
    nodules = sorted(said.keys() | left_out.keys() | {name for name in there if name.startswith("JPCLN")})
    files.whole(len(nodules), JSRT_NODULES, "films with a nodule", home, partial=partial)
    if clear:
        empty = sorted(name for name in there if name.startswith("JPCNN"))
        files.whole(len(empty), JSRT_CLEAR, "films without a nodule", home, partial=partial)
        said |= dict.fromkeys(empty, len(JSRT_NAMES))
        nodules += empty
    wanted = 2 * side * side  # bytes
    labels: dict[str, int] = {}
    for name in nodules:
        paths = there.get(name, [])
        if name in left_out:
            continue
        if name not in said:
            left_out[name] = f"expected a row for {name} in the table of {home}, found none; fetch the table again"
        elif len(paths) != 1:
            found = " and ".join(str(path.relative_to(home)) for path in paths) or "none"
            todo = "take one away" if paths else "extract the archive again"
            left_out[name] = f"expected one file {name}.IMG in {home}, found {found}; {todo}"
        elif (size := paths[0].stat().st_size) != wanted:
            left_out[name] = (
                f"expected {wanted:,} bytes, {side} x {side} numbers of 16 bit, in {paths[0]}, found {size:,}; it was "
                "cut short or is of another format: extract the archive again"
            )
        else:
            labels[paths[0].relative_to(home).as_posix()] = said[name]
    if not labels:
        why = next(iter(left_out.values()), "there are none")
        raise ValueError(f"expected films of JSRT in {home}, found none that can be used: {why}")

    def read(path: Path) -> Image.Image:
        levels = np.fromfile(path, ">u2")
        if levels.size != side * side or levels.max() >= JSRT_LEVELS:
            raise ValueError(
                f"expected {side} x {side} numbers below {JSRT_LEVELS} in {path}, found {levels.size:,} up to "
                f"{levels.max(initial=0):,}; its bytes are in another order or it is no film of JSRT: extract the "
                "archive again"
            )
        grey = dicom.to_eight_bits(levels.reshape(side, side), float(levels.min()), float(levels.max()))
        return Image.fromarray(255 - grey).convert("RGB")

    names = (*JSRT_NAMES, *[CLEAR] * clear)
    counts = Counter(labels.values())
    notes = tuple(f"{counts[label]} {name}" for label, name in enumerate(names))
    return _films("JSRT", home, labels, names, read, left_out, notes)


def _anycase(folder: Path, name: str) -> Path | None:
    """A file, whatever the case of its name."""
    return next((path for path in sorted(folder.iterdir()) if path.name.lower() == name.lower()), None)


def _films(
    name: str,
    folder: Path,
    labels: Mapping[str, int],
    names: Sequence[str],
    read: Callable[[Path], Image.Image],
    left_out: Mapping[str, str],
    notes: Sequence[str],
) -> LabelledImages:
    kept = tuple(labels)
    listing = [f"{file} {(folder / file).stat().st_size} {label}" for file, label in labels.items()]
    return LabelledImages(
        name,
        lambda index: read(folder / kept[index]),
        tuple(labels.values()),
        tuple(names),
        PLAIN,
        key(name, list(names), listing),
        kept,
        left_out,
        tuple(notes),
    )

"""Tables as data sets come with them: CSV with a head, lines of text, MATLAB's variables.

Readers say what a table means; how it is opened, and what is wrong with one that cannot be read, is said here.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from ktlib.data import matlab as structure


def text(file: Path) -> str:
    """A text file, UTF-8 with or without a byte-order mark.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is written in another encoding, or the system does not open it.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"expected a text in {file}, found that the system refuses: {error.strerror}") from error
    try:
        found = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise ValueError(
            f"expected UTF-8 in {file}, found byte {content[error.start]:#04x} at place {error.start}: it is written "
            f"in {'UTF-16' if wide else 'another encoding, such as Latin-1 or cp1252'}; save it as UTF-8"
        ) from error
    if "\0" in found:
        raise ValueError(
            f"expected a text in {file}, found a zero byte at place {content.index(0)}: it is damaged, or written in "
            "UTF-16 or UTF-32; save it as UTF-8"
        )
    return found


def rows(file: Path, columns: Sequence[str], *, padded: bool = False) -> list[dict[str, str]]:
    """The rows of a CSV file, by the names in its head.

    Args:
        file: UTF-8; a byte-order mark, which spreadsheets write, is passed over.
        columns: that must be there; others may be.
        padded: pass over spaces behind commas, which some files have in their head, too.

    Raises:
        ValueError: a column is missing or occurs twice, or a row has more or fewer fields than the head.
    """
    lines = io.StringIO(text(file), newline="")
    reader, found = csv.DictReader(lines, strict=True, skipinitialspace=padded), []
    try:
        names = list(reader.fieldnames or ())
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise ValueError(
                f"expected the columns {', '.join(columns)} in {file}, found {reader.fieldnames}; "
                f"add {', '.join(missing)}"
            )
        if twice := sorted(name for name, count in Counter(names).items() if count > 1):
            raise ValueError(f"expected each column once in {file}, found {', '.join(twice)} twice; remove one")
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(
                    f"expected {len(names)} fields in every row of {file}, found another number in line "
                    f"{reader.line_num}; complete it, and put quotes around a field that has a comma"
                )
            found.append(row)
    except csv.Error as error:
        raise ValueError(
            f"expected rows of a CSV file in {file}, found something else in line {reader.line_num} ({error}); "
            "correct it"
        ) from error
    return found


def every_line(file: Path) -> list[str]:
    """All lines of a text file. They end at a line feed: other marks, U+2028 say, belong to the text."""
    found = text(file).split("\n")
    return [line.removesuffix("\r") for line in (found if found[-1] else found[:-1])]


def lines(file: Path) -> list[str]:
    """The lines of a text file; empty ones and those that begin with # are left out."""
    return [line for line in every_line(file) if line.strip() and line[0] != "#"]


def numbered(file: Path) -> dict[int, str]:
    """Lines `<number> <text>`, as a dict; the lines come in any order.

    Raises:
        ValueError: another line, or a number that occurs twice.
    """
    values: dict[int, str] = {}
    for line in lines(file):
        number, _, text = line.partition(" ")
        if not number.isdecimal() or not text.strip() or int(number) in values:
            why = "a number that occurs twice" if number.isdecimal() and text.strip() else "something else"
            raise ValueError(f"expected lines `<number> <text>` in {file}, found {why}, {line!r}; extract it again")
        values[int(number)] = text.strip()
    return values


def matlab(
    file: Path,
    variable: str,
    *,
    what: str = "",
    todo: str = "it was probably cut short or belongs to another release: get it again",
) -> Any:
    """One variable of a `.mat`, as a one-dimensional array: a single row would squeeze to none.

    Args:
        file: the `.mat`.
        variable: its name.
        what, todo: for the error: what the variable is, and what to do about it.

    Raises:
        ValueError: the file is damaged, or has no such variable.
    """
    load: Callable[..., dict[str, Any]] = scipy.io.loadmat
    try:
        content = file.read_bytes()
        structure.check(content)
        return np.atleast_1d(load(io.BytesIO(content), squeeze_me=True)[variable])
    except NotImplementedError as error:
        raise ValueError(
            f"expected {what or variable} in {file}, found a file of MATLAB 7.3 (HDF5), which is not the published "
            f"one; {todo}"
        ) from error
    except Exception as error:  # scipy throws whatever a damaged file leads it to
        raise ValueError(
            f"expected {what or variable} in {file}, found something else ({type(error).__name__}: {error}); {todo}"
        ) from error

"""Tables as data sets come with them: CSV with a head, lines of text, MATLAB's variables.

Readers say what a table means; how it is opened, and what is wrong with one that cannot be read, is said here.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError


def rows(file: Path, columns: Sequence[str], *, padded: bool = False) -> list[dict[str, str]]:
    """The rows of a CSV file, by the names in its head.

    Args:
        file: UTF-8; a byte-order mark, which spreadsheets write, is passed over.
        columns: that must be there; others may be.
        padded: pass over spaces behind commas, which some files have in their head, too.

    Raises:
        ValueError: a column is missing.
    """
    with file.open(newline="", encoding="utf-8-sig") as text:
        reader = csv.DictReader(text, skipinitialspace=padded)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise ValueError(
                f"expected the columns {', '.join(columns)} in {file}, found {reader.fieldnames}; "
                f"add {', '.join(missing)}"
            )
        return list(reader)


def lines(file: Path) -> list[str]:
    """The lines of a text file; empty ones and those that begin with # are left out."""
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]


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
        return np.atleast_1d(load(str(file), squeeze_me=True)[variable])
    except (ArithmeticError, LookupError, OSError, EOFError, TypeError, ValueError, zlib.error, MatReadError) as error:
        raise ValueError(
            f"expected {what or variable} in {file}, found something else ({type(error).__name__}: {error}); {todo}"
        ) from error

"""One study a notebook: its items, arms, claims and tables. They are found by looking into this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence

from ktlib.companion.record.judging import Verdict
from ktlib.companion.record.rows import Row


def names() -> list[str]:
    """The studies there are: every package in this folder."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)


def claims() -> dict[str, Callable[[Sequence[Row]], Verdict]]:
    """The function that judges each claim which some study tests."""
    found: dict[str, Callable[[Sequence[Row]], Verdict]] = {}
    for name in names():
        found |= importlib.import_module(f"{__name__}.{name}.claims").CLAIMS
    return found


def layouts() -> dict[str, str]:
    """The named layout of the table of every item that some study writes."""
    found: dict[str, str] = {}
    for name in names():
        found |= importlib.import_module(f"{__name__}.{name}").LAYOUTS
    return found

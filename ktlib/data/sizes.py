"""How much there is to download, as far as manifests state it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ktlib.data import manifests


def gigabytes(size: str) -> float | None:
    """The first number of a size, `about 605 MB (safetensors)`, in gigabytes; None where it states none."""
    found = re.search(r"([\d.]+) ([kMG])B", size)
    return float(found[1]) * {"k": 1e-6, "M": 1e-3, "G": 1.0}[found[2]] if found else None


def disk(names: Sequence[str]) -> tuple[float, int]:
    """Gigabytes that datasets and checkpoints take as they are downloaded, and how many of them state no size.

    Args:
        names: of manifests and entries; one named twice counts once.
    """
    sizes = [gigabytes(manifests.find(name).size) for name in dict.fromkeys(names)]
    return sum(size for size in sizes if size is not None), sizes.count(None)


def told(stated: float, unknown: int) -> str:
    """What `disk` found, in words: `9.2 + ?` where something states no size.

    Args:
        stated: gigabytes.
        unknown: how many state none.
    """
    number = f"{stated:,.0f}" if stated >= 10 else f"{stated:.2g}"
    return " + ".join([number] * (stated > 0) + ["?"] * (unknown > 0)) or "–"

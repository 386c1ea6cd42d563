"""Which revision of a repository of the hub is meant, and which came."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def pin(one: Mapping[str, str]) -> str:
    """The commit that is meant of a repository; `main`, its newest, where none is pinned.

    Args:
        one: `hub` of a checkpoint, or one of its `also`.
    """
    return one.get("revision", "main")


def option(one: Mapping[str, str]) -> str:
    """What `hf download` is told of the revision; nothing where none is pinned.

    Args:
        one: as in `pin`.
    """
    return f" --revision {one['revision']}" if "revision" in one else ""


def commit(file: Path) -> str | None:
    """The revision that the hub's cache keeps a file under; None for a file that lies elsewhere."""
    parts = file.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts[:-2] else None

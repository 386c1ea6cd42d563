"""Which revision of a repository of the hub is meant, and which came."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import try_to_load_from_cache


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


def cached(one: Mapping[str, str]) -> Path | None:
    """A file in the hub's cache, of the revision that is meant (`pin`); None where it is not there."""
    found = try_to_load_from_cache(one["repository"], one["file"], revision=pin(one))
    return Path(found) if isinstance(found, str) else None

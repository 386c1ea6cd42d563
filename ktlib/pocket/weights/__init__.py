"""The shipped pocket models, CLIPs and vision encoders: where they lie, and whether they are whole."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_CLIP, _ENCODER = "open_clip_model.safetensors", "model.safetensors"


def names() -> list[str]:
    """The pocket CLIPs that ship with the repository."""
    return sorted(p.parent.name for p in HERE.glob(f"*/{_CLIP}"))


def encoders() -> list[str]:
    """The pocket vision encoders that ship with the repository."""
    return sorted(p.parent.name for p in HERE.glob(f"*/{_ENCODER}") if (p.parent / "config.json").exists())


def card(name: str) -> dict[str, Any]:
    """The model card of a pocket model (`card.json`): data, steps, minutes, scores, digests."""
    return json.loads((HERE / name / "card.json").read_text())


@functools.cache
def folder(name: str) -> Path:
    """The folder of a pocket model, its digest checked once a process.

    Raises:
        ValueError: there is no such model.
        RuntimeError: the weights are damaged.
    """
    shipped = [*names(), *encoders()]
    if name not in shipped:
        raise ValueError(f"expected a pocket model ({', '.join(shipped)}), found {name!r}")
    verify(HERE / name)
    return HERE / name


def digest(path: Path) -> str:
    """sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verify(path: Path) -> None:
    """Compare a model folder with the digests on its card.

    Raises:
        RuntimeError: a file is missing or is not the recorded one.
    """
    recorded = json.loads((path / "card.json").read_text())["sha256"]
    for file, expected in recorded.items():
        found = digest(path / file) if (path / file).exists() else "no file"
        if found != expected:
            raise RuntimeError(
                f"{path / file} is damaged: expected sha256 {expected[:16]}…, found {found[:16]}…; "
                f"restore it with `git checkout -- {file}` in that folder, or train it anew with "
                f"`python -m ktlib pocket train {path.name}`"
            )

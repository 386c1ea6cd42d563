"""Content-addressed files: what was computed once is not computed again, and a killed run resumes.

A key is the digest of everything a value depends on. Files are written beside their place and
moved there, so a file that exists is whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor


def key(*parts: object) -> str:
    """A digest of strings, numbers, tensors, frozen dataclasses, and lists or dicts of these."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_bytes(part) + b"\x00")
    return digest.hexdigest()[:24]


def _bytes(part: object) -> bytes:
    if isinstance(part, Tensor):
        tensor = part.detach().cpu().contiguous()
        return f"{tensor.dtype}{tuple(tensor.shape)}".encode() + tensor.view(torch.uint8).numpy().tobytes()
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        return type(part).__name__.encode() + _bytes(dataclasses.asdict(part))
    if isinstance(part, dict):
        return b"{" + b"".join(_bytes(k) + b":" + _bytes(v) + b"," for k, v in sorted(part.items())) + b"}"
    if isinstance(part, list | tuple):
        return b"[" + b"".join(_bytes(item) + b"," for item in part) + b"]"
    if part is None or isinstance(part, str | int | float | bool):
        return f"{type(part).__name__}:{part!r}".encode()
    raise TypeError(f"expected a string, number, tensor, dataclass, list or dict in a key, found {type(part).__name__}")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path and move the result to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors, atomically."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, lambda temporary: save_file(whole, temporary, metadata=metadata))


def load_tensors(path: Path) -> dict[str, Tensor] | None:
    """Read tensors, or None when there is no (whole) file: a damaged one is as good as none."""
    if not path.exists():
        return None
    try:
        return load_file(path)
    except SafetensorError:
        return None


def remembered(path: Path | None, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A JSON-able result, from `path` when it is there, computed and written there when not.

    Args:
        path: a file, or None to compute without keeping.
        compute: returns the result.
    """
    if path is not None and path.exists():
        try:
            return json.loads(path.read_text())
        except (json.JSONDecodeError, UnicodeDecodeError):
            pass  # half-written by a foreign hand: compute again
    result = compute()
    if path is not None:
        write_atomically(path, lambda temporary: temporary.write_text(json.dumps(result)))
    return result

"""Content-addressed files: what was computed once is not computed again, and a killed run resumes.

A key is the digest of everything a value depends on. Files are written beside their place and
moved there, so a file that exists is whole; and they hold a digest of their content, so one whose bits were
flipped is as good as none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def key(*parts: object) -> str:
    """A digest of strings, numbers, tensors, frozen dataclasses, and lists or dicts of these.

    What says itself what it depends on is taken at its word: by a tuple `parts` (a course, a fold), or
    by a string `digest` (images, a gallery).
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_bytes(part) + b"\x00")
    return digest.hexdigest()[:24]


def _bytes(part: object) -> bytes:
    if isinstance(part, Tensor):
        tensor = part.detach().cpu().contiguous()
        flat = tensor.reshape(-1)
        if flat.stride(0) != 1:  # one element cut out of many counts as contiguous and keeps their stride (torch 2.14)
            flat = torch.empty_like(flat, memory_format=torch.contiguous_format).copy_(flat)
        return f"{tensor.dtype}{tuple(tensor.shape)}".encode() + flat.view(torch.uint8).numpy().tobytes()
    own = getattr(part, "parts", getattr(part, "digest", None))
    if isinstance(own, tuple | str):
        return type(part).__name__.encode() + _bytes(own)
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        return type(part).__name__.encode() + _bytes(dataclasses.asdict(part))
    if isinstance(part, dict):
        return b"{" + b"".join(_bytes(k) + b":" + _bytes(v) + b"," for k, v in sorted(part.items())) + b"}"
    if isinstance(part, list | tuple):
        return b"[" + b"".join(_bytes(item) + b"," for item in part) + b"]"
    if part is None or isinstance(part, str | int | float | bool):
        return f"{type(part).__name__}:{part!r}".encode()
    raise TypeError(f"expected a string, number, tensor, dataclass, list or dict in a key, found {type(part).__name__}")


_numbers = itertools.count()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path and move the result to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}")  # threads write beside each other
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text atomically: UTF-8 with plain line ends, whatever the locale says."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def prepare(folder: Path, *, what: str = "a folder that can be written to") -> None:
    """Make a folder and see that files can be written there, before there is anything to lose.

    Args:
        folder: where results will go.
        what: it is, for the error.

    Raises:
        ValueError: it cannot be made or written to.
    """
    try:
        write_atomically(folder / "probe", lambda temporary: temporary.touch())
        (folder / "probe").unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(
            f"expected {what} at {folder}, found that it is not ({error.strerror or error}); name another folder"
        ) from error


@contextlib.contextmanager
def locked(path: Path, who: str) -> Iterator[None]:
    """Hold a lock for as long as the block runs; the system lets go of it when the process ends, however it ends.

    Args:
        path: of the lock's file, which stays.
        who: holds it, for whoever finds it held.

    Raises:
        BlockingIOError: somebody else holds it; its text is their `who`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8", errors="replace") as file:  # it may be the file that is guarded
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BlockingIOError(file.readline().strip() or "another process") from error
        if who:
            file.truncate(0)
            file.write(f"{who}, process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
            file.flush()
        yield


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors, atomically, with a digest of their content."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = {"content": key(whole)} | (metadata or {})
    write_atomically(path, lambda temporary: save_file(whole, temporary, metadata=told))


def load_tensors(path: Path) -> dict[str, Tensor] | None:
    """Read tensors, or None when there is no (whole) file: a damaged one is as good as none."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except SafetensorError:
        return None
    return tensors if told.get("content") == key(tensors) else None


def remembered(path: Path | None, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A JSON-able result, from `path` when it is there, computed and written there when not.

    Args:
        path: a file, or None to compute without keeping.
        compute: returns the result.

    Raises:
        ValueError: nothing can be written there; nothing was computed then.
    """
    if path is None:
        return compute()
    if (kept := recall(path)) is not None:
        return kept
    prepare(path.parent)
    text = json.dumps(compute())
    write_text(path, json.dumps({"result": json.loads(text), "content": key(text)}))
    return json.loads(text)


def recall(path: Path) -> dict[str, Any] | None:
    """What `remembered` has written to a path; None where there is nothing, or it is damaged."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["content"] == key(json.dumps(kept["result"])):
            return dict(kept["result"])
    return None

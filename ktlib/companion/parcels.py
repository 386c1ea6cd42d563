"""How work travels to another machine: models and sets of pictures go once, apart from what is asked of them."""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from ktlib.data.sets import Examination, Gallery, LabelledImages, MaskedImages


def packed(task: object, *, apart: bool = True) -> tuple[bytes, list[object]]:
    """Bytes of a task without its models and sets of pictures, which are large and shared by many; and these.

    Args:
        task: a function and what it is given.
        apart: leave the large things out; else they are in the bytes.
    """
    import cloudpickle  # comes with dask

    shared: dict[int, object] = {}

    class Packer(cloudpickle.Pickler):
        def persistent_id(self, thing: object) -> int | None:
            if apart and isinstance(thing, nn.Module | Examination | Gallery | MaskedImages | LabelledImages):
                shared[id(thing)] = thing
                return id(thing)
            return None

        def reducer_override(self, thing: Any) -> Any:
            if isinstance(thing, _CACHED) and "<locals>" in getattr(thing, "__qualname__", "<locals>"):
                return _cached, (thing.__wrapped__, thing.cache_parameters()["maxsize"])
            return super().reducer_override(thing)

    buffer = io.BytesIO()
    Packer(buffer, protocol=5).dump(task)
    return buffer.getvalue(), list(shared.values())


_CACHED = type(functools.lru_cache(len))


def _cached(function: Callable[..., Any], most: int | None) -> Callable[..., Any]:
    """A function that remembers, empty: nothing pickles one that was made inside another."""
    return functools.lru_cache(most)(function)


def unpacked(blob: bytes, shared: Mapping[int, object]) -> Any:
    """What was packed.

    Args:
        blob: its bytes.
        shared: the large things that were left out, by the numbers that they had at home.
    """

    class Unpacker(pickle.Unpickler):
        def persistent_load(self, name: Any) -> object:
            return shared[name]

    return Unpacker(io.BytesIO(blob)).load()

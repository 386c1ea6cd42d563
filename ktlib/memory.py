"""Work in batches that are halved when memory runs out, and a note that they were.

On a GPU nobody knows beforehand how many images fit. A batch that does not is done again in halves: what is computed
of an image does not depend on what it shares a batch with, but for rounding, so rows say when it happened. That holds
for inversions and for all that is only looked at: features, scores, captions, maps and masks. It does not hold for the
batch of a transfer: its contrast is among the images of a batch, so half of it has another loss. That one is never
halved; where it does not fit, a larger GPU is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ktlib.bounds import COUNT

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class _Note:
    when: float  # of `time.monotonic`
    what: str
    left: int
    item: str = ""  # that alone is told of it
    told: bool = False


_notes: list[_Note] = []  # of this process
_item = ContextVar("item", default="")  # that what is halved now belongs to


# -- what is said of it -----------------------------------------------------------------------------------
def note(halved: Mapping[str, int]) -> None:
    """Note that something was halved, now.

    Args:
        halved: what, and how many are left in a batch.
    """
    _notes.extend(_Note(time.monotonic(), what, left, _item.get()) for what, left in halved.items())


@contextmanager
def belonging(item: str) -> Iterator[None]:
    """What is halved meanwhile is told of this item whenever it is written, and of no other that is written before.

    Args:
        item: whose rows will rest on it.
    """
    token = _item.set(item)
    try:
        yield
    finally:
        _item.reset(token)


def noted(since: float) -> dict[str, int]:
    """What was halved since a time of `time.monotonic`, and how many were left in the smallest batch."""
    return _smallest([one for one in _notes if one.when >= since])


def told(seconds: float, item: str = "") -> dict[str, int]:
    """What was halved for an item of so many seconds, which ends now; what belongs to another item is not said.

    What was halved before it began, and was told of no other item, is told of this one.

    Args:
        seconds: that the item took.
        item: its name, by which it knows what is `belonging` to it.
    """
    began = time.monotonic() - seconds
    found = [one for one in _notes if (one.item == item if one.item else one.when >= began or not one.told)]
    for one in found:
        one.told = True
    return _smallest(found)


def _smallest(notes: Sequence[_Note]) -> dict[str, int]:
    return {what: min(one.left for one in notes if one.what == what) for what in dict.fromkeys(n.what for n in notes)}


# -- halving ----------------------------------------------------------------------------------------------
def fitting(work: Callable[[int], R], *, at_once: int, what: str) -> tuple[R, int]:
    """The result of a piece of work with as many at once as fit: half as many whenever memory runs out.

    Args:
        work: takes how many at once, and gives the same for every number, but for rounding.
        at_once: most, at least 1.
        what: is done, for the note and the error.

    Returns:
        The result, and how many at once it was computed with.

    Raises:
        ValueError: `at_once` is no count.
        torch.OutOfMemoryError: one alone does not fit.

    Source: ours.
    """
    if not COUNT.holds(at_once):
        raise ValueError(f"expected at_once to be {COUNT}, found {at_once!r}")
    while True:
        try:
            return work(at_once), at_once
        except torch.OutOfMemoryError as error:
            if at_once == 1:
                raise torch.OutOfMemoryError(
                    f"expected memory for {what} of one at a time, found too little; use a larger GPU, fewer images "
                    f"or a smaller model ({error})"
                ) from error
        # Out of the handler: until here the traceback keeps the batch's tensors alive.
        at_once //= 2
        note({what: at_once})
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def halving(work: Callable[[Sequence[T]], R], items: Sequence[T], *, at_once: int, what: str) -> Iterator[R]:
    """Results of items, a batch after the other; half as many in a batch whenever memory runs out.

    Args:
        work: of a batch.
        items: each independent of the others.
        at_once: most items in a batch, at least 1.
        what: is done, for the note and the error.

    Raises:
        ValueError, torch.OutOfMemoryError: as `fitting`.

    Source: ours.
    """
    if not COUNT.holds(at_once):
        raise ValueError(f"expected at_once to be {COUNT}, found {at_once!r}")
    first = 0

    def some(count: int) -> R:
        return work(items[first : first + count])

    while first < len(items):
        most = min(at_once, len(items) - first)
        found, fits = fitting(some, at_once=most, what=what)
        if fits < most:
            at_once = fits
        first += fits
        yield found


def joined(work: Callable[[slice], Tensor], count: int, *, at_once: int, what: str) -> Tensor:
    """A row for each of many things, a batch after the other; half as many in a batch whenever memory runs out.

    Args:
        work: rows of some of them, by their places.
        count: of all; of none, `work` is asked once.
        at_once, what: as in `halving`.

    Raises:
        ValueError, torch.OutOfMemoryError: as `fitting`.

    Source: ours.
    """

    def some(places: Sequence[int]) -> Tensor:
        return work(slice(places[0], places[-1] + 1))

    return torch.cat([*halving(some, range(count), at_once=at_once, what=what)]) if count else work(slice(0, 0))

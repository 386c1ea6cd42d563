"""Work in batches that are halved when memory runs out, and a note that they were.

On a GPU nobody knows beforehand how many images fit. A batch that does not is done again in halves: what is computed
of an image does not depend on what it shares a batch with, but for rounding, so rows say when it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from ktlib.bounds import COUNT

T = TypeVar("T")
R = TypeVar("R")

HALVED: dict[str, int] = {}  # what was halved in this process, and how many are left in a batch


def halving(
    work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], *, at_once: int, what: str
) -> Iterator[Sequence[R]]:
    """Results of items, a batch after the other; half as many in a batch whenever memory runs out.

    Args:
        work: of a batch, one result an item.
        items: each independent of the others.
        at_once: most items in a batch, at least 1.
        what: is done, for `HALVED` and the error.

    Raises:
        ValueError: `at_once` is no count.
        torch.OutOfMemoryError: one item alone does not fit.

    Source: ours.
    """
    if not COUNT.holds(at_once):
        raise ValueError(f"expected at_once to be {COUNT}, found {at_once!r}")
    first = 0
    while first < len(items):
        batch = items[first : first + at_once]
        try:
            found = work(batch)
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise torch.OutOfMemoryError(
                    f"expected memory for {what} of one at a time, found too little; use a larger GPU, fewer images "
                    f"or a smaller model ({error})"
                ) from error
        else:
            first += len(batch)
            yield found
            continue
        # Out of the handler: until here the traceback keeps the batch's tensors alive.
        at_once = len(batch) // 2
        HALVED[what] = at_once
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

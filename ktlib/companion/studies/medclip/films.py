"""How films are named, and how namings of the same films are set against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ktlib.data.sets import Examination
from ktlib.evaluate.intervals import Estimate, over_concepts
from ktlib.models.protocols import Prompts

Hits = Mapping[int, Sequence[int]]  # by trial: for each film whether it was named rightly, or whether it was so named


def groups(exam: Examination, names: Sequence[str], *, phrases: bool = True) -> list[Prompts]:
    """The prompts of some names: their own phrases, or the templates.

    Args:
        exam: whose prompts.
        names: of classes.
        phrases: take them, where a name has some.
    """
    own = exam.phrases if phrases else {}
    return [Prompts([""], own[name]) if name in own else Prompts([name], exam.templates) for name in names]


def lost(exam: Examination) -> dict[str, str]:
    """How many files could not be used, for the rows; nothing where all could."""
    return {"left_out": f"{len(exam.left_out)}"} if exam.left_out else {}


def labels(exam: Examination) -> list[int]:
    """Of the known films, in the order in which they are walked through."""
    return torch.cat([own for _, own in exam.known]).tolist()


def compared(after: Hits, before: Hits) -> Estimate:
    """The mean of `after - before`, paired by film and trial; interval over films crossed with trials.

    Args:
        after: by trial.
        before: by trial, or one for all of them under the key -1.

    Raises:
        ValueError: other films, or a trial that `before` lacks.
    """
    columns = []
    for trial, own in after.items():
        less = before.get(trial, before.get(-1))
        if less is None or len(less) != len(own):
            raise ValueError(f"expected the same {len(own)} films before and after, found {less and len(less)}")
        columns.append([a - b for a, b in zip(own, less, strict=True)])
    return over_concepts([list(film) for film in zip(*columns, strict=True)], crossed=True)

"""Two kinds of exercise: a function that must agree with another one, and a choice between letters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch

Case = Callable[[object], str]  # an answer -> what is wrong with it, empty where nothing is
Situation = tuple[str, tuple[object, ...]]  # what it shows, in words, and the arguments


class UnansweredError(Exception):
    """The reader has left the stub as it is."""


def agrees(right: Callable[..., object], *situations: Situation, tolerance: float = 1e-4) -> Case:
    """An answer is a function that gives what another gives in every situation.

    Args:
        right: the function to agree with; it returns a tensor, a number or a word.
        situations: each with a name that tells a reader what it tries, and arguments.
        tolerance: relative and absolute; single precision and another order of sums need it.
    """

    def wrong(answer: object) -> str:
        if not callable(answer):
            return f"Expected a function, found {type(answer).__name__}."
        for what, arguments in situations:
            found, expected = answer(*copy.deepcopy(arguments)), right(*copy.deepcopy(arguments))  # it may write there
            if found is None or found is ...:
                raise UnansweredError
            if said := _difference(found, expected, tolerance):
                return f"Tried with {what}: {said}."
        return ""

    return wrong


def _difference(found: object, expected: object, tolerance: float) -> str:
    if isinstance(expected, str):
        return "" if found == expected else f"expected {expected!r}, found {found!r}"
    mine, own = torch.as_tensor(expected).double(), torch.as_tensor(found).double()
    if mine.shape != own.shape:
        return f"expected the shape {tuple(mine.shape)}, found {tuple(own.shape)}"
    if torch.allclose(own, mine, rtol=tolerance, atol=tolerance):
        return ""
    if mine.ndim:
        return f"the values differ by up to {(mine - own).abs().max().item():.4g}"
    return f"expected {mine.item():.4g}, found {own.item():.4g}"


def chosen(right: str, others: Mapping[str, str]) -> Case:
    """An answer is a letter.

    Args:
        right: the letter.
        others: what is wrong with each of the others.
    """
    letters: Sequence[str] = sorted([right, *others])

    def wrong(answer: object) -> str:
        letter = str(answer).strip().lower()
        if letter == right:
            return ""
        return others.get(letter, f"Expected one of the letters {', '.join(letters)}, found {answer!r}.")

    return wrong

"""Exercises of the notebooks: `check("ex1", answer)` says *right* or *not yet*, by cases that a reader does not see.

A notebook takes the sheet of its number. Whatever the answer is, nothing stops: a notebook whose exercises nobody has
done runs to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ktlib.companion.exercises.cases import CASES
from ktlib.companion.exercises.kinds import UnansweredError


@dataclass(frozen=True)
class Checked:
    """What is said of an answer.

    Attributes:
        passed: it is right in every case.
        said: one sentence for the reader.
    """

    passed: bool
    said: str

    def _repr_markdown_(self) -> str:
        return self.said


def names(number: str) -> tuple[str, ...]:
    """The exercises of a notebook, by its number: `names("00")`."""
    return tuple(CASES.get(number, {}))


def sheet(number: str) -> Callable[[str, object], Checked]:
    """The `check` of a notebook.

    Args:
        number: of the notebook, `00`.

    Raises:
        ValueError: that notebook has no exercises.
    """
    if number not in CASES:
        raise ValueError(f"expected a notebook with exercises ({', '.join(CASES)}), found {number!r}")

    def check(exercise: str, answer: object) -> Checked:
        if exercise not in CASES[number]:
            raise ValueError(f"expected an exercise of notebook {number} ({', '.join(names(number))}), "
                             f"found {exercise!r}")  # fmt: skip
        return judge(CASES[number][exercise], answer)

    return check


def judge(case: Callable[[object], str], answer: object) -> Checked:
    """What a case says of an answer; an answer that breaks is told so, in its own words.

    Args:
        case: says what is wrong with an answer, nothing where it is right; see `kinds`.
        answer: a reader's: a function, a letter; None where there is none yet.
    """
    if answer is None or answer is ...:
        return Checked(False, "**Not answered yet.**")
    try:
        wrong = case(answer)
    except UnansweredError:
        return Checked(False, "**Not answered yet.**")
    except (Exception, SystemExit) as error:  # a reader's code may fail in any way: that must not end the notebook
        return Checked(False, f"**Not yet.** It stopped with {type(error).__name__}: {_words(error)}")
    return Checked(not wrong, f"**Not yet.** {wrong}" if wrong else "**Right**, in every case.")


def _words(error: BaseException) -> str:
    """What an error says; one that a reader wrote may fail at that, too."""
    try:
        return str(error)
    except Exception:
        return "it does not say why"

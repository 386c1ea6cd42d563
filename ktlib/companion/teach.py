"""Small helpers that keep notebooks to the point: show code, show pictures as text, say a number."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import Code, Markdown
from pandas.io.formats.style import Styler
from torch import Tensor

from ktlib.companion.record.compare import at_budget
from ktlib.companion.record.judging import Verdict, points
from ktlib.companion.record.published import claims, numbers
from ktlib.companion.record.rows import Row, by_subject, select, written
from ktlib.evaluate.intervals import Estimate, over_concepts


def show_source(thing: Callable[..., object], *, docstring: bool = False) -> Code:
    """The source of a function of the library, coloured, so that a notebook need not type it again.

    Args:
        thing: a function or class.
        docstring: keep it; left out by default, to let the equation stand alone.
    """
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))
    if not docstring and inspect.getdoc(thing):
        parts = source.split('"""')
        if len(parts) >= 3:
            source = parts[0].rstrip() + '"""'.join(parts[2:])
    return Code(source, language="python")


class Watched:
    """A model that keeps what it is shown while images are inverted: the first image of each step, as it sees it.

    Attributes:
        model: does everything.
        seen: (3, side, side) a step, each another random view; what follows the last step is the finished image.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.seen: list[Tensor] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def score(self, images: Tensor, target: Any, *others: Any, **named: Any) -> Any:
        """The model's own score; the first image is kept."""
        self.seen.append(images[0].detach().cpu().clone())
        return self.model.score(images, target, *others, **named)

    def film(self, frames: int, *, side: int) -> tuple[Tensor, list[str]]:
        """So many views from first to last, of one size, and what to write above each.

        Args:
            frames: how many, at least two.
            side: pixels.
        """
        last = len(self.seen) - 1
        steps = sorted({round(last * i / (frames - 1)) for i in range(frames)})
        views = [F.interpolate(self.seen[step][None], (side, side)).clamp(0, 1) for step in steps]
        return torch.cat(views), [*(f"step {step + 1}" for step in steps[:-1]), "finished"]


def percent(estimate: Estimate | float) -> str:
    """A fraction as percent, with its interval when it has one."""
    if isinstance(estimate, Estimate):
        return f"{100 * estimate.value:.1f} % [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    return f"{100 * estimate:.1f} %"


def printed(item: str, columns: str = "concept", **wanted: str) -> pd.DataFrame:
    """What the papers print for an item, as a table in their own units.

    Args:
        item: `KT Tab. 1`.
        columns: the column of `published.Number` that goes across.
        wanted: other columns and the value they must have.

    Raises:
        ValueError: nothing is printed there.
    """
    found = [n for n in numbers(item) if all(getattr(n, k) == v for k, v in wanted.items())]
    if not found:
        raise ValueError(f"expected numbers printed as {item} with {wanted}, found none")
    table = pd.DataFrame([vars(n) for n in found])
    table["printed"] = table["printed"] + table["note"].map(lambda note: " †" if note else "")
    across = ["model", "variant", "learning_rate", "other", "metric"]
    across = [c for c in across if c != columns and table[c].nunique() > 1] or ["model"]
    return table.pivot_table("printed", across, columns, aggfunc="first", sort=False).fillna("")


def pivot(rows: Sequence[Row], index: str | list[str], columns: str | list[str]) -> Styler:
    """Means of rows as a table in percent.

    Args:
        rows: any; what they vary can be named like a column, each or all together (`varied`).
        index: columns of `Row` that go down.
        columns: those that go across.
    """
    table = pd.DataFrame([vars(row) | {"varied": written(row.varied)} | dict(row.varied) for row in rows])
    return table.pivot_table("value", index, columns, sort=False).style.format("{:.1%}", na_rep="")


def equal_retention(rows: Sequence[Row], methods: Sequence[str], budget: float) -> pd.DataFrame:
    """Target accuracy of each model and method where the budget of retention is spent, and its gain.

    Args:
        rows: of one split, with the base of every model.
        methods: to list.
        budget: loss of retention at which all are read, a fraction (D10).

    Returns:
        One line a model and method: mean and paired gain over the base, both with nested intervals.
    """
    lines = {}
    for model in sorted({row.model for row in rows}):
        own = select(rows, model=model)
        before = {c: v[0] for c, v in by_subject(select(own, method="base", metric="target_accuracy")).items()}
        lines[model, "base"] = {"accuracy": percent(sum(before.values()) / len(before)), "concepts": len(before)}
        for method in methods:
            reached = at_budget(select(own, method=("base", method)), budget)
            gain = over_concepts([[v - before[c] for v in values] for c, values in reached.items()])
            accuracy = percent(over_concepts(list(reached.values())))
            lines[model, method] = {"accuracy": accuracy, "gain over base": percent(gain), "concepts": len(reached)}
    return pd.DataFrame(lines).T.fillna("")


def verdict_table(verdicts: Sequence[Verdict]) -> Styler:
    """Claims in words, verdicts and what was compared; below, what decides each, as one would read it aloud."""
    lines = [
        {
            "claim": v.claim,
            "in words": claims()[v.claim].claim,
            "verdict": v.verdict,
            "what was compared, and what came out": v.comparison,
        }
        for v in verdicts
    ]
    spoken = "; ".join(f"{v.claim}: {v.verdict}" + (f" ({v.deciding})" if v.deciding else "") for v in verdicts)
    table = pd.DataFrame(lines).style.hide().set_properties(None, **{"text-align": "left", "max-width": "30em"})
    return table.set_caption(f"Read aloud: {spoken or 'nothing was judged'}.").set_table_styles(
        [{"selector": "caption", "props": "caption-side: bottom; text-align: left"}]
    )


def reveal(guess: float | str | None, outcome: float | str, *, unit: str = "%") -> Markdown:
    """A reader's guess beside what came out.

    Args:
        guess: made before, a number in the unit or a word; None where no guess was made.
        outcome: what came out: in percent or points as the unit says, or a word.
        unit: of numbers.
    """
    it = f"**{outcome if isinstance(outcome, str) else f'{outcome:.1f} {unit}'}**"
    if guess is None:
        return Markdown(f"You made no guess; it is {it}.")
    if isinstance(guess, str) or isinstance(outcome, str):
        right = str(guess).strip().lower() == str(outcome).strip().lower()
        return Markdown(f"You guessed {guess}; it is {it}: {'as you said' if right else 'not as you said'}.")
    gap = outcome - guess
    way = f"{abs(gap):.1f} {'higher' if gap > 0 else 'lower'}" if round(abs(gap), 1) else "as you said"
    return Markdown(f"You guessed {guess:g} {unit}; it is {it}, {way}.")


def say(*sentences: str) -> Markdown:
    """What a section came to, to be read to the room.

    Args:
        *sentences: each built from what was computed, or true whatever comes out.

    Raises:
        ValueError: there is nothing to read.
    """
    said = [sentence for sentence in sentences if sentence]
    if not said:
        raise ValueError("expected at least one sentence to read aloud, found none")
    return Markdown("**Read aloud:** " + " ".join(said))


def aloud(
    values: Mapping[str, float],
    what: str,
    meaning: str = "",
    *,
    unit: str = "%",
    mean: bool = False,
    beside: Mapping[str, float] | None = None,
) -> Markdown:
    """A table's message in one sentence, the highest and the lowest of its numbers, and what such a number means.

    Args:
        values: fractions by name; written in percent, or with their sign where the unit is `points`.
        what: the quantity.
        meaning: how to read it, a sentence that is true whatever the numbers are.
        unit: `%`, `points`, or empty for numbers that are no fractions.
        mean: say the mean too, of concepts or sets; that of methods which are compared means nothing.
        beside: what the numbers are to be held against, by name: chance, or the untouched model.

    Raises:
        ValueError: there are no numbers.
    """
    if not values:
        raise ValueError(f"expected numbers to read aloud ({what}), found none")
    most, least = max(values, key=lambda name: values[name]), min(values, key=lambda name: values[name])
    if values[most] == values[least]:
        told = f"{what} is {_said(values[most], unit)} for all {len(values)}"
    else:
        told = (
            f"{what} is highest for *{most}* ({_said(values[most], unit)}) and lowest for *{least}* "
            f"({_said(values[least], unit)})"
        )
        if mean:
            told += f"; the mean of the {len(values)} is {_said(sum(values.values()) / len(values), unit)}"
    against = "".join(f"; beside it, {name}: {_said(value, unit)}" for name, value in (beside or {}).items())
    return say(f"{told}{against}.", meaning)


def means(rows: Sequence[Row], by: str) -> dict[str, float]:
    """The mean value of rows by a column of theirs, or by what they vary.

    Args:
        rows: of one metric.
        by: a column of `Row` or a key of `varied`; rows without it are left out.
    """
    groups: dict[str, list[float]] = {}
    for row in rows:
        name = row.varied.get(by) if by in row.varied else getattr(row, by, None)
        if name is not None:
            groups.setdefault(str(name), []).append(row.value)
    return {name: sum(values) / len(values) for name, values in groups.items()}


def _said(value: float, unit: str) -> str:
    return f"{value:.3g}" if not unit else points(value) if unit == "points" else percent(value)


def aloud_gains(found: Mapping[str, Estimate], meaning: str = "") -> Markdown:
    """Differences with their intervals, on which side of zero each interval lies, and what that means.

    Args:
        found: by what was compared, fractions.
        meaning: how to read them, a sentence that is true whatever they are.
    """
    said = []
    for name, gap in found.items():
        side = "above zero" if gap.low > 0 else "below zero" if gap.high < 0 else "not clear of zero"
        said.append(f"*{name}* {points(gap)}, {side}")
    return say(f"{'; '.join(said)}.", meaning)

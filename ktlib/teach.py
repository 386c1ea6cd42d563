"""Small helpers that keep notebooks to the point: show code, show pictures as text, say a number."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable

from IPython.display import Code

from ktlib.evaluate.intervals import Estimate


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


def percent(estimate: Estimate | float) -> str:
    """A fraction as percent, with its interval when it has one."""
    if isinstance(estimate, Estimate):
        return f"{100 * estimate.value:.1f} % [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    return f"{100 * estimate:.1f} %"

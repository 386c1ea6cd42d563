"""Formulas as MathML, which browsers draw by themselves: an extension of Sphinx that needs no script and no network."""

from __future__ import annotations

import html
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

TIDIED = {r"\arg": r"\mathrm{arg}\,"}  # commands that the converter does not know, in others


def mathml(formula: str, display: str = "inline") -> str:
    """A formula in TeX as MathML.

    Args:
        formula: without dollars.
        display: `inline` or `block`.

    Returns:
        MathML; the TeX as code where a command is not known, so that nothing is lost.
    """
    tidy = formula
    for known, other in TIDIED.items():
        tidy = tidy.replace(known, other)
    drawn = convert(tidy, display=display)
    return f"<code>{html.escape(formula)}</code>" if "\\" in drawn else drawn


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls: register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""An extension of Sphinx: formulas as MathML, which browsers draw without a script or a network, and links to files."""

from __future__ import annotations

import html
import xml.etree.ElementTree as ET
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.addnodes import download_reference

MATHML = "http://www.w3.org/1998/Math/MathML"
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
    if "\\" in drawn:
        return f'<code class="undrawn">{html.escape(formula)}</code>'
    ET.register_namespace("", MATHML)
    tree = ET.fromstring(drawn)
    for element in tree.iter(f"{{{MATHML}}}msub") if display == "block" else ():
        if element[0].text in ("max", "min"):  # what is varied stands below
            element.tag = f"{{{MATHML}}}munder"
    return ET.tostring(tree, encoding="unicode")


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def _file(writer: Any, node: download_reference) -> None:
    """A link to a copy of a file that the browser shows, where Sphinx's own makes it save one."""
    to = f"{writer.builder.dlpath}/{node['filename']}" if "filename" in node else node["reftarget"]
    writer.body.append(writer.starttag(node, "a", "", CLASS="reference", href=to))


def _after_file(writer: Any, node: download_reference) -> None:
    writer.body.append("</a>")


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls: register the renderer `mathml` and how a link to a file is written."""
    app.add_node(download_reference, override=True, html=(_file, _after_file))
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

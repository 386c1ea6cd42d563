"""The executed notebooks and the results as pages that need no network: pictures inside, formulas as MathML.

`python -m ktlib site` writes `runs/<scale>/site/`, with an index. A notebook that was not run is shown without its
outputs, and the index says so.
"""

from __future__ import annotations

import base64
import html
import mimetypes
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from ktlib import places, store
from ktlib.companion.record import notebooks
from ktlib.companion.record.notebooks import Notebook
from ktlib.places import ROOT

STYLE = Path(__file__).with_name("site.css")
# The first that an output has is shown; none of them asks a network or a kernel for anything.
SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
TIDIED = {r"\arg": r"\mathrm{arg}\,"}  # commands that the converter does not know, in others
PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
<nav>$nav</nav>
<main>
$body
<footer>$footer</footer>
</main>
</body>
</html>
""")


def mathml(formula: str, display: str = "inline") -> str:
    """A formula in TeX as MathML, which browsers draw by themselves.

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


class Renderer(IPythonRenderer):
    """Markdown as nbconvert renders it, with formulas drawn here and not by a script."""

    def block_math(self, body: str) -> str:
        """A formula of its own."""
        return mathml(body, "block")

    def inline_math(self, body: str) -> str:
        """A formula in a line."""
        return mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        """A formula in an environment."""
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


def markdown(text: str) -> str:
    """Markdown as HTML."""
    return MarkdownWithMath(renderer=Renderer(escape=False, anchor_link_text="#")).render(text)


class Exporter(HTMLExporter):
    """A notebook as the body of a page."""

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """The filter that the template calls."""
        return markdown(source)


def body(path: Path) -> str:
    """A notebook as HTML, without anything around it."""
    node = nbformat.read(path, as_version=4)
    for cell in node.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/latex" in data and not data.keys() & (set(SHOWN) - {"text/plain"}):
                data["text/html"] = mathml(data["text/latex"].strip().strip("$"), "block")
    settings = Config({"NbConvertBase": {"display_data_priority": SHOWN}})
    exporter = Exporter(config=settings, template_name="basic", anchor_link_text="#")
    return exporter.from_notebook_node(node)[0]


@dataclass(frozen=True)
class Site:
    """Where pages are made from, and where they go.

    Attributes:
        root: of the repository.
        run: folder of the run whose notebooks and results are shown.
        scale: of the run.
        folder: for the pages.
    """

    root: Path
    run: Path
    scale: str
    folder: Path

    def name(self, path: Path) -> str:
        """What a file is called in the run, wherever it lies: `results/kt_tab_1.md`."""
        if path.is_relative_to(self.run):
            return path.relative_to(self.run).as_posix()
        if not path.is_relative_to(self.root):
            return path.as_posix()
        parts = path.relative_to(self.root).parts
        return "/".join(parts[:1] + parts[2:] if parts[:2] == (parts[0], self.scale) else parts)

    def page(self, path: Path) -> str | None:
        """The page that shows a file; None where none does."""
        name = self.name(path)
        if re.fullmatch(r"(notebooks/)?\d\d_\w+\.ipynb", name):
            return f"{path.stem}.html"
        shown = re.fullmatch(r"RESULTS\.md|results/\w+\.md", name)
        return name.removesuffix(".md").replace("/", "-") + ".html" if shown else None

    def texts(self) -> list[Path]:
        """The pages of results: the run's, or the committed ones where it has none."""
        own = notebooks.matches(self.run, ["RESULTS.md", "results/*.md"])
        return own or notebooks.matches(self.root, ["RESULTS.md", f"results/{self.scale}/*.md"])

    def linked(self, page: str, base: Path) -> str:
        """A page whose links lead to other pages or to files of the repository, and whose pictures are inside it.

        Args:
            page: HTML.
            base: the folder that its links count from.
        """
        soup = BeautifulSoup(page, "html.parser")
        for element in soup.find_all(["script", "link"]):  # the state of widgets, whose fallback is shown
            element.decompose()
        for heading in soup.find_all(re.compile("^h[1-6]$")):  # links into a page are written as on GitHub
            slug = re.sub(r"[^\w -]", "", heading.get_text().rstrip("#").strip().lower()).replace(" ", "-")
            heading.insert(0, soup.new_tag("a", id=slug))
        for tag, attribute in (("a", "href"), ("img", "src")):
            for element in soup.find_all(tag):
                target, mark, fragment = str(element.get(attribute, "")).partition("#")
                if fragment and not target and soup.find(id=fragment) is None:  # an output that quotes the results
                    element[attribute] = f"RESULTS.html#{fragment}"
                if not target or re.match(r"[a-z]+:", target):
                    continue
                homes = (base, self.run, self.root)  # outputs link from the run's folder
                found = next((path for home in homes if (path := (home / target).resolve()).exists()), None)
                if found is None:
                    continue
                if tag == "img":
                    kind = mimetypes.guess_type(found.name)[0]
                    element[attribute] = f"data:{kind};base64,{base64.b64encode(found.read_bytes()).decode()}"
                else:
                    to = self.page(found) or os.path.relpath(found, self.folder)
                    element[attribute] = to + mark + fragment
        return str(soup)

    def write(self, name: str, title: str, content: str, nav: str) -> None:
        """Write one page whole or not at all."""
        style = STYLE.read_text(encoding="utf-8") + HtmlFormatter().get_style_defs(".highlight")
        where = os.path.relpath(self.run, self.root)
        footer = f"Made by <code>python -m ktlib site --scale {self.scale}</code> from <code>{where}</code>."
        page = PAGE.substitute(title=html.escape(title), style=style, nav=nav, body=content, footer=footer)
        store.write_text(self.folder / name, page)


def executed(notebook: Notebook, run: Path) -> tuple[Path, str]:
    """The copy of a notebook to show, and what must be said about it; nothing of one that was run as it stands."""
    copy = run / notebook.path.name
    if not copy.exists():
        return notebook.path, "not run yet, so shown without outputs"
    cells = [cell for cell in notebooks.read(copy).cells if "injected-parameters" not in cell["tags"]]
    ours = [cell["source"] for cell in notebook.cells]
    return copy, "" if [cell["source"] for cell in cells] == ours else "has changed since this run"


def build(scale: str = "pocket", root: Path = ROOT, folder: Path | None = None) -> Path:
    """Make the pages of a scale.

    Args:
        scale: whose run is shown.
        root: of the repository.
        folder: for the pages; by default `site` in the folder of the run.

    Returns:
        The index.
    """
    run = (places.folder("KT_RUNS", root / "runs") / scale).resolve()
    site = Site(root.resolve(), run, scale, (folder or run / "site").resolve())
    everything = [notebooks.read(path) for path in notebooks.find(root)]
    return _write(site, [(one, executed(one, run)) for one in everything if scale in one.scales])


def _write(site: Site, shown: Sequence[tuple[Notebook, tuple[Path, str]]]) -> Path:
    texts = site.texts()
    links = [("index.html", "Index"), *((f"{one.stem}.html", one.stem[:2]) for one, _ in shown)]
    links += [(str(site.page(path)), path.stem) for path in texts if path.name == "RESULTS.md"]
    nav = " ".join(f'<a href="{to}">{html.escape(name)}</a>' for to, name in links)
    for notebook, (path, said) in shown:
        note = f'<p class="note">{html.escape(notebook.path.name)} {said}.</p>' if said else ""
        content = site.linked(note + body(path), site.root / "notebooks")
        site.write(f"{notebook.stem}.html", notebook.title, content, nav)
    for path in texts:
        content = site.linked(markdown(path.read_text(encoding="utf-8")), path.parent)
        site.write(str(site.page(path)), path.stem, content, nav)
    site.write("index.html", "A companion to two papers", _index(site, shown, texts), nav)
    return site.folder / "index.html"


def _index(site: Site, shown: Sequence[tuple[Notebook, tuple[Path, str]]], texts: Sequence[Path]) -> str:
    lines = ["<h1>A companion to two papers</h1>", "<h2>Notebooks</h2>"]
    if all(said for _, (_, said) in shown):
        lines.append(f'<p class="note">Nothing was run at {site.scale} scale: <code>./run_all.sh</code> does it.</p>')
    for notebook, (_, said) in shown:
        answer = markdown(notebook.answer) + (f"<p><em>{said}</em></p>" if said else "")
        lines.append(f'<h3><a href="{notebook.stem}.html">{html.escape(notebook.title)}</a></h3>')
        lines.append(f'<div class="answer">{answer}</div>')
    lines.append("<h2>Results</h2>\n<ul>")
    lines += [f'<li><a href="{site.page(path)}">{site.name(path)}</a></li>' for path in texts]
    return "\n".join([*lines, "</ul>"])

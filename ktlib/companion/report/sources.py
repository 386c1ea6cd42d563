"""The sources of the site, laid out for Sphinx: documents, executed notebooks and results, their links made to fit.

In the repository a link counts from the file that it stands in, in an output from the folder of the run. Here every
page has one place, whichever of the two it comes from, and what a page shows or links to lies beside it.
"""

from __future__ import annotations

import base64
import mimetypes
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbformat

from ktlib.companion.record import notebooks
from ktlib.companion.record.notebooks import Notebook
from ktlib.companion.report.formulas import mathml

# Markdown that is shown besides notebooks and results.
DOCUMENTS = (
    "docs/*.md",
    "*.md",
    "benchmarks/*.md",
    "data_manifests/published/*.md",
    "ktlib/pocket/weights/*/README.md",
)
# The first that an output has is shown; none of them asks a network or a kernel for anything.
SHOWN = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain")
WIDGET = "application/vnd.jupyter.widget-view+json"
LINK = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|`[^`\n]+`)"
    r"|\]\((?P<target>[^)\s]+)(?P<title>\s+\"[^\"]*\")?\)"
    r"|\b(?P<attribute>href|src)=\"(?P<to>[^\"]+)\"",
    re.S | re.M,
)
NAMED = re.compile(r'<a id="([\w-]+)"></a>')


@dataclass
class Sources:
    """Where pages are made from, and the folder that they are laid out in.

    Attributes:
        root: of the repository.
        run: folder of the run whose notebooks and results are shown.
        scale: of the run.
        folder: for the sources.
        absent: links that lead to nothing, as `page: target`.
    """

    root: Path
    run: Path
    scale: str
    folder: Path
    absent: list[str] = field(default_factory=list)

    def place(self, path: Path) -> str:
        """Where a file stands in the site: `results/kt_tab_1.md`, whether this run made it or an earlier one."""
        if path.is_relative_to(self.run):
            return path.relative_to(self.run).as_posix()
        parts = path.relative_to(self.root).parts
        if parts[0] in ("docs", "notebooks"):
            return "/".join(parts[1:])
        return "/".join(
            parts[:1] + parts[2:] if parts[0] in ("results", "figures") and parts[1:2] == (self.scale,) else parts
        )

    def is_page(self, path: Path) -> bool:
        """Whether a file has a page, its own or that of the run's file of that name."""
        return path.suffix == ".ipynb" or self.place(path) in self._pages

    @cached_property
    def _pages(self) -> set[str]:
        return {self.place(path) for path in (*self.documents, *self.results)}

    @cached_property
    def documents(self) -> list[Path]:
        """The Markdown that is written by hand, and the cards of models."""
        return [path for path in notebooks.matches(self.root, DOCUMENTS) if path != self.root / "RESULTS.md"]

    @cached_property
    def results(self) -> list[Path]:
        """The pages of results: the run's, or the committed ones where it has none."""
        own = notebooks.matches(self.run, ["RESULTS.md", "results/*.md"])
        return own or notebooks.matches(self.root, ["RESULTS.md", f"results/{self.scale}/*.md"])

    # -- links ----------------------------------------------------------------------------------------
    def linked(self, text: str, page: str, *homes: Path) -> str:
        """Markdown whose links lead to other pages, and to copies of the files that it names.

        Args:
            text: with links that count from one of `homes`.
            page: the place of the page that it goes to.
            *homes: folders, the likeliest first.
        """

        def renewed(match: re.Match[str]) -> str:
            if match["code"] or re.match(r"[a-z]+:|//", target := match["target"] or match["to"]):
                return match[0]
            name, mark, fragment = target.partition("#")
            if not name:
                return match[0]
            found = self._found(name, homes)
            if found is None or (found.suffix == ".md" and not self.is_page(found)):
                self.absent.append(f"{page}: {target}")
                return "]{.absent}" if match["target"] else f'data-absent="{target}"'
            if found.is_dir():  # in which a page has nothing to show
                return "]{.folder}" if match["target"] else f'data-folder="{target}"'
            to = os.path.relpath(self.place(found), Path(page).parent)
            if self.is_page(found):
                ending = to if match["target"] else f"{to.rsplit('.', 1)[0]}.html"
                return self._written(match, ending + mark + fragment)
            if match["attribute"] == "src":
                kind = mimetypes.guess_type(found.name)[0]
                return self._written(match, f"data:{kind};base64,{base64.b64encode(found.read_bytes()).decode()}")
            copy = self.folder / self.place(found)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, copy)
            return self._written(match, to)

        return NAMED.sub(r"[]{#\1}", LINK.sub(renewed, text))

    def _found(self, name: str, homes: tuple[Path, ...]) -> Path | None:
        """The file of the repository or the run that a link names; a run may lie elsewhere than when it was linked."""
        paths = [(home / name).resolve() for home in (*homes, self.root / "runs" / self.scale)]
        ours = [path for path in paths if path.is_relative_to(self.root) or path.is_relative_to(self.run)]
        return next((path for path in ours if path.exists()), None)

    @staticmethod
    def _written(match: re.Match[str], target: str) -> str:
        return f"]({target}{match['title'] or ''})" if match["target"] else f'{match["attribute"]}="{target}"'

    # -- pages ----------------------------------------------------------------------------------------
    def write(self, page: str, text: str) -> None:
        """Lay out one page."""
        file = self.folder / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def document(self, path: Path, *, more: str = "") -> None:
        """Lay out a page of Markdown, with something at its end."""
        page = self.place(path)
        text = self.linked(path.read_text(encoding="utf-8"), page, path.parent, self.run, self.root)
        self.write(page, text + more)

    def notebook(self, one: Notebook) -> str:
        """Lay out a notebook with what it gave when it was run.

        Returns:
            What must be said of it; nothing where it was run as it stands.
        """
        copy, said = executed(one, self.run)
        page = one.path.name
        node = nbformat.read(copy, as_version=4)
        node.metadata.pop("widgets", None)  # their state needs a script; every one has a picture beside it
        node.cells = [cell for cell in node.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
        for number, cell in enumerate(node.cells):
            if cell.cell_type == "markdown":
                cell.source = self.linked(cell.source, page, self.root / "notebooks")
                if said and number == 0:
                    head, *rest = cell.source.split("\n")
                    cell.source = "\n".join([head, f"\n:::{{note}}\n{page} {said}.\n:::\n", *rest])
            elif cell.cell_type == "code":
                cell.outputs = [shown for output in cell.outputs for shown in self._output(output, page)]
        self.write(page, nbformat.writes(node))
        return said

    def _output(self, output: nbformat.NotebookNode, page: str) -> Iterator[nbformat.NotebookNode]:
        data = output.get("data")
        if data is None:  # printed text, or an error
            yield output
            return
        if "text/latex" in data and not data.keys() & (set(SHOWN) - {"text/plain"}):
            data["text/html"] = mathml(data["text/latex"].strip().strip("$"), "block")
        kind = next((kind for kind in SHOWN if kind in data), None)
        if kind is None or (kind == "text/plain" and WIDGET in data):  # a bar that has run its course
            return
        if kind in ("text/html", "text/markdown"):
            quoted = re.sub(r"\]\(#(k|z)", r"](RESULTS.md#\1", NAMED.sub("", data[kind]))
            data[kind] = self.linked(quoted, page, self.run, self.root / "notebooks", self.root)
        output["data"] = nbformat.from_dict({kind: data[kind]})
        yield output


def executed(notebook: Notebook, run: Path) -> tuple[Path, str]:
    """The copy of a notebook to show, and what must be said about it; nothing of one that was run as it stands."""
    copy = run / notebook.path.name
    if not copy.exists():
        return notebook.path, "not run yet, so shown without outputs"
    cells = [cell for cell in notebooks.read(copy).cells if "injected-parameters" not in cell["tags"]]
    ours = [cell["source"] for cell in notebook.cells]
    return copy, "" if [cell["source"] for cell in cells] == ours else "has changed since this run"

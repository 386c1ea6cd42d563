"""The site: documents, executed notebooks and results as pages that open from the file system, without a network.

`python -m ktlib site` writes `runs/<scale>/site/`, made by Sphinx as `docs/conf.py` says. A notebook that was not run
is shown without its outputs, and the index says so.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ktlib import places
from ktlib.companion.record import notebooks
from ktlib.companion.record.notebooks import Notebook
from ktlib.companion.report import inventory
from ktlib.companion.report.markdown import table, unique
from ktlib.companion.report.sources import Sources
from ktlib.places import ROOT

LIST = "<!-- notebooks -->"  # in docs/index.md: where the list of notebooks goes
CARD = "pocket/weights/"  # in the path of a model's card
READING = ("moderator", "glossary", "equations", "neighbours")


def build(scale: str = "pocket", root: Path = ROOT, folder: Path | None = None) -> Path:
    """Make the pages of a scale.

    Args:
        scale: whose run is shown.
        root: of the repository.
        folder: for the pages; by default `site` in the folder of the run. What it held is replaced.

    Returns:
        The index.

    Raises:
        FileNotFoundError: the repository has no `docs`.
    """
    if not (root / "docs/conf.py").exists():
        raise FileNotFoundError(
            f"expected conf.py and index.md in {root / 'docs'}, found none; restore them with `git checkout -- docs`"
        )
    run = (places.folder("KT_RUNS", root / "runs") / scale).resolve()
    folder = (folder or run / "site").resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=folder.parent) as work:
        sources = Sources(root.resolve(), run, scale, Path(work) / "sources")
        lay_out(sources)
        said = [f"{absent} is not there, so it is named without a link" for absent in unique(sources.absent)]
        for line in [*said, *render(sources.folder, Path(work) / "pages")]:
            print(line)
        if folder.exists():
            folder.rename(Path(work) / "before")
        (Path(work) / "pages").rename(folder)
    return folder / "index.html"


def lay_out(sources: Sources) -> None:
    """Put everything that Sphinx reads in one folder."""
    shutil.copytree(sources.root / "docs", sources.folder, ignore=shutil.ignore_patterns("*.md"))
    found = [notebooks.read(path) for path in notebooks.find(sources.root)]
    shown = [(one, sources.notebook(one)) for one in found if sources.scale in one.scales]
    listed, contents = _listed(shown, sources.scale), _contents(sources, shown)
    cards = [place for path in sources.documents if CARD in (place := sources.place(path))]
    for path in sources.documents:
        if path == sources.root / "docs/index.md":
            text = sources.linked(path.read_text(encoding="utf-8"), "index.md", path.parent)
            sources.write("index.md", f"{text.replace(LIST, listed)}\n{contents}")
        else:
            sources.document(path)
    inner = [sources.place(path) for path in sources.results if path.name != "RESULTS.md"]
    for path in sources.results:
        sources.document(path, more=toctree("", inner) if path.name == "RESULTS.md" else "")
    for page, text in inventory.pages().items():
        sources.write(page, text + toctree("", cards if page == inventory.CHECKPOINTS else []))


def render(sources: Path, pages: Path) -> list[str]:
    """Run Sphinx.

    Args:
        sources: with `conf.py` and `index.md`.
        pages: the folder to write.

    Returns:
        Its warnings.
    """
    from sphinx.application import Sphinx  # half a second, for this alone
    from sphinx.util.docutils import docutils_namespace, patch_docutils  # likewise

    said = io.StringIO()
    with patch_docutils(sources), docutils_namespace():
        app = Sphinx(sources, sources, pages, sources.parent / "trees", "html", status=None, warning=said)
        app.build()
    return [line.replace(f"{sources}/", "") for line in said.getvalue().splitlines() if line.strip()]


def toctree(caption: str, pages: Sequence[str]) -> str:
    """A part of the contents, which stand at the side of every page."""
    if not pages:
        return ""
    head = f":caption: {caption}\n" if caption else ""
    return f"\n\n```{{toctree}}\n:hidden:\n:maxdepth: 2\n{head}\n" + "\n".join(f"/{page}" for page in pages) + "\n```\n"


def _contents(sources: Sources, shown: Sequence[tuple[Notebook, str]]) -> str:
    written = [place for path in sources.documents if CARD not in (place := sources.place(path))]
    reading = [f"{name}.md" for name in READING if f"{name}.md" in written]
    rest = [place for place in written if place not in (*reading, "index.md")]
    parts = {
        "For a reading group": reading,
        "Notebooks": [one.path.name for one, _ in shown],
        "Results": [sources.place(path) for path in sources.results if path.name == "RESULTS.md"],
        "Data and models": list(inventory.pages()),
        "The repository": sorted(rest, key=lambda place: "/" in place),
    }
    return "".join(toctree(caption, pages) for caption, pages in parts.items())


def _listed(shown: Sequence[tuple[Notebook, str]], scale: str) -> str:
    lines = [
        [f"[{one.stem[:2]}]({one.path.name})", f"**{one.title}** {one.answer}".strip(), f"*{said}*" if said else ""]
        for one, said in shown
    ]
    none = f":::{{note}}\nNothing was run at {scale} scale: `./run_all.sh` does it.\n:::\n\n"
    return (none if all(said for _, said in shown) else "") + table(["", "notebook", "state"], lines)

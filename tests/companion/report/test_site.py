"""The pages: whole without a network, formulas drawn, links that lead somewhere."""

import base64
import json
import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from ktlib.companion.record import notebooks
from ktlib.companion.report import site
from ktlib.places import ROOT
from tests.companion.tiny_notebooks import write_notebook

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    index = site.build("pocket", ROOT, folder)
    assert index == folder / "index.html"
    return {path.name: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in folder.glob("*.html")}


def test_nothing_is_asked_of_a_network(pages):
    for name, page in pages.items():
        assert not page.find_all("script"), name
        assert not page.find_all("link"), name
        for element in page.find_all(["img", "iframe", "source"]):
            assert element["src"].startswith("data:"), f"{name}: {element['src'][:80]}"
        for style in page.find_all("style"):
            assert "http" not in style.text and "@import" not in style.text, name


def test_formulas_are_drawn(pages):
    for name, page in pages.items():
        assert "$$" not in page.get_text(), name
        for formula in page.find_all("math"):
            assert "\\" not in formula.get_text(), f"{name}: {formula.get_text()}"
    (largest,) = [m for m in pages["00_start_here.html"].find_all("math") if m.get("display") == "block"]
    assert "description" in largest.get_text()


def test_links_lead_somewhere(pages, tmp_path_factory):
    folder = next(path for path in tmp_path_factory.getbasetemp().glob("site*"))
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            target, _, fragment = link["href"].partition("#")
            if re.match("[a-z]+:", target):
                continue
            assert not target or (folder / target).exists(), f"{name}: {link['href']}"
            if fragment and target in ("", *pages):
                assert pages[target or name].find(id=fragment), f"{name}: {link['href']}"


def test_the_index_has_every_notebook_with_its_answer_and_the_results(pages):
    text = " ".join(pages["index.html"].get_text().split())
    hrefs = {link["href"] for link in pages["index.html"].find_all("a")}
    for path in notebooks.find():
        one = notebooks.read(path)
        assert one.title in text
        assert f"{one.stem}.html" in hrefs
        assert " ".join(BeautifulSoup(site.markdown(one.answer), "html.parser").get_text().split()) in text
    assert "RESULTS.html" in hrefs


def built(root):
    index = site.build("pocket", root)
    assert index == root / "runs/pocket/site/index.html"
    return {path.name: path.read_text(encoding="utf-8") for path in index.parent.glob("*.html")}


def test_an_executed_notebook_is_shown_with_its_outputs_and_one_that_was_not_run_says_so(tmp_path):
    first = write_notebook(tmp_path, "01_first", "1 + 1")
    write_notebook(tmp_path, "02_second", "2 + 2")
    write_notebook(tmp_path, "03_paper", "3 + 3", kt={"scales": ["paper"]})
    assert "Nothing was run at pocket scale" in built(tmp_path)["index.html"]
    node = nbformat.read(first, as_version=4)
    node.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}}
    data = {"image/png": PIXEL, "text/plain": "<Figure>", "application/vnd.jupyter.widget-view+json": {"model_id": "m"}}
    node.cells[1].outputs = [
        nbformat.v4.new_output("display_data", data),
        nbformat.v4.new_output("display_data", {"text/latex": "$\\alpha$", "text/plain": "<Math>"}),
    ]
    copy = tmp_path / "runs/pocket/01_first.ipynb"
    nbformat.write(node, copy)
    pages = built(tmp_path)
    assert f"data:image/png;base64,{PIXEL}" in pages["01_first.html"]
    assert "<math" in pages["01_first.html"]
    assert "<script" not in pages["01_first.html"]
    assert "not run yet" not in pages["01_first.html"]
    assert "02_second.ipynb not run yet, so shown without outputs" in pages["02_second.html"]
    assert "03_paper.html" not in pages
    write_notebook(tmp_path, "01_first", "1 + 3")
    assert "has changed since this run" in built(tmp_path)["01_first.html"]


def test_the_results_of_the_run_are_shown_in_place_of_the_committed_ones(tmp_path):
    node = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("[R](../RESULTS.md) ![f](../figures/pocket/f.png)")]
    )
    (tmp_path / "notebooks").mkdir()
    nbformat.write(node, tmp_path / "notebooks/01_first.ipynb")
    (tmp_path / "RESULTS.md").write_text("# Committed\n\n[Tab. 1](results/pocket/kt_tab_1.md#a-b)")
    for name, text in {"results/pocket/kt_tab_1.md": "# A, b", "figures/pocket/f.png": "picture"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    pages = built(tmp_path)
    assert 'href="results-kt_tab_1.html#a-b"' in pages["RESULTS.html"]
    assert 'id="a-b"' in pages["results-kt_tab_1.html"]
    assert 'href="RESULTS.html"' in pages["01_first.html"]
    assert f"base64,{base64.b64encode(b'picture').decode()}" in pages["01_first.html"]
    own = tmp_path / "runs/pocket/RESULTS.md"
    own.write_text("# Of this run")
    assert "Of this run" in built(tmp_path)["RESULTS.html"]


def test_a_formula_that_cannot_be_drawn_is_shown_as_it_is_written():
    assert site.mathml(r"\notacommand{x} < 1") == r"<code>\notacommand{x} &lt; 1</code>"
    assert site.markdown("$x^2$ costs $5").count("<math") == 1


def test_every_formula_of_the_notebooks_can_be_drawn():
    for path in notebooks.find():
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown" and "$" in text:
                assert not re.search(r"<code>[^<]*\\", site.markdown(text)), text

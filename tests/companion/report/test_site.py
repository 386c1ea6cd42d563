"""The site: whole without a network, formulas drawn, links that lead somewhere, and true about what was run."""

import base64
import contextlib
import io
import re
import shutil

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from ktlib.companion.record import notebooks
from ktlib.companion.report import formulas, inventory, site
from ktlib.data import manifests
from ktlib.places import ROOT
from tests import browser
from tests.companion.tiny_notebooks import write_notebook

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()


def read(folder):
    """The pages of a site by their paths."""
    paths = [path for path in folder.rglob("*.html") if "_static" not in path.parts]
    return {
        path.relative_to(folder).as_posix(): BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in paths
    }


def words(page):
    return " ".join(page.get_text().split())


# -- this repository's, which takes a while -----------------------------------------------------------
def run_of_wide_things(folder):
    """Every notebook as if it had been run: a picture, a table and a line that are wider than a page."""
    picture = io.BytesIO()
    Image.new("RGB", (3000, 90), "teal").save(picture, "png")
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a line that does not end " * 20),
        nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(picture.getvalue()).decode()}),
        nbformat.v4.new_output("display_data", {"text/html": pd.DataFrame([range(10**8, 10**8 + 40)]).to_html()}),
    ]
    folder.mkdir(parents=True)
    for path in notebooks.find():
        node = nbformat.read(path, as_version=4)
        next(cell for cell in node.cells if cell.cell_type == "code").outputs = outputs
        nbformat.write(node, folder / path.name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The site of the repository with its committed results, and what was said while it was made."""
    folder = tmp_path_factory.mktemp("whole") / "site"
    run_of_wide_things(folder.parent / "runs/pocket")
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KT_RUNS", str(folder.parent / "runs"))
        assert site.build("pocket", ROOT, folder) == folder / "index.html"
    return folder, read(folder), said.getvalue()


@pytest.mark.slow
def test_sphinx_has_nothing_to_complain_of(whole):
    """A link of a path may lead to a notebook that is not there; that is said."""
    others = [line for line in whole[2].splitlines() if not re.match(r"index.md: ../notebooks/\S+ is not there", line)]
    assert others == []


@pytest.mark.slow
def test_all_that_a_page_loads_lies_beside_it(whole):
    folder, pages, _ = whole
    loaded = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
    for name, page in pages.items():
        for element in page.find_all(list(loaded)):
            address = element.get(loaded[element.name], "")
            if address and not address.startswith(("data:", "#")):
                assert ((folder / name).parent / address.split("?")[0]).exists(), f"{name}: {address}"
    for style in folder.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import ['\"]?http", style.read_text("utf-8")), style


@pytest.mark.slow
def test_formulas_are_drawn(whole):
    _, pages, _ = whole
    for name, page in pages.items():
        assert "$$" not in page.find("article").get_text() if page.find("article") else True, name
        assert not page.find(class_="undrawn"), f"{name}: {page.find(class_='undrawn')}"
    (largest,) = [m for m in pages["00_start_here.html"].find_all("math") if "description" in m.get_text()]
    assert largest["display"] == "block"


@pytest.mark.slow
def test_links_lead_somewhere(whole):
    folder, pages, _ = whole
    followed = 0
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            target, _, fragment = link["href"].partition("#")
            if re.match("[a-z]+:", target):
                continue
            to = ((folder / name).parent / target).resolve() if target else folder.resolve() / name
            assert to.exists(), f"{name}: {link['href']}"
            other = pages.get(to.relative_to(folder.resolve()).as_posix())
            if fragment and other is not None and link["href"] != "#":
                assert other.find(id=fragment), f"{name}: {link['href']}"
                followed += 1
    assert followed > 500


@pytest.mark.slow
def test_what_the_documents_link_to_and_is_not_there_is_a_notebook_or_nothing(whole):
    """A path may name a notebook that a copy of the repository lacks: it is named, and not linked."""
    for name, page in whole[1].items():
        for absent in page.find_all(class_="absent"):
            assert name == "index.html", f"{name}: {absent}"


@pytest.mark.slow
def test_the_index_has_every_notebook_with_its_answer_the_paths_and_the_results(whole):
    index = whole[1]["index.html"]
    hrefs = {link["href"] for link in index.find_all("a", href=True)}
    for path in notebooks.find():
        one = notebooks.read(path)
        assert one.title in words(index)
        assert f"{one.stem}.html" in hrefs
        assert len(one.answer) > 40 and words(BeautifulSoup(one.answer.split("(")[0], "html.parser"))[:60] in words(
            index
        )
    for time in ("Twenty minutes", "Ninety minutes", "Half a day"):
        assert any(heading.get_text().startswith(time) for heading in index.find_all("h3"))
    assert {"RESULTS.html", "moderator.html", "glossary.html", "equations.html", "neighbours.html"} <= hrefs


@pytest.mark.slow
def test_every_page_of_results_is_in_the_contents(whole):
    side = {link["href"] for link in whole[1]["RESULTS.html"].select(".sidebar-tree a")}
    committed = sorted((ROOT / "results/pocket").glob("*.md"))
    assert committed and {f"results/{path.stem}.html" for path in committed} <= side


@pytest.mark.slow
def test_minutes_of_a_path_are_those_of_its_name(whole):
    total = []
    for table in whole[1]["index.html"].find_all("table"):
        if table.find("th").get_text(strip=True) == "minutes":
            total.append(sum(int(line.find("td").get_text()) for line in table.find_all("tr") if line.find("td")))
    assert total[:2] == [20, 90] and 210 <= total[2] <= 240


@pytest.mark.slow
def test_the_pages_of_data_and_checkpoints_tell_all_that_the_manifests_know(whole):
    data, checkpoints = words(whole[1]["data.html"]), words(whole[1]["checkpoints.html"])

    def told(text, page):
        return re.sub(r"\W", "", text) in re.sub(r"\W", "", page)

    for name in manifests.datasets():
        one = manifests.dataset(name)
        facts = (one.description, one.licence, one.terms, one.url, *one.layout, *one.known_issues, *one.how_to_get)
        for fact in (*facts, *one.unverified, *(count.source for count in one.n_paper)):
            assert told(fact, data), f"{name}: {fact}"
    for name, weights in manifests.checkpoints().items():
        for fact in (name, weights.url, weights.licence, weights.size, *weights.known_issues, *weights.unverified):
            assert told(fact, checkpoints), f"{name}: {fact}"


def test_a_fact_without_a_value_has_no_line():
    found = inventory.checkpoint_page()
    values = re.findall(r"^\| [^ |][^|]* \| ([^|]*) \|$", found, re.M)
    assert len(values) > 100 and not {"None", ""} & set(values)


LOOK = """(() => {
    const framed = "pre, math, svg, .table-wrapper, .output, .formula, .headerlink";
    const wide = [...document.querySelectorAll("article *")].filter(
        (one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !one.closest(framed));
    return {
        width: document.documentElement.scrollWidth,
        missing: [...document.images].filter((one) => !one.complete || !one.naturalWidth).map((one) => one.src),
        dollars: document.body.innerText.includes("$$"),
        letters: Math.min(...[...document.querySelectorAll("article p")].map(
            (one) => parseFloat(getComputedStyle(one).fontSize))),
        wide: wide.map((one) => one.outerHTML.slice(0, 200)),
    };
})()"""


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium on the PATH: apt-get install chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_every_page_on_a_projector_and_on_a_phone(whole, width):
    folder, pages, _ = whole
    with browser.Browser() as tab:
        for name in sorted(pages):
            tab.open(folder / name, width=width)
            seen = tab.ask(LOOK)
            assert not tab.errors, f"{name}: {tab.errors}"
            assert not [asked for asked in tab.asked if not asked.startswith(("file:", "data:"))], name
            assert not seen["missing"] and not seen["dollars"], f"{name}: {seen}"
            assert seen["width"] <= width and not seen["wide"], f"{name}: {seen}"
            assert seen["letters"] is None or seen["letters"] >= 12, f"{name}: {seen}"


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium on the PATH: apt-get install chromium")
def test_the_browser_sees_what_is_wrong_with_a_page(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<!DOCTYPE html><meta name='viewport' content='width=device-width'><article>"
        "<p style='font-size: 5px'>$$ x $$</p><p style='width: 900px'>wide</p>"
        "<img src='none.png'><script>no()</script></article>"
    )
    with browser.Browser() as tab:
        tab.open(page, width=390)
        seen = tab.ask(LOOK)
    for wrong in ("no is not defined", "none.png"):
        assert any(wrong in said for said in tab.errors), wrong
    assert seen["missing"] and seen["dollars"] and seen["wide"] and seen["width"] > 390 and seen["letters"] == 5


# -- a made-up one's ----------------------------------------------------------------------------------
@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with our settings for Sphinx and an index of two lines."""
    monkeypatch.delenv("KT_RUNS", raising=False)
    monkeypatch.setattr(inventory, "pages", dict)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.md", "__pycache__"))
    (tmp_path / "docs/index.md").write_text("# Here\n\n<!-- notebooks -->\n")
    return tmp_path


def built(root):
    index = site.build("pocket", root)
    assert index == root / "runs/pocket/site/index.html"
    return read(index.parent)


def test_an_executed_notebook_is_shown_with_its_outputs_and_one_that_was_not_run_says_so(root):
    first = write_notebook(root, "01_first", "1 + 1")
    write_notebook(root, "02_second", "2 + 2")
    write_notebook(root, "03_paper", "3 + 3", kt={"scales": ["paper"]})
    assert "Nothing was run at pocket scale" in words(built(root)["index.html"])
    node = nbformat.read(first, as_version=4)
    node.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}}
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}}
    node.cells[1].outputs = [
        nbformat.v4.new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>", **widget}),
        nbformat.v4.new_output("display_data", {"text/plain": "0 % of a bar", **widget}),
        nbformat.v4.new_output("display_data", {"text/latex": "$\\alpha$", "text/plain": "<Math>"}),
        nbformat.v4.new_output("stream", name="stdout", text="said aloud"),
    ]
    injected = nbformat.v4.new_code_cell("seed = 7", metadata={"tags": ["injected-parameters"]}, id="injected")
    node.cells.insert(1, injected)
    copy = root / "runs/pocket/01_first.ipynb"
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(node, copy)
    pages = built(root)
    shown = pages["01_first.html"].find("article")
    (picture,) = shown.find_all("img")
    file = root / "runs/pocket/site" / picture["src"]
    assert base64.b64encode(file.read_bytes()).decode() == PIXEL
    assert shown.find("math").get_text() == "α"
    assert "said aloud" in words(shown)
    for word in ("of a bar", "<Figure>", "seed = 7", "not run yet"):
        assert word not in words(shown), word
    assert "not run yet, so shown without outputs" in words(pages["index.html"])
    assert "Nothing was run" not in words(pages["index.html"])
    assert "03_paper.html" not in pages
    write_notebook(root, "01_first", "1 + 3")
    assert "has changed since this run" in words(built(root)["index.html"])


def test_a_notebook_that_opens_with_a_heading_says_below_it_that_it_was_not_run(root):
    cells = [
        nbformat.v4.new_markdown_cell("# A title\n\n**In one sentence.** It is so.\n\n$$\\alpha < 1$$ costs $5"),
        nbformat.v4.new_markdown_cell("<details><summary>Hint</summary>\n\nLook at `x`, *twice*.\n\n</details>"),
        nbformat.v4.new_markdown_cell(
            "1. Is it?\n\n   <details><summary>An answer</summary>\n\n   *Yes*.\n\n   </details>\n\n2. No?"
        ),
    ]
    (root / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "notebooks/01_first.ipynb")
    pages = built(root)
    page = pages["01_first.html"].find("article")
    assert page.find("h1").get_text().startswith("A title")
    assert "01_first.ipynb not run yet, so shown without outputs" in words(page.find(class_="note"))
    assert len(page.find_all("math")) == 1 and "costs $5" in words(page)
    assert [folded.find("em").get_text() for folded in page.find_all("details")] == ["twice", "Yes"]
    asked = page.find("ol").find_all("li", recursive=False)
    assert len(asked) == 2 and asked[0].find("details") and not asked[1].find("details")
    assert "A title It is so." in words(pages["index.html"])


def test_a_term_that_a_notebook_links_leads_to_its_own_place_in_the_glossary(root):
    """By the anchor that GitHub gives a heading, which is what the repository's own links count on."""
    shutil.copyfile(ROOT / "docs/glossary.md", root / "docs/glossary.md")
    heads = re.findall(r"^### (.+)$", (root / "docs/glossary.md").read_text(encoding="utf-8"), re.M)
    anchors = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads]
    links = [f"- [{head}](../docs/glossary.md#{anchor})" for head, anchor in zip(heads, anchors, strict=True)]
    cell = nbformat.v4.new_markdown_cell("\n".join(["# Words", "", *links]))
    (root / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), root / "notebooks/01_first.ipynb")
    pages = built(root)
    found = {link.get_text(): link["href"] for link in pages["01_first.html"].select("article li a")}
    assert len(heads) > 50
    for head in heads:
        page, _, fragment = found[head].partition("#")
        assert page == "glossary.html", head
        place = pages[page].find(id=fragment)
        assert place and place.find(re.compile("^h[1-6]$")).get_text().startswith(head), head


def test_the_results_of_the_run_are_shown_in_place_of_the_committed_ones(root, capsys):
    text = "# One\n\n[R](../RESULTS.md#k1) ![f](../figures/pocket/f.png) [code](../model.py) [gone](09_gone.ipynb)"
    (root / "notebooks").mkdir()
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    nbformat.write(node, root / "notebooks/01_first.ipynb")
    table = "results/pocket/kt_tab_1.md"
    files = {
        "RESULTS.md": f'# Committed\n\n| | |\n|---|---|\n| <a id="k1"></a>K1 | [Tab. 1]({table}#a-b) |\n',
        table: "# T\n\n## A, b\n\n`[no](link.md)`\n\n[back](../../RESULTS.md#k1)\n",
        "model.py": "x = 1\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "figures/pocket").mkdir(parents=True)
    (root / "figures/pocket/f.png").write_bytes(base64.b64decode(PIXEL))
    pages = built(root)
    hrefs = {
        name: {link["href"] for link in page.find("article").find_all("a", href=True)} for name, page in pages.items()
    }
    assert "results/kt_tab_1.html#a-b" in hrefs["RESULTS.html"]
    assert pages["RESULTS.html"].find(id="k1") and pages["results/kt_tab_1.html"].find(id="a-b")
    assert "../RESULTS.html#k1" in hrefs["results/kt_tab_1.html"]
    assert "[no](link.md)" in words(pages["results/kt_tab_1.html"])
    first = pages["01_first.html"].find("article")
    assert "RESULTS.html#k1" in hrefs["01_first.html"]
    assert (root / "runs/pocket/site" / first.find("img")["src"]).read_bytes() == base64.b64decode(PIXEL)
    (code,) = [to for to in hrefs["01_first.html"] if to.endswith("model.py")]
    assert (root / "runs/pocket/site" / code).read_text() == "x = 1\n"
    assert first.find(class_="absent").get_text() == "gone"
    assert capsys.readouterr().out == "01_first.ipynb: 09_gone.ipynb is not there, so it is named without a link\n"
    (root / "runs/pocket/RESULTS.md").write_text("# Of this run\n")
    pages = built(root)
    assert "Of this run" in words(pages["RESULTS.html"].find("article"))
    assert pages["01_first.html"].find("article").find("a", href="RESULTS.html#k1")
    assert "results/kt_tab_1.html" not in pages  # an earlier run's


def test_a_build_that_fails_leaves_the_pages_that_were_there(root, monkeypatch):
    folder = root / "runs/pocket/site"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("before")

    def fail(sources, pages):
        raise RuntimeError("no")

    monkeypatch.setattr(site, "render", fail)
    with pytest.raises(RuntimeError, match="no"):
        site.build("pocket", root)
    assert [path.name for path in folder.parent.iterdir()] == ["site"]
    assert (folder / "index.html").read_text() == "before"


def test_a_repository_without_the_documents_says_what_it_lacks(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected conf.py and index.md in .*docs, found none; restore"):
        site.build("pocket", tmp_path)


# -- formulas -----------------------------------------------------------------------------------------
def test_a_formula_that_cannot_be_drawn_is_shown_as_it_is_written():
    assert formulas.mathml(r"\notacommand{x} < 1") == r'<code class="undrawn">\notacommand{x} &lt; 1</code>'


def test_what_is_varied_stands_below_the_maximum_in_a_formula_of_its_own():
    assert "<munder><mo>max</mo><mi>X</mi></munder>" in formulas.mathml(r"\max_X f", "block")
    assert "<msub><mo>max</mo><mi>X</mi></msub>" in formulas.mathml(r"\max_X f")


def test_every_formula_that_is_written_can_be_drawn():
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
    cells = [cell for path in notebooks.find() for cell in notebooks.read(path).cells]
    texts += [cell["source"] for cell in cells if cell["type"] == "markdown"]
    found = [
        one for text in texts for one in re.findall(r"\$\$(.+?)\$\$|(?<![\w$])\$([^\s$][^$\n]*)\$(?!\d)", text, re.S)
    ]
    assert len(found) > 10
    for block, inline in found:
        assert "undrawn" not in formulas.mathml(block or inline), block or inline

"""The contract every notebook keeps, checked on all that a glob finds."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"(?<![\w.])\d+(\.\d+)? ?(%|percent|points)")  # a result typed into prose

FRAME = ("What the paper", "Questions", "Exercises", "Carry on")  # second-level headings that measure nothing
READERS = {"aloud", "aloud_gains", "say", "verdict_table"}  # of ktlib.companion.teach: what they return is read aloud
TERMS = {  # anchors of docs/glossary.md, and how prose mentions them
    "f_v": r"\$f_V\$",
    "f_t": r"\$f_T\$",
    "α": r"\$\\alpha\$|α",
    "nt-xent": r"NT-Xent",
    "inversion": r"\b[Ii]nver(?:t|ted|ting|sions?)\b",
    "total-variation": r"\b[Tt]otal variation\b",
    "target-accuracy": r"\b[Tt]arget accuracy\b",
    "retention": r"\b[Rr]etention\b",
    "budget": r"\bbudget\b",
    "equal-retention": r"\bequal retention\b",
    "control": r"\b(?<!positive )(?<!noise )[Cc]ontrols?\b",
    "noise-control": r"\b[Nn]oise (?:images|pictures|control)\b|\*\*noise\*\*",
    "positive-control": r"\bpositive control\b",
    "held-out": r"\bheld[- ]out\b|\bvalidation\b",
    "fold": r"\bfolds?\b",
    "interval": r"\bintervals?\b",
    "margin": r"\bmargins?\b",
    "arm": r"\barms?\b",
    "verdict": r"\bverdicts?\b",
    "modality-gap": r"\bmodality gap\b",
    "cycle-consistency": r"\b[Cc]ycle consistency\b",
    "linear-aligner": r"\bLinear Aligner\b",
    "least-squares": r"\b[Ll]east squares\b",
}
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def cells(path, kind):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


@every_notebook
def test_there_are_notebooks(path):
    assert re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem)


@every_notebook
def test_it_is_committed_without_outputs_and_with_cell_ids(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)
    for cell in cells(path, "code"):
        assert cell.outputs == []
        assert cell.execution_count is None


@every_notebook
def test_parameters_are_typed_literals_with_a_comment(path):
    (cell,) = [c for c in cells(path, "code") if "parameters" in c.metadata.get("tags", [])]
    tree = ast.parse(cell.source)
    names = []
    for statement, line in zip(tree.body, cell.source.splitlines(), strict=True):
        assert isinstance(statement, ast.AnnAssign), line
        ast.literal_eval(statement.value)
        assert "  # " in line, f"say what it is: {line}"
        names.append(statement.target.id)
    assert {"scale", "seed"} <= set(names)


@every_notebook
def test_no_code_that_belongs_in_the_library(path):
    for cell in cells(path, "code"):
        assert not re.search(
            r"^\s*(def|class) \w|^\s*[!%]|sys\.path|(?<!\w)/(home|root|work|tmp|Users)/", cell.source, re.M
        )
        ast.parse(cell.source)


@every_notebook
def test_cells_are_short(path):
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= 15, cell.source


@every_notebook
def test_no_result_is_typed_into_prose(path):
    for cell in cells(path, "markdown"):
        assert not NUMBER.search(cell.source), f"{NUMBER.search(cell.source).group()!r} in:\n{cell.source}"


@every_notebook
def test_it_teaches_from_claim_to_verdict(path):
    prose = "\n".join(c.source for c in cells(path, "markdown"))
    for heading in (
        "# ",
        "## What the paper",
        "## Verdict",
        "## Questions",
        "## Exercises",
        "## Carry on",
        "**References.**",
    ):
        assert heading in prose, f"{path.stem} has no {heading!r}"
    for word in ("In one sentence", "Paper items", "Time", "Data", "You will learn"):
        assert word in cells(path, "markdown")[0].source


QUESTION = re.compile(r"^\d+\. .+(?:\n(?!\d+\. ).*)*", re.M)  # an entry of a numbered list, with all that belongs to it
FOLDED = re.compile(r"^   <details><summary>.+</summary>\n\n(?:   .+\n|\n)+?   </details>$", re.M)


def unanswered(text):
    """Entries of the numbered lists of a text below which nothing is folded."""
    return [one.group()[:60] for one in QUESTION.finditer(text) if not FOLDED.search(one.group())]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_question_has_a_folded_answer(path):
    (prose,) = [c.source for c in cells(path, "markdown") if re.search("^## Questions", c.source, re.M)]
    asked = re.split(r"^## ", prose.partition("## Questions")[2], flags=re.M)[0]
    assert len(QUESTION.findall(asked)) >= 3
    assert unanswered(asked) == []


def test_every_argument_has_its_sides_folded_below_it():
    text = (ROOT / "docs/moderator.md").read_text(encoding="utf-8")
    asked = re.split(r"^## ", text.partition("## Three questions")[2], flags=re.M)[0]
    assert len(QUESTION.findall(asked)) == 3
    assert unanswered(asked) == []


def test_a_question_without_an_answer_is_found():
    folded = "   <details><summary>An answer</summary>\n\n   Yes.\n\n   </details>"
    assert unanswered(f"1. Is it?\n\n{folded}\n\n2. Or is it not?\n") == ["2. Or is it not?\n"]
    assert unanswered(f"1. Is it?\n\n{folded.strip()}\n") != []  # outside the list, which it would end


@every_notebook
def test_it_declares_what_it_reads_and_writes(path):
    declared = nbformat.read(path, as_version=4).metadata["kt"]
    assert declared.keys() >= {"scales", "reads", "writes"}


def sections(notebook):
    """The cells of each second-level section that measures something, by its heading."""
    found, title = {}, ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found.setdefault(title, []).append(cell)
        elif headings := re.findall(r"^## (.+)$", cell.source, re.M):
            title = headings[-1]
    return {title: own for title, own in found.items() if title and not title.startswith(FRAME)}


def is_read_aloud(node):
    """Whether an expression gives a sentence that was put together from what was computed."""
    if isinstance(node, ast.IfExp):
        return is_read_aloud(node.body) and is_read_aloud(node.orelse)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in READERS


def unread(notebook):
    """Headings of sections whose last computed thing is no sentence; a guess is asked for and computes nothing."""
    silent = []
    for title, own in sections(notebook).items():
        *_, last = [cell for cell in own if not cell.source.startswith("guess = ")]
        end = ast.parse(last.source).body[-1]
        if not (isinstance(end, ast.Expr) and is_read_aloud(end.value)):
            silent.append(title)
    return silent


def unlinked(notebook):
    """Terms that are mentioned before there is a link to the glossary, with the end of the line that mentions them.

    The first cell is left out: it is the abstract, and stands in the list of notebooks too. So are headings, tables,
    code and formulas.
    """
    prose = "\n".join(cell.source for cell in notebook.cells[1:] if cell.cell_type == "markdown")
    prose = re.sub(
        r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|^#[^\n]*$|^\|[^\n]*$|<summary>.*?</summary>", " ", prose, flags=re.S | re.M
    )
    missing = []
    for anchor, mention in TERMS.items():
        link = re.compile(rf"\[[^]]*\]\(\.\./docs/glossary\.md#{anchor}\)")
        others = re.compile(rf"\[[^]]*\]\(\.\./docs/glossary\.md#(?!{anchor}\))[^)]*\)")
        text = others.sub(lambda match: " " * len(match[0]), prose)
        first, linked = re.search(mention, text), link.search(text)
        if first and not (linked and linked.start() <= first.start()):
            line = text[: first.end()].rpartition("\n")[2][-60:]
            missing.append(f"{anchor}: …{line}")
    return missing


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_term_leads_to_the_glossary_where_it_is_first_used(path):
    assert unlinked(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize(
    ("prose", "missing"),
    [
        ("The [budget](../docs/glossary.md#budget) is a budget.", []),
        ("A budget, see [budget](../docs/glossary.md#budget).", ["budget"]),
        ("[Uniform noise](../docs/glossary.md#noise-control), then noise images.", []),
        ("At [equal retention](../docs/glossary.md#equal-retention).", []),
        ("A [control](../docs/glossary.md#verdict).", []),
        ("A `budget` and\n\n## The budget\n\n| budget |\n\n$$budget$$\n\nA verdict.", ["verdict"]),
        ("A positive control.", ["positive-control"]),
        ("Freeze $f_T$.", ["f_t"]),
    ],
)
def test_a_term_without_its_link_is_found(prose, missing):
    cells = [nbformat.v4.new_markdown_cell("# A title about a verdict"), nbformat.v4.new_markdown_cell(prose)]
    assert [said.split(":")[0] for said in unlinked(nbformat.v4.new_notebook(cells=cells))] == missing


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_section_ends_in_a_sentence_that_is_read_aloud(path):
    notebook = nbformat.read(path, as_version=4)
    assert len(sections(notebook)) >= 4
    assert unread(notebook) == []


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("say('so many')", True),
        ("x = 1\naloud(x) if x else say('nothing')", True),
        ("aloud(x) if x else None", False),
        ("say('so many')\nx", False),
        ("if x:\n    say('so many')", False),
        ("print('so many')", False),
    ],
)
def test_a_section_that_ends_in_silence_is_found(source, reads):
    cells = [
        nbformat.v4.new_markdown_cell("## What the paper reports"),
        nbformat.v4.new_code_cell("x = 0"),
        nbformat.v4.new_markdown_cell("Some words.\n\n## 1 A claim\n\nMore."),
        nbformat.v4.new_code_cell(source),
        nbformat.v4.new_code_cell("guess = None  # how many?"),
    ]
    assert unread(nbformat.v4.new_notebook(cells=cells)) == ([] if reads else ["1 A claim"])


@every_notebook
def test_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", cell.source):
            assert (path.parent / target).exists(), target

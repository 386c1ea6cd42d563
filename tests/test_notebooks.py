"""The contract every notebook keeps, checked on all that a glob finds."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"(?<![\w.])\d+(\.\d+)? ?(%|percent|points)")  # a result typed into prose

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def cells(path, kind):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def test_there_are_notebooks(path):
    assert re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem)


def test_it_is_committed_without_outputs_and_with_cell_ids(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)
    for cell in cells(path, "code"):
        assert cell.outputs == []
        assert cell.execution_count is None


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


def test_no_code_that_belongs_in_the_library(path):
    for cell in cells(path, "code"):
        assert not re.search(
            r"^\s*(def|class) \w|^\s*[!%]|sys\.path|(?<!\w)/(home|root|work|tmp|Users)/", cell.source, re.M
        )
        ast.parse(cell.source)


def test_cells_are_short(path):
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= 15, cell.source


def test_no_result_is_typed_into_prose(path):
    for cell in cells(path, "markdown"):
        assert not NUMBER.search(cell.source), f"{NUMBER.search(cell.source).group()!r} in:\n{cell.source}"


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


def test_it_declares_what_it_reads_and_writes(path):
    declared = nbformat.read(path, as_version=4).metadata["kt"]
    assert declared.keys() >= {"scales", "reads", "writes"}


def test_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", cell.source):
            assert (path.parent / target).exists(), target

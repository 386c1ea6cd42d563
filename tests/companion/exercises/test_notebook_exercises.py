"""Every exercise of every notebook: its stub fails and stops nothing, its folded solution passes."""

import ast
import re

import nbformat
import pytest

from ktlib.companion import exercises
from ktlib.places import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CALL = re.compile(r'check\("(\w+)", (\w+)\)')


def found(path):
    """Name of each exercise -> its stub, and the Markdown that follows."""
    cells = nbformat.read(path, as_version=4).cells
    own = {}
    for cell, after in zip(cells, [*cells[1:], nbformat.v4.new_markdown_cell()], strict=True):
        if "exercise" in cell.metadata.get("tags", []):
            name = CALL.search(cell.source)[1]
            assert name not in own, f"{path.stem}: {name} stands twice"
            own[name] = (cell.source, after.source if after.cell_type == "markdown" else "")
    return own


EXERCISES = [
    pytest.param(path.stem[:2], stub, after, id=f"{path.stem}-{name}")
    for path in NOTEBOOKS
    for name, (stub, after) in found(path).items()
]


def asked(number, stub, change=""):
    """What `check` says of a stub, after other code has been run in between."""
    *body, last = ast.parse(stub).body
    names = {"check": exercises.sheet(number)}
    exec(compile(ast.Module(body, []), "stub", "exec"), names)
    exec(change, names)
    return eval(compile(ast.Expression(last.value), "check", "eval"), names)


@pytest.mark.parametrize(("number", "stub", "after"), EXERCISES)
def test_the_stub_fails_and_stops_nothing(number, stub, after):
    assert asked(number, stub) == exercises.Checked(False, "**Not answered yet.**")


@pytest.mark.parametrize(("number", "stub", "after"), EXERCISES)
def test_the_folded_solution_passes(number, stub, after):
    folded = re.findall(r"<details>\s*<summary>(\w+)</summary>(.*?)</details>", after, re.S)
    assert [name for name, _ in folded] == ["Hint", "Solution"]
    (solution,) = re.findall(r"```python\n(.*?)```", folded[1][1], re.S)
    said = asked(number, stub, solution)
    assert said.passed, said.said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_the_exercises_of_its_sheet_and_at_least_two(path):
    assert tuple(found(path)) == exercises.names(path.stem[:2])
    assert len(found(path)) >= 2

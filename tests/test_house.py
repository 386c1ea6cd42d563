"""The house keeps its layers: who may import whom, what files may be called, and that imports stand at the top."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "ktlib").rglob("*.py"))
}
# From the ground up; a room may import from rooms below it. Rooms of one line do not know each other.
LAYERS = [
    (
        "ktlib.places",
        "ktlib.store",
        "ktlib.bounds",
        "ktlib.losses",
        "ktlib.augment",
        "ktlib.linear_maps",
        "ktlib.memory",
    ),
    ("ktlib.data",),
    ("ktlib.models",),
    ("ktlib.inversion", "ktlib.transfer", "ktlib.zoom_shot"),
    ("ktlib.captioning",),
    ("ktlib.evaluate",),
    ("ktlib.pocket",),
    ("ktlib.pocket.training",),
    ("ktlib.companion.scales", "ktlib.companion.parcels"),
    ("ktlib.companion.sources", "ktlib.companion.record", "ktlib.companion.cells"),
    ("ktlib.companion.studies", "ktlib.companion.plots"),
    ("ktlib.companion.teach", "ktlib.companion.exercises", "ktlib.companion.report"),
    ("ktlib.companion.sliders",),
    ("ktlib.companion.outputs", "ktlib.companion.own", "ktlib.companion.doctor", "ktlib.companion.asked"),
    ("ktlib.companion.execution", "ktlib.companion.progress", "ktlib.companion.lab"),
    ("ktlib.companion.runs",),
    ("ktlib.companion.rounding", "ktlib.companion.run_all"),
    ("ktlib.__main__",),
]
FREE = {
    "ktlib.places",
    "ktlib.store",
    "ktlib.bounds",
    "ktlib.memory",
}  # everybody of the ground floor may
# Some rooms may look at less than all that lies below them.
ONLY = {
    "ktlib.pocket": ("ktlib.pocket", "ktlib.data.sets", "ktlib.store", "ktlib.places"),
    "ktlib.companion.plots": (
        "ktlib.companion.plots", "ktlib.companion.record", "ktlib.evaluate.intervals", "ktlib.evaluate.retrieval",
        "ktlib.store", "ktlib.places",
    ),
}  # fmt: skip


def imports(path):
    """Every module of ktlib that a file imports, and the lines of imports inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    found, inside = set(), []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{package}: relative import in line {node.lineno}"
            found |= {name if (name := f"{node.module}.{a.name}") in MODULES else node.module for a in node.names}
    for function in functions:
        inside += [node.lineno for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name for name in found if name.split(".")[0] == "ktlib"}, sorted(set(inside))


def room(module):
    """The most special room that a module stands in, and its floor."""
    places = [(name, floor) for floor, names in enumerate(LAYERS) for name in names]
    fitting = [(name, floor) for name, floor in places if module == name or module.startswith(f"{name}.")]
    assert fitting, f"{module} stands in no room: add it to LAYERS, or move it"
    return max(fitting, key=lambda place: len(place[0]))


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ("ktlib", "ktlib.companion")])
def test_a_room_imports_only_from_rooms_below(module):
    own, floor = room(module)
    for wanted in imports(MODULES[module])[0] - {"ktlib", "ktlib.companion"}:
        other, below = room(wanted)
        if other == own or other in FREE:
            continue
        assert below < floor, f"{module} (floor {floor}) imports {wanted} (floor {below})"
        if own in ONLY:
            assert wanted.startswith(ONLY[own]), f"{module} imports {wanted}; it may import {', '.join(ONLY[own])}"


def test_no_study_imports_another():
    for module, path in MODULES.items():
        if match := re.match(r"ktlib\.companion\.studies\.(\w+)\.", f"{module}."):
            own = match.group(1)
            for wanted in imports(path)[0]:
                other = re.match(r"ktlib\.companion\.studies\.(\w+)", wanted)
                assert not other or other.group(1) in (own, "bench", "subjects", "walks"), f"{module} imports {wanted}"


def test_tables_do_not_import_claims():
    for module, path in MODULES.items():
        if module.startswith("ktlib.companion.studies.") and not module.endswith(".claims"):
            wanted = {name for name in imports(path)[0] if name.endswith(".claims")}
            assert not wanted, f"{module} imports {wanted}"


def test_the_package_imports_nothing_of_the_companion():
    for module in ("ktlib", "ktlib.evaluate", "ktlib.models"):
        assert not any(name.startswith(("ktlib.companion", "ktlib.pocket")) for name in imports(MODULES[module])[0])


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top_unless_they_say_why(module):
    """A heavy import that few callers need may stand in a function, with its reason in a comment on its line."""
    path = MODULES[module]
    lines = path.read_text(encoding="utf-8").splitlines()
    for number in imports(path)[1]:
        assert "  # " in lines[number - 1] or lines[number - 2].lstrip().startswith("# "), f"{path.name}:{number}"


@pytest.mark.parametrize("module", MODULES)
def test_a_file_is_named_for_its_room_and_short_enough_to_be_read(module):
    path = MODULES[module]
    assert not path.stem.endswith(("_pairs", "_zoom_shot", "_vilt")), "a suffix in place of a room"
    assert path.stem not in ("utils", "helpers", "common", "misc"), "a name that says nothing"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, "over 400 lines: two rooms?"


def test_there_are_notebooks_to_check():
    """The contract of the notebooks is checked on all that a glob finds: it must find some."""
    assert len(list((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))) >= 5


@pytest.mark.parametrize("module", MODULES)
def test_texts_are_opened_with_an_encoding(module):
    """Without one the locale decides, and the same file reads otherwise on another machine."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        whose = getattr(getattr(node.func, "value", None), "id", "")
        given = {keyword.arg for keyword in node.keywords}
        modes = [a.value for arg in node.args for a in ast.walk(arg) if isinstance(a, ast.Constant)]
        binary = name == "open" and any(mode in ("rb", "wb", "ab", "r+b") for mode in modes)
        if (
            whose in ("store", "Image", "os", "tarfile")
            or binary
            or (name == "write_text" and isinstance(node.func, ast.Name))
        ):
            continue  # the store's is always UTF-8
        if name in ("read_text", "write_text", "open") or {"text", "capture_output"} <= given:
            assert "encoding" in given, f"{module}, line {node.lineno}: {name} without encoding"

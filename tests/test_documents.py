"""What README, CONTRIBUTING and REPRODUCING say is so."""

import dataclasses
import importlib
import re

import pytest

from ktlib.companion import scales
from ktlib.companion.report import artifact, page, shelf
from ktlib.places import ROOT

README = (ROOT / "README.md").read_text()
REPRODUCING = (ROOT / "REPRODUCING.md").read_text()


# -- the README ---------------------------------------------------------------------------------------
def test_the_lines_a_user_writes_run(tmp_path, monkeypatch):
    """With half of the steps: whether they run does not depend on how many. In a folder without anything."""
    monkeypatch.chdir(tmp_path)
    here = scales.SCALES["pocket"]
    quick = dataclasses.replace(here.clip.inversion, steps=20, sizes=((0, 64),))
    small = dataclasses.replace(here, clip=dataclasses.replace(here.clip, inversion=quick))
    monkeypatch.setitem(scales.SCALES, "pocket", small)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    lines = code.strip().splitlines()
    last = lines[-1].partition("  #")[0]
    assert last.startswith("print(ktlib.evaluate.zero_shot")
    lines[-1] = f"ranked = {last.removeprefix('print(').removesuffix(')')}"
    names: dict = {}
    exec("\n".join(lines), names)
    assert len(names["found"].images[0]) == 10
    assert len(names["ranked"]) == 4
    assert all(len(row) == 3 for row in names["ranked"])


def test_the_readme_is_short_and_opens_with_the_figure_the_commands_and_an_example():
    assert len(README.splitlines()) < 110
    places = [README.index(part) for part in ("![", "./run_all.sh", "import ktlib", "## ")]
    assert places == sorted(places)


def test_the_hero_shows_no_single_concept():
    """One that the model knew before would prove nothing; the trade-off is over all concepts of the test."""
    first = re.search(r"!\[[^]]*\]\(([^)]*)\)", README)
    assert first and first[1] == "figures/pocket/kt_tab_1.png"


def test_what_the_readme_says_of_results_is_what_the_rows_say():
    known = {name: shelf.committed(name) for name in page.SHOWN}
    assert page.with_verdicts(README, known) == README, "run `python -m ktlib report`"


def test_outside_the_verdicts_the_readme_names_no_outcome():
    said = page.VERDICTS.sub("", README)
    for word in ("beats", "fails to", "holds", "does not hold", "inconclusive", "costs retention", "outperform"):
        assert word not in said, word


# -- links and names ----------------------------------------------------------------------------------
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "benchmarks").glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_linked_file_exists(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_every_test_that_a_document_names_is_there():
    named = 0
    for path in DOCUMENTS:
        file = ""
        for one in re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", path.read_text(encoding="utf-8")):
            if one.startswith("tests/"):
                file = (ROOT / one).read_text(encoding="utf-8")
            else:
                assert f"def {one}(" in file, f"{path.name}: {one}"
                named += 1
    assert named > 50


def test_every_equation_has_its_code_and_a_test_and_both_exist():
    """That the tests exist is looked at above, with those of all documents."""
    text = (ROOT / "docs/equations.md").read_text(encoding="utf-8")
    lines = [line for line in re.findall(r"^\| (.*) \|$", text, re.M) if "`" in line]
    assert len(lines) > 25
    for line in lines:
        equation, _, code, shown = line.split(" | ")
        (name,) = re.findall(r"`ktlib\.([\w.]+)`", code)
        assert exists(name), f"{equation}: ktlib.{name}"
        assert re.search(r"`tests/[\w/]+\.py`: `test_\w+`", shown), equation
        assert all(cited in decisions() for cited in re.findall(r"\bD\d+\b", equation)), equation
    for number in range(1, 7):
        assert re.search(rf"^\| KT Eq\. (\d, )*{number}\b", text, re.M), f"KT Eq. {number}"
    for number in range(1, 9):
        mapped = re.findall(r"^\| ZS Eq\. (\d)(?:(?:, | to )(\d))?", text, re.M)
        assert any(int(first) <= number <= int(last or first) for first, last in mapped), f"ZS Eq. {number}"


def test_words_that_are_linked_are_in_the_glossary():
    heads = re.findall(r"^### (.+)$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.M)
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    assert {"f_v", "f_t", "α", "nt-xent", "retention", "budget", "control", "positive-control"} <= anchors
    linking = [*DOCUMENTS, *(ROOT / "notebooks").glob("*.ipynb")]
    for path in linking:
        for word in re.findall(r"glossary\.md#([^)\s]+)\)", path.read_text(encoding="utf-8")):
            assert word in anchors, f"{path.name}: {word}"


def exists(name):
    """Whether a file of the package, or a name in one of its modules, exists."""
    if "/" in name or name.endswith(".py"):
        return (ROOT / "ktlib" / name).exists()
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        module = ROOT.joinpath("ktlib", *parts[:cut])
        if module.is_dir() or module.with_suffix(".py").exists():
            found = importlib.import_module(".".join(["ktlib", *parts[:cut]]))
            for part in parts[cut:]:
                if not hasattr(found, part):
                    return False
                found = getattr(found, part)
            return True
    return False


def decisions():
    """The decisions by number, each with the cells of its line."""
    lines = re.findall(r"^\| (D\d+) \| (.*) \|$", REPRODUCING, re.M)
    return {number: re.split(r"(?<!\\) \| ", rest) for number, rest in lines}


def test_every_decision_says_where_it_is_carried_out_and_that_exists():
    for number, cells in decisions().items():
        named = re.findall(r"`([^`]+)`", cells[-1])
        assert named or cells[-1] == "–", f"{number}: {cells[-1]}"
        for name in named:
            assert exists(name), f"{number}: {name}"


def test_every_module_that_reproducing_names_exists():
    for name in re.findall(r"`(ktlib/[\w./]+)`", REPRODUCING):
        assert (ROOT / name).exists(), name


def test_decisions_are_numbered_without_a_gap():
    assert list(decisions()) == [f"D{number}" for number in range(1, len(decisions()) + 1)]


def test_every_decision_stands_beside_the_tables_that_rest_on_it():
    """A new one belongs into `DECISIONS` or `DRAWN` of `report/artifact.py`."""
    placed = artifact.cited(" ".join([*artifact.DECISIONS.values(), artifact.DRAWN]))
    assert set(placed) == {number for number, cells in decisions().items() if cells[-1] != "–"}
    assert artifact.cited("D1 to D3, D7") == ["D1", "D2", "D3", "D7"]


def test_every_decision_that_code_cites_is_written_down():
    for path in (ROOT / "ktlib").rglob("*.py"):
        for cited in re.findall(r"\bD\d+\b", path.read_text()):
            assert cited in decisions(), f"{path.name} cites {cited}"


def test_every_table_of_a_document_has_a_head_and_even_lines():
    for path in DOCUMENTS:
        for block in re.findall(r"(?:^\|.*\|\n?)+", path.read_text(), re.M):
            lines = [re.split(r"(?<!\\)\|", line.strip()) for line in block.strip().splitlines()]
            assert len(lines) > 1 and all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in lines[1][1:-1]), block[:200]
            assert len({len(line) for line in lines}) == 1, f"{path.name}: {block[:200]}"


def test_every_room_that_contributing_names_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    text = text[text.index("## Where things are") : text.index("## What a new thing touches")]
    for name in re.findall(r"`((?:ktlib/|companion/|pocket/|evaluate/|models/|data/)[\w./]*|\w+\.py)`", text):
        assert (ROOT / "ktlib" / name.removeprefix("ktlib/")).exists(), name


def test_paths_of_the_map_in_the_readme_exist():
    code = re.search(r"## What is where\n\n```\n(.*?)```", README, re.S)
    assert code
    for line in code[1].splitlines():
        own = line.split("  ")[0] if not line.startswith(" ") else None
        names = [own] if own else re.findall(r"\b\w+\.py\b|\b\w+/", line[:20])
        for name in names:
            for part in name.split():
                assert (ROOT / part).exists() or (ROOT / "ktlib" / part).exists(), part

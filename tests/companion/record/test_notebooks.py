"""What notebooks declare, and the globs they declare it with."""

import json

import pytest

from ktlib.companion.record import notebooks
from tests.companion.tiny_notebooks import write_notebook


def test_a_declaration_is_read_whole(tmp_path):
    kt = {"scales": ["pocket"], "reads": ["results/a.csv"], "writes": ["results/b.csv"], "sometimes": ["figures/c.png"]}
    kt["needs"] = {"datasets": ["flickr30k"], "checkpoints": [], "calibration": True}
    path = write_notebook(tmp_path, "01_first", "# # A title", kt=kt)
    found = notebooks.read(path)
    assert (found.scales, found.reads, found.writes) == (("pocket",), ("results/a.csv",), ("results/b.csv",))
    assert found.sometimes == ("figures/c.png",)
    assert found.needs == notebooks.Needs(("flickr30k",), (), True)
    assert notebooks.read(write_notebook(tmp_path, "02_bare", "1")).needs is None


def test_a_declaration_that_nobody_reads_is_refused(tmp_path):
    path = write_notebook(tmp_path, "01_first", "1", kt={"write": ["results/a.csv"]})
    with pytest.raises(ValueError, match="01_first.*found write"):
        notebooks.read(path)


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"datasets": ["cub_200"], "optional": ["cats"]}, "optional datasets among the needed ones, found cats"),
        ({"datasets": "cub_200"}, "expected lists of texts in `needs`, found another datasets"),
        ({"datasets": ["cub_200"], "optional": [["cub_200"]]}, "found another optional"),
        ({"checkpoints": 3}, "found another checkpoints"),
        ({"datasets": None}, "found another datasets"),
        ({"optonal": []}, "expected `needs` of datasets, optional, checkpoints and calibration, found .*optonal"),
        (["cub_200"], "expected `needs` of datasets"),
        (None, "expected `needs` of datasets"),
        ({"calibration": "no"}, "expected true or false for `calibration` in `needs`, found 'no'"),
    ],
)
def test_needs_that_nobody_understands_are_refused(tmp_path, needs, said):
    path = write_notebook(tmp_path, "01_first", "1", kt={"needs": needs})
    with pytest.raises(ValueError, match=f"01_first.*{said}"):
        notebooks.read(path)


def test_titles_and_answers_are_those_of_the_first_cells():
    for path in notebooks.find():
        found = notebooks.read(path)
        assert found.title and found.title != path.stem
        assert found.answer.endswith(".")


def test_the_repositorys_notebooks_say_all_there_is_to_say():
    for path in notebooks.find():
        declared = json.loads(path.read_text(encoding="utf-8"))["metadata"]["kt"]
        assert notebooks.KEYS - {"sometimes", "published"} <= declared.keys(), path.stem
        for name in (*declared["reads"], *declared["writes"], *declared.get("sometimes", ())):
            assert "{scale}" not in name and not name.startswith("/"), name


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("results/pocket/*.csv", "results/pocket/kt_tab_1.csv", True),
        ("results/pocket/*_1.csv", "results/pocket/kt_*.csv", True),
        ("results/**/a.csv", "results/a.csv", True),
        ("results/pocket/[ab].csv", "results/pocket/a.csv", True),
        ("results/pocket/*.csv", "results/paper/*.csv", False),
        ("results/pocket/zs_*.csv", "results/pocket/kt_*.csv", False),
        ("RESULTS.md", "results/RESULTS.md", False),
    ],
)
def test_globs_overlap_when_a_path_could_fit_both(one, other, expected):
    assert notebooks.overlaps(one, other) is notebooks.overlaps(other, one) is expected

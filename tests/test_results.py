"""Rows: written as they are read, sorted, and refused when they do not belong together."""

from dataclasses import replace

import pytest

from ktlib.companion.record import rows as results
from ktlib.companion.record.rows import Row

ROW = Row("KT v2 Tab. 9", "pocket", "pocket", "pocket/clip-b", "moongate", "kt", "lr=0.0002;tv=0", "target_accuracy",
          1 / 3, 0.2, 0.5, 50, 0, "test", "abc", "def")  # fmt: skip


def test_rows_come_back_and_a_rewrite_gives_the_same_bytes(tmp_path):
    rows = [replace(ROW, seed=s, value=s / 4) for s in (2, 0, 1)]
    path = results.write(rows, seconds=1.0, command="./run_all.sh", root=tmp_path)
    assert path.name == "kt_v2_tab_9.csv"
    before = path.read_bytes()
    results.write(rows[::-1], seconds=2.0, command="./run_all.sh", root=tmp_path)
    assert path.read_bytes() == before
    assert results.read("pocket", root=tmp_path) == sorted(rows, key=lambda r: r.seed)
    assert path.with_suffix(".json").exists()


def test_rows_of_two_items_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one item and scale"):
        results.write([ROW, replace(ROW, item="KT Tab. 1")], seconds=0.0, command="", root=tmp_path)
    with pytest.raises(ValueError, match="one item and scale"):
        results.write([], seconds=0.0, command="", root=tmp_path)


def test_foreign_columns_are_named(tmp_path):
    path = results.folder("pocket", tmp_path) / "kt_tab_1.csv"
    path.parent.mkdir(parents=True)
    path.write_text("item,value\nx,1\n")
    with pytest.raises(ValueError, match="kt_tab_1.csv: expected the columns"):
        results.read("pocket", root=tmp_path)


def test_a_scale_never_run_has_no_rows(tmp_path):
    assert results.read("paper", root=tmp_path) == []


def test_what_was_varied_can_be_asked_for():
    assert ROW.varied() == {"lr": "0.0002", "tv": "0"}
    assert ROW.lr() == 0.0002
    assert replace(ROW, setting="").lr() == 0


def test_selection_and_grouping():
    rows = [replace(ROW, concept=c, seed=s, value=v) for c, s, v in (("a", 1, 0.2), ("a", 0, 0.1), ("b", 0, 0.3))]
    assert results.select(rows, concept=("a",), seed=0) == [rows[1]]
    assert results.by_concept(rows) == {"a": [0.1, 0.2], "b": [0.3]}
    with pytest.raises(ValueError, match="two rows for a, seed 1"):
        results.by_concept([rows[0], rows[0]])


def test_the_mean_is_over_concepts_and_seeds():
    rows = [
        replace(ROW, concept=c, seed=s, value=v)
        for c, s, v in (("a", 0, 0.0), ("a", 1, 0.2), ("b", 0, 0.4), ("b", 1, 0.6))
    ]
    assert results.mean(rows).value == pytest.approx(0.3)

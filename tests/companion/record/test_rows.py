"""Rows: written as they are read, sorted, chosen, and refused when they do not belong together."""

from dataclasses import replace

import pytest

from ktlib.companion.record import rows as results
from ktlib.companion.record.rows import parsed, select, written
from tests.rows import row

ROW = row(item="KT v2 Tab. 9", varied="lr=0.0002;tv=0", value=1 / 3, low=0.2, high=0.5)
BASE = row(item="KT v2 Tab. 9", method="base", seed=None, value=0.25)


def as_kept(rows):
    """Six digits."""
    return [replace(r, **{c: float(f"{getattr(r, c):.6g}") for c in ("value", "low", "high")}) for r in rows]


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Nothing published, and a scratch folder of its own."""
    monkeypatch.delenv("KT_OUTPUT", raising=False)
    monkeypatch.setattr(results.places, "output", lambda scale: tmp_path / "scratch" / scale)
    monkeypatch.setattr(results.places, "committed", lambda scale: tmp_path / "published" / scale)


def test_rows_come_back_and_a_rewrite_gives_the_same_bytes(tmp_path):
    changed = row(item="KT v2 Tab. 9", varied="lr=0.0002", over="base", seed=None, value=-0.1, low=-0.2, high=0.0)
    rows = [BASE, changed, *(replace(ROW, seed=s, value=s / 4) for s in (2, 0, 1))]
    path = results.write(rows, seconds=1.0, command="./run_all.sh", folder=tmp_path)
    assert path == tmp_path / "kt_v2_tab_9.csv"
    before = path.read_bytes()
    results.write(rows[::-1], seconds=2.0, command="./run_all.sh", folder=tmp_path)
    assert path.read_bytes() == before
    found = results.read("pocket", folder=tmp_path)
    assert found == [BASE, changed, *(replace(ROW, seed=s, value=s / 4) for s in (0, 1, 2))]
    assert list(found[2].varied) == ["lr", "tv"]
    assert path.with_suffix(".json").exists()


def test_rows_are_kept_with_six_digits(tmp_path):
    results.write([ROW], seconds=0.0, command="", folder=tmp_path)
    assert results.read("pocket", folder=tmp_path) == as_kept([ROW])
    assert "0.333333," in (tmp_path / "kt_v2_tab_9.csv").read_text()


def test_rows_of_two_items_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one item and scale"):
        results.write([ROW, replace(ROW, item="KT Tab. 1")], seconds=0.0, command="", folder=tmp_path)
    with pytest.raises(ValueError, match="one item and scale"):
        results.write([], seconds=0.0, command="", folder=tmp_path)


def test_foreign_columns_are_named(tmp_path):
    (tmp_path / "kt_tab_1.csv").write_text("item,value\nx,1\n")
    with pytest.raises(ValueError, match="kt_tab_1.csv: expected the columns"):
        results.read("pocket", folder=tmp_path)


def test_a_scale_never_run_has_no_rows():
    assert results.read("paper") == results.committed("paper") == []


def test_a_notebook_writes_to_the_scratch_folder_and_never_to_what_is_published(tmp_path):
    path = results.write([BASE], seconds=0.0, command="")
    assert path == tmp_path / "scratch/pocket/results/kt_v2_tab_9.csv"
    assert results.committed("pocket") == []


def test_outside_a_run_scratch_rows_stand_in_the_place_of_published_ones(tmp_path):
    for item in ("KT Tab. 1", "KT v2 Tab. 9"):
        results.write([replace(BASE, item=item)], seconds=0.0, command="", folder=tmp_path / "published/pocket")
    mine = [replace(BASE, item="KT Tab. 1", value=0.75), replace(ROW, item="KT Tab. 1", value=0.5)]
    results.write(mine, seconds=0.0, command="")
    assert results.read("pocket") == [*mine, BASE]
    assert results.read("pocket", "KT v2 Tab. 9") == [BASE]
    assert [r.value for r in results.committed("pocket", "KT Tab. 1")] == [0.25]


def test_inside_a_run_only_its_own_rows_are_read(tmp_path, monkeypatch):
    results.write([BASE], seconds=0.0, command="", folder=tmp_path / "published/pocket")
    monkeypatch.setenv("KT_OUTPUT", str(tmp_path / "scratch/pocket"))
    assert results.read("pocket") == []


def test_what_was_varied_keeps_its_order_and_can_be_asked_for():
    assert written(ROW.varied) == "lr=0.0002;tv=0"
    assert parsed("lr=0.0002;tv=0") == {"lr": "0.0002", "tv": "0"}
    assert parsed("") == {} and written({}) == ""
    assert parsed("rate=of the scaled arm;reading=a=b")["reading"] == "a=b"
    assert (ROW.lr, BASE.lr) == (0.0002, 0)


@pytest.mark.parametrize("varied", [{"a;b": "c"}, {"a=b": "c"}, {"": "c"}, {"a": "b;c"}, {"a": "b\nc"}])
def test_what_could_not_be_read_back_is_not_written(varied):
    with pytest.raises(ValueError, match="expected a name without"):
        written(varied)


def test_half_a_setting_is_refused():
    with pytest.raises(ValueError, match="expected parts such as lr=0.0002, separated by ';', found 'lr'"):
        parsed("lr")


def test_selection_and_grouping():
    rows = [replace(ROW, subject=c, seed=s, value=v) for c, s, v in (("a", 1, 0.2), ("a", 0, 0.1), ("b", None, 0.3))]
    assert select(rows, subject=("a",), seed=0) == [rows[1]]
    assert select(rows, seed=None) == [rows[2]]
    assert select([ROW, BASE], varied={"tv": "0", "lr": "0.0002"}) == [ROW]
    assert select([ROW, BASE], varied={}) == [BASE]
    assert results.by_subject(rows) == {"a": [0.1, 0.2], "b": [0.3]}
    with pytest.raises(ValueError, match="two rows for a, seed 1"):
        results.by_subject([rows[0], rows[0]])


def test_a_metric_alone_means_the_value_and_not_a_difference_in_it():
    rows = [row(metric="tr@1"), row(metric="tr@1", over="base"), row(metric="tr@1", over="noise")]
    assert select(rows, metric="tr@1") == rows[:1]
    assert select(rows, metric="tr@1", over="noise") == rows[2:]
    assert select(rows, method="kt") == rows


def test_rows_can_be_hashed():
    assert len({ROW, replace(ROW), BASE}) == 2


def test_the_mean_is_over_subjects_and_seeds():
    cells = (("a", 0, 0.0), ("a", 1, 0.2), ("b", 0, 0.4), ("b", 1, 0.6))
    rows = [replace(ROW, subject=c, seed=s, value=v) for c, s, v in cells]
    assert results.mean(rows).value == pytest.approx(0.3)
    both = [*rows, *(replace(r, model="l", value=r.value + 0.2) for r in rows)]
    assert results.mean_over_models(both).value == pytest.approx(0.4)


def test_rows_that_somebody_has_edited_are_refused_wherever_they_are_read(tmp_path):
    path = results.write([ROW], seconds=1, command="x", folder=tmp_path)
    assert len(results.read("", folder=tmp_path)) == 1
    path.write_text(path.read_text().replace("0.333333", "0.933333"))
    with pytest.raises(ValueError, match=r"kt_v2_tab_9.csv: expected the rows that were computed, .*somebody has edit"):
        results.read("", folder=tmp_path)


@pytest.mark.parametrize("cell", ["", "many", "0.5,"])
def test_a_row_that_cannot_be_read_names_its_file_and_line(tmp_path, cell):
    path = results.write([ROW], seconds=1, command="x", folder=tmp_path)
    path.with_suffix(".json").unlink()
    path.write_text(path.read_text().replace("0.333333", cell))
    with pytest.raises(ValueError, match=r"kt_v2_tab_9.csv: expected the columns .* found in line 2 something else"):
        results.read("", folder=tmp_path)


def test_minus_one_is_no_seed_for_it_stands_for_none():
    with pytest.raises(ValueError, match="expected a seed of 0 or more, or None, found -1"):
        row(item="KT Tab. 1", seed=-1)

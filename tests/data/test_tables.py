"""Tables of data sets: read whole, or refused with the file's name."""

import numpy as np
import pytest
import scipy.io

from ktlib.data import tables


def test_rows_go_by_the_names_in_the_head_whatever_their_order_and_a_byte_order_mark(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("b,a,c\n1,2,3\n", encoding="utf-8-sig")
    assert tables.rows(file, ("a", "b")) == [{"b": "1", "a": "2", "c": "3"}]
    with pytest.raises(ValueError, match=r"expected the columns a, d in .*a\.csv, found .*; add d"):
        tables.rows(file, ("a", "d"))


def test_spaces_behind_commas_are_passed_over_when_a_file_is_known_to_have_them(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a, b\nx, -1\n")
    assert tables.rows(file, ("a", "b"), padded=True) == [{"a": "x", "b": "-1"}]
    with pytest.raises(ValueError, match="add b"):
        tables.rows(file, ("a", "b"))


def test_comments_and_empty_lines_are_left_out(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("# head\n\none\n  \ntwo\n")
    assert tables.lines(file) == ["one", "two"]


def test_numbered_lines_come_in_any_order_and_once(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("2 b c\n1 a\n")
    assert tables.numbered(file) == {1: "a", 2: "b c"}
    for bad, why in (("1 a\n1 b\n", "a number that occurs twice"), ("x a\n", "something else"), ("1\n", "something")):
        file.write_text(bad)
        with pytest.raises(ValueError, match=rf"expected lines `<number> <text>` in .*a\.txt, found {why}"):
            tables.numbered(file)


def test_a_single_value_of_a_mat_is_still_an_array(tmp_path):
    file = tmp_path / "a.mat"
    scipy.io.savemat(file, {"labels": np.array([[7]])})
    assert tables.matlab(file, "labels").tolist() == [7]
    with pytest.raises(ValueError, match=r"expected ids in .*a\.mat, found something else \(KeyError.*get it again"):
        tables.matlab(file, "ids")
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"expected the labels in .*a\.mat, found something else .*; fetch it"):
        tables.matlab(file, "labels", what="the labels", todo="fetch it")

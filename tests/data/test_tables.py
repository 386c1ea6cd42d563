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


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16"])
def test_another_encoding_is_named_with_the_file(tmp_path, encoding):
    file = tmp_path / "a.txt"
    file.write_text("café\n", encoding=encoding)
    with pytest.raises(ValueError, match=r"expected UTF-8 in .*a\.txt, found byte 0x.. at place \d.*save it as UTF-8"):
        tables.lines(file)


def test_a_byte_order_mark_is_no_part_of_a_name_and_a_line_ends_at_a_line_feed(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes("one\u2028\x85\x0bline\r\n\ntwo".encode("utf-8-sig"))
    assert tables.every_line(file) == ["one\u2028\x85\x0bline", "", "two"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1\n", r"expected 2 fields in every row of .*a\.csv, found another number in line 2"),
        ("a,b\n1,2\n1,2,3\n", r"found another number in line 3"),
        ("a,b,a\n1,2,3\n", r"expected each column once in .*a\.csv, found a twice"),
        ('a,b\n1,"2\n', r"expected rows of a CSV file in .*a\.csv, found something else in line"),
    ],
)
def test_rows_that_do_not_fit_the_head_are_refused(tmp_path, content, said):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=said):
        tables.rows(tmp_path / "a.csv", ("a", "b"))


def test_a_mat_of_another_format_is_named_as_what_it_is(tmp_path):
    file = tmp_path / "a.mat"
    file.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + b"\0" * 500)
    with pytest.raises(ValueError, match=r"expected ids in .*a\.mat, found a file of MATLAB 7\.3 \(HDF5\)"):
        tables.matlab(file, "ids")


def test_a_zero_byte_is_no_text(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("one", encoding="utf-16-le")  # without a mark it could be taken for UTF-8
    with pytest.raises(ValueError, match=r"expected a text in .*a\.txt, found a zero byte at place 1: .* UTF-16"):
        tables.text(file)

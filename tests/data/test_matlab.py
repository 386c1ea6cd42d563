"""What holds together is what scipy may read; what does not is refused before."""

import io
import zlib

import numpy as np
import pytest
import scipy.io

from ktlib.companion.sources import generated
from ktlib.data import matlab, tables

VALUES = (
    np.arange(6.0).reshape(2, 3),
    np.array([1 + 2j]),
    np.arange(5, dtype=np.uint64),
    np.array([True, False]),
    np.zeros((0, 0)),
    np.array(["a", "bcd"], object),
    np.array([{"a": 1}, {"a": 2}], object),
    {"a": 1, "b": "x"},
    "tüxt",
    "",
)


def _saved(value, *, compressed=False):
    written = io.BytesIO()
    scipy.io.savemat(written, {"x": value}, do_compression=compressed)
    return written.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_holds_together(compressed):
    for value in VALUES:
        matlab.check(_saved(value, compressed=compressed))


def test_a_file_that_is_cut_short_anywhere_is_refused():
    content = _saved({"a": np.arange(3.0), "b": "text"})
    for length in range(matlab.HEAD + 1, len(content)):
        with pytest.raises(ValueError, match="an element|an array|bytes of kind|names of fields"):
            matlab.check(content[:length])


@pytest.mark.parametrize(
    ("at", "byte", "said"),
    [
        (145, 8, "bytes of kind 0 for 4 numbers"),  # complex, without imaginary parts: scipy's process dies of it
        (144, 5, "an array of class 5"),
        (163, 0x7F, "an array of 2130706433 x 4"),
        (176, 0x63, "32 bytes of kind 99 for 4 numbers"),
        (128, 13, "an element of kind 13 in the place of an array"),
    ],
)
def test_what_does_not_fit_is_named(at, byte, said):
    content = bytearray(_saved(np.arange(4.0)))
    content[at] = byte
    with pytest.raises(ValueError, match=said):
        matlab.check(bytes(content))


def test_a_text_of_no_kind_of_text_is_refused():
    content = bytearray(_saved("text"))
    at = content.index(b"\x10\x00\x04\x00text")  # UTF-8, four bytes
    content[at] = 9
    with pytest.raises(ValueError, match="an element of kind 9 in the place of a text"):
        matlab.check(bytes(content))


def test_a_flipped_bit_in_what_is_compressed_is_noticed():
    content = bytearray(_saved(np.arange(400.0), compressed=True))
    content[-9] ^= 1
    with pytest.raises(zlib.error):
        matlab.check(bytes(content))


def test_a_reader_names_the_file_and_reads_nothing_of_it(tmp_path):
    file = generated.flowers_102(tmp_path) / "imagelabels.mat"
    content = bytearray(file.read_bytes())
    content[145] |= 8
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"expected labels in .*imagelabels\.mat, found something else"):
        tables.matlab(file, "labels")

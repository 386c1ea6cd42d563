"""Whether a MATLAB file holds together; scipy trusts what stands in it.

scipy 1.17.1: a flipped bit in a size or a kind may end the process in `loadmat`, or keep it busy without end in sight.

A file of version 5 (MATLAB 5 to 7) is a head of 128 bytes and elements: their kind, their number of bytes, and the
bytes. An array is an element made of elements: its class, its sides, its name, and what it holds.

Source: MathWorks, MAT-File Format, version 5.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Literal

HEAD = 128
FIVE, HDF5 = 0x0100, 0x0200  # versions, as they stand in the head
INT8, INT32, UINT32, ARRAY, COMPRESSED = 1, 5, 6, 14, 15
ITEMS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # bytes of a number, by kind
TEXTS = (1, 2, 4, 16, 17, 18)  # kinds of 8 and 16 bits, and UTF-8, UTF-16 and UTF-32
CELLS, STRUCTS, CHARACTERS, NUMBERS = 1, 2, 4, range(6, 16)  # classes of arrays; no data set here has others
COMPLEX = 0x0800

Order = Literal["little", "big"]


def check(content: bytes) -> None:
    """Refuse a file whose parts do not fit into each other.

    Args:
        content: of the file, as it is stored.

    Raises:
        NotImplementedError: it is of MATLAB 7.3.
        ValueError: it is of an older version, or an element has another size than its place or its array says.
        zlib.error: a compressed element is not what was compressed.
    """
    ends: dict[bytes, Order] = {b"IM": "little", b"MI": "big"}
    order = ends.get(content[126:HEAD])
    version = int.from_bytes(content[124:126], order) if order and 0 not in content[:4] else 0
    if version == HDF5:
        raise NotImplementedError("a file of MATLAB 7.3 (HDF5)")
    if order is None or version != FIVE:
        raise ValueError("its head is not that of version 5")
    for kind, body in _elements(memoryview(content)[HEAD:], order):
        if kind == COMPRESSED:
            inner = list(_elements(memoryview(zlib.decompress(body)), order))
            if len(inner) != 1:
                raise ValueError(f"{len(inner)} arrays in the place of one")
            kind, body = inner[0]
        _array(kind, body, order)


def _elements(data: memoryview, order: Order) -> Iterator[tuple[int, memoryview]]:
    """Kind and bytes of each element, one after the other."""
    at = 0
    while at < len(data):
        first = int.from_bytes(data[at : at + 4], order)
        if first >> 16:  # four bytes at most stand within the eight of kind and size
            kind, size, begin, end = first & 0xFFFF, first >> 16, at + 4, at + 8
            fits = size <= 4
        else:
            kind, size, begin = first, int.from_bytes(data[at + 4 : at + 8], order), at + 8
            end = begin + size + (0 if kind == COMPRESSED else -size % 8)
            fits = begin + size <= len(data)
        if not fits or begin > len(data):
            raise ValueError(f"an element of {size:,} bytes where there are {len(data) - at:,}")
        yield kind, data[begin : begin + size]
        at = end


def _array(kind: int, body: memoryview, order: Order) -> None:
    if kind != ARRAY:
        raise ValueError(f"an element of kind {kind} in the place of an array")
    if not body:
        return  # an empty one
    parts = _elements(body, order)
    flags, sides = _next(parts, UINT32), _next(parts, INT32)
    if len(flags) != 8 or len(sides) < 8 or len(sides) % 4:
        raise ValueError("an array without a class and sides")
    _next(parts, INT8)  # its name
    told = int.from_bytes(flags[:4], order)
    sizes = [int.from_bytes(sides[at : at + 4], order, signed=True) for at in range(0, len(sides), 4)]
    count = math.prod(sizes)
    if min(sizes) < 0 or count > len(body):
        raise ValueError(f"an array of {' x '.join(map(str, sizes))} in {len(body):,} bytes")
    form = told & 0xFF
    if form in (CELLS, STRUCTS):
        if form == STRUCTS:
            length, names = int.from_bytes(_next(parts, INT32), order), _next(parts, INT8)
            if not length or len(names) % length:
                raise ValueError("names of fields that do not fit their length")
            count *= len(names) // length
        for _ in range(count):
            _array(*next(parts, (0, body)), order)
    elif form == CHARACTERS:
        held, _ = next(parts, (0, body))
        if held not in TEXTS:
            raise ValueError(f"an element of kind {held} in the place of a text")
    elif form in NUMBERS:
        for _ in range(2 if told & COMPLEX else 1):
            held, values = next(parts, (0, body))
            if held not in ITEMS or len(values) != count * ITEMS[held]:
                raise ValueError(f"{len(values):,} bytes of kind {held} for {count:,} numbers")
    else:
        raise ValueError(f"an array of class {form}")
    if next(parts, None) is not None:
        raise ValueError("more in an array than belongs to it")


def _next(parts: Iterator[tuple[int, memoryview]], wanted: int) -> memoryview:
    kind, body = next(parts, (0, memoryview(b"")))
    if kind != wanted:
        raise ValueError(f"an element of kind {kind} in the place of one of kind {wanted}")
    return body

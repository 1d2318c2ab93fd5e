"""The orientation that a camera writes beside the pixels (EXIF 2.3, tag 0x0112)."""

import struct

ORIENTATION = 0x0112
# Also the slips of some writers, which viewers forgive.
ORDERS = {b"II*\0": "<", b"II\0*": "<", b"MM\0*": ">", b"MM*\0": ">", b"MM\0+": ">"}
# SHORT, LONG, IFD, and signed: the standard says SHORT, not all writers do.
VALUE_FORMATS = {3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
# The other kinds of number and text: viewers read them, and see no orientation in them.
OTHER_SIZES = {1: 1, 2: 1, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8, 16: 8}  # bytes a value


def orientation(block: bytes) -> int:
    """Read the orientation, 1..8, from an EXIF block (a TIFF file, with or without `Exif\\0\\0` before it).

    1 (as it is) where the block is broken, has no such tag, or another value: viewers do the same.
    """
    block = block.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")
    order = ORDERS.get(block[:4])
    if order is None:
        return 1
    try:
        return _first_directory(block, order)
    except struct.error:  # it points outside
        return 1


def _first_directory(block: bytes, order: str) -> int:
    (start,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", block, entry)
        if tag != ORIENTATION:
            continue
        value = _value(block, order, entry + 8, kind, values)
        if value is not None:
            return value if 1 <= value <= 8 else 1
    return 1


def _value(block: bytes, order: str, position: int, kind: int, values: int) -> int | None:
    """Give the tag's first value, 0 for one that is no whole number, None where viewers look for the next such tag."""
    format = VALUE_FORMATS.get(kind)
    size = values * (struct.calcsize(order + format) if format else OTHER_SIZES.get(kind, 0))
    if size > 4:  # they lie elsewhere
        (position,) = struct.unpack_from(order + "I", block, position)
    if size == 0 or position + size > len(block):
        return None
    return int(struct.unpack_from(order + format, block, position)[0]) if format else 0

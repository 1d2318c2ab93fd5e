"""The orientation that a camera writes beside the pixels (EXIF 2.3, tag 0x0112)."""

import struct

ORIENTATION = 0x0112
# SHORT, LONG, and signed: the standard says SHORT, not all writers do. Viewers pass over BYTE.
VALUE_FORMATS = {3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}


def orientation(block: bytes) -> int:
    """Read the orientation, 1..8, from an EXIF block (a TIFF file, with or without `Exif\\0\\0` before it).

    1 (as it is) where the block is broken, has no such tag, or another value: viewers do the same.
    """
    block = block.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
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
        if tag == ORIENTATION and kind in VALUE_FORMATS and values:
            return _value(block, order, entry + 8, VALUE_FORMATS[kind], values)
    return 1


def _value(block: bytes, order: str, position: int, kind: str, values: int) -> int:
    if values * struct.calcsize(order + kind) > 4:  # they lie elsewhere
        (position,) = struct.unpack_from(order + "I", block, position)
    (value,) = struct.unpack_from(order + kind, block, position)
    return value if 1 <= value <= 8 else 1

"""GIF (89a): find the first frame's end, so that the others are never looked at."""

import struct

from pipeline.formats.header import Header, check_sides
from pipeline.rejection import Limits, Rejected

EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
SCREEN = struct.Struct("<HHB")
FRAME = struct.Struct("<HHHHB")
MAX_BLOCKS = 1_000_000  # a frame of 64 megapixels has fewer; each costs a step of Python


def parse(data: bytes, limits: Limits) -> Header:
    """Check a GIF up to its first frame's end. Raises Rejected (IndexError where the data ends early)."""
    width, height, flags = SCREEN.unpack_from(data, 6)
    position = 13 + _table(flags)
    for _ in range(MAX_BLOCKS):
        kind, position = data[position], position + 1
        if kind == IMAGE:
            return _first_frame(data, position, (width, height), bool(_table(flags)), limits)
        if kind == TRAILER:
            raise Rejected("GIF without a picture")
        if kind != EXTENSION:
            raise Rejected(f"GIF with an unknown block ({kind:#04x})")
        position = _skip_blocks(data, position + 1)
    raise Rejected(f"GIF with more than {MAX_BLOCKS} blocks")


def _first_frame(data: bytes, position: int, screen: tuple[int, int], coloured: bool, limits: Limits) -> Header:
    left, top, width, height, flags = FRAME.unpack_from(data, position)
    check_sides("GIF", width, height, limits)  # of the frame; viewers ignore a screen that is too small
    extent = max(screen[0], left + width), max(screen[1], top + height)
    check_sides("GIF", *extent, limits)
    if not coloured and not _table(flags):
        raise Rejected("GIF without a table of colours")
    position += FRAME.size + _table(flags)
    if not 1 <= data[position] <= 8:
        raise Rejected(f"GIF with codes for {data[position]} bits")
    end = _skip_blocks(data, position + 1)
    kept = data[:end] + bytes([TRAILER])  # the other frames are never looked at
    # TensorFlow shows the frame without its screen, black where it is transparent, and passes over broken codes.
    return Header("gif", *extent, faithful=False, kept=kept)


def _table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, position: int) -> int:
    for _ in range(MAX_BLOCKS):
        length = data[position]
        position += 1 + length
        if not length:
            return position
    raise Rejected(f"GIF with more than {MAX_BLOCKS} blocks")

"""WebP (RFC 9649): the sides from the picture's own stream, not from the container that may say otherwise."""

import struct

from pipeline.formats import exif
from pipeline.formats.header import Header, check_sides
from pipeline.rejection import Limits, Rejected

CHUNK = struct.Struct("<4sI")
ANIMATED, EXIF = 0x02, 0x08  # flags of VP8X
MAX_CHUNKS = 100_000  # each costs a step of Python
LONGEST_SIDE = 16383  # pixels, of a picture; only the frame around an animation could be longer


def parse(data: bytes, limits: Limits) -> Header:
    """Check a WebP's header; of an animation the first frame is shown. Raises Rejected."""
    riff_end = 8 + int.from_bytes(data[4:8], "little")
    if riff_end > len(data):
        raise Rejected("WebP is cut off")
    kind = data[12:16]
    if kind == b"VP8X":
        size, turn = _extended(data, riff_end, limits)
    elif kind in STREAMS:
        size, turn = STREAMS[kind](data[20:30]), 1
    else:
        raise Rejected(f"WebP with an unknown first chunk {kind!r}")
    check_sides("WebP", *size, limits)
    # TensorFlow gives no three channels for a picture with transparency, and passes over broken streams.
    return Header("webp", *size, turn, faithful=False)


def _extended(data: bytes, riff_end: int, limits: Limits) -> tuple[tuple[int, int], int]:
    flags = data[20]
    canvas = 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    check_sides("WebP", *canvas, limits)
    if max(canvas) > LONGEST_SIDE:
        raise Rejected(f"WebP of {canvas[0]} x {canvas[1]} pixels, where {LONGEST_SIDE} is the longest side")
    chunks = _chunks(data, riff_end)
    has_turn = flags & EXIF and b"EXIF" in chunks
    turn = exif.orientation(data[slice(*chunks[b"EXIF"])]) if has_turn else 1
    if flags & ANIMATED:
        return canvas, turn
    stream = next((kind for kind in STREAMS if kind in chunks), None)
    if stream is None:
        raise Rejected("WebP without a picture")
    start = chunks[stream][0]
    width, height = STREAMS[stream](data[start : start + 10])
    if (width, height) != canvas:
        raise Rejected(f"WebP of {width} x {height} pixels in a frame of {canvas[0]} x {canvas[1]}")
    return canvas, turn


def _chunks(data: bytes, riff_end: int) -> dict[bytes, tuple[int, int]]:
    """Map each kind of chunk to the start and end of its first one's content."""
    found: dict[bytes, tuple[int, int]] = {}
    position = 12
    for _ in range(MAX_CHUNKS):
        if position + 8 > riff_end:
            return found
        kind, length = CHUNK.unpack_from(data, position)
        if position + 8 + length > riff_end:
            raise Rejected(f"WebP is cut off: its chunk {kind!r} reaches past the end")
        found.setdefault(kind, (position + 8, position + 8 + length))
        position += 8 + length + length % 2
    raise Rejected(f"WebP with more than {MAX_CHUNKS} chunks")


def _lossy(stream: bytes) -> tuple[int, int]:
    if stream[0] & 1 or stream[3:6] != b"\x9d\x01\x2a":
        raise Rejected("WebP with a broken picture")
    width, height = struct.unpack_from("<HH", stream, 6)
    return width & 0x3FFF, height & 0x3FFF


def _lossless(stream: bytes) -> tuple[int, int]:
    if stream[0] != 0x2F:
        raise Rejected("WebP with a broken picture")
    (bits,) = struct.unpack_from("<I", stream, 1)
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


STREAMS = {b"VP8 ": _lossy, b"VP8L": _lossless}

"""PNG (W3C, third edition): walk the chunks; every one must end inside the file."""

import struct

from pipeline.formats import exif
from pipeline.formats.header import Header, check_sides
from pipeline.rejection import Limits, Rejected

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> values a pixel
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHUNK = struct.Struct(">I4s")
BEGINNING = struct.Struct(">II5B")
MAX_CHUNKS = 100_000  # 64 megapixels in chunks of 4 KB are fewer; each costs a step of Python
MAX_DEFLATE_RATIO = 1032  # bytes that one byte of a deflate stream can stand for, at most
TEXTS = (b"zTXt", b"iTXt", b"iCCP")  # compressed side chunks, which decoders unpack although no pixel needs them
MAX_TEXTS = 65536  # bytes of them, 64 MB unpacked; with more, they are left out


def parse(data: bytes, limits: Limits) -> Header:
    """Check a PNG's header and chunks; of an animated PNG the still picture is shown. Raises Rejected."""
    if data[8:16] != b"\0\0\0\rIHDR":
        raise Rejected("PNG without its header chunk (IHDR)")
    width, height, depth, colour, _compression, _filter, _interlace = BEGINNING.unpack_from(data, 16)
    check_sides("PNG", width, height, limits)
    if depth not in DEPTHS.get(colour, ()):
        raise Rejected(f"PNG of colour type {colour} with {depth} bits, which do not go together")
    compressed, orientation, texts = _walk(data)
    # A header alone would have the decoder allocate and fill a picture of any size.
    needed = height * (width * CHANNELS[colour] * depth // 8)
    if compressed * MAX_DEFLATE_RATIO < needed:
        raise Rejected(f"PNG of {width} x {height} pixels with {compressed} bytes of picture: cut off")
    too_much = sum(end - start for start, end in texts) > MAX_TEXTS
    return Header("png", width, height, orientation, kept=_without(data, texts) if too_much else None)


def _walk(data: bytes) -> tuple[int, int, list[tuple[int, int]]]:
    """Add up the compressed bytes of the picture, read the orientation, and find the texts' starts and ends."""
    position, compressed, orientation, texts = 33, 0, 1, []
    for _ in range(MAX_CHUNKS):
        length, kind = CHUNK.unpack_from(data, position)
        start, position = position + 8, position + 12 + length
        if position > len(data):
            raise Rejected(f"PNG is cut off: its chunk {kind!r} reaches past the end")
        if kind == b"IDAT":
            compressed += length
        elif kind == b"eXIf":  # of several, viewers take the last
            orientation = exif.orientation(data[start : start + length])
        elif kind in TEXTS:
            texts.append((start - 8, position))
        elif kind == b"IEND":
            return compressed, orientation, texts
    raise Rejected(f"PNG with more than {MAX_CHUNKS} chunks")


def _without(data: bytes, parts: list[tuple[int, int]]) -> bytes:
    starts = [0, *(end for _, end in parts)]
    ends = [*(start for start, _ in parts), len(data)]
    return b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))

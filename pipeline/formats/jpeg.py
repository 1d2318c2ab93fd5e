"""JPEG (ITU-T T.81): walk the segments before the picture, as libjpeg does, then count the scans."""

import re
from collections.abc import Iterator

from pipeline.formats import exif
from pipeline.formats.header import Header, check_sides
from pipeline.rejection import Limits, Rejected

# FF and a code; FF FF is filling, FF 00 a data byte. Found at C's speed, in linear time on any input.
MARKER = re.compile(rb"\xff([^\x00\xff])")
SCAN_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # restart markers belong to the scan

SOI, EOI, SOS, APP1, APP14 = 0xD8, 0xD9, 0xDA, 0xE1, 0xEE
ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ARITHMETIC = frozenset({0xC9, 0xCA})
PROGRESSIVE = frozenset({0xC2, 0xCA})
UNREADABLE = {
    **dict.fromkeys((0xC3, 0xCB), "lossless"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
}

MAX_SEGMENTS = 10_000  # photos have about ten; each costs a step of Python
MAX_GARBAGE = 2**20  # bytes between two segments; a file of nothing but FF would take seconds
MAX_EFFORT = 1.3e9  # scans x pixels: 20 scans at 64 megapixels, 100 at 13 (progressive photos have 10 to 18)
MAX_ARITHMETIC_EFFORT = 2e7  # the same where each bit costs a multiplication; hardly any program writes such files


def parse(data: bytes, limits: Limits) -> Header:
    """Check a JPEG's header. Raises Rejected (IndexError where the data ends early)."""
    frame, exif_parts, adobe = None, [], False
    for code, start, end in _segments(data):
        if code == SOS:
            break
        if code in FRAMES:
            if frame:
                raise Rejected("JPEG with two frame headers")
            frame = _frame(data, code, start)
        elif code == APP1 and data.startswith(b"Exif\0\0", start):
            exif_parts.append(data[start + 6 : end])
        elif code == APP14:
            adobe = adobe or (end - start >= 12 and data.startswith(b"Adobe", start))
    if frame is None:
        raise Rejected("JPEG without a picture")
    width, height, components, code = frame
    check_sides("JPEG", width, height, limits)
    effort = MAX_ARITHMETIC_EFFORT if code in ARITHMETIC else MAX_EFFORT
    _check_scans(data, end, width * height, min(limits.jpeg_scans, effort / (width * height)))
    buffered = code in PROGRESSIVE or data[start] < components
    orientation = exif.orientation(b"Exif\0\0" + b"".join(exif_parts))  # a large block takes several segments
    # Without that mark viewers take the inks for inverted all the same, TensorFlow does not.
    return Header("jpeg", width, height, orientation, faithful=components < 4 or adobe, buffered=buffered)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Give (code, start and end of the content) of every segment, the first SOS last."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        match = MARKER.search(data, position, position + MAX_GARBAGE)
        if match is None and position + MAX_GARBAGE < len(data):
            raise Rejected(f"JPEG with more than {MAX_GARBAGE} bytes of garbage before the picture")
        if match is None:
            raise IndexError
        code, position = data[match.start() + 1], match.end()
        if code in ALONE:
            continue
        if code in (SOI, EOI):
            raise Rejected("JPEG without a picture")
        start, position = position + 2, position + _length(data, position)
        yield code, start, position
        if code == SOS:
            return
    raise Rejected(f"JPEG with more than {MAX_SEGMENTS} segments before the picture")


def _length(data: bytes, position: int) -> int:
    length = data[position] << 8 | data[position + 1]
    if length < 2:
        raise Rejected("JPEG with a broken segment")
    return length


def _frame(data: bytes, code: int, start: int) -> tuple[int, int, int, int]:
    precision, components = data[start], data[start + 5]
    if code in UNREADABLE:
        raise Rejected(f"{UNREADABLE[code]} JPEG, which few programs can read")
    if precision != 8:
        raise Rejected(f"JPEG with {precision} bits a sample, not 8")
    if components not in (1, 3, 4):
        raise Rejected(f"JPEG with {components} components, not 1, 3 or 4")
    height = data[start + 1] << 8 | data[start + 2]
    width = data[start + 3] << 8 | data[start + 4]
    return width, height, components, code


def _check_scans(data: bytes, position: int, pixels: int, most: float) -> None:
    if data.rfind(b"\xff\xd9", position) < 0:
        raise Rejected("JPEG is cut off")
    if most < 1:
        raise Rejected(f"arithmetic JPEG of {pixels} pixels, over the limit of {MAX_ARITHMETIC_EFFORT:.0f}")
    # A plain count is quick and never too low; it may be too high where other data follows the picture.
    if 1 + data.count(b"\xff\xda", position) > most and _count_scans(data, position, most) > most:
        raise Rejected(f"JPEG with more than {int(most)} scans for its {pixels} pixels")


def _count_scans(data: bytes, position: int, most: float) -> int:
    scans = 1
    for _ in range(MAX_SEGMENTS):
        match = SCAN_MARKER.search(data, position)
        if match is None or match[1] == b"\xd9" or scans > most:
            return scans
        scans += match[1] == b"\xda"
        position = match.end()
        if data[match.start() + 1] not in ALONE:
            position += _length(data, position)
    raise Rejected(f"JPEG with more than {MAX_SEGMENTS} segments")

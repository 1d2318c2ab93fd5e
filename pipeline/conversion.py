"""Pictures that TensorFlow shows wrongly, or at too high a cost: decoded by Pillow, handed on as plain BMP.

No TensorFlow here. `docs/formats.md` lists what is converted and why.
"""

import io
from contextlib import AbstractContextManager, nullcontext
from threading import RLock
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.formats import NAMES, Header
from pipeline.rejection import Rejected

# A picture that needs more than this many pixels in memory is decoded alone, and made smaller at once:
# else as many of them as there are threads (192 MB each at 64 megapixels) could be in flight.
HEAVY_PIXELS = 16_000_000
HEAVY_BYTES = 16 * 2**20  # of a file; such files are read one at a time as well
SHORTEST_SIDE = 1024  # pixels; the widest network takes 384, with a quarter of margin for crops

# JPEGs over this size are decoded at 1/2, 1/4 or 1/8; libjpeg does it in the transform, without the pixels.
REDUCED_PIXELS = 4_000_000

one_at_a_time = RLock()


class Converted(NamedTuple):
    """A picture as 24-bit BMP, stored as it lay in the file (the orientation still has to be applied)."""

    data: bytes
    width: int
    height: int


def jpeg_reduction(header: Header) -> int:
    """Choose a JPEG's scale denominator, 1, 2, 4 or 8: 1 up to 4 megapixels, and both sides stay >= 1024."""
    if header.width * header.height <= REDUCED_PIXELS:
        return 1
    shorter = min(header.width, header.height)
    return next((scale for scale in (8, 4, 2) if shorter // scale >= SHORTEST_SIDE), 1)


def is_heavy(header: Header, size: int) -> bool:
    """Say whether decoding holds more than 16 million pixels, coefficients or bytes of the file in memory."""
    pixels = header.width * header.height
    if header.format == "jpeg" and not header.buffered:
        pixels //= jpeg_reduction(header) ** 2
    return pixels > HEAVY_PIXELS or size > HEAVY_BYTES


def convert(data: bytes, header: Header, heavy: bool) -> Converted:
    """Decode the first frame with Pillow, without loss; transparent pixels show their stored colours.

    A heavy picture is averaged down by whole numbers to sides of 1024..2047 (each side on its own: the
    networks see a square in any case). Raises Rejected in the decoder's words.
    """
    alone: AbstractContextManager[object] = one_at_a_time if heavy else nullcontext()
    with alone:
        try:
            return _convert(data, header, heavy)
        except (Rejected, MemoryError):
            raise
        except Exception as error:  # Pillow raises whatever comes up: struct.error, IndexError, SyntaxError
            words = " ".join(str(error).split()) or type(error).__name__
            raise Rejected(f"{NAMES[header.format]} can't be decoded: {words}") from error


def _convert(data: bytes, header: Header, heavy: bool) -> Converted:
    with Image.open(io.BytesIO(data), formats=[header.format.upper()]) as picture:
        if picture.size != (header.width, header.height):
            sizes = f"{header.width} x {header.height} and {picture.width} x {picture.height}"
            raise Rejected(f"{NAMES[header.format]} that gives two sizes, {sizes}")
        # All of it at once: arithmetic decoding can't wait for the next part.
        picture.decodermaxblock = max(picture.decodermaxblock, len(data))
        if heavy:
            picture.draft(None, (min(picture.width, SHORTEST_SIDE), min(picture.height, SHORTEST_SIDE)))
        colours = _rgb(picture)
    if heavy:
        factors = max(1, colours.width // SHORTEST_SIDE), max(1, colours.height // SHORTEST_SIDE)
        colours = colours.reduce(factors)
    file = io.BytesIO()
    colours.save(file, "BMP")
    return Converted(file.getvalue(), *colours.size)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey: Pillow would clip it to white
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")

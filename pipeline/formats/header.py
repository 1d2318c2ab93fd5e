"""What the check of a header finds out, the same for every format."""

from typing import NamedTuple

from pipeline.rejection import Limits, Rejected

LONGEST_SIDE = 1_000_000  # pixels, as libpng has it: decoders keep several numbers for each row


class Header(NamedTuple):
    """The facts that decide whether and how a picture is decoded."""

    format: str  # jpeg, png, gif, bmp, webp
    width: int  # pixels, as stored
    height: int
    orientation: int = 1  # EXIF 1..8
    faithful: bool = True  # TensorFlow decodes these bytes to the pixels that a viewer shows
    buffered: bool = False  # decoding holds the coefficients of the whole picture (JPEG in several scans)
    kept: bytes | None = None  # what is decoded, where a part of the file would only cost time and memory


def check_sides(name: str, width: int, height: int, limits: Limits) -> None:
    """Raise Rejected for a picture without pixels, or with more than the limit; every parser asks first."""
    if width < 1 or height < 1:
        raise Rejected(f"{name} of {width} x {height} pixels")
    if width * height > limits.megapixels * 1e6:
        raise Rejected(f"{width} x {height} pixels, over the limit of {limits.megapixels:g} megapixels")
    if max(width, height) > LONGEST_SIDE:
        raise Rejected(f"{width} x {height} pixels, where {LONGEST_SIDE} is the longest side")

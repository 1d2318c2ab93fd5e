"""Pixels in, small pictures for a page out, as data URIs: nothing is loaded from elsewhere."""

import base64
import io

import numpy as np
from PIL import Image

SIDE = 320  # pixels of the longer side: enough to be enlarged on a screen
HEAT_SIDE = 56
# So many bytes a photo at most, so that a page with some 70 of them stays under 3 MB.
MOST_BYTES = 22_000
QUALITIES = (82, 70, 55, 40, 25)
# Stations of the inferno colour map (S. van der Walt, N. Smith, 2015), which colour-blind people can read.
STATIONS = np.array(
    [(0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
     (252, 255, 164)], dtype=np.float32
)  # fmt: skip
OPACITY = 0.8


def photo_uri(pixels: np.ndarray) -> tuple[str, int, int]:
    """A picture, uint8 (H, W, 3), as a JPEG's data URI of at most MOST_BYTES, with its width and height."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    while True:
        for quality in QUALITIES:
            data = _bytes(picture, "JPEG", quality=quality, optimize=True)
            if len(data) <= MOST_BYTES:
                return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}", picture.width, picture.height
        # Noise does not compress: fewer pixels of it, then.
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))


def heat_uri(heat: np.ndarray, width: int, height: int) -> str:
    """A heat map, float (h, w) in 0..1, as a small PNG's data URI to lay over its picture; cold places are clear.

    It gets the proportions of the picture (width, height), so that both are cropped alike.
    """
    scale = HEAT_SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    map_ = Image.fromarray(np.round(255 * np.clip(heat, 0, 1)).astype(np.uint8))
    warm = np.asarray(map_.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) / 255
    place = warm * (len(STATIONS) - 1)
    below = np.minimum(place.astype(int), len(STATIONS) - 2)
    share = (place - below)[..., None]
    colours = STATIONS[below] * (1 - share) + STATIONS[below + 1] * share
    rgba = np.concatenate([colours, 255 * OPACITY * warm[..., None]], axis=2)
    data = _bytes(Image.fromarray(np.round(rgba).astype(np.uint8), "RGBA"), "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _bytes(picture: Image.Image, kind: str, **options: object) -> bytes:
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()

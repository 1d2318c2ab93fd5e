"""Photos for a page: read, fed to the network, explained."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from models.gradcam import explain
from models.saved import Run, preprocessing
from pipeline.datasets import Preparation, prepare_views
from pipeline.images import load_or_reject
from pipeline.reading import Rejected


class Seen(NamedTuple):
    """A picture's pixels, uint8 (H, W, 3), and where the network looks, float32 (h, w) in 0..1."""

    pixels: np.ndarray
    heat: np.ndarray


# A page shows small photos: larger pixels would only be held in memory until then.
MOST_PIXELS = 640


def look_at(run: Run, root: bytes, paths: Sequence[bytes]) -> dict[bytes, Seen]:
    """What can still be read of these pictures, by path. No error for those that are gone: a page says so."""
    preparation = Preparation(run.card["image_size"], preprocessing(run.card["backbone"]))
    bar = tqdm(dict.fromkeys(paths), desc="reading photos", unit="photo", leave=False, disable=None)
    read = [item for item in (_read(root, path, preparation) for path in bar) if item]
    if not read:
        return {}
    heat, _ = explain(run.model, np.stack([prepared for _, _, prepared in read]))
    return {path: Seen(pixels, map_) for (path, pixels, _), map_ in zip(read, heat, strict=True)}


def _read(root: bytes, path: bytes, preparation: Preparation) -> tuple[bytes, np.ndarray, np.ndarray] | None:
    if not os.path.isdir(root):
        return None
    try:
        image = load_or_reject(root, path)
    except Rejected:
        return None
    step = max(1, max(image.shape[:2]) // MOST_PIXELS)
    return path, image.numpy()[::step, ::step], prepare_views(image, preparation).numpy()[0]

"""Hostile and broken files: every one is either a picture as a viewer shows it, or a reject with a reason."""

import io
import os
import random
import resource
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from pipeline import images
from pipeline.formats import check_header, format_of
from pipeline.reading import Limits, Rejected, read_picture

MAXIMUM_GROWTH = 1.5 * 2**30  # bytes
SAME = 2.0  # levels of 255, on average: two JPEG decoders differ that much

# Where the independent decoder, Pillow, is no measure.
EXCEPTIONS = {
    "gray16.png": "Pillow clips 16-bit grey to white",
    "gray16_low_range.png": "Pillow clips 16-bit grey to white",
    "afl-testcases__jpeg_turbo__full__images__id_003946,sync_jpeg9,src_002975.jpg": "broken scan data",
    "fuzz-afl__in__4x4.jpg": "4 x 4 pixels: colours are interpolated over the edges in another way",
    "png__mozilla__e76546768d4a8f2f4c39339345c7614c.png": "Pillow refuses a side chunk (pHYs)",
    "bomb_frames_2000x5000x5000.gif": "heavy: made smaller",
    "bomb_gif_first5000_then_300x1x1.gif": "heavy: made smaller",
}


def peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def viewed(path) -> np.ndarray:
    with warnings.catch_warnings(), Image.open(path) as picture:
        warnings.simplefilter("ignore")
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), np.float32)


def test_every_bad_file_is_a_picture_as_viewed_or_a_reject_with_a_reason(shared):
    root = shared / "badinput"
    before = peak_memory()
    accepted, refused, wrong = [], [], []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        try:
            pixels = images.load_or_reject(os.fsencode(root), os.fsencode(path.relative_to(root))).numpy()
        except Rejected as reason:
            assert str(reason) and "\n" not in str(reason)
            assert not reason.transient, f"{path.name}: {reason}"
            refused.append(path.name)
            continue
        accepted.append(path.name)
        assert pixels.shape[0] * pixels.shape[1] <= 64e6
        if path.name not in EXCEPTIONS:
            expected = viewed(path)
            if expected.shape != pixels.shape or np.abs(pixels - expected).mean() > SAME:
                wrong.append(path.name)
    assert wrong == []
    assert set(accepted) >= set(EXCEPTIONS), "an exception that is none any more"
    assert len(accepted) > 200 and len(refused) > 150
    assert peak_memory() - before < MAXIMUM_GROWTH


def test_good_pictures_among_the_bad_are_accepted_and_bombs_refused(shared):
    made = shared / "badinput" / "made"
    for path in sorted(made.glob("ok_*")):
        if path.suffix != ".tiff":
            assert images.load_or_reject(os.fsencode(made), os.fsencode(path.name)).shape[2] == 3
    for path in sorted(made.glob("bomb_*")):
        if path.name not in EXCEPTIONS:
            with pytest.raises(Rejected):
                read_picture(os.fsencode(made), os.fsencode(path.name))


def seeds() -> list[bytes]:
    """Small valid pictures of every format and of their common variants."""
    gradient = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    variants = [
        ("JPEG", "RGB", {"exif": exif}),
        ("JPEG", "L", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {"exif": exif}),
        ("PNG", "P", {}),
        ("GIF", "P", {}),
        ("GIF", "L", {"save_all": True, "append_images": [Image.new("L", (24, 16))]}),
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("WEBP", "RGB", {"exif": exif}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("WEBP", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (24, 16))]}),
    ]
    pictures = []
    for format, mode, options in variants:
        file = io.BytesIO()
        image = gradient.convert(mode)
        if mode == "RGBA":
            image.putalpha(128)
        image.save(file, format, **options)
        pictures.append(file.getvalue())
    return pictures


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change one to four bytes, mostly in the header, often to an extreme value; cut, or double a part."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        position = chance.randrange(min(len(changed), chance.choice((64, 64, 800, len(data)))))
        way = chance.randrange(6)
        if way == 0:
            changed[position] ^= 1 << chance.randrange(8)
        elif way == 1:
            changed[position : position + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\1\0\0"))
        elif way == 2:
            changed[position : position + 2] = chance.choice((b"\xff\xff", bytes(2), b"\x20\x00", b"\x00\x20"))
        elif way == 3:
            changed[position:position] = changed[position : position + chance.randint(1, 40)]
        else:
            changed[position] = chance.randrange(256)
    if chance.random() < 0.1:
        del changed[chance.randrange(1, len(changed)) :]
    return bytes(changed)


def outcome(folder, data: bytes, limits: Limits) -> str:
    """Read and decode one file; return the format of what came out, or nothing for a reject."""
    (folder / "x").write_bytes(data)
    try:
        picture = read_picture(str(folder), b"x", limits)
        assert picture.width * picture.height <= limits.megapixels * 1e6
        pixels = images.decode(*picture[:2], *picture[4:6])
    except (Rejected, tf.errors.InvalidArgumentError):
        return ""
    sides = picture.height, picture.width
    expected = [-(-side // picture.reduction) for side in sides]
    assert sorted(pixels.shape[:2]) == sorted(expected), "decoded to another size than the header said"
    return format_of(data)


def test_a_few_mutated_headers_never_crash_or_exceed_the_limit(tmp_path):
    fuzz(tmp_path, 600)


@pytest.mark.faults
def test_20000_mutated_headers_never_crash_or_exceed_the_limit(tmp_path):
    before = peak_memory()
    fuzz(tmp_path, 20_000)
    assert peak_memory() - before < MAXIMUM_GROWTH


def fuzz(folder, rounds: int) -> None:
    chance = random.Random(20130925)
    limits = Limits(megapixels=1)
    pictures = seeds()
    outcomes = [outcome(folder, mutated(chance.choice(pictures), chance), limits) for _ in range(rounds)]
    accepted = {format: outcomes.count(format) for format in ("jpeg", "png", "gif", "bmp", "webp")}
    assert min(accepted.values()) > rounds / 500, f"the fuzz must reach every decoder: {accepted}"
    assert outcomes.count("") > rounds / 10


@pytest.mark.parametrize("index", range(12))
def test_the_seeds_of_the_fuzz_are_valid(tmp_path, index):
    (tmp_path / "x").write_bytes(seeds()[index])
    header = check_header(seeds()[index])
    assert (header.width, header.height) == (24, 16)
    assert images.load_or_reject(os.fsencode(tmp_path), b"x").shape[2] == 3

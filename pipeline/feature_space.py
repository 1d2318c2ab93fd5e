"""How much disk the feature stores may take, and what is kept of them when that is not enough."""

import re
import shutil
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from pipeline import InputError

UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
Key = TypeVar("Key", bound=Hashable)


def parse_size(text: str) -> int:
    """Bytes of a size as people write it: '20GB', '500 MB', '1.5T', '0'. Raises InputError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", text.lower())
    if found is None:
        raise InputError(f"'{text}' is no size for --features-limit; write it like 20GB or 500MB.")
    return int(float(found[1]) * UNITS[found[2]])


def in_words(size: float) -> str:
    """A size for people, in decimal units."""
    unit = "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if abs(size) < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"


class Space(NamedTuple):
    """Bytes that all stores together may take, those that they take now, and where the limit comes from."""

    limit: int
    used: int
    source: str

    @property
    def left(self) -> int:
        """Bytes that may still be written."""
        return max(0, self.limit - self.used)


def measure_space(cache: Path, asked: int | None) -> Space:
    """The space for feature stores under `cache`: what was asked for, else what they take and half of what is free.

    A limit beyond what is free is cut to that, so that a full disk is foreseen and not run into.
    """
    used = sum(_size(path) for path in (cache / "features").rglob("*"))
    free = shutil.disk_usage(cache).free
    if asked is None:
        return Space(used + free // 2, used, "half of the free disk")
    if asked > used + free:
        return Space(used + free, used, "all of the free disk")
    return Space(asked, used, "--features-limit")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # gone since it was listed: another training, or make clean-features
        return 0


def share_space(left: int, wanted: Mapping[Key, tuple[int, int]]) -> dict[Key, int]:
    """How many rows each store may add, of `wanted` (rows, bytes of a row), so that all fit into `left` bytes.

    Small rows go first: they cost the least disk for each picture that need not be computed again.
    """
    shares = {}
    for key, (rows, row_bytes) in sorted(wanted.items(), key=lambda item: item[1][1]):
        shares[key] = min(rows, left // row_bytes)
        left -= shares[key] * row_bytes
    return {key: shares[key] for key in wanted}

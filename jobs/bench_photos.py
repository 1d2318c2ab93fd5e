"""The photos of `make bench`: which are measured, and folders that hold them under other names. No TensorFlow."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline import InputError

HELD_OUT = 1000  # pictures in the validation part of a training, and as many in the test part


def choose_photos(photos: Path, names: Sequence[str], pictures: int) -> dict[str, list[str]]:
    """As many photos of each class as training on `pictures` takes, by their names. Raises InputError."""
    wanted = -(-pictures // 2) + HELD_OUT
    chosen = {label: [name for name in names if name.startswith(f"{label}.")][:wanted] for label in ("cat", "dog")}
    for label, members in chosen.items():
        if len(members) < wanted:
            raise InputError(
                f"{photos} has {len(members):,} photos called {label}.NUMBER.jpg, training on {pictures:,} takes "
                f"{wanted:,}; name fewer with --training, or 0 to leave training out."
            )
    return chosen


def link(photos: Path, names: list[str], folder: Path, count: int) -> None:
    """Fill `folder` with `count` names for the photos: hard links where the disk allows, else copies."""
    folder.mkdir(parents=True)
    for number in range(count):
        source = photos / names[number % len(names)]
        _link_file(source, folder / f"{number + 1}{source.suffix}")


def link_files(photos: Path, names: Sequence[str], folder: Path) -> None:
    """Fill `folder` with those of the photos under their own names."""
    folder.mkdir(parents=True)
    for name in names:
        _link_file(photos / name, folder / name)


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

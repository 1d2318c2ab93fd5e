"""What the validation part looks like: size and brightness of each of its pictures, kept in the run as looks.csv."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jobs.exclusion import read_table
from jobs.training_set import write_rows
from jobs.watch import Watch
from pipeline.datasets import Preparation, measured_dataset
from submissions.names import escape, unescape

LOOKS = "looks.csv"
COLUMNS = ("path", "pixels", "brightness")
# The pictures are decoded whole and measured; what comes out besides is not looked at.
SMALL = Preparation(8, lambda images: images)
BATCH = 64
Reference = dict[str, np.ndarray]


def measure_looks(folder: Path, root: bytes) -> list[tuple[str, int, float]]:
    """Path (escaped), pixels and brightness of the validation pictures of the run `folder`, which lie under `root`;
    those that can no longer be read are left out."""
    watch = Watch(None)
    paths = [
        unescape(path) for path, part in read_table(folder / "holdout.csv", ("path", "part")) if part == "validation"
    ]
    rows = []
    preparation = Preparation(SMALL.image_size, SMALL.preprocess, reader=watch.read)
    for (names, light), _ in measured_dataset(root, paths, preparation, BATCH):
        for path, value in zip(names.numpy().tolist(), light.numpy().tolist(), strict=True):
            rows.append((escape(path), watch.seen(path).pixels, round(value, 3)))
    return rows


def write_looks(folder: Path, root: bytes) -> list[tuple[str, int, float]]:
    """Measure and keep them in the run; raises OSError when they can't be written."""
    rows = measure_looks(folder, root)
    write_rows(folder / LOOKS, COLUMNS, rows)
    return rows


def read_reference(folder: Path, labelled_folder: str) -> tuple[Reference, str]:
    """What new pictures are compared with: scores, sizes (pixels) and brightness of the run's validation part, as far
    as they are known; and what is to be said of that, or ''.

    A run of before has no looks.csv: it is measured now, once, where its labelled pictures are still there.
    """
    if not (folder / "holdout.csv").exists():
        return {}, "no drift is measured: the run has no holdout.csv."
    rows = read_table(folder / "holdout.csv", ("part", "probability"))
    scores = {"scores": np.array([float(value) for part, value in rows if part == "validation"])}
    said = ""
    if not (folder / LOOKS).exists():
        if not os.path.isdir(labelled_folder):
            return (
                scores,
                "drift is measured by scores only: sizes and brightness of the validation part are not known.",
            )
        try:
            write_looks(folder, os.fsencode(labelled_folder))
            said = f"measured the validation part's sizes and brightness, kept in {folder / LOOKS}."
        except OSError as error:
            measured = measure_looks(folder, os.fsencode(labelled_folder))
            said = f"the validation part's sizes and brightness can't be kept in the run ({error.strerror})."
            return scores | _arrays([(pixels, light) for _, pixels, light in measured]), said
    return scores | _arrays(read_table(folder / LOOKS, COLUMNS[1:])), said


def _arrays(rows: Sequence[tuple[object, ...]]) -> Reference:
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return {"sizes": table[:, 0], "brightness": table[:, 1]}

"""Pictures that are probably labelled wrong: found by heads that never saw them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from jobs.exclusion import read_table
from jobs.training_set import TrainingSet, write_rows
from models.calibration import Calibration
from models.card import read_json
from models.folds import fold_probabilities
from pipeline import InputError
from pipeline.features import FeatureStore, store_folder
from pipeline.files import digest_file
from submissions.names import escape, unescape

SUSPECTS = "suspects.csv"
COLUMNS = ("path", "label", "part", "probability")
# How sure of the other class a head must be that never saw the picture.
SURE = 0.95


class Suspect(NamedTuple):
    """A picture, its label 0 or 1, its part, and the probability of class 1 by a model that never saw it."""

    path: bytes
    label: int
    part: str
    probability: float

    @property
    def doubt(self) -> float:
        """The probability of the class that it is not labelled as."""
        return 1 - self.probability if self.label else self.probability


class Listed(NamedTuple):
    """A picture of split.csv with the digest of its file."""

    path: bytes
    label: int
    part: str
    digest: bytes


def write_suspects(folder: Path, training_set: TrainingSet, card: dict[str, Any], cache: Path) -> None:
    """Find the suspects among a finished run's pictures and list them in its suspects.csv."""
    listed = [
        Listed(picture.path, picture.label, name, picture.digest)
        for name, part in training_set.parts.items()
        for picture in part
    ]
    _write(folder, _find(folder, listed, card, cache))


def read_or_find_suspects(folder: Path, card: dict[str, Any], cache: Path) -> list[Suspect]:
    """Those of the run's suspects.csv, the most doubted first; found now when there is no such file yet."""
    if not (folder / SUSPECTS).exists():
        _write(folder, _find(folder, _listed(folder, card), card, cache))
    rows = read_table(folder / SUSPECTS, COLUMNS)
    return [Suspect(unescape(path), int(label), part, float(value)) for path, label, part, value in rows]


def _write(folder: Path, suspects: Iterable[Suspect]) -> None:
    rows = [(escape(s.path), s.label, s.part, f"{s.probability:.7f}") for s in suspects]
    write_rows(folder / SUSPECTS, COLUMNS, rows)


def _find(folder: Path, listed: Sequence[Listed], card: dict[str, Any], cache: Path) -> list[Suspect]:
    scored = _by_folds(listed, card, cache) if card.get("features") else _held_out(folder, card)
    return sorted((s for s in scored if s.doubt >= SURE), key=lambda s: (-s.doubt, s.path))


def _by_folds(listed: Sequence[Listed], card: dict[str, Any], cache: Path) -> list[Suspect]:
    kind = card["features"]
    path = store_folder(cache, kind)
    if not (path / "store.json").is_file():
        raise InputError(f"the features of this run are not in {cache}; name the folder of its training with --cache.")
    shape = read_json(path / "store.json")["shape"]
    with FeatureStore(path, kind, shape) as store:
        missing = store.missing(item.digest for item in listed)
        known = [item for item in listed if item.digest not in missing]
        if len(known) < len(listed):
            print(f"suspects: {len(listed) - len(known):,} of {len(listed):,} pictures have no stored features.")
        labels = np.array([item.label for item in known])
        if len(np.unique(labels)) < 2:
            return []
        digests = [item.digest for item in known]
        # Products of channels would make these heads a hundred times slower and hardly better.
        features = store.features()[..., : card.get("features_plain")]
        probabilities = fold_probabilities(features, store.positions(digests), labels, digests)
    return [Suspect(i.path, i.label, i.part, float(p)) for i, p in zip(known, probabilities, strict=True)]


def _held_out(folder: Path, card: dict[str, Any]) -> list[Suspect]:
    """Without stored features: the held-out pictures alone, which the run itself never saw."""
    rows = read_table(folder / "holdout.csv", COLUMNS)
    calibrated = Calibration(**card["calibration"]["none"]).apply(np.array([float(row[3]) for row in rows]))
    return [
        Suspect(unescape(path), int(label), part, float(p))
        for (path, label, part, _), p in zip(rows, calibrated, strict=True)
    ]


def _listed(folder: Path, card: dict[str, Any]) -> list[Listed]:
    if not card.get("features"):
        return []
    root, listed = os.fsencode(card["labelled_folder"]), []
    rows = [row for row in read_table(folder / "split.csv", ("path", "label", "part")) if row[2] != "reject"]
    for path, label, part in tqdm(rows, desc="checking", unit="picture", leave=False, disable=None):
        try:
            digest = digest_file(os.path.join(root, unescape(path)))
        except OSError:
            continue  # gone since the training
        listed.append(Listed(unescape(path), int(label), part, digest))
    return listed

"""A training's history: one row an epoch, kept as CSV; no TensorFlow."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from models.recipes import Blend


@dataclass(frozen=True)
class EpochRow:
    """A line of history.csv. Losses are log losses without smoothing; the training ones with dropout on.

    `val_calibrated` is the validation loss after the temperature that suits the epoch best, and in a stage that ends
    with a blend the offset too. It chooses the epoch: scores are calibrated before they are used, and smoothed labels
    and weight decay make raw ones look too timid.
    """

    stage: str
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    val_calibrated: float
    rate: float
    seconds: float


class Ran(NamedTuple):
    """What a stage did: a row for every epoch, the number of the kept one from 1, and the blend."""

    history: list[EpochRow]
    kept: int
    blend: Blend


def epochs_since_best(history: Sequence[EpochRow]) -> int:
    """How many epochs ago the least calibrated validation loss was; 0 for an empty history."""
    if not history:
        return 0
    best = min(range(len(history)), key=lambda index: history[index].val_calibrated)
    return len(history) - 1 - best


def write_history(path: Path, history: Sequence[EpochRow]) -> None:
    """Write the rows as CSV, at once."""
    aside = path.with_name(f".{path.name}")
    with aside.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(EpochRow.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)
    aside.replace(path)


def read_history(path: Path) -> list[EpochRow]:
    """The rows of a history.csv, none when there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [_parse_row(fields) for fields in csv.DictReader(file)]


def _parse_row(fields: dict[str, str]) -> EpochRow:
    numbers = {name: float(text) for name, text in fields.items() if name not in {"stage", "epoch"}}
    return EpochRow(stage=fields["stage"], epoch=int(fields["epoch"]), **numbers)

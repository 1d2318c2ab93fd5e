"""Pictures that a training leaves out, as a person lists them. No TensorFlow."""

import csv
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import InputError
from submissions.names import escape, unescape

if TYPE_CHECKING:
    from jobs.training_set import TrainingSet


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """These columns of a CSV. Raises InputError when it is missing, no CSV in UTF-8, or lacks one of them."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [tuple(row[column] for column in columns) for row in csv.DictReader(file)]
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check the path.") from None
    except KeyError as error:
        raise InputError(f"{path} has no column {error}; name a CSV like a run's suspects.csv.") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{path} is not a CSV in UTF-8; name one like a run's suspects.csv.") from None


def read_exclusions(path: Path | None) -> set[bytes]:
    """The paths (column `path`) of a CSV like suspects.csv. Raises InputError as `read_table` does."""
    return set() if path is None else {unescape(name) for (name,) in read_table(path, ("path",)) if name}


def exclude(training_set: "TrainingSet", names: Set[bytes]) -> None:
    """Move these pictures out of the training part; those of other parts stay, or figures would not compare.

    Raises InputError for one that is no picture of the set, or when a class would have none left to train on.
    """
    known = {picture.path for part in training_set.parts.values() for picture in part}
    known |= {picture.path for picture, _ in training_set.rejects}
    strangers = sorted(names - known)
    if strangers:
        raise InputError(
            f"{len(strangers)} pictures of --exclude are not in the data ({escape(strangers[0])}); name a list of the "
            "same pictures, with paths as in split.csv."
        )
    train = training_set.parts["train"]
    training_set.parts["excluded"] = [picture for picture in train if picture.path in names]
    train[:] = [picture for picture in train if picture.path not in names]
    if len({picture.label for picture in train}) < 2:
        raise InputError("--exclude leaves a class without a picture to train on; shorten that list.")

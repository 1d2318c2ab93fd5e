"""Kaggle's side: ids, label formats, and the comparison with a sample submission."""

import csv
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from submissions import SubmissionError
from submissions.names import escape, shown
from submissions.records import DIGITS, Reject, Row

COLUMNS = ("id", "label")
NAMED = 5  # how many of a long list a sentence names
Form = Literal["label", "probability"]


class MissingFillError(SubmissionError):
    """Pictures cannot be scored, and nobody said what they should get; `rejects` are all of them."""

    def __init__(self, sentence: str, rejects: Sequence[Reject]) -> None:
        super().__init__(sentence)
        self.rejects = rejects


class Submission(NamedTuple):
    """What goes into the files: rows (id, label) in their ids' order, rejects, and how many rows are filled.

    len(rows) - filled + len(rejects) is the number of files.
    """

    rows: list[tuple[str, str]]
    rejects: list[Reject]
    filled: int


def picture_id(path: bytes) -> str:
    """Give a picture's id: its file name without the last extension, written as by `names.escape`."""
    return escape(os.path.splitext(os.path.basename(path))[0])


def id_key(name: str) -> tuple[int, int, str, str]:
    """Give what ids are sorted by: digits first, as numbers (1, 2, 10), then the others by their text."""
    if not (name.isascii() and name.isdigit()):
        return 1, 0, name, ""
    # By length and text, since a name of digits may be longer than int() takes.
    digits = name.lstrip("0")
    return 0, len(digits), digits, name


def check_unique(pictures: Iterable[tuple[str, bytes]]) -> None:
    """Raise SubmissionError that names both files when two of `pictures` (id, path) have one id."""
    seen: dict[str, bytes] = {}
    for name, path in pictures:
        if name in seen:
            raise SubmissionError(
                f"two pictures have the id {name} ({escape(seen[name])} and {escape(path)}); rename or remove one."
            )
        seen[name] = path


def read_sample(path: Path) -> list[str]:
    """Give the ids of a sample submission, in its order.

    Raises SubmissionError when the file cannot be read, is not CSV in UTF-8, lacks the columns id or label, or
    has no lines or one without an id.
    """
    fault = f"the sample submission {shown(path)}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            ids = [record.get("id") or "" for record in reader]
    except OSError as error:
        raise SubmissionError(f"{fault} cannot be read ({error.strerror}); name the CSV from Kaggle.") from None
    except (UnicodeDecodeError, csv.Error):
        raise SubmissionError(f"{fault} is not a CSV in UTF-8; name the unpacked CSV from Kaggle.") from None
    if not set(COLUMNS) <= set(columns):
        got = escape(",".join(columns[:NAMED]).encode())
        raise SubmissionError(f"{fault} needs the columns id,label, its first line is '{got}'; name Kaggle's CSV.")
    if not ids or "" in ids:
        where = f"no id in record {ids.index('') + 1}" if ids else "no ids"
        raise SubmissionError(f"{fault} has {where}; name Kaggle's CSV.")
    return ids


def _listed(kind: str, names: Iterable[str]) -> list[str]:
    ordered = sorted(names, key=id_key)
    if not ordered:
        return []
    dots = ", …" if len(ordered) > NAMED else ""
    return [f"{len(ordered)} {kind} ({', '.join(ordered[:NAMED])}{dots})"]


def check_ids(ids: Sequence[str], sample_ids: Sequence[str]) -> None:
    """Compare the ids to submit with a sample's; order does not matter.

    Raises SubmissionError that counts and names what is missing, extra or there twice, on either side.
    """
    ours, theirs = Counter(ids), Counter(sample_ids)
    faults = [
        *_listed("missing", theirs.keys() - ours.keys()),
        *_listed("extra", ours.keys() - theirs.keys()),
        *_listed("more than once", (name for name, count in ours.items() if count > 1)),
        *_listed("more than once in the sample", (name for name, count in theirs.items() if count > 1)),
    ]
    if faults:
        raise SubmissionError(
            f"the pictures' ids are not those of the sample submission: {'; '.join(faults)}; check that both "
            "are of the same test set."
        )


def label_texts(
    probabilities: Sequence[float], form: Form, adjust: Callable[[np.ndarray], np.ndarray] | None = None
) -> list[str]:
    """Give the label column for probabilities (0..1) of class 1.

    adjust: float64 (N,) -> (N,), the calibration (temperature and clip). 'label' is 1 from 0.5 on, a tie
    included, else 0; 'probability' has 7 digits after the point.
    Raises SubmissionError for an unknown form or when what `adjust` gives is not N probabilities.
    """
    if form not in ("label", "probability"):
        raise SubmissionError(f"the format {form} is unknown; choose label or probability.")
    given = np.asarray(probabilities, dtype=np.float64)
    adjusted = np.asarray(adjust(given), dtype=np.float64) if adjust and len(given) else given
    if adjusted.shape != given.shape or not np.all((adjusted >= 0) & (adjusted <= 1)):
        raise SubmissionError("the run's calibration gives no probabilities from 0 to 1; train the run again.")
    if form == "label":
        return ["1" if probability >= 0.5 else "0" for probability in adjusted]
    return [f"{probability:.{DIGITS}f}" for probability in adjusted]


def _check_fill(rejects: Sequence[Reject], fill: float | None) -> None:
    if fill is not None and not (math.isfinite(fill) and 0 <= fill <= 1):
        raise SubmissionError(f"--fill is {fill}; give a probability from 0 to 1.")
    if rejects and fill is None:
        named = "; ".join(
            f"{escape(path)}: {escape(reason.encode('utf-8', 'replace'))}" for path, reason, _ in rejects[:NAMED]
        )
        dots = "; …" if len(rejects) > NAMED else ""
        raise MissingFillError(
            f"{len(rejects)} of the pictures cannot be scored ({named}{dots}) and a submission needs every "
            "id; repair them, or give them a probability with --fill 0.5.",
            rejects,
        )


def compose(
    outcomes: Iterable[Row],
    form: Form,
    adjust: Callable[[np.ndarray], np.ndarray] | None = None,
    fill: float | None = None,
) -> Submission:
    """Turn the ledger's outcomes into a submission: every file a row, a reject by the value of `fill`.

    The fill (0..1) is written as it is given, not adjusted; in the 'label' form 0.5 becomes 1, as any tie.
    Raises SubmissionError for an id twice or as `label_texts` does, MissingFillError for a reject without `fill`.
    """
    rows = list(outcomes)
    check_unique((row.id, row.path) for row in rows)
    bad = [row for row in rows if row.probability is None]
    rejects = [Reject(row.path, row.error, row.status) for row in bad]
    _check_fill(rejects, fill)
    good = [(row.id, row.probability) for row in rows if row.probability is not None]
    texts = label_texts([probability for _, probability in good], form, adjust)
    labelled = [(name, text) for (name, _), text in zip(good, texts, strict=True)]
    if fill is not None and bad:
        text = label_texts([fill], form)[0]
        labelled += [(row.id, text) for row in bad]
    return Submission(sorted(labelled, key=lambda row: id_key(row[0])), rejects, len(labelled) - len(good))

"""What scheduled scoring asks of a ledger: what is fresh, how much of it is rejected, how the last rounds went.

An outcome is fresh from its recording until a schedule publishes it, however many rounds that takes: what a killed or
a refused round has scored is still news to the next one.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from submissions import SubmissionError, statements
from submissions.database import connect, in_sentences
from submissions.ledger import Ledger
from submissions.names import shown
from submissions.records import Drift, Round


class Tally(NamedTuple):
    """How many outcomes are rows and how many rejects: of all files of the last scan, and of the fresh ones."""

    rows: int
    rejects: int
    fresh_rows: int
    fresh_rejects: int


def tally(ledger: Ledger, model: str, root: bytes) -> Tally:
    """Count the outcomes of the last scan, which was of this model and root."""
    ((files, rows),) = ledger.select(statements.COUNT, (model, root))
    ((fresh, fresh_rows),) = ledger.select(statements.COUNT_FRESH, (model, root))
    return Tally(rows, files - rows, fresh_rows, fresh - fresh_rows)


def fresh_rows(ledger: Ledger, model: str, root: bytes) -> np.ndarray:
    """The fresh rows of the last scan, which was of this model and root: float64 (N, 3) of raw probability, pixels and
    brightness (see `records.Look`), NaN where one is not known."""
    rows = (
        tuple(np.nan if value is None else value for value in row)
        for row in ledger.select(statements.FRESH, (model, root))
    )
    return np.fromiter(rows, dtype=np.dtype((np.float64, 3)))


def mark_published(ledger: Ledger, model: str, root: bytes) -> int:
    """Note that all outcomes have been published, and which files have vanished; gives how many did."""
    vanished = ledger.mark_vanished(model, root)
    with ledger.transaction() as connection:
        connection.execute(statements.PUBLISHED, (model, root))
    return vanished


def read_rounds(path: Path, count: int) -> list[tuple[Round, list[Drift]]]:
    """The last `count` rounds of the ledger `path` with their drift, oldest first, also while another run writes to it.

    Raises SubmissionError when there is no such ledger or it cannot be read.
    """
    if not path.is_file():
        raise SubmissionError(f"there is no ledger {shown(path)}; score a folder first, or name it with --ledger.")
    with in_sentences(path), closing(connect(path, read_only=True)) as connection:
        rounds = [Round._make(row) for row in connection.execute(statements.ROUNDS, (count,))]
        drift = _read_drift(connection, rounds)
    return [(record, [found for found in drift if found.start == record.start]) for record in rounds]


def _read_drift(connection: sqlite3.Connection, rounds: Sequence[Round]) -> list[Drift]:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'drift'").fetchone()
    if not rounds or not known:  # a ledger of before there was such a table
        return []
    return [Drift._make(row) for row in connection.execute(statements.DRIFT, (rounds[0].start,))]

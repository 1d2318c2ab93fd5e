"""The record of a round, kept however it ends: in the ledger, in the metrics file, in the log. No TensorFlow."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from jobs.entry import exit_code_of, in_words
from jobs.interruption import finish_first
from jobs.journal import Journal
from jobs.metrics_file import write_metrics
from jobs.round_request import Counts, Request
from submissions import SubmissionError
from submissions.ledger import Ledger
from submissions.records import Round


@contextmanager
def recorded(ledger: Ledger, request: Request, journal: Journal) -> Iterator[tuple[Counts, str]]:
    """A round is what happens in the block, which fills the counts; the text is the round's start (UTC, ISO 8601),
    to the millisecond. An error goes on its way once it is recorded."""
    counts, start, clock = Counts(), _now(), time.monotonic()
    journal.say("started", start=start, run=str(request.run), images=request.images, out=request.out)
    try:
        yield counts, start
    except BaseException as error:
        code = exit_code_of(error)
        journal.say("failed", error=in_words(error), exit_code=code)
        with finish_first():
            _keep(ledger, request, counts, start, time.monotonic() - clock, code, journal)
        raise
    with finish_first():
        _keep(ledger, request, counts, start, time.monotonic() - clock, 0, journal)


def _keep(
    ledger: Ledger, request: Request, counts: Counts, start: str, seconds: float, code: int, journal: Journal
) -> None:
    counts.seconds = counts.seconds or seconds
    record = Round(
        start,
        _now(),
        socket.gethostname(),
        counts.model,
        counts.found,
        counts.new,
        counts.scored,
        counts.reused,
        counts.rejected,
        counts.vanished,
        counts.waiting,
        round(counts.rate, 3),
        code,
    )
    try:
        ledger.add_round(record, counts.drift)
    except SubmissionError as error:  # of a full disk, say: what stopped the round itself is told by its own error
        journal.warn(f"the round is not recorded: {error}")
    if request.metrics is not None and request.metrics.parent.is_dir():
        try:
            write_metrics(request.metrics, request, counts, code)
        except OSError as error:
            journal.warn(f"{request.metrics} can't be written: {error.strerror}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

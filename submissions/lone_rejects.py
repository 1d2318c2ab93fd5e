"""The rejects of a submission that could not be published: the file alone, for the person who repairs them."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from submissions import SubmissionError
from submissions.atomic import csv_chunks, sync_folder, write_aside
from submissions.locks import folder_lock
from submissions.manifests import Trio, find_trio
from submissions.names import escape, escape_text, guard, shown
from submissions.records import Reject
from submissions.recovery import recover

REJECT_COLUMNS = ("path", "reason", "status")


def reject_rows(rejects: Iterable[Reject]) -> Iterable[tuple[str, str, str]]:
    """Give the cells of `STEM.rejects.csv`."""
    return ((guard(escape(path)), guard(escape_text(reason)), status) for path, reason, status in rejects)


def is_lone(trio: Trio) -> bool:
    """Say whether the rejects lie there alone, written by this program: no CSV, no manifest."""
    if trio.csv.exists() or trio.manifest.exists() or not trio.rejects.is_file():
        return False
    header = next(csv_chunks(REJECT_COLUMNS, []))[0]
    with trio.rejects.open("rb") as file:
        return file.read(len(header)) == header


def write_rejects(out: Path, rejects: Iterable[Reject]) -> Path | None:
    """Write `STEM.rejects.csv` of the output `out`, whole or not at all; give its path.

    None when files of that stem are there already, as of an earlier submission: those stay whole.
    Raises SubmissionError when it cannot be written, LockedError when another run publishes there for a minute.
    """
    trio = find_trio(out)
    try:
        with folder_lock(trio.csv.parent):
            recover(trio)
            if any(path.exists() for path in trio) and not is_lone(trio):
                return None
            try:
                written = write_aside(trio.rejects, csv_chunks(REJECT_COLUMNS, reject_rows(rejects)))
                os.replace(written.aside, trio.rejects)
                sync_folder(trio.csv.parent)
            finally:
                with contextlib.suppress(OSError):
                    recover(trio)
    except OSError as error:
        raise SubmissionError(
            f"{shown(trio.rejects)} could not be written ({error.strerror}), and no file is half-written; free "
            "some space or check the folder, then run it again."
        ) from error
    return trio.rejects

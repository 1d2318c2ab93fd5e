"""What keeps a bad round from replacing a good CSV. No TensorFlow."""

import itertools

from jobs.round_request import Request
from submissions import TooFewFilesError, TooManyRejectsError
from submissions.ledger import Ledger
from submissions.names import escape, escape_text
from submissions.schedule import tally

NAMED = 5  # rejects that a sentence names


def check_enough(request: Request, found: int) -> None:
    """Raises TooFewFilesError when fewer files are there than --min-files: an unmounted disk is an empty folder."""
    if found < request.min_files:
        raise TooFewFilesError(
            f"only {found:,} files to score in {request.images}, fewer than --min-files {request.min_files:,}, so "
            "nothing is published; check that the folder is mounted and filled, or lower --min-files."
        )


def check_rejects(request: Request, ledger: Ledger, key: tuple[str, bytes]) -> None:
    """Raises TooManyRejectsError when more than --max-reject-share are rejects: of what is fresh (see
    `submissions.schedule`), or of the whole tree."""
    counted = tally(ledger, *key)
    groups = (
        ("new or changed files", counted.fresh_rejects, counted.fresh_rejects + counted.fresh_rows),
        ("files", counted.rejects, counted.rejects + counted.rows),
    )
    for what, bad, files in groups:
        if files and bad / files > request.max_reject_share:
            raise TooManyRejectsError(
                f"{bad:,} of {files:,} {what} in {request.images} are rejects ({100 * bad / files:.1f} %; "
                f"--max-reject-share allows {100 * request.max_reject_share:g} %): {_some(ledger, key)}; nothing is "
                "published and the CSV of before stays; repair or remove them, or allow them with a higher "
                "--max-reject-share."
            )


def _some(ledger: Ledger, key: tuple[str, bytes]) -> str:
    bad = (row for row in ledger.outcomes(*key) if row.probability is None)
    named = [f"{escape(row.path)} ({escape_text(row.error)})" for row in itertools.islice(bad, NAMED + 1)]
    return ", ".join(named[:NAMED]) + (", ..." if len(named) > NAMED else "")

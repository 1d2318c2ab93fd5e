"""Where a submission's page lies, and how pages are put there: at once, never over someone else's file."""

import os
from pathlib import Path

from submissions import SubmissionError
from submissions.atomic import leftovers, write_aside
from submissions.manifests import find_trio
from submissions.names import shown

GENERATOR = "Pawscore"
BEGINNING = 4096  # bytes in which the mark stands


def page_of(out: Path) -> Path:
    """Where the page of the output `out` lies: `STEM.html` beside it. Raises SubmissionError as `find_trio` does."""
    return find_trio(out).csv.with_suffix(".html")


def check_page(out: Path, overwrite: bool) -> None:
    """Raise SubmissionError when something lies where the page would, and it is no page of this program's."""
    page = page_of(out)
    if overwrite or not os.path.lexists(page) or (page.is_file() and is_own_page(page)):
        return
    raise SubmissionError(
        f"{shown(page)} exists and is no page of this program, and the submission's page would replace it; choose "
        "another --out, or add --overwrite."
    )


def is_own_page(path: Path) -> bool:
    """Whether a file is a page of this program, by its generator mark. Raises OSError when it can't be read."""
    with path.open("rb") as file:
        return f'name="generator" content="{GENERATOR}"'.encode() in file.read(BEGINNING)


def write_page(path: Path, html: str) -> Path:
    """Write a page aside and put it in place at once; its path. Raises OSError."""
    try:
        write_aside(path, [(html.encode("utf-8"), 0)]).aside.replace(path)
    finally:
        for left in leftovers(path):  # also what a killed run left
            left.unlink(missing_ok=True)
    return path

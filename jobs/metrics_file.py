"""The last round in numbers, for the textfile collector of Prometheus' node exporter. No TensorFlow.

The format is that of https://prometheus.io/docs/instrumenting/exposition_formats/ (text based, version 0.0.4): a few
gauges, so it is written here and needs no library.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from jobs.round_request import Counts, Request
from submissions.atomic import leftovers, write_aside

LAST_SUCCESS, ROWS = "pawscore_last_success_timestamp_seconds", "pawscore_rows"
HELP = {
    LAST_SUCCESS: "When a round last published its CSV, in seconds since 1970.",
    "pawscore_files": "Files that the last round found that could list them.",
    ROWS: "Rows of the CSV after the last round.",
    "pawscore_rejects": "Files without a score after the last round.",
    "pawscore_waiting": "Files that the last round left to the next one.",
    "pawscore_new": "Files that the last round looked at.",
    "pawscore_round_seconds": "What the last round took.",
    "pawscore_exit_code": "How the last round ended; 0 is well.",
    "pawscore_drift": "Population stability index of the last new pictures against the validation part.",
}


def write_metrics(path: Path, request: Request, counts: Counts, code: int) -> None:
    """Write the metrics of a round that ended with exit code `code`, at once. Raises OSError.

    What it did not come to stays as the file at `path` has it: the moment of the last success and the rows of the CSV
    where nothing was published, the counts of files where none were listed.
    """
    text = "\n".join(_lines(request, counts, code, _before(path))) + "\n"
    for left in leftovers(path):  # of a process that was killed
        left.unlink(missing_ok=True)
    os.replace(write_aside(path, [(text.encode(), 0)]).aside, path)


def _before(path: Path) -> dict[str, float]:
    """The values in the file at `path`, by name; none where there is no such file. Of drift's, that of one measure."""
    try:
        found = re.findall(r"^(pawscore_\w+)\{.*\} (\S+)$", path.read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return {}
    return {name: float(value) for name, value in found}


def _values(counts: Counts, code: int, before: dict[str, float]) -> dict[str, float | None]:
    values: dict[str, float | None] = {
        LAST_SUCCESS: time.time(),
        ROWS: counts.rows,
        "pawscore_files": counts.found,
        "pawscore_rejects": counts.rejected,
        "pawscore_waiting": counts.waiting,
        "pawscore_new": counts.new,
        "pawscore_round_seconds": round(counts.seconds, 3),
        "pawscore_exit_code": code,
    }
    if not counts.published:
        values |= {name: before.get(name) for name in (LAST_SUCCESS, ROWS)}
    if not counts.found:  # it failed before anything was listed
        values |= {name: before.get(name) for name in ("pawscore_files", "pawscore_rejects", "pawscore_waiting")}
    return values


def _lines(request: Request, counts: Counts, code: int, before: dict[str, float]) -> Iterator[str]:
    labels = f'run="{_quoted(request.run.name)}",out="{_quoted(request.out)}"'
    for name, value in _values(counts, code, before).items():
        if value is not None:
            yield from (*_head(name), f"{name}{{{labels}}} {value!r}")
    if counts.drift:
        yield from _head("pawscore_drift")
    for found in counts.drift:
        yield f'pawscore_drift{{{labels},measure="{found.measure}"}} {found.psi:.6f}'


def _head(name: str) -> tuple[str, str]:
    return f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge"


def _quoted(text: str) -> str:
    """A label's value: backslashes, quotes and line breaks escaped, and what is no UTF-8 replaced."""
    text = text.encode("utf-8", "replace").decode()
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

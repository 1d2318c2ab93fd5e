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

LAST_SUCCESS = "pawscore_last_success_timestamp_seconds"
HELP = {
    LAST_SUCCESS: "When a round last published its CSV, in seconds since 1970.",
    "pawscore_files": "Files that the last round found.",
    "pawscore_rows": "Rows of the CSV after the last round.",
    "pawscore_rejects": "Files without a score after the last round.",
    "pawscore_waiting": "Files that the last round left to the next one.",
    "pawscore_new": "Files that the last round looked at.",
    "pawscore_round_seconds": "What the last round took.",
    "pawscore_exit_code": "How the last round ended; 0 is well.",
    "pawscore_drift": "Population stability index of the last new pictures against the validation part.",
}


def write_metrics(path: Path, request: Request, counts: Counts, code: int) -> None:
    """Write the metrics of a round that ended with exit code `code`, at once. Raises OSError.

    When it published nothing, the moment of the last success stays as the file at `path` has it.
    """
    text = "\n".join(_lines(request, counts, code, _last_success(path, counts))) + "\n"
    for left in leftovers(path):  # of a process that was killed
        left.unlink(missing_ok=True)
    os.replace(write_aside(path, [(text.encode(), 0)]).aside, path)


def _last_success(path: Path, counts: Counts) -> float | None:
    if counts.published:
        return time.time()
    try:
        found = re.search(rf"^{LAST_SUCCESS}\{{.*\}} (\S+)$", path.read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return float(found[1]) if found else None


def _lines(request: Request, counts: Counts, code: int, last_success: float | None) -> Iterator[str]:
    labels = f'run="{_quoted(request.run.name)}",out="{_quoted(request.out)}"'
    values: dict[str, float | None] = {
        LAST_SUCCESS: last_success,
        "pawscore_files": counts.found,
        "pawscore_rows": counts.rows,
        "pawscore_rejects": counts.rejected,
        "pawscore_waiting": counts.waiting,
        "pawscore_new": counts.new,
        "pawscore_round_seconds": round(counts.seconds, 3),
        "pawscore_exit_code": code,
    }
    for name, value in values.items():
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

"""Where a schedule's CSV goes, and which files of the scored tree are the schedule's own. No TensorFlow."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from jobs.remote_output import local_output, open_remote_output
from submissions import SubmissionError
from submissions.manifests import describes, find_trio, read_manifest
from submissions.names import shown
from submissions.remote import RemoteOutput
from submissions.writer import check_output, clean_leftovers, publish

JOB = "score"  # in a manifest's options: what tells a schedule's output from a submission
LEDGERS_ENDINGS = (b"-", b".")  # -wal, -shm, .lock, .in-flight-..., .damaged-...


class Output(Protocol):
    """A place for a CSV with its rejects and its manifest."""

    def check(self) -> None:
        """Say before the work what `publish` would say after it."""

    def clean_leftovers(self) -> str:
        """As `submissions.writer.clean_leftovers`."""

    def publish(self, *given: Any, **options: Any) -> Literal["written", "unchanged"]:
        """As `submissions.writer.publish`."""


class LocalOutput:
    """A file of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Raises SubmissionError when the folder can't be written, or what is there was not written by a schedule."""
        check_output(self._path)
        trio = find_trio(self._path)
        card = read_manifest(trio.manifest)
        if not trio.csv.exists() or (
            card is not None and describes(card, "csv", trio.csv) and card["options"].get("job") == JOB
        ):
            return
        raise SubmissionError(
            f"{shown(self._path)} is not an output of a schedule as its manifest describes it, so it is not replaced; "
            "move it away, or choose another output with --out."
        )

    def clean_leftovers(self) -> str:
        """Finish or remove what a killed run left."""
        return clean_leftovers(self._path)

    def publish(self, *given: Any, **options: Any) -> Literal["written", "unchanged"]:
        """Whole or not at all."""
        return publish(self._path, *given, **options)


class StoreOutput:
    """Objects of a store."""

    def __init__(self, remote: RemoteOutput) -> None:
        self._remote = remote
        self.clean_leftovers = remote.clean_leftovers
        self.publish = remote.publish

    def check(self) -> None:
        """Raises SubmissionError when the store can't be reached, or as for a file of this machine."""
        self._remote.inspect(lambda copy: LocalOutput(copy).check())


def open_output(name: str) -> Output:
    """The output at a path or an address. Raises InputError for an address that nothing here can write to."""
    path = local_output(name)
    return StoreOutput(open_remote_output(name)) if path is None else LocalOutput(path)


def own_files(root: bytes, out: str, ledger: Path, metrics: Path | None) -> Callable[[bytes], bool]:
    """Whether a path under `root` is one of the schedule's own: output, companions, ledger with what lies beside it,
    metrics. They are no pictures to score, wherever they lie."""
    path = local_output(out)
    trio = open_remote_output(out).addresses if path is None else find_trio(path)
    places = [*map(os.fsencode, trio), *(os.fsencode(os.path.realpath(file)) for file in (ledger, metrics) if file)]
    paths = {os.path.relpath(place, root) for place in places if place.startswith(root + b"/")}
    kept = os.path.relpath(os.fsencode(os.path.realpath(ledger)), root) if root.startswith(b"/") else b"../"
    beside = tuple(kept + ending for ending in LEDGERS_ENDINGS)
    return lambda path: path in paths or path.startswith(beside)

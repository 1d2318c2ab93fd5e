"""Which files were in hand when a process died: a small record beside the ledger.

A file is noted before it is read, by one short write without a sync, and forgotten when its outcome is in the
ledger. What ends in order, by an error or an interruption, leaves nothing; only a process that dies leaves its
notes. They outlive the process, not a power cut, which no picture has caused.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

LARGEST = 1 << 20  # bytes; then what has landed is left out


class InFlight:
    """The files of one folder that are in hand; made by `open_in_flight`.

    deaths: path -> how many processes died while the file was in hand, without an outcome since.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self.deaths = _read(file)
        self._open: set[bytes] = set()
        self._size = 0
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self._rewrite()

    def started(self, path: bytes) -> None:
        """Note that `path` is about to be read; any thread may call it. A full disk is no reason to stop."""
        with self._lock:
            self._open.add(path)
            self._note(path)

    def landed(self, paths: Iterable[bytes]) -> None:
        """Forget files whose outcomes are in the ledger, or that were cleared of all suspicion."""
        with self._lock:
            for path in paths:
                self._open.discard(path)
                self.deaths.pop(path, None)
            if self._size > LARGEST:
                self._rewrite()

    def _note(self, path: bytes) -> None:
        # Later notes of a path win, so the number is what it will be should the process die now.
        number = self.deaths.get(path, 0) + (path in self._open)
        with contextlib.suppress(OSError):
            self._size += os.write(self._descriptor, b"%d %b\0" % (number, path))

    def _rewrite(self) -> None:
        os.ftruncate(self._descriptor, 0)
        self._size = 0
        for path in self._open | self.deaths.keys():
            self._note(path)

    def close(self) -> None:
        """End in order: nobody died. The file goes, unless earlier deaths are still to be explained."""
        with self._lock:
            self._open.clear()
            self._rewrite()
            os.close(self._descriptor)
            if not self.deaths:
                self._file.unlink(missing_ok=True)


def _read(file: Path) -> dict[bytes, int]:
    try:
        records = file.read_bytes().split(b"\0")[:-1]  # the last one may be torn
    except FileNotFoundError:
        return {}
    deaths = {}
    for record in records:
        number, _, path = record.partition(b" ")
        if number.isdigit() and path:
            deaths[path] = int(number[:9])
    return deaths


@contextmanager
def open_in_flight(ledger: Path, root: bytes) -> Iterator[InFlight]:
    """Note the files of the folder `root` that are in hand, in a file beside the ledger whose lock is held.

    Raises OSError when the file can't be made.
    """
    name = f"{ledger.name}.in-flight-{hashlib.sha256(root).hexdigest()[:12]}"
    flight = InFlight(ledger.with_name(name))
    try:
        yield flight
    finally:
        flight.close()

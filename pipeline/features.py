"""The on-disk store of frozen features: what a base makes of a picture is computed once and kept.

A store is a folder of three files: `store.json` (what the features depend on, their shape), `features.bin`
(float16 rows, appended) and `rows.bin` (one record a row: SHA-256 of the picture's file, CRC-32 of both).
A row counts only once its record is written, after the row itself: an interruption at any point leaves whole
rows, and a torn end is cut off at the next opening. Features belong to a file's content, not to its name.
Everything goes through files that are open: a store that is deleted while a training reads it lasts until its end.
"""

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from pipeline import InputError

# Digests as bytes, not as text: numpy strips trailing zeros from an 'S32'.
RECORD = np.dtype([("digest", "u1", 32), ("crc", "<u4")])
LARGEST = np.finfo(np.float16).max
FORMAT = 2


def store_folder(cache: Path, description: dict[str, Any]) -> Path:
    """The folder under `cache` for features that depend on `description` (JSON values only)."""
    key = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    return cache / "features" / key[:16]


class FeatureStore:
    """Features of shape `shape` by the digest of a picture's file, in a folder of their own.

    One process at a time holds it; a second one waits. Use as a context manager: entering raises InputError when
    the folder can't be used. `forgotten` says in words what was found torn, damaged or of another version at
    opening, and is computed again; it is empty when all was well. `description` is what the key was made of.
    """

    def __init__(self, folder: Path, description: dict[str, Any], shape: Sequence[int]) -> None:
        self.folder = folder
        self.shape = tuple(int(side) for side in shape)
        self.description = dict(description)
        self._description = {**description, "format": FORMAT, "shape": list(self.shape)}
        self._positions: dict[bytes, int] = {}
        self._count = 0  # rows in the files
        self.forgotten = ""

    def __enter__(self) -> "FeatureStore":
        with ExitStack() as opened:
            try:
                self._open_all(opened)
            except OSError as error:
                raise self._unusable(error) from None
            self._files = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def _open_all(self, opened: ExitStack) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        fcntl.flock(opened.enter_context((self.folder / "lock").open("wb")), fcntl.LOCK_EX)
        self._check_description()
        # Unbuffered, in append mode: what write() returned from is in the file.
        self._features: BinaryIO = opened.enter_context((self.folder / "features.bin").open("a+b", buffering=0))
        self._rows: BinaryIO = opened.enter_context((self.folder / "rows.bin").open("a+b", buffering=0))
        self._recover()

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return 2 * int(np.prod(self.shape))

    @property
    def disk_bytes(self) -> int:
        """Bytes on the disk that a row takes, its record included."""
        return self.row_bytes + RECORD.itemsize

    def __len__(self) -> int:
        return self._count

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those of `digests` that the store has no features of."""
        return set(digests) - self._positions.keys()

    def positions(self, digests: Iterable[bytes]) -> np.ndarray:
        """The rows of `digests`, int64 (N,). Raises KeyError for one that is missing."""
        return np.array([self._positions[digest] for digest in digests], dtype=np.int64)

    def append(self, digests: Sequence[bytes], features: np.ndarray) -> None:
        """Keep `features` (N, *shape) of the pictures with these digests, as float16. Raises OSError."""
        # float16 ends at 65504; no backbone's features come near, and an infinity would spoil every epoch.
        rows = np.clip(features, -LARGEST, LARGEST).astype("<f2")
        # By digest, so that byte-identical pictures of one batch make one row.
        fresh = list({d: i for i, d in enumerate(digests) if d not in self._positions}.values())
        records = np.zeros(len(fresh), dtype=RECORD)
        for record, index in zip(records, fresh, strict=True):
            record["digest"] = np.frombuffer(digests[index], dtype="u1")
            record["crc"] = zlib.crc32(rows[index].tobytes(), zlib.crc32(digests[index]))
        try:
            self._write(self._features, rows[fresh].tobytes())
            self._write(self._rows, records.tobytes())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.folder)) from None
        for index in fresh:
            self._positions[digests[index]] = self._count
            self._count += 1

    def features(self) -> np.ndarray:
        """All rows, float16 (N, *shape), mapped from the file: nothing is read until it is used."""
        if not self._count:
            return np.zeros((0, *self.shape), dtype="<f2")
        return np.memmap(self._features, "<f2", "r", shape=(len(self), *self.shape))

    @staticmethod
    def _write(file: BinaryIO, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]

    def _unusable(self, error: OSError) -> InputError:
        reason = error.strerror or str(error)
        return InputError(f"the feature store {self.folder} can't be used ({reason}); delete that folder or mend it.")

    def _check_description(self) -> None:
        """Begin anew where the description is missing, torn or of another kind or version: it is only a cache."""
        path = self.folder / "store.json"
        text = json.dumps(self._description, sort_keys=True, indent=1)
        if path.exists() and path.read_bytes() == text.encode():
            return
        leftovers = [self.folder / name for name in ("features.bin", "rows.bin") if (self.folder / name).exists()]
        if leftovers:
            self.forgotten = "is of another version, or its description is torn: it is computed again"
        for leftover in leftovers:
            leftover.unlink()
        aside = path.with_suffix(".tmp")
        aside.write_text(text)
        aside.replace(path)

    def _recover(self) -> None:
        """Cut both files to the rows that are whole in both and fit their checksums."""
        sizes = os.fstat(self._features.fileno()).st_size, os.fstat(self._rows.fileno()).st_size
        self._truncate(min(sizes[0] // self.row_bytes, sizes[1] // RECORD.itemsize))
        claimed = -(-sizes[1] // RECORD.itemsize)
        whole = self._whole_rows()
        if whole < len(self):
            self._truncate(whole)
        if whole < claimed:
            self.forgotten = f"is damaged or torn; rows that are computed again: {claimed - whole:,}"

    def _whole_rows(self) -> int:
        """How many rows from the beginning fit their checksums."""
        features, records = self.features(), self._records()
        for row, record in enumerate(records):
            if zlib.crc32(features[row], zlib.crc32(record["digest"])) != record["crc"]:
                return row
        return len(records)

    def _truncate(self, rows: int) -> None:
        self._rows.truncate(rows * RECORD.itemsize)
        self._features.truncate(rows * self.row_bytes)
        digests = self._records()["digest"]
        self._positions = {digest.tobytes(): row for row, digest in enumerate(digests)}
        self._count = rows

    def _records(self) -> np.ndarray:
        self._rows.seek(0)
        return np.frombuffer(self._rows.read(), dtype=RECORD)

"""A tree of pictures in an object store. No TensorFlow here.

The ledger keeps an object's ETag, hashed, where it keeps a file's inode: a new content is a changed file. Where a
store has no ETags, size and time tell.
"""

import errno
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from pipeline import InputError
from pipeline.conversion import HEAVY_BYTES, one_at_a_time
from pipeline.files import Entry, is_wanted
from pipeline.formats import format_of
from pipeline.reading import Encoded, Limits, Rejected, State, check_size, encode
from pipeline.stores import ChangedError, Store, Stored, StoreError, clean_address, open_store

# So many pictures are fetched at a time: with 50 ms a request that is 320 pictures a second.
AT_ONCE = 16
# An answer to "are you there" holds for a moment: it is asked before each of many files.
GOOD_FOR = 5.0  # seconds


class RemoteFolder:
    """The pictures below an address (see `pipeline.sources.Source`)."""

    at_once = AT_ONCE

    def __init__(self, address: str, store: Store | None = None) -> None:
        self._address = clean_address(address)
        self._store = store or open_store(address)
        self._last_there = -GOOD_FOR

    @property
    def root(self) -> bytes:
        """The address."""
        return self._address.encode()

    def entries(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Iterator[Entry]:
        """Every object with no name that begins with a dot in its path; sorted in S3."""
        try:
            for stored in self._store.listing():
                if not _is_hidden(stored.path) and is_wanted(stored.path, include, exclude):
                    yield Entry(os.fsencode(stored.path), *_state(stored))
        except StoreError as error:
            raise InputError(
                f"{self._address} cannot be listed ({error.strerror}), and half a listing is none; check the "
                "address, the credentials and the server, and run this again."
            ) from error

    def read(self, root: bytes, path: bytes, limits: Limits) -> Encoded:
        """As `reading.read_picture`: an object of no size that is allowed is refused before it is fetched."""
        try:
            stored, pieces = self._store.get(os.fsdecode(path))
            check_size(stored.size, limits)
            with one_at_a_time if stored.size > HEAVY_BYTES else nullcontext():
                return encode(_whole(stored, pieces), _state(stored), limits)
        except ChangedError as error:
            raise Rejected(str(error.strerror), transient=True) from error
        except OSError as error:
            gone = error.errno == errno.ENOENT
            words = "gone since the folder was listed" if gone else f"can't be read: {error.strerror or error}"
            raise Rejected(words, errno=error.errno) from error
        except MemoryError as error:
            raise Rejected("not enough memory to read it", transient=True) from error

    def is_there(self) -> bool:
        """Whether the store still lists what is below the address."""
        if time.monotonic() - self._last_there < GOOD_FOR:
            return True
        try:
            next(iter(self._store.listing()), None)
        except StoreError:
            return False
        self._last_there = time.monotonic()
        return True


def _whole(stored: Stored, pieces: Iterator[bytes]) -> bytes:
    """The content; a film is refused by its beginning."""
    parts: list[bytes] = []
    for piece in pieces:
        if not parts:
            format_of(piece)
        parts.append(piece)
    data = b"".join(parts)
    if len(data) != stored.size:
        raise ChangedError(errno.EAGAIN, "changed while it was read")
    return data


def _is_hidden(path: str) -> bool:
    return path.startswith(".") or "/." in path


def _state(stored: Stored) -> State:
    """What tells a change, as four numbers that SQLite can keep."""
    digest = hashlib.sha256(stored.etag.encode()).digest() if stored.etag else bytes(8)
    return State(stored.size, stored.seconds * 10**9, 0, int.from_bytes(digest[:8]) >> 1)

"""Open an output in a store of objects."""

import errno
from pathlib import Path

from pipeline import InputError
from pipeline.stores import Store, StoreError, clean_address, is_address, local_path, open_store
from submissions.remote import RemoteOutput


class _Objects:
    """A store's objects as `submissions.remote` wants them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.put = store.put
        self.delete = store.delete

    def fetch(self, name: str) -> bytes | None:
        try:
            _, pieces = self._store.get(name)
            return b"".join(pieces)
        except StoreError as error:
            if error.errno == errno.ENOENT:
                return None
            raise


def local_output(name: str) -> Path | None:
    """The path that an output's name stands for, also as file://...; None for an address of a store."""
    return local_path(name) if is_address(name) else Path(name)


def open_remote_output(address: str) -> RemoteOutput:
    """The output at an address of a store. Nothing is asked of it yet.

    Raises InputError for an address that names no file, or that nothing here can open.
    """
    place, _, file = clean_address(address).rpartition("/")
    if not file or place.endswith("/"):
        raise InputError(f"the output {address} names no file in a bucket; give one like s3://bucket/scores.csv.")
    return RemoteOutput(place, file, _Objects(open_store(place)))

"""Stores of objects: names to bytes somewhere else, reached by an address of fsspec's, SCHEME://PLACE/PREFIX.

For `s3://` it is obstore (extra `s3`), which lists page by page, tries again by itself and resumes a body that was cut
off; every other scheme goes through fsspec and the package that fsspec asks for. No TensorFlow here.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline import InputError


class Stored(NamedTuple):
    """One object as a store shows it. The time is in whole seconds since 1970, since some answers have no finer one;
    what is not known is 0 or ''."""

    path: str  # below the store's prefix
    size: int  # bytes
    seconds: int
    etag: str


class StoreError(OSError):
    """A store's refusal: `errno` tells the kind (`pipeline.rejection` knows which of them may pass), `strerror` is
    short, and the same for the same fault."""


class ChangedError(StoreError):
    """The object became another one while it was read."""


class Store(Protocol):
    """The objects below one address. Every method raises StoreError."""

    def listing(self) -> Iterator[Stored]:
        """All of them, as the store's pages arrive."""

    def get(self, path: str) -> tuple[Stored, Iterator[bytes]]:
        """One object and its content piece by piece; nothing is fetched before the first piece is asked for, or
        not much. Several threads call it."""

    def put(self, path: str, data: bytes) -> None:
        """Replace one object whole."""

    def delete(self, path: str) -> None:
        """Remove one object, if it is there."""


@dataclass(frozen=True)
class Patience:
    """How long a store may take: seconds a request, and how often one that failed is tried again, after pauses that
    double from the first to the longest."""

    seconds: float = 60
    tries_again: int = 4
    first_pause: float = 0.25
    longest_pause: float = 4

    @property
    def all_seconds(self) -> float:
        """After so many no request is begun again."""
        return 1.5 * self.seconds + self.tries_again * self.longest_pause


PATIENCE = "PAWSCORE_STORE_TIMEOUT"  # seconds, in the environment


def patience() -> Patience:
    """The patience that the environment asks for. Raises InputError."""
    given = os.environ.get(PATIENCE)
    try:
        seconds = Patience.seconds if given is None else float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise InputError(f"{PATIENCE} is {given!r}; give the seconds that a request may take, more than 0, up to 3600.")
    return Patience(seconds)


def is_address(text: str) -> bool:
    """Whether `text` is SCHEME://... and not a path."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.replace("+", "").replace("-", "").isalnum()


def local_path(address: str) -> Path | None:
    """The path that a file:// or local:// address stands for; None for another one."""
    scheme, _, rest = address.partition("://")
    if scheme not in ("file", "local"):
        return None
    path = rest.removeprefix("localhost")
    if not path.startswith("/"):
        raise InputError(f"the address {address} holds no absolute path; give one like file:///data/pictures.")
    return Path(path)


def clean_address(address: str) -> str:
    """The address without a slash at its end. Raises InputError for one that carries a password or names no place:
    it is written into ledgers and manifests."""
    scheme, _, rest = address.partition("://")
    user, colon, password = rest.partition("/")[0].rpartition("@")[0].partition(":")
    if colon:
        shown = address.replace(f"{user}:{password}@", f"{user}:***@", 1)
        raise InputError(f"the address {shown} holds a password; leave it out and give it by the environment.")
    if not rest.strip("/") and scheme != "memory":
        raise InputError(f"the address {address} names no bucket or host; give one like s3://bucket/prefix.")
    return f"{scheme}://{rest.rstrip('/')}"


def open_store(address: str) -> Store:
    """The store at `address`. Nothing is asked of it yet.

    Raises InputError when the address is none, or the package for its scheme is not installed.
    """
    address = clean_address(address)
    if address.startswith(("s3://", "s3a://")):
        if find_spec("obstore") is None:
            raise InputError(
                f'{address} needs the package obstore, which is not installed; run make setup EXTRAS="cpu s3".'
            )
        from pipeline.s3_store import S3Objects

        return S3Objects(address, patience())
    from pipeline.fsspec_store import FsspecObjects

    return FsspecObjects(address, patience())


def missing(path: str) -> StoreError:
    """The error for an object that is not there."""
    return StoreError(errno.ENOENT, "no such object", path)

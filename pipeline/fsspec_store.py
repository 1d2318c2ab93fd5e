"""Objects of whatever fsspec and its packages reach: memory, SFTP, WebDAV, stores of other makers."""

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import fsspec
from fsspec.asyn import AsyncFileSystem, sync

from pipeline import InputError
from pipeline.stores import ChangedError, Patience, Stored, StoreError, missing

# The names that file systems give to the same thing.
ETAGS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "checksum")
TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
REFUSALS = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
Anything = TypeVar("Anything")


class FsspecObjects:
    """The objects below any address that fsspec knows (see `pipeline.stores.Store`)."""

    def __init__(self, address: str, patience: Patience) -> None:
        try:
            fs, self._root = fsspec.url_to_fs(address, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            raise InputError(f"{address} can't be opened: {str(error).rstrip('.')}; install what it needs.") from None
        self._fs: Any = fs
        self._patience = patience

    def listing(self) -> Iterator[Stored]:
        """Folder by folder; only one folder's entries are held in memory."""
        waiting = [self._root]
        while waiting:
            folder = waiting.pop()
            for found in sorted(self._call("ls", folder, detail=True), key=lambda found: found["name"]):
                if found["type"] == "directory":
                    waiting.append(found["name"])
                elif found["name"] != folder:
                    yield self._stored(found)

    def get(self, path: str) -> tuple[Stored, Iterator[bytes]]:
        """Three requests: what it is, its content, and whether it is still the same."""
        before = self._stored(self._call("info", self._name(path)))

        def content() -> Iterator[bytes]:
            yield self._call("cat_file", self._name(path))
            if self._stored(self._call("info", self._name(path))) != before:
                raise ChangedError(errno.EAGAIN, "changed while it was read")

        return before, content()

    def put(self, path: str, data: bytes) -> None:
        """Whole or not at all where the file system's `pipe_file` is."""
        folder = self._name(path).rpartition("/")[0]
        if folder:
            self._call("makedirs", folder, exist_ok=True)
        self._call("pipe_file", self._name(path), data)

    def delete(self, path: str) -> None:
        """Remove it, if it is there."""
        try:
            self._call("rm_file", self._name(path))
        except StoreError as error:
            if error.errno != errno.ENOENT:
                raise

    def _name(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _stored(self, found: Mapping[str, Any]) -> Stored:
        path = found["name"].removeprefix(self._root).lstrip("/")
        etag = next((str(found[key]) for key in ETAGS if found.get(key)), "")
        changed = next((found[key] for key in TIMES if found.get(key)), 0)
        return Stored(path, int(found.get("size") or 0), _seconds(changed), etag)

    def _call(self, method: str, *given: Any, **options: Any) -> Any:
        pause = self._patience.first_pause
        for left in reversed(range(self._patience.tries_again + 1)):
            try:
                return self._once(method, *given, **options)
            except REFUSALS as error:
                raise _translated(error) from error
            except Exception as error:  # every package has errors of its own
                if not left:
                    raise _translated(error) from error
            time.sleep(pause)
            pause = min(2 * pause, self._patience.longest_pause)
        raise AssertionError("unreachable")

    def _once(self, method: str, *given: Any, **options: Any) -> Any:
        own: Callable[..., Any] | None = getattr(self._fs, f"_{method}", None)
        if isinstance(self._fs, AsyncFileSystem) and own is not None:
            return sync(self._fs.loop, own, *given, timeout=self._patience.seconds, **options)
        return getattr(self._fs, method)(*given, **options)


def _translated(error: Exception) -> StoreError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return missing("")
    if isinstance(error, PermissionError):
        return StoreError(errno.EACCES, "no permission")
    if isinstance(error, TimeoutError):
        return StoreError(errno.ETIMEDOUT, "the server does not answer in time")
    if isinstance(error, OSError) and error.errno is not None:
        return StoreError(error.errno, error.strerror or type(error).__name__)
    return StoreError(errno.EIO, f"{type(error).__name__}: {' '.join(str(error).split())[:150]}")


def _seconds(changed: Any) -> int:
    if isinstance(changed, str):
        try:
            changed = datetime.fromisoformat(changed)
        except ValueError:
            return 0
    return int(changed.timestamp() if isinstance(changed, datetime) else changed)

"""Objects of S3, and of what speaks its protocol, through obstore.

obstore tries again what may pass (server errors, time-outs, lost connections) and goes on within a body that was cut
off, on the condition that the ETag is still the same.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from configparser import ConfigParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from obstore.exceptions import BaseError
from obstore.store import S3Store

from pipeline import InputError
from pipeline.s3_errors import translate
from pipeline.stores import Patience, Stored, StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

PAGE = 1000  # entries; what S3 gives at once
PIECE = 65536  # bytes; enough to know a picture's format
CONNECTING = 10  # seconds
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
Anything = TypeVar("Anything")


class S3Objects:
    """The objects below s3://BUCKET/PREFIX (see `pipeline.stores.Store`)."""

    def __init__(self, address: str, patience: Patience) -> None:
        bucket, slash, self._prefix = address.partition("://")[2].partition("/")
        if not _BUCKET.fullmatch(bucket):  # the client would panic
            raise InputError(f"the address {address} names no bucket: letters, digits, dots and hyphens make its name.")
        if slash and not all(part.strip(".") for part in self._prefix.split("/")):
            raise InputError(f"the address {address} has an empty part; its names are joined by single slashes.")
        client, retries = _client(patience), _retries(patience)
        try:
            self._store = S3Store(bucket, config=_settings(), client_options=client, retry_config=retries)
        except (BaseError, ValueError) as error:
            raise InputError(f"{address} can't be opened: {translate(error).strerror}.") from None

    def listing(self) -> Iterator[Stored]:
        """Sorted by the bytes of their names."""
        entries = self._listed()
        entry = next(entries, None)
        while entry is not None:
            following = next(entries, None)
            if entry.size or not self._is_folder(entry, following):
                yield entry
            entry = following

    def _is_folder(self, entry: Stored, following: Stored | None) -> bool:
        """Whether an empty object only marks a folder ("name/", of which the client shows "name")."""
        if following is not None and following.path.startswith(f"{entry.path}/"):
            return True
        try:
            return _in_words(self._store.head, self._key(entry.path))["size"] != 0
        except StoreError as error:
            if error.errno == errno.ENOENT:
                return True
            raise

    def _listed(self) -> Iterator[Stored]:
        pages = iter(_in_words(self._store.list, self._prefix or None, chunk_size=PAGE))
        while page := _in_words(next, pages, ()):
            for meta in page:
                yield self._stored(meta)

    def get(self, path: str) -> tuple[Stored, Iterator[bytes]]:
        """One request for both; the content is of the object that is described, or ChangedError is raised."""
        answer = _in_words(self._store.get, self._key(path))
        return self._stored(answer.meta), _pieces(answer.stream(min_chunk_size=PIECE))

    def put(self, path: str, data: bytes) -> None:
        """One request, which the server carries out whole or not at all."""
        _in_words(self._store.put, self._key(path), data, use_multipart=False)

    def delete(self, path: str) -> None:
        """One request; S3 says nothing of objects that are not there."""
        _in_words(self._store.delete, self._key(path))

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _stored(self, meta: Any) -> Stored:
        changed: datetime = meta["last_modified"]
        path = meta["path"].removeprefix(self._prefix).lstrip("/")
        return Stored(path, meta["size"], int(changed.timestamp()), meta["e_tag"] or "")


def _pieces(stream: Iterable[bytes]) -> Iterator[bytes]:
    pieces = iter(stream)
    while piece := _in_words(next, pieces, b""):
        yield bytes(piece)


def _in_words(act: Callable[..., Anything], *given: Any, **options: Any) -> Anything:
    try:
        return act(*given, **options)
    except (BaseError, OSError, ValueError) as error:
        raise translate(error) from error


def _client(patience: Patience) -> "ClientConfig":
    whole = timedelta(seconds=patience.seconds)
    return {
        "timeout": whole,
        "connect_timeout": min(whole, timedelta(seconds=CONNECTING)),
        "allow_http": (_endpoint() or "").startswith("http://"),
    }


def _retries(patience: Patience) -> "RetryConfig":
    return {
        "max_retries": patience.tries_again,
        "retry_timeout": timedelta(seconds=patience.all_seconds),
        "backoff": {
            "init_backoff": timedelta(seconds=patience.first_pause),
            "max_backoff": timedelta(seconds=patience.longest_pause),
            "base": 2,
        },
    }


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _settings() -> "S3Config":
    """What the client does not find in the environment by itself: the AWS tools' files, where they are needed."""
    settings = {"endpoint": _endpoint() or ""}
    if "AWS_ACCESS_KEY_ID" not in os.environ and "AWS_WEB_IDENTITY_TOKEN_FILE" not in os.environ:
        keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        profile = _profile("AWS_SHARED_CREDENTIALS_FILE", "credentials", "")
        settings |= {key: profile.get(key, "") for key in keys}
    if not os.environ.get("AWS_REGION") and not os.environ.get("AWS_DEFAULT_REGION"):
        settings["region"] = _profile("AWS_CONFIG_FILE", "config", "profile ").get("region", "")
    return cast("S3Config", {key: value for key, value in settings.items() if value})


def _profile(variable: str, name: str, before: str) -> dict[str, str]:
    file = os.environ.get(variable) or Path.home() / ".aws" / name
    parser = ConfigParser(interpolation=None)
    parser.read(file, encoding="utf-8")
    profile = os.environ.get("AWS_PROFILE", "default")
    sections = (profile, before + profile)
    return {key: value for section in sections if parser.has_section(section) for key, value in parser.items(section)}

"""What an S3 client's error means: the kind as the system numbers it, and words that are the same each time."""

import errno
import re

from obstore.exceptions import InvalidPathError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from pipeline.stores import ChangedError, StoreError

_CODE = re.compile(r"<Code>([^<]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_PATH = re.compile(r'[Pp]ath "([^"]{1,300})"', re.DOTALL)
# Where the client asks a machine in the cloud for its own credentials, when it was given none.
_OWN_CREDENTIALS = ("/latest/api/token", "/latest/meta-data")
# The client has one type of error for most things: its text tells them apart. The first that is found counts.
_BY_TEXT = (
    (("NoSuchBucket",), errno.ENODEV, "the bucket does not exist"),
    (("MissingAccessKeyId", "MissingSecretAccessKey"), errno.EACCES, "only one of the two credentials is set"),
    (_OWN_CREDENTIALS, errno.EACCES, "no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
)
_BY_KIND = (
    (("TimedOut", "kind: Timeout"), errno.ETIMEDOUT, "the server does not answer in time"),
    (("kind: Connect",), errno.ECONNREFUSED, "no connection to the server"),
    (("",), errno.EIO, "the connection to the server breaks off"),
)


def translate(error: Exception) -> StoreError:
    """The error of a request as one of ours."""
    text = str(error)
    if isinstance(error, PreconditionError):
        return ChangedError(errno.EAGAIN, "changed while it was read")
    if isinstance(error, InvalidPathError | ValueError):
        path = _PATH.search(text)
        return StoreError(
            errno.EINVAL, f"the object {path[1] if path else '?'!r} has a name that is no path; rename it"
        )
    if found := _first(_BY_TEXT, text):
        return found
    if isinstance(error, FileNotFoundError):
        return StoreError(errno.ENOENT, "no such object")
    said = _said(text)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return StoreError(errno.EACCES, f"no permission: the server answers {said}")
    return StoreError(errno.EIO, f"the server answers {said}") if said else _first(_BY_KIND, text) or StoreError()


def _first(rules: tuple[tuple[tuple[str, ...], int, str], ...], text: str) -> StoreError | None:
    return next((StoreError(number, words) for signs, number, words in rules if any(s in text for s in signs)), None)


def _said(text: str) -> str:
    code, status = _CODE.search(text), _STATUS.search(text)
    return code[1] if code else status[1] if status else ""

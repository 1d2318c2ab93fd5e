"""Why a file gives no picture, and how far a file may go before it is refused."""

import errno
from dataclasses import dataclass, replace

# The medium failed, not the file: a later try may succeed; many in a row mean that disk or server is gone.
MEDIUM_NAMES = """
    EIO ESTALE ENOTCONN ETIMEDOUT ENODEV ENOLINK EREMOTEIO EPROTO EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH
    ECONNRESET ECONNABORTED ECONNREFUSED ESHUTDOWN
"""
MEDIUM_ERRORS = frozenset(getattr(errno, name) for name in MEDIUM_NAMES.split() if hasattr(errno, name))
# These say something about the name or the kind of the file; trying again does not change them.
LASTING_ERRORS = frozenset(
    {errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.EINVAL, errno.EOVERFLOW}
)


class Rejected(Exception):
    """The file is no picture that can be scored; `str()` is one short reason in words.

    errno: the system's error number, or None when the content is at fault.
    medium: True for errors of the disk or the network (EIO, ESTALE, ENOTCONN, time-outs), not permissions.
    transient: True when the same file may be readable later without having changed: every error of the
        medium, and also no permission, vanished, changed while it was read, out of memory or descriptors.
    """

    def __init__(self, reason: str, errno: int | None = None, transient: bool = False) -> None:
        super().__init__(reason)
        self.errno = errno
        self.medium = errno in MEDIUM_ERRORS
        self.transient = transient or (errno is not None and errno not in LASTING_ERRORS)


@dataclass(frozen=True)
class Limits:
    """What a file may cost; beyond that it is rejected before anything is decoded."""

    megapixels: float = 64  # width x height / 1,000,000
    jpeg_scans: int = 100  # each scan of a progressive JPEG goes over the whole picture
    file_bytes: int = 256 * 2**20  # an uncompressed picture of 64 megapixels has 192 MB


LIMITS = Limits()


def limits_of(megapixels: float) -> Limits:
    """Limits for pictures of so many megapixels: as many bytes for a file as an uncompressed one takes, at least."""
    return replace(LIMITS, megapixels=megapixels, file_bytes=max(LIMITS.file_bytes, int(4e6 * megapixels)))

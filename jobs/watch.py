"""The reader of a scoring run: it notes what is in hand and what was read, and gives up on a medium that fails."""

import errno
from typing import NamedTuple

from pipeline.reading import Encoded, Limits, Reader, Rejected, State, read_picture
from submissions.in_flight import InFlight

# So many in a row are the medium's fault, not the files'.
MOST_MEDIUM_ERRORS = 5


class Seen(NamedTuple):
    """A file as it was read: what tells its state, and the pixels of its picture."""

    state: State
    pixels: int


class Watch:
    """Readers (see `pipeline.reading.Reader`) for the stream and for a second look at single files.

    Threads share it; each of its steps is one operation on a dict, a set or a number.
    """

    def __init__(self, flight: InFlight | None, reader: Reader = read_picture) -> None:
        self._flight = flight
        self._reader = reader
        self._seen: dict[bytes, Seen] = {}
        self._in_a_row = 0

    def read(self, root: bytes, path: bytes, limits: Limits) -> Encoded:
        """Read one picture as `read_picture` does, by the reader that was given."""
        if self._flight is not None:
            self._flight.started(path)
        picture = self._reader(root, path, limits)
        self._seen[path] = Seen(picture.state, picture.width * picture.height)
        return picture

    def read_in_stream(self, root: bytes, path: bytes, limits: Limits) -> Encoded:
        """Do the same, but reject unseen what follows after more than 5 errors of the medium in a row.

        Each may have taken a time-out, and a folder holds thousands of files.
        """
        if self.gave_up:
            raise Rejected("not tried, since the medium fails", errno=errno.EIO)
        try:
            picture = self.read(root, path, limits)
        except Rejected as reject:
            self._in_a_row = self._in_a_row + 1 if reject.medium else 0
            raise
        self._in_a_row = 0
        return picture

    @property
    def gave_up(self) -> bool:
        """Whether the stream has left out files that nobody looked at."""
        return self._in_a_row > MOST_MEDIUM_ERRORS

    def begin_anew(self) -> None:
        """Let the stream try the medium again."""
        self._in_a_row = 0

    def seen(self, path: bytes) -> Seen:
        """What `path` was when it was last read, given once. Raises KeyError when it was not."""
        return self._seen.pop(path)

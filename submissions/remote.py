"""Publication into a store of objects: the same three files, whole or not at all, for whoever asks `verify`.

A store has no rename, but replaces one object whole. So the trio is published into a temporary folder that mirrors
the store, by the code that publishes into folders, and then copied: first the rejects and the manifest under the
names that a killed local run would leave, then CSV, rejects, manifest. What an interrupted copy leaves is thus what a
killed local run leaves, and the next start recovers it in its mirror in the same way.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol, TypeVar

from submissions import SubmissionError
from submissions.atomic import MARK
from submissions.manifests import Trio, find_trio
from submissions.names import shown
from submissions.recovery import clean_leftovers
from submissions.writer import publish

# Where a process writes its number; none has this one.
ASIDE = f"{MARK}0"
Anything = TypeVar("Anything")


class Objects(Protocol):
    """The objects in one place of a store, by name. Every method raises OSError."""

    def fetch(self, name: str) -> bytes | None:
        """An object's content, None when it is not there."""

    def put(self, name: str, data: bytes) -> None:
        """Replace an object whole."""

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""


class RemoteOutput:
    """The output `name` in the place `place`, an address, of which `objects` gives and takes the content.

    Its methods raise SubmissionError, `clean_leftovers` and `publish`
    """

    def __init__(self, place: str, name: str, objects: Objects) -> None:
        self.address = f"{place}/{name}"
        self._place = place
        self._name = name
        self._objects = objects

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of the CSV, its rejects and its manifest."""
        stem = Path(self._name).stem
        return tuple(f"{self._place}/{name}" for name in (self._name, f"{stem}.rejects.csv", f"{stem}.manifest.json"))

    def inspect(self, look: Callable[[Path], Anything]) -> Anything:
        """What `look` says of the output, given a path where a copy of it and its companions lies."""
        with self._mirrored() as out:
            self._fetch_all(out)
            return look(out)

    def clean_leftovers(self) -> str:
        """Finish or remove what an interrupted run left; a line that says what was done, or ''."""
        with self._mirrored() as out:
            before = self._fetch_all(out)
            done = self._here(out, clean_leftovers(out))
            self._copy(out, before)
        return done

    def publish(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *given: Any, **options: Any
    ) -> Literal["written", "unchanged"]:
        """Do as `submissions.writer.publish`."""
        with self._mirrored() as out:
            before = self._fetch_all(out)
            outcome = publish(out, columns, rows, *given, **options)
            self._copy(out, before)
        return outcome

    @contextmanager
    def _mirrored(self) -> Iterator[Path]:
        with TemporaryDirectory(prefix="pawscore-") as folder:
            out = Path(folder).resolve() / self._name
            try:
                yield out
            except SubmissionError as error:
                raise type(error)(self._here(out, str(error))) from error
            except OSError as error:
                raise SubmissionError(
                    f"{self.address} could not be reached or written ({error.strerror or error}), and no file is "
                    "half-written; check the address, the credentials and the server, and run it again."
                ) from error

    def _here(self, out: Path, sentence: str) -> str:
        return sentence.replace(shown(out.parent), self._place)

    def _fetch_all(self, out: Path) -> dict[str, bytes]:
        """Make the mirror; what it holds at first, by name."""
        found = {name: self._objects.fetch(name) for name in _names(find_trio(out))}
        there = {name: data for name, data in found.items() if data is not None}
        for name, data in there.items():
            out.with_name(name).write_bytes(data)
        return there

    def _copy(self, out: Path, before: dict[str, bytes]) -> None:
        """Bring the store from what it held before to what the mirror holds now."""
        trio = find_trio(out)
        new = {path.name: path.read_bytes() for path in trio if path.exists()}
        changed = {name: data for name, data in new.items() if before.get(name) != data}
        begun = [name for name in _names(trio)[3:] if name in before]
        if trio.csv.name in changed:
            for path in (trio.rejects, trio.manifest):
                begun.append(_aside(path.name))
                self._objects.put(begun[-1], new[path.name])
        for path in trio:
            if path.name in changed:
                self._objects.put(path.name, new[path.name])
        for name in dict.fromkeys(reversed(begun)):
            self._objects.delete(name)


def _aside(name: str) -> str:
    return f".{name}{ASIDE}"


def _names(trio: Trio) -> list[str]:
    """The trio's names, then those under which the rejects and the manifest are copied first."""
    return [*(path.name for path in trio), *(_aside(path.name) for path in (trio.rejects, trio.manifest))]

"""The record of the files in hand: it outlives the process alone, counts deaths, and stays small."""

import errno
import os
from pathlib import Path

import pytest

from submissions import in_flight
from submissions.in_flight import open_in_flight


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "scores.sqlite"


def die(ledger: Path, *paths: bytes, root: bytes = b"/pictures", landed: tuple[bytes, ...] = ()) -> None:
    """Be a process that dies with `paths` in hand."""
    pid = os.fork()
    if pid == 0:
        with open_in_flight(ledger, root) as flight:
            for path in paths:
                flight.started(path)
            flight.landed(landed)
            os._exit(9)
    os.waitpid(pid, 0)


def deaths(ledger: Path, root: bytes = b"/pictures") -> dict[bytes, int]:
    with open_in_flight(ledger, root) as flight:
        return dict(flight.deaths)


def test_deaths_are_counted_for_what_was_in_hand(ledger: Path):
    die(ledger, b"a.jpg", b"b.jpg", b"c.jpg", landed=(b"a.jpg",))
    die(ledger, b"b.jpg", b"d\n \xff.jpg")
    # Without a rewrite what has landed is still noted; the ledger knows better, and the scan drops it.
    assert {path: n for path, n in deaths(ledger).items() if path != b"a.jpg"} == {
        b"b.jpg": 2,
        b"c.jpg": 1,
        b"d\n \xff.jpg": 1,
    }


def test_what_landed_is_forgotten_and_an_end_in_order_leaves_no_file(ledger: Path):
    die(ledger, b"a.jpg")
    with open_in_flight(ledger, b"/pictures") as flight:
        flight.started(b"a.jpg")
        flight.started(b"b.jpg")
        flight.landed([b"a.jpg"])
    assert deaths(ledger) == {}
    assert list(ledger.parent.iterdir()) == []


def test_an_error_or_an_interruption_is_no_death(ledger: Path):
    die(ledger, b"a.jpg")
    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error), open_in_flight(ledger, b"/pictures") as flight:
            flight.started(b"a.jpg")
            flight.started(b"b.jpg")
            raise error
        assert deaths(ledger) == {b"a.jpg": 1}


def test_folders_do_not_mix(ledger: Path):
    die(ledger, b"a.jpg")
    assert deaths(ledger, b"/other") == {}
    assert deaths(ledger) == {b"a.jpg": 1}


def test_the_record_stays_small(ledger: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(in_flight, "LARGEST", 1000)
    sizes = []
    with open_in_flight(ledger, b"/pictures") as flight:
        flight.started(b"stays.jpg")
        for number in range(1000):
            flight.started(b"%d.jpg" % number)
            flight.landed([b"%d.jpg" % number])
            sizes.append(sum(path.stat().st_size for path in ledger.parent.iterdir()))
    assert max(sizes) < 2000
    monkeypatch.setattr(in_flight, "LARGEST", 10)
    die(ledger, b"stays.jpg", b"goes.jpg", landed=(b"goes.jpg",))
    assert deaths(ledger) == {b"stays.jpg": 1}


def test_a_torn_or_foreign_record_is_passed_over(ledger: Path):
    die(ledger, b"a.jpg")
    (file,) = ledger.parent.iterdir()
    file.write_bytes(b"nonsense\0x y\0" + file.read_bytes() + b"3 torn.jp")
    assert deaths(ledger) == {b"a.jpg": 1}


def test_a_full_disk_does_not_stop_the_reading(ledger: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with open_in_flight(ledger, b"/pictures") as flight:
        monkeypatch.setattr(os, "write", full)
        flight.started(b"a.jpg")
        monkeypatch.undo()

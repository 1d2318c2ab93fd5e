"""Scheduled scoring as a process: killed at any moment, stopped by a signal, watching a folder."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path
from sqlite3 import OperationalError, connect

import pytest
from score_runs import HOUSE, score_command, table
from tiny_runs import draw_pictures, save_tiny_run

from submissions.schedule import read_rounds
from submissions.verification import verify

pytestmark = pytest.mark.faults
HOOKS = f"{HOUSE / 'tests' / 'hooks'}{os.pathsep}{HOUSE}"
PICTURES = 200


@pytest.fixture
def place(tmp_path) -> Path:
    save_tiny_run(tmp_path / "run")
    draw_pictures(tmp_path / "images", PICTURES)
    return tmp_path


def start(place: Path, *options: object, seconds: float = 0.0) -> subprocess.Popen[str]:
    """Begin a round whose pictures take some time each."""
    environment = {**os.environ, "PYTHONPATH": HOOKS, "PICTURE_FAULTS": f"*={seconds}" if seconds else ""}
    return subprocess.Popen(
        score_command(place / "run", place / "images", place / "s.csv", *options),
        cwd=HOUSE,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_until(done, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def scored(place: Path) -> int:
    try:
        with closing(connect(f"file:{place / 'run' / 'scores.sqlite'}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT count(*) FROM scores").fetchone()[0]
    except OperationalError:  # not there yet
        return 0


def test_rounds_that_are_killed_end_in_the_csv_of_one_undisturbed_round(place):
    process = start(place)
    assert process.wait() == 0, process.communicate()
    whole = (place / "s.csv").read_bytes()
    for path in (*place.glob("s.*"), *place.glob("run/scores.sqlite*")):
        path.unlink()
    for number in (1, 40, 100):
        process = start(place, seconds=0.05)
        wait_until(lambda number=number: scored(place) >= number, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (place / "s.csv").exists()
        assert scored(place) < PICTURES
    before = scored(place)
    process = start(place)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f"{PICTURES} rows, 0 rejects" in output
    assert (place / "s.csv").read_bytes() == whole
    ((last, _),) = read_rounds(place / "run" / "scores.sqlite", 1)
    assert (last.scored, last.reused) == (PICTURES - before, before)


def test_a_round_that_is_interrupted_is_recorded_with_130_and_goes_on(place):
    process = start(place, seconds=0.05)
    wait_until(lambda: scored(place), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 130
    process.communicate()
    ((last, _),) = read_rounds(place / "run" / "scores.sqlite", 1)
    assert last.exit_code == 130 and 0 < last.scored == scored(place) < PICTURES


def test_watching_takes_up_what_comes_and_sigterm_ends_it_without_a_fault(place):
    for path in list((place / "images").iterdir())[10:]:
        path.unlink()
    process = start(place, "--watch", 0.2, "--settle", 0)
    wait_until((place / "s.csv").exists, process)
    shutil.copyfile(next((place / "images").iterdir()), place / "images" / "new.jpg")
    wait_until(lambda: "new.jpg" in table(place / "s.csv", "id", "label"), process)
    (place / "images").rename(place / "away")
    ledger = place / "run" / "scores.sqlite"
    wait_until(lambda: read_rounds(ledger, 1)[0][0].exit_code == 2, process)
    (place / "away").rename(place / "images")
    wait_until(lambda: read_rounds(ledger, 1)[0][0].exit_code == 0, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 0 and "no such folder" in errors
    assert verify(place / "s.csv") == []
    assert read_rounds(ledger, 1)[0][0].found == 11

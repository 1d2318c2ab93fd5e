"""Ctrl-C and SIGTERM: the batch in hand is finished and kept, and the same command goes on from there."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tiny_runs import HOUSE, draw_pictures, save_tiny_run, submit, submit_command, submit_here

HOOKS = f"{HOUSE / 'tests' / 'hooks'}{os.pathsep}{HOUSE}"
PICTURES = 200


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run, pictures, and the CSV that an undisturbed run makes of them."""
    folder = tmp_path_factory.mktemp("place")
    save_tiny_run(folder / "fresh")
    draw_pictures(folder / "images", PICTURES)
    shutil.copytree(folder / "fresh", folder / "run")
    assert submit(folder / "run", folder / "images", folder / "undisturbed.csv").returncode == 0
    return folder


@pytest.fixture
def run(place, tmp_path) -> Path:
    return Path(shutil.copytree(place / "fresh", tmp_path / "run"))


def start(place: Path, run: Path, out: Path, seconds: float) -> subprocess.Popen[str]:
    """Begin a run whose pictures take some time each."""
    command = submit_command(run, place / "images", out)
    environment = {**os.environ, "PYTHONPATH": HOOKS, "PICTURE_FAULTS": f"*={seconds}"}
    return subprocess.Popen(
        command, cwd=HOUSE, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def committed(run: Path) -> dict[bytes, str]:
    try:
        with closing(sqlite3.connect(f"file:{run / 'scores.sqlite'}?mode=ro", uri=True)) as connection:
            return dict(connection.execute("SELECT path, scored_at FROM scores"))
    except sqlite3.OperationalError:  # not there yet
        return {}


def wait_for_scores(run: Path, process: subprocess.Popen[str]) -> None:
    while not committed(run):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_batch_in_hand_and_the_same_command_goes_on(place, run, tmp_path, capfd, number):
    process = start(place, run, tmp_path / "s.csv", 0.05)
    wait_for_scores(run, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert sorted(path.name for path in run.glob("scores*")) == ["scores.sqlite", "scores.sqlite.lock"]
    kept = committed(run)
    assert 0 < len(kept) < PICTURES
    assert len(kept) % 32 == 0, "whole batches"
    assert "finishing what is in hand" in errors
    assert f"interrupted ({len(kept)} of {PICTURES} files are done); the same command goes on from here." in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == [run]

    done = submit_here(capfd, run, place / "images", tmp_path / "s.csv")
    assert done.code == 0, done.errors
    assert f"{PICTURES - len(kept)} of {PICTURES}, the rest before" in done.output
    assert (tmp_path / "s.csv").read_bytes() == (place / "undisturbed.csv").read_bytes()
    assert committed(run).items() >= kept.items(), "nothing is scored twice"


def test_a_second_signal_ends_at_once(place, run, tmp_path):
    process = start(place, run, tmp_path / "s.csv", 0.3)
    wait_for_scores(run, process)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "once more ends at once" in errors and "interrupted" not in errors


def test_a_signal_before_the_scoring_ends_without_a_traceback(place, run, tmp_path):
    process = start(place, run, tmp_path / "s.csv", 0.05)
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGTERM), errors  # the latter before Python has come so far
    assert "Traceback" not in errors


FORKING = """
import os, signal, sys, time
from jobs.interruption import finish_first, listen
listen()
with finish_first() as stop:
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), stop.wait(0.5))
"""


def test_a_signal_to_a_child_of_the_job_is_none_to_the_job():
    done = subprocess.run([sys.executable, "-c", FORKING], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout == f"{-signal.SIGTERM} False\n" and done.stderr == ""


@pytest.fixture
def ended(tmp_path) -> Callable[[str], tuple[int, str, str]]:
    """Run a program that sends itself signals, as a module like any job: its exit code, output and errors."""

    def run(program: str) -> tuple[int, str, str]:
        (tmp_path / "program.py").write_text(program)
        command = [sys.executable, "-m", "program"]
        environment = {**os.environ, "PYTHONPATH": f"{HOUSE}{os.pathsep}{tmp_path}"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


TOLD = (130, "", "Error: interrupted; the same command goes on from here.\n")
KILL = """
import signal, sys
from jobs import entry
def kill():
    signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_before_the_options_are_read_is_told_as_any_other(ended):
    early = "command = entry.command\nentry.command = lambda main: (kill(), command(main))[1]\n"
    assert ended(f"{KILL}{early}entry.run(lambda: print('ran'))") == TOLD


def test_a_signal_while_options_are_read_is_told_as_any_other(ended):
    reading = "def main(option: str = typer.Option(callback=lambda value: kill())): print('ran')\n"
    assert ended(f"import typer\n{KILL}{reading}sys.argv[1:] = ['--option', 'x']\nentry.run(main)") == TOLD


def test_a_signal_after_the_end_changes_nothing(ended):
    late = "import atexit\natexit.register(kill)\n"
    assert ended(f"{KILL}{late}entry.run(lambda: print('ran'))") == (0, "ran\n", "")


def test_a_signal_within_text_that_is_executed_ends_with_the_exit_code_too(ended):
    """As imports do for named tuples and data classes; Python takes a KeyboardInterrupt there for one unhandled."""
    assert ended(f"{KILL}entry.run(lambda: exec('kill()', globals()))") == TOLD


TWICE = """
from jobs import interruption
interruption.ONE_AND_THE_SAME = 60
def main():
    try:
        kill()
    finally:
        kill()
        print("cleaned")
entry.run(main)
"""


def test_a_signal_sent_twice_at_once_leaves_the_cleaning_up_alone(ended):
    assert ended(KILL + TWICE) == (TOLD[0], "cleaned\n", TOLD[2])


IMPORTED = """
def main():
    try:
        try:
            kill()
        except BaseException as error:
            raise ImportError("initialization failed") from error  # as pybind11 does
    except ImportError:
        raise ImportError("Failed to load the native runtime")  # as TensorFlow does
entry.run(main)
"""


def test_a_signal_that_makes_an_import_fail_is_told_as_any_other(ended):
    assert ended(KILL + IMPORTED) == TOLD

"""Signals at any moment of a job's life: one sentence and exit code 130, whatever Python and libraries make of them."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from commands import ROOT

from jobs.entry import exit_code_of, in_words
from jobs.interruption import Interruption


@pytest.fixture
def ended(tmp_path) -> Callable[[str], tuple[int, str, str]]:
    """Run a program that sends itself signals, as a module like any job: its exit code, output and errors."""

    def run(program: str) -> tuple[int, str, str]:
        (tmp_path / "program.py").write_text(program)
        command = [sys.executable, "-m", "program"]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
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


SWALLOWED = """
from jobs.interruption import raise_if_arrived
def main():
    try:
        kill()
    except BaseException:
        pass  # as libraries do around imports
    raise_if_arrived()
    print("went on")
entry.run(main)
"""


def test_a_signal_that_a_library_swallows_is_not_lost(ended):
    assert ended(KILL + SWALLOWED) == TOLD


def test_a_round_that_ends_by_a_signal_within_an_import_is_recorded_as_interrupted():
    try:
        raise ImportError("initialization failed") from Interruption()
    except ImportError as error:
        assert exit_code_of(error) == 130 and in_words(error).startswith("interrupted")
    assert exit_code_of(ImportError("no such module")) == 1

"""Jobs as commands: in a process of their own, or in this one, which saves the seconds of a start."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from jobs.entry import command

ROOT = Path(__file__).parent.parent


class Ended(NamedTuple):
    """How a job ended: exit code and what it wrote."""

    code: int
    output: str
    errors: str


def job(name: str, *options: object) -> Ended:
    """Run the job as a person does: for what only a process of its own can show."""
    command = [sys.executable, "-m", f"jobs.{name}", *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def job_here(capfd: pytest.CaptureFixture[str], name: str, *options: object) -> Ended:
    """Run the job's command line in this process, from its words to its exit code and all that it writes."""
    words, main = [f"{name}.py", *map(str, options)], importlib.import_module(f"jobs.{name}").main
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        patch.chdir(ROOT)
        with pytest.raises(SystemExit) as end:
            command(main)()
    return Ended(int(end.value.code or 0), *capfd.readouterr())

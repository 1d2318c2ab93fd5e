"""A machine with Pawscore on it, below a temporary folder: where deploy/ is tried."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deployment import HOUSE


def checkout_at(folder: Path) -> Path:
    """A stand-in for /opt/pawscore: the house's code and, as .venv, the environment that runs the tests."""
    place = folder / "opt" / "pawscore"
    place.mkdir(parents=True)
    for name in ("jobs", "models", "pipeline", "submissions", "pyproject.toml"):
        (place / name).symlink_to(HOUSE / name)
    (place / ".venv").symlink_to(sys.prefix)
    return place


def moved(text: str, folder: Path) -> str:
    """The text with every absolute path of deploy/ laid below `folder`."""
    return re.sub(r"(?<![\w/])/(opt|srv|var)/", f"{folder}/\\1/", text)


def run_shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a command line as cron does: by /bin/sh, with nothing but the crontab's environment."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", **environment}
    return subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False)


def needs(program: str, package: str) -> str:
    """The path of a program; the test is skipped, with the reason, where it is missing."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian's package {package})")
    return found


def rows_of(path: Path) -> list[str]:
    """The ids of a published CSV."""
    with path.open(newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def machine_in(folder: Path) -> Path:
    """The folders of docs/operations.md below a temporary one, with a run and four pictures."""
    from tiny_runs import draw_pictures, save_tiny_run  # which import TensorFlow

    house = checkout_at(folder)
    save_tiny_run(house / "runs" / "nightly")
    draw_pictures(folder / "srv" / "pictures", 4)
    for name in ("srv/scores", "var/lib/pawscore/metrics", "var/log/pawscore"):
        (folder / name).mkdir(parents=True)
    return folder

"""What the tests of scheduled scoring share: rounds in this process, and their outcome."""

import csv
import sys
from pathlib import Path

import pytest
import typer
from tiny_runs import HOUSE, Ended

from jobs.entry import _guarded
from jobs.score import main
from submissions.records import Round
from submissions.schedule import read_rounds


class Schedule:
    """Rounds over `place/images` with the run `place/run` into `place/s.csv`."""

    def __init__(self, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.images = place / "images"
        self.run = place / "run"
        self.out = place / "s.csv"
        self.ledger = self.run / "scores.sqlite"
        self._capfd = capfd

    def round(self, **options: object) -> Ended:
        """A round, without the seconds of a start."""
        self._capfd.readouterr()
        given = {"run": str(self.run), "images": str(self.images), "out": str(self.out), "form": "probability"}
        try:
            _guarded(main)(**{**given, **options})
            code = 0
        except typer.Exit as end:
            code = end.exit_code
        return Ended(code, *self._capfd.readouterr())

    def last(self) -> Round:
        """The record of the last round."""
        return read_rounds(self.ledger, 1)[0][0]

    def rows(self) -> dict[str, str]:
        return table(self.out, "id", "label")

    def rejects(self) -> dict[str, str]:
        return table(self.out.with_name(f"{self.out.stem}.rejects.csv"), "path", "reason")


def table(path: Path, key: str, value: str) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row[key]: row[value] for row in csv.DictReader(file)}


def score_command(run: Path, images: Path, out: Path, *options: object) -> list[str]:
    wanted = ("--run", run, "--images", images, "--out", out, "--format", "probability", *options)
    return [sys.executable, "-m", "jobs.score", *map(str, wanted)]


__all__ = ["HOUSE", "Schedule", "score_command", "table"]

"""make rounds: the last rounds of scheduled scoring as a table."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.defaults import run_folder
from jobs.entry import run as start
from jobs.score import LEDGER
from pipeline import InputError
from submissions.ledger import open_ledger
from submissions.records import Drift, Round
from submissions.schedule import read_rounds

HELP = {
    "ledger": "the ledger, where it is not in the run's folder",
    "last": "how many rounds to show",
    "prune": "instead, delete rows older than so many days of vanished files and of models out of use",
}
WIDTH = 120  # columns
NUMBERS = ("found", "new", "scored", "reused", "rejected", "vanished", "waiting")


def main(
    run: Annotated[str | None, typer.Option(help="name of the run")] = None,
    ledger: Annotated[Path | None, typer.Option(help=HELP["ledger"])] = None,
    last: Annotated[int, typer.Option(min=1, help=HELP["last"])] = 20,
    prune: Annotated[int | None, typer.Option(min=1, help=HELP["prune"])] = None,
) -> None:
    """Show how the last rounds of scheduled scoring went, also while one is under way."""
    if ledger is None:
        if run is None:
            raise InputError("no ledger named; give --run NAME or --ledger FILE.")
        ledger = run_folder(run) / LEDGER
    rounds = read_rounds(ledger, last)
    if prune is not None:
        before = datetime.now(UTC) - timedelta(days=prune)
        with open_ledger(ledger) as opened:
            gone = opened.prune(before.strftime("%Y-%m-%dT%H:%M:%SZ"))
        print(f"{gone:,} rows deleted that are older than {prune} days, of vanished files or of models out of use")
    elif rounds:
        show(rounds)
    else:
        print("no rounds yet")


def show(rounds: Sequence[tuple[Round, Sequence[Drift]]]) -> None:
    """Print rounds as a table, the last one last."""
    table = Table(box=None, pad_edge=False)
    for name in ("start (UTC)", "seconds", "model", *NUMBERS, "rate", "drift", "exit"):
        table.add_column(name, justify="left" if name in ("start (UTC)", "model") else "right", no_wrap=True)
    for one, drift in rounds:
        seconds = datetime.fromisoformat(one.end) - datetime.fromisoformat(one.start)
        numbers = [f"{getattr(one, name):,}" for name in NUMBERS]
        worst = max(drift, key=lambda found: found.psi, default=None)
        told = "" if worst is None else f"{worst.psi:.2f}{' !' if worst.verdict == 'drifted' else ''}"
        style = None if one.exit_code == 0 else "bold"
        table.add_row(
            one.start[:16].replace("T", " "),
            f"{seconds.total_seconds():.1f}",
            one.model[:6] or "?",
            *numbers,
            f"{one.rate:.1f}",
            told,
            str(one.exit_code),
            style=style,
        )
    # Where there is no terminal, as in a log or a mail, there is no width to keep to.
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


if __name__ == "__main__":
    start(main)

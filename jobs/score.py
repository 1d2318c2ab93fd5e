"""make score: a tree of pictures that others fill in, a CSV of all of them out, round after round."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from jobs.defaults import run_folder
from jobs.entry import MEGAPIXELS, VERBOSE, exit_code_of, in_words, start_tensorflow
from jobs.entry import run as start
from jobs.interruption import finish_first
from jobs.journal import Journal
from jobs.round_record import recorded
from jobs.round_request import Request
from models.card import read_card
from pipeline.rejection import LIMITS
from submissions.kaggle import Form
from submissions.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from jobs.scheduled import Ready

LEDGER = "scores.sqlite"
SETTLE_IN_WATCH = 10.0
HELP = {
    "images": "the tree of pictures: a folder, or an address like s3://bucket/prefix",
    "out": "the CSV to write, anew in each round",
    "ledger": "what has been scored (default: scores.sqlite in the run's folder)",
    "format": "what the column label holds: label (0 or 1) or probability",
    "tta": "test-time augmentation, views averaged: none, flip or crops",
    "columns": "also write class, probability, model and scored_at",
    "include": "only files whose relative path matches this shell pattern (repeatable)",
    "exclude": "no files whose relative path matches this shell pattern (repeatable)",
    "limit": "score at most so many files in a round; the others wait",
    "dry_run": "say what would be scored, and do nothing",
    "settle": f"seconds that a file must have been left alone (default: 0; {SETTLE_IN_WATCH:g} with --watch)",
    "watch": "a round, then another one so many seconds later, until SIGTERM or Ctrl-C",
    "max_reject_share": "publish nothing when more than this share is rejects, of the new files or of all",
    "min_files": "publish nothing when fewer files are there",
    "fail_on_drift": "end with exit code 5 when the new pictures have drifted",
    "log": "text, or json: one line an event",
    "metrics": "write a Prometheus text file there",
}


def main(
    run: Annotated[str, typer.Option(help="name of the run", show_default=False)],
    images: Annotated[str, typer.Option(help=HELP["images"], show_default=False)],
    out: Annotated[str, typer.Option(help=HELP["out"], show_default=False)],
    ledger: Annotated[Path | None, typer.Option(help=HELP["ledger"])] = None,
    form: Annotated[str, typer.Option("--format", help=HELP["format"])] = "label",
    tta: Annotated[str, typer.Option(help=HELP["tta"])] = "none",
    columns: Annotated[bool, typer.Option("--columns", help=HELP["columns"])] = False,
    include: Annotated[list[str] | None, typer.Option(help=HELP["include"])] = None,
    exclude: Annotated[list[str] | None, typer.Option(help=HELP["exclude"])] = None,
    limit: Annotated[int | None, typer.Option(min=1, help=HELP["limit"])] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=HELP["dry_run"])] = False,
    settle: Annotated[float | None, typer.Option(min=0, help=HELP["settle"])] = None,
    watch: Annotated[float | None, typer.Option(min=0, help=HELP["watch"])] = None,
    max_reject_share: Annotated[float, typer.Option(min=0, max=1, help=HELP["max_reject_share"])] = 0.05,
    min_files: Annotated[int, typer.Option(min=0, help=HELP["min_files"])] = 1,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help=HELP["fail_on_drift"])] = False,
    log: Annotated[str, typer.Option(help=HELP["log"])] = "text",
    metrics: Annotated[Path | None, typer.Option(help=HELP["metrics"])] = None,
    megapixels: Annotated[float, MEGAPIXELS] = LIMITS.megapixels,
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Score what is new in a tree of pictures and write id,label of all that is there now."""
    folder, journal = run_folder(run), Journal(log)
    if settle is None:
        settle = 0.0 if watch is None else SETTLE_IN_WATCH
    request = Request(
        run=folder,
        images=images,
        out=out,
        ledger=folder / LEDGER if ledger is None else ledger,
        form=cast(Form, form),
        tta=tta,
        columns=columns,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
        settle=settle,
        max_reject_share=max_reject_share,
        min_files=min_files,
        fail_on_drift=fail_on_drift,
        metrics=metrics,
        megapixels=megapixels,
    )
    if ledger is None and not folder.is_dir():
        read_card(folder)  # says that there is no such run, and so no ledger in which to keep that
    with open_ledger(request.ledger) as opened:
        rounds = Rounds(request, opened, journal, verbose)
        if dry_run:
            rounds.rehearse()
        elif watch is None:
            rounds.do_one()
        else:
            repeat(rounds.do_one, watch, journal)


class Rounds:
    """Rounds of one request, with one ledger held and the network loaded once."""

    def __init__(self, request: Request, ledger: Ledger, journal: Journal, verbose: bool) -> None:
        self._request, self._ledger, self._journal = request, ledger, journal
        self._verbose = verbose
        self._ready: Ready | None = None
        if ledger.set_aside is not None:
            journal.warn(f"the ledger was damaged: set aside as {ledger.set_aside}, scoring begins anew.")

    def do_one(self) -> None:
        """A round, recorded however it ends."""
        with recorded(self._ledger, self._request, self._journal) as record:
            ready = self._load()
            from jobs.scheduled import run_round

            run_round(self._request, ready, self._ledger, record, self._journal)

    def rehearse(self) -> None:
        """A dry run."""
        ready = self._load()
        from jobs.scheduled import dry_run

        dry_run(self._request, ready.scorer, self._ledger, self._journal)

    def _load(self) -> "Ready":
        if self._ready is None:
            self._request.check()
            read_card(self._request.run)
            # Only now, with the options checked and the lock held: TensorFlow takes seconds to import.
            start_tensorflow(self._verbose)
            from jobs.scheduled import load

            self._ready = load(self._request, self._journal)
        return self._ready


def repeat(do_one: Callable[[], None], seconds: float, journal: Journal) -> None:
    """Do a round, wait, and so on until a signal asks for the end, which is no fault.

    The first round must succeed, so that wrong options are told at once; what stops a later one is told, and the next
    one tries again. A fault of ours ends it. A signal within a round raises Interruption, see `finish_first`.
    """
    with finish_first() as stop:
        do_one()
        while not stop.wait(seconds):
            try:
                do_one()
            except Exception as error:
                if exit_code_of(error) == 1:
                    raise
                print(f"Error: {in_words(error)}", file=sys.stderr, flush=True)
    journal.say("stopped", "stopped")


if __name__ == "__main__":
    start(main)

"""Score a folder into a ledger: shared by submit and score. Every file ends as a row or a named reject."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from jobs.golden import check_golden
from jobs.interruption import finish_first
from jobs.isolation import find_culprits
from jobs.trust import open_engine
from jobs.watch import MOST_MEDIUM_ERRORS, Watch
from models.card import model_key
from models.engines import Engine
from models.precision import Choice
from models.predict import pictures_per_batch, predict, run_views
from models.saved import Run, load_run, preprocessing
from pipeline import InputError
from pipeline.datasets import Preparation, prepare_views, scoring_dataset
from pipeline.files import Entry
from pipeline.images import DECODE_VERSION, load_or_reject
from pipeline.reading import Rejected
from pipeline.views import find_views
from submissions.in_flight import InFlight, open_in_flight
from submissions.kaggle import picture_id
from submissions.ledger import Ledger
from submissions.records import Outcome

# A try again after these pauses, in seconds, for errors that may pass.
PAUSES = (0.2, 1.0)
# A file that was in hand when that many processes died is looked at apart.
MOST_DEATHS = 2


@dataclass(frozen=True)
class Scorer:
    """A loaded run, ready to score: its key in the ledger, the engine, and how pictures are prepared."""

    run: Run
    key: str
    engine: Engine
    preparation: Preparation
    views: str
    choice: Choice


def load_scorer(folder: Path, views: str) -> Scorer:
    """Load and verify a run. Raises ModelError, or InputError for unknown views."""
    chosen = find_views(views)
    run = load_run(folder)
    check_golden(run)
    card, opened = run.card, open_engine(run)
    return Scorer(
        run,
        model_key(card, views, DECODE_VERSION, opened.choice.engine, opened.choice.precision),
        opened.engine,
        Preparation(card["image_size"], preprocessing(card["backbone"]), chosen),
        views,
        opened.choice,
    )


def score_folder(scorer: Scorer, ledger: Ledger, root: bytes, entries: Sequence[Entry]) -> int:
    """Bring the ledger up to date with `entries` of the folder `root`: only what is new or changed is scored.

    Returns how many that were. Raises InputError when the folder goes away or its medium fails, KeyboardInterrupt
    after the batch in hand when a signal asks for the end; what was scored until then is kept.
    """
    pending = ledger.pending(scorer.key, root, entries)
    kept = len(entries) - len(pending)
    with open_in_flight(ledger.path, root) as flight, finish_first() as stop:
        for outcomes in _outcomes(scorer, root, pending, flight, stop):
            ledger.record(scorer.key, root, outcomes)
            flight.landed(outcome.entry.path for outcome in outcomes)
            kept += len(outcomes)
            if stop.is_set():
                raise KeyboardInterrupt(f"{kept:,} of {len(entries):,} files are done")
    return len(pending)


def _outcomes(
    scorer: Scorer, root: bytes, entries: Sequence[Entry], flight: InFlight, stop: threading.Event
) -> Iterator[list[Outcome]]:
    """First what has to be looked at apart, then all the rest."""
    culprits = set()
    flight.landed(flight.deaths.keys() - {entry.path for entry in entries})
    suspects = {entry.path: entry for entry in entries if flight.deaths.get(entry.path, 0) >= MOST_DEATHS}
    for path, reason in find_culprits(root, list(suspects), scorer.preparation.limits):
        if reason:
            culprits.add(path)
            yield [Outcome(suspects[path], picture_id(path), None, "rejected", reason)]
        flight.landed([path])
        if stop.is_set():
            yield []
    rest = [entry for entry in entries if entry.path not in culprits]
    yield from score_entries(scorer, root, rest, flight, stop)


def score_entries(
    scorer: Scorer,
    root: bytes,
    entries: Sequence[Entry],
    flight: InFlight | None = None,
    stop: threading.Event | None = None,
) -> Iterator[list[Outcome]]:
    """The outcome of every one of `entries`, batch by batch: first the stream's, then what it left out.

    An outcome's entry says what the file was when it was read, which may be later than the listing. `flight` is told
    what is in hand. Once `stop` is set, batches end early, and the caller can leave.
    """
    watch = Watch(flight)
    waiting = {entry.path: entry for entry in entries}
    with tqdm(total=len(entries), desc="scoring", unit="picture", leave=False, disable=None) as bar:
        while waiting:
            for batch in _stream(scorer, root, list(waiting), watch):
                yield [_scored(waiting.pop(path), value, watch) for path, value in batch]
                bar.update(len(batch))
            again = list(waiting.values())
            # If the medium failed, a few files tell whether it still does; if not, the rest streams again.
            again = again[: MOST_MEDIUM_ERRORS + 1] if watch.gave_up else again
            watch.begin_anew()
            for outcomes in _batched(_look_again(scorer, root, again, watch), stop):
                for outcome in outcomes:
                    del waiting[outcome.entry.path]
                yield outcomes
                bar.update(len(outcomes))


def _stream(scorer: Scorer, root: bytes, paths: list[bytes], watch: Watch) -> Iterator[list[tuple[bytes, float]]]:
    preparation = replace(scorer.preparation, reader=watch.read_in_stream)
    batch = pictures_per_batch(len(preparation.views))
    yield from predict(scoring_dataset(root, paths, preparation, batch), scorer.engine)


def _batched(outcomes: Iterator[Outcome], stop: threading.Event | None, size: int = 100) -> Iterator[list[Outcome]]:
    batch = []
    for outcome in outcomes:
        batch.append(outcome)
        if len(batch) == size or (stop is not None and stop.is_set()):
            yield batch
            batch = []
    if batch:
        yield batch


def _scored(entry: Entry, probability: float, watch: Watch) -> Outcome:
    read = Entry(entry.path, *watch.seen(entry.path))
    return Outcome(read, picture_id(entry.path), probability, "scored", "")


def _look_again(scorer: Scorer, root: bytes, entries: list[Entry], watch: Watch) -> Iterator[Outcome]:
    """One by one, what the stream left out: a row if it can be read now, the reason if not."""
    medium_errors = 0
    for entry in entries:
        if not os.path.isdir(root):
            raise InputError(f"the folder {os.fsdecode(root)} went away; bring it back and run this again.")
        outcome, is_medium = _look_at(scorer, root, entry, watch)
        medium_errors = medium_errors + 1 if is_medium else 0
        if medium_errors > MOST_MEDIUM_ERRORS:
            raise InputError(
                f"{medium_errors} files in a row could not be read ({outcome.error}): the disk or the network of "
                f"{os.fsdecode(root)} fails; repair it and run this again."
            )
        yield outcome


def _look_at(scorer: Scorer, root: bytes, entry: Entry, watch: Watch) -> tuple[Outcome, bool]:
    for pause in (*PAUSES, None):
        try:
            image = load_or_reject(root, entry.path, scorer.preparation.limits, watch.read)
            return _scored(entry, _score_one(scorer, image), watch), False
        except Rejected as reject:
            if reject.medium and pause is not None:
                time.sleep(pause)
                continue
            status = "unreadable" if reject.transient else "rejected"
            return Outcome(entry, picture_id(entry.path), None, status, str(reject)), reject.medium
    raise AssertionError("unreachable")


def _score_one(scorer: Scorer, image) -> float:
    prepared = prepare_views(image, scorer.preparation)
    return float(run_views(scorer.engine, prepared.numpy()[None])[0].astype("f8").mean())

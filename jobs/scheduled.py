"""One round of scheduled scoring: what is new is scored, and the CSV shows what is there now."""

import itertools
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs import drifting
from jobs.guards import check_enough, check_rejects
from jobs.journal import Journal
from jobs.outputs import JOB, open_output, own_files
from jobs.reference import Reference, read_reference
from jobs.round_report import tell_drift, tell_end
from jobs.round_request import Counts, Request
from jobs.scoring import Scorer, load_scorer, score_pending
from jobs.selection import Selection, wanted
from jobs.table import columns_of, table_rows
from jobs.versions import find_versions
from pipeline.sources import Source, open_source
from submissions import DriftError, SubmissionError
from submissions.ledger import Ledger
from submissions.names import escape
from submissions.records import Reject
from submissions.schedule import fresh_rows, mark_published, tally

Key = tuple[str, bytes]  # model and root: what a ledger is asked for


@dataclass(frozen=True)
class Ready:
    """What rounds need that takes time to load: the run, and what its validation part looks like."""

    scorer: Scorer
    reference: Reference


def load(request: Request, journal: Journal) -> Ready:
    """Load the run of a request; raises as `load_scorer`."""
    with journal.notes():
        scorer = load_scorer(request.run, request.tta, request.megapixels)
        reference, said = read_reference(request.run, scorer.run.card.get("labelled_folder", ""))
    if said:
        journal.say("reference", said)
    return Ready(scorer, reference)


def run_round(request: Request, ready: Ready, ledger: Ledger, record: tuple[Counts, str], journal: Journal) -> None:
    """Score what is new, then publish all; `record` is that of `round_record.recorded`.

    Raises TooManyRejectsError (nothing is published), DriftError (all is), and what listing, scoring and publishing
    raise.
    """
    (counts, start), scorer = record, ready.scorer
    output, source = open_output(request.out), open_source(request.images)
    if said := output.clean_leftovers():
        journal.say("recovered", said)
    output.check()
    key, begun, clock = (scorer.key, source.root), datetime.now(UTC), time.monotonic()
    counts.model = scorer.key
    selection, needed = _list(request, source, ledger, key, counts, journal)
    check_enough(request, counts.found)
    _score(scorer, source, ledger, selection, needed, counts)
    counts.drift = drifting.compare(fresh_rows(ledger, *key), ready.reference, start)
    tell_drift(counts, journal)
    check_rejects(request, ledger, key)
    outcome = "nothing yet: too few files have settled"
    if counts.found - counts.waiting >= request.min_files:
        outcome = _publish(request, scorer, ledger, key, counts, begun)
        counts.vanished, counts.published = mark_published(ledger, *key), True
    counts.seconds = time.monotonic() - clock
    tell_end(request, counts, outcome, journal)
    if request.fail_on_drift and (said := drifting.warning(counts.drift)):
        raise DriftError(said)


def _list(
    request: Request, source: Source, ledger: Ledger, key: Key, counts: Counts, journal: Journal
) -> tuple[Selection, int]:
    is_own = own_files(source.root, request.out, request.ledger, request.metrics)
    counts.found, needed = ledger.scan(*key, wanted(source.entries(), request, is_own))
    known = counts.found - needed
    sentence = f"{counts.found:,} files in {request.images}: {known:,} known, {needed:,} new or changed"
    journal.say("listed", sentence, found=counts.found, known=known, needed=needed)
    return Selection(ledger, *key, request), needed


def _score(scorer: Scorer, source: Source, ledger: Ledger, selection: Selection, needed: int, counts: Counts) -> None:
    before = tally(ledger, scorer.key, source.root)
    try:
        score_pending(scorer, ledger, source, selection.parts(), counts.found - needed, counts.found)
    finally:
        # Counted from the ledger, also after an interruption: what it holds is what the next round goes on with.
        with suppress(SubmissionError):
            after = tally(ledger, scorer.key, source.root)
            counts.new, counts.reused, counts.scored = selection.taken, before.rows, after.rows - before.rows
            counts.rejected = after.rejects
            counts.waiting = counts.found - after.rows - after.rejects
    if counts.waiting > needed - selection.taken:
        raise RuntimeError(f"{counts.waiting - needed + selection.taken} files have no outcome")


def dry_run(request: Request, scorer: Scorer, ledger: Ledger, journal: Journal) -> None:
    """Say what a round would score now; changes nothing."""
    counts, source = Counts(), open_source(request.images)
    open_output(request.out).check()
    selection, needed = _list(request, source, ledger, (scorer.key, source.root), counts, journal)
    for entry in itertools.chain.from_iterable(selection.parts()):
        journal.say("would score", escape(entry.path))
    sentence = f"dry run: {selection.taken:,} would be scored, {needed - selection.taken:,} would wait"
    journal.say("dry run", sentence, would_score=selection.taken, would_wait=needed - selection.taken)


def _publish(request: Request, scorer: Scorer, ledger: Ledger, key: Key, counts: Counts, begun: datetime) -> str:
    calibration = scorer.run.calibration(request.tta)
    facts = {
        "model": scorer.key,
        "options": {
            "job": JOB,
            "run": request.run.name,
            "images": request.images,
            "format": request.form,
            "tta": request.tta,
            "include": request.include,
            "exclude": request.exclude,
            "calibration": {"temperature": calibration.temperature, "clip": calibration.clip},
            "engine": scorer.choice.engine,
            "precision": scorer.choice.precision,
        },
        "versions": find_versions(),
    }
    return open_output(request.out).publish(
        columns_of(request),
        table_rows(request, scorer, ledger.outcomes(*key)),
        _rejects(ledger, key),
        facts,
        files=counts.found - counts.waiting,
        started=begun,
        replace_own=True,
    )


def _rejects(ledger: Ledger, key: Key) -> Iterator[Reject]:
    for row in ledger.outcomes(*key):
        if row.probability is None:
            yield Reject(row.path, row.error, row.status)

"""How a round is told: to people as sentences and a table, to programs as events. No TensorFlow."""

from jobs import drifting
from jobs.journal import Journal
from jobs.round_request import Counts, Request


def tell_drift(counts: Counts, journal: Journal) -> None:
    """The drift of every measure, and a warning where there is some."""
    facts = {one.measure: {"psi": one.psi, "verdict": one.verdict} for one in counts.drift}
    if counts.drift:
        journal.say("drift", drifting.in_words(counts.drift), pictures=counts.drift[0].pictures, **facts)
    if said := drifting.warning(counts.drift):
        journal.warn(said)


def tell_end(request: Request, counts: Counts, outcome: str, journal: Journal) -> None:
    """What became of every file, and the line with which scoring ends."""
    journal.show(
        (
            ("output", f"{request.out} ({outcome})"),
            ("run", f"{request.run.name}, views {request.tta}"),
            ("found", f"{counts.found:,}"),
            ("scored now", f"{counts.scored:,}"),
            ("known before", f"{counts.reused:,}"),
            ("rejects", f"{counts.rejected:,}"),
            ("waiting", f"{counts.waiting:,}"),
            ("vanished", f"{counts.vanished:,}"),
        )
    )
    seconds = counts.seconds
    journal.say(
        "ended",
        f"{counts.rows} rows, {counts.rejected} rejects, {seconds:.1f} s, {counts.rate:.1f} pictures/s",
        outcome=outcome,
        rows=counts.rows,
        rejects=counts.rejected,
        found=counts.found,
        new=counts.new,
        scored=counts.scored,
        reused=counts.reused,
        waiting=counts.waiting,
        vanished=counts.vanished,
        seconds=round(seconds, 3),
        rate=round(counts.rate, 3),
    )

"""Collect what the page of a submission shows, and write it beside the CSV."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from jobs.defaults import nearby
from jobs.exclusion import read_table
from jobs.photos import look_at
from jobs.run_page import SHOWN, make_photo
from jobs.run_tables import trained_at, what
from jobs.scoring import Scorer
from models.calibration import Calibration
from submissions.charts import score_histogram
from submissions.drift import drift_verdict, population_stability
from submissions.kaggle import Submission
from submissions.manifests import find_trio
from submissions.names import escape, escape_text, shown
from submissions.page_files import page_of, write_page
from submissions.pages import Figure, Gallery, SubmissionPage, Table, render_submission
from submissions.records import Row

MOST_REJECTS = 200  # of the page's table; the CSV beside it has all


@dataclass(frozen=True)
class Scored:
    """What was scored: the pictures' folder, the ledger's rows of it, what was written of them, and how."""

    root: bytes
    rows: Sequence[Row]
    submission: Submission
    fill: float | None
    new: int
    seconds: float
    command: str


def write_submission_page(out: Path, scorer: Scorer, scored: Scored) -> Path:
    """Write the page of a published submission at once; its path. Raises OSError."""
    return write_page(page_of(out), render_submission(_page(out, scorer, scored)))


def _page(out: Path, scorer: Scorer, scored: Scored) -> SubmissionPage:
    card, folder = scorer.run.card, scorer.run.folder
    classes = (card["classes"][0], card["classes"][1])
    good = [row for row in scored.rows if row.probability is not None]
    raw = np.array([row.probability for row in good], dtype=np.float64)
    calibration = scorer.run.calibration(scorer.views)
    calibrated = calibration.apply(raw)
    validation = _validation(folder)
    drift = _drift(raw, validation, classes[1])
    return SubmissionPage(
        title=f"Submission {escape(os.fsencode(out.name))}",
        lead=f"{len(scored.submission.rows):,} rows for {shown(nearby(Path(os.fsdecode(scored.root))))}, scored by run "
        f"{escape(os.fsencode(folder.resolve().name))} ({what(card)}, views {scorer.views}).",
        figures=_figures(card, folder, scored, calibrated),
        charts=[score_histogram(calibrated, calibration.apply(validation), classes[1])] if good else [],
        drift=drift,
        unsure=_unsure(scorer, scored.root, good, calibrated, classes),
        rejects=_rejects(scored.submission),
        command=scored.command,
        manifest=find_trio(out).manifest.read_text(encoding="utf-8"),
        tables=[_calibration(calibration, scorer)],
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        warnings=_warnings(scored, drift),
    )


def _validation(folder: Path) -> np.ndarray:
    rows = _of_run(folder / "holdout.csv", ("part", "probability"))
    return np.array([float(value) for part, value in rows if part == "validation"])


def _of_run(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """A run's own table, or nothing: who copies a run to score with may bring the card and the weights alone."""
    return read_table(path, columns) if path.exists() else []


def _drift(raw: np.ndarray, validation: np.ndarray, name: str) -> list[tuple[str, float, str]]:
    if not len(raw) or not len(validation):
        return []
    index = population_stability(validation, raw)
    return [(f"probability of {name}", index, drift_verdict(index, len(raw), len(validation)))]


def _figures(card: dict, folder: Path, scored: Scored, calibrated: np.ndarray) -> list[Figure]:
    rows, rejects = len(scored.submission.rows), len(scored.submission.rejects)
    labels = [int(label) for label, part in _of_run(folder / "split.csv", ("label", "part")) if part == "train"]
    trained_on = f"{100 * np.mean(labels):.1f} % in the training part" if labels else "the training part is not known"
    name, filled = card["classes"][1], scored.submission.filled
    share = f"{100 * np.mean(calibrated >= 0.5):.1f} %" if len(calibrated) else "none"
    told = f"{filled:,} of them filled with {scored.fill:g}" if filled else "every file a row"
    known = "" if scored.new == len(scored.rows) else "; the rest was known from before"
    return [
        Figure("Rows", f"{rows:,}", told),
        Figure("Rejects", f"{rejects:,}", "files that could not be read" if rejects else "every file could be read"),
        Figure(f"Share of {name}s", share, trained_on),
        Figure("Scored now", f"{scored.new:,}", f"in {scored.seconds:.1f} s{known}"),
    ]


def _unsure(
    scorer: Scorer, root: bytes, good: Sequence[Row], calibrated: np.ndarray, classes: tuple[str, str]
) -> Gallery:
    order = np.argsort(np.abs(calibrated - 0.5), kind="stable")[:SHOWN]
    seen = look_at(scorer.run, root, [good[i].path for i in order])
    photos = [make_photo(good[i].path, None, float(calibrated[i]), classes, seen) for i in order]
    return Gallery("unsure", "The least sure", "What a person should look at first.", photos)


def _rejects(submission: Submission) -> Table:
    rows = [(escape(path), escape_text(reason)) for path, reason, _ in submission.rejects]
    causes = Counter(reason for _, reason in rows)
    note = "; ".join(f"{count:,} x {reason}" for reason, count in causes.most_common(5))
    more = f" The first {MOST_REJECTS} are shown; the rejects' CSV has all." if len(rows) > MOST_REJECTS else ""
    return Table("Files without a score", ("file", "reason"), rows[:MOST_REJECTS], note=f"{note}.{more}")


def _calibration(calibration: Calibration, scorer: Scorer) -> Table:
    rows = [
        ("temperature", f"{calibration.temperature:.3f}"),
        ("clip", f"{calibration.clip:.3g}"),
        ("engine, precision", f"{scorer.choice.engine}, {scorer.choice.precision}"),
        ("model trained", trained_at(scorer.run.card)),
    ]
    return Table("Scores", (), rows)


def _warnings(scored: Scored, drift: Sequence[tuple[str, float, str]]) -> list[str]:
    warnings = []
    if scored.submission.filled:
        warnings.append(
            f"{scored.submission.filled:,} rows are no answers of the model: their files could not be read, and they "
            f"carry {scored.fill:g}, as --fill asked."
        )
    for name, _, verdict in drift:
        if verdict == "drifted":
            warnings.append(f"The {name} has {verdict} against the validation part: look at the pictures below.")
    return warnings

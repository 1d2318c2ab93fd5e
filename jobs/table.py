"""The rows of a schedule's CSV."""

import itertools
from collections.abc import Iterable, Iterator

from jobs.round_request import Request
from jobs.scorer import Scorer
from submissions.kaggle import COLUMNS, label_texts
from submissions.names import escape
from submissions.records import Row

MORE = ("class", "probability", "model", "scored_at")
CHUNK = 10_000  # rows


def columns_of(request: Request) -> tuple[str, ...]:
    """id and label; with --columns also the class's name, its probability of class 1, the model and the moment."""
    return (*COLUMNS, *MORE) if request.columns else COLUMNS


def table_rows(request: Request, scorer: Scorer, outcomes: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    """A row for every outcome that has a probability, in their order; the id is the path, written as by
    `names.escape`."""
    adjust = scorer.run.calibration(request.tta).apply
    classes = scorer.run.card["classes"]
    good = ((row, row.probability) for row in outcomes if row.probability is not None)
    while chunk := list(itertools.islice(good, CHUNK)):
        raw = [probability for _, probability in chunk]
        labels = label_texts(raw, request.form, adjust)
        if not request.columns:
            yield from zip((escape(row.path) for row, _ in chunk), labels, strict=True)
            continue
        kinds, numbers = label_texts(raw, "label", adjust), label_texts(raw, "probability", adjust)
        for (row, _), label, kind, number in zip(chunk, labels, kinds, numbers, strict=True):
            yield escape(row.path), label, classes[int(kind)], number, scorer.key, row.scored_at

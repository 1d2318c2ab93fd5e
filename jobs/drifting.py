"""Compare the new pictures of a round with the validation part. No TensorFlow."""

from collections.abc import Mapping, Sequence

import numpy as np

from submissions.drift import drift_verdict, population_stability
from submissions.records import Drift

DRIFTED = "drifted"
COLUMNS = ("scores", "sizes", "brightness")  # of `schedule.fresh_rows`


def compare(fresh: np.ndarray, reference: Mapping[str, np.ndarray], start: str) -> list[Drift]:
    """The drift of every measure that is known on both sides, for the round that began at `start`; `fresh` is (N, 3)
    float64, as `schedule.fresh_rows` gives it."""
    found = []
    for measure, expected in reference.items():
        column = fresh[:, COLUMNS.index(measure)]
        actual = column[~np.isnan(column)]
        if len(actual) and len(expected):
            psi = population_stability(expected, actual)
            verdict = drift_verdict(psi, len(actual), len(expected))
            found.append(Drift(start, measure, round(psi, 6), len(actual), len(expected), verdict))
    return found


def in_words(drift: Sequence[Drift]) -> str:
    """One line of all measures; '' for none."""
    told = ", ".join(f"{one.measure} {one.psi:.2f} ({one.verdict})" for one in drift)
    return f"drift of {drift[0].pictures:,} new pictures: {told}" if drift else ""


def warning(drift: Sequence[Drift]) -> str:
    """What to say where some measure has drifted; '' when none has."""
    names = [one.measure for one in drift if one.verdict == DRIFTED]
    if not names:
        return ""
    return (
        f"the new pictures have drifted from those that the model was measured on ({' and '.join(names)}): look at "
        "some of them, and train anew if they are what is to be scored from now on."
    )

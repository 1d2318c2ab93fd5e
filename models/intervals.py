"""How far figures would move with other pictures of the same kind: 95 % intervals."""

import numpy as np

from models.metrics import Z95


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of values (N,), by the normal distribution. N is at least 2."""
    values = np.asarray(values, dtype=np.float64)
    half = Z95 * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def auc_interval(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the area under the ROC curve, on the logit scale; (nan, nan) without two of each class.

    E. DeLong, D. DeLong, D. Clarke-Pearson (1988), by ranks as in X. Sun, W. Xu (2014).
    """
    labels = np.asarray(labels)
    of_one, of_zero = (np.asarray(probabilities)[labels == label] for label in (1, 0))
    if min(len(of_one), len(of_zero)) < 2:
        return float("nan"), float("nan")
    ranks = _ranks(np.concatenate([of_one, of_zero]))
    # The share of the other class that each picture stands on the right side of.
    above = (ranks[: len(of_one)] - _ranks(of_one)) / len(of_zero)
    below = 1 - (ranks[len(of_one) :] - _ranks(of_zero)) / len(of_one)
    area = float(above.mean())
    deviation = np.sqrt(above.var(ddof=1) / len(of_one) + below.var(ddof=1) / len(of_zero))
    if not 0 < area < 1:
        return area, area
    centre, half = np.log(area / (1 - area)), Z95 * deviation / (area * (1 - area))
    return float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre)))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]

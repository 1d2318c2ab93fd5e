"""Probabilities that mean what they say: a temperature, a clip and an offset, fitted on the validation part.

Temperature scaling: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks"
(2017). The clip bounds what one confident miss costs in log loss.
"""

from dataclasses import dataclass

import numpy as np

# Stored probabilities have 7 digits; beyond this the logit would be infinite.
EDGE = 1e-7
TEMPERATURES = np.geomspace(0.1, 10, 401)
TEMPERATURE_STRIDE, ADDEND_STEPS = 4, 12  # every fourth temperature is near enough for an offset


@dataclass(frozen=True)
class Calibration:
    """p -> sigmoid(logit(p) / temperature), then kept within [clip, 1 - clip]. It never changes a label."""

    temperature: float = 1.0
    clip: float = EDGE

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 (N,), of raw ones in 0..1 (N,)."""
        return np.clip(sigmoid(logit(probabilities) / self.temperature), self.clip, 1 - self.clip)


def logit(probabilities: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64, with p kept away from 0 and 1 by EDGE."""
    inside = np.clip(np.asarray(probabilities, dtype=np.float64), EDGE, 1 - EDGE)
    return np.log(inside) - np.log1p(-inside)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) of each, in the floating point format that they have."""
    return 1 / (1 + np.exp(-logits))


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-likelihood (natural logarithm) of labels 0/1 (N,) under probabilities (N,)."""
    inside = np.clip(np.asarray(probabilities, dtype=np.float64), EDGE, 1 - EDGE)
    return float(-np.mean(np.where(np.asarray(labels) == 1, np.log(inside), np.log1p(-inside))))


def fit_calibration(labels: np.ndarray, probabilities: np.ndarray) -> Calibration:
    """The temperature of least log loss on held-out pictures, and a clip for so many of them.

    The clip is 1 / (2 (N + 1)): what N pictures without a single miss still leave possible (half of Laplace's
    rule of succession); a clip chosen by log loss on the same pictures would follow a handful of misses.
    """
    labels = np.asarray(labels)
    losses = [log_loss(labels, Calibration(value).apply(probabilities)) for value in TEMPERATURES]
    return Calibration(float(TEMPERATURES[int(np.argmin(losses))]), 1 / (2 * (len(labels) + 1)))


def fit_offset(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """The offset of the logits that suits held-out pictures best together with a temperature, and their log loss then.

    Both together are Platt scaling (J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999). A normal
    prior of deviation 1 keeps the offset small where there are few pictures, before and after the temperature.
    """
    labels, logits = np.asarray(labels, dtype=np.float64), logit(probabilities)
    fits = []
    for temperature in TEMPERATURES[::TEMPERATURE_STRIDE]:
        precision = max(1.0, float(temperature) ** 2)
        addend = _best_addend(labels, logits / temperature, precision)
        loss = log_loss(labels, sigmoid(logits / temperature + addend))
        fits.append((loss + precision * addend**2 / (2 * len(labels)), float(addend * temperature), loss))
    return min(fits)[1:]


def _best_addend(labels: np.ndarray, logits: np.ndarray, precision: float) -> float:
    """The most probable addend under a normal prior of that precision: Newton's method, whose steps are kept short."""
    addend = 0.0
    for _ in range(ADDEND_STEPS):
        inside = sigmoid(logits + addend)
        slope = np.sum(inside - labels) + precision * addend
        addend -= float(np.clip(slope / (np.sum(inside * (1 - inside)) + precision), -1, 1))
    return addend


def calibrated_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The log loss of probabilities after the calibration that is fitted to them."""
    return log_loss(labels, fit_calibration(labels, probabilities).apply(probabilities))

"""Scores of pictures by heads that never saw them: logistic regressions on stored features, in five folds.

Each fold's pictures are scored by a head that is fitted to the four others. So a picture with a wrong label cannot
have taught the head that doubts it: the idea of C. G. Northcutt et al., "Confident Learning" (2021).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from models.calibration import fit_calibration, sigmoid

FOLDS = 5
# The pooled head's own penalty (models/classifier.py), on features that are standardised as there.
L2 = 0.015
SMALLEST_DEVIATION = 0.02
STEPS = 30
BLOCK = 2048  # rows at once
MOST_MEMORY = 2**30  # bytes of features that are held; more are read again at every step


def fold_of(digest: bytes) -> int:
    """The fold, 0..4, of a picture by its file's digest: byte-identical pictures share it, whatever their labels."""
    return int.from_bytes(digest[:8], "big") % FOLDS


def fold_probabilities(
    features: np.ndarray, rows: np.ndarray, labels: np.ndarray, digests: Sequence[bytes]
) -> np.ndarray:
    """The calibrated probability of class 1 of each of N pictures, float64 (N,), by a head that never saw it.

    `features[rows[i]]` are those of picture i: (width,), or (h, w, channels) of which mean and maximum over the
    places are taken. They may be a memory map of any size. labels: 0/1 (N,).
    """
    labels, folds = np.asarray(labels, dtype=np.float32), np.array([fold_of(digest) for digest in digests])
    blocks = _Blocks(features, np.asarray(rows))
    inverse = _inverse_bound(blocks, len(labels))
    weights, biases = _fit(blocks, labels, folds, inverse)
    logits = np.empty(len(labels), dtype=np.float64)
    for part, block in blocks:
        logits[part] = (block @ weights + biases)[np.arange(len(block)), folds[part]]
    raw = sigmoid(logits)
    return fit_calibration(labels, raw).apply(raw)


class _Blocks:
    """The pictures' features in blocks of rows: pooled, standardised, float32."""

    def __init__(self, features: np.ndarray, rows: np.ndarray) -> None:
        self._features, self._rows = features, rows
        self._held: list[tuple[slice, np.ndarray]] = []
        self._mean: np.ndarray = np.zeros(1, np.float32)
        self._scale: np.ndarray = np.ones(1, np.float32)
        width = _pooled(features[:1]).shape[1]
        total, squares = np.zeros(width), np.zeros(width)
        for _, block in self:
            total += block.sum(axis=0, dtype=np.float64)
            squares += np.square(block, dtype=np.float64).sum(axis=0)
        mean = total / len(rows)
        deviation = np.sqrt(np.maximum(squares / len(rows) - mean**2, 0)) + SMALLEST_DEVIATION
        self._mean, self._scale = mean.astype(np.float32), (1 / deviation).astype(np.float32)
        self.width = len(mean)
        if len(rows) * self.width * 4 <= MOST_MEMORY:
            self._held = list(self)

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        if self._held:
            yield from self._held
            return
        for start in range(0, len(self._rows), BLOCK):
            part = slice(start, start + BLOCK)
            yield part, (_pooled(self._features[self._rows[part]]) - self._mean) * self._scale


def _pooled(block: np.ndarray) -> np.ndarray:
    if block.ndim == 2:
        return block.astype(np.float32)
    places = block.reshape(len(block), -1, block.shape[-1]).astype(np.float32)
    return np.concatenate([places.mean(axis=1), places.max(axis=1)], axis=1)


def _inverse_bound(blocks: _Blocks, count: int) -> np.ndarray:
    """The inverse of a matrix above the loss's second derivative, whatever the weights and the fold.

    D. Böhning, B. G. Lindsay, "Monotonicity of quadratic-approximation algorithms" (1988): X'X / 4N bounds that of a
    logistic regression. A fold's X'X is at most that of all pictures, its N is four fifths of theirs.
    """
    gram = np.zeros((blocks.width, blocks.width), dtype=np.float32)
    for _, block in blocks:
        gram += block.T @ block
    gram *= FOLDS / (FOLDS - 1) / (4 * count)
    gram[np.diag_indices_from(gram)] += 2 * L2
    return np.linalg.inv(gram)


def _fit(blocks: _Blocks, labels: np.ndarray, folds: np.ndarray, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The heads' weights (width, 5) and biases (5,): all five are fitted in the same passes over the features.

    Steps against the gradient through the bound's inverse, with momentum (Y. Nesterov, 1983).
    """
    weights, biases = np.zeros((blocks.width, FOLDS), np.float32), np.zeros(FOLDS, np.float32)
    last_weights, last_biases = weights, biases
    for step in range(STEPS):
        momentum = np.float32(step / (step + 3))
        ahead, ahead_biases = weights + momentum * (weights - last_weights), biases + momentum * (biases - last_biases)
        slopes, bias_slopes = _gradient(blocks, labels, folds, ahead, ahead_biases)
        last_weights, last_biases = weights, biases
        weights, biases = ahead - inverse @ slopes, ahead_biases - 4 * bias_slopes
    return weights, biases


def _gradient(
    blocks: _Blocks, labels: np.ndarray, folds: np.ndarray, weights: np.ndarray, biases: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    seen = (folds[:, None] != np.arange(FOLDS)).astype(np.float32)
    share = seen / np.maximum(seen.sum(axis=0), 1)
    slopes, bias_slopes = 2 * L2 * weights, np.zeros(FOLDS, np.float32)
    for part, block in blocks:
        errors = (sigmoid(block @ weights + biases) - labels[part, None]) * share[part]
        slopes = slopes + block.T @ errors
        bias_slopes = bias_slopes + errors.sum(axis=0)
    return slopes, bias_slopes

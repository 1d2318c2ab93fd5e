"""A stage's weights on disk, and what they are mixed to at its end."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tf_keras

from models.calibration import fit_offset
from models.recipes import Blend

SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def keep(network: tf_keras.Model, path: Path) -> None:
    """Write the trainable weights, whole or not at all."""
    aside = path.with_name(f".{path.name}")
    np.savez(aside, *[weight.numpy() for weight in network.trainable_variables])
    aside.replace(path)


def restore(network: tf_keras.Model, path: Path) -> None:
    """Set the trainable weights to those that were kept."""
    for weight, values in zip(network.trainable_variables, _arrays(path), strict=True):
        weight.assign(values)


def blend(
    network: tf_keras.Model,
    start: Path,
    predict: Callable[[], tuple[np.ndarray, np.ndarray]],
    repeated: Blend | None = None,
) -> Blend:
    """Mix the trainable weights with those kept at `start` and shift the output's logit: by the blend that is
    `repeated`, or by the one with the least loss after its best temperature. Returns it.

    `predict` gives the labels and probabilities of the validation pictures, (N,) each.
    """
    before = _arrays(start)
    after = [weight.numpy() for weight in network.trainable_variables]

    def mix(share: float) -> None:
        for weight, old, new in zip(network.trainable_variables, before, after, strict=True):
            weight.assign((1 - share) * old + share * new)

    def measure(share: float) -> tuple[float, Blend]:
        mix(share)
        offset, loss = fit_offset(*predict())
        return loss, Blend(share, offset)

    chosen = repeated or min(map(measure, SHARES))[1]
    mix(chosen.share)
    network.layers[-1].bias.assign_add([chosen.offset])
    return chosen


def _arrays(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]

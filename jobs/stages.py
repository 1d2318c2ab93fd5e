"""What a training is asked for and what it gives, whatever its recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from models.history import EpochRow
from models.recipes import Stage

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Settings:
    """What the person chose; None leaves the recipe's own value."""

    folder: Path  # keeps the state of the unfinished training
    seed: int
    epochs: int | None
    patience: int | None
    on_epoch: Callable[[EpochRow], None]
    callbacks: Sequence[tf_keras.callbacks.Callback] = ()

    def adjust(self, stage: Stage) -> Stage:
        """The stage with the person's epochs and patience."""
        epochs = self.epochs or stage.epochs
        return replace(stage, epochs=epochs, patience=self.patience or stage.patience)


@dataclass(frozen=True)
class Trained:
    """A trained network with its history, its stages' settings, and the probabilities of the held-out pictures
    (validation, then test) by view. `features` is the description of the head's feature store where there is one, and
    `plain` how many of its columns are pooled values (None: all), not products of them."""

    model: tf_keras.Model
    history: list[EpochRow]
    stages: list[dict[str, Any]]
    held_out: dict[str, np.ndarray]
    features: dict[str, Any] | None = None
    plain: int | None = None

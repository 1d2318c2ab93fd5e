"""What a training is asked for and what it gives, whatever its recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from models.history import EpochRow, Ran
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
    fresh_head: bool = False
    all_data: bool = False
    chosen: Mapping[str, Ran] = field(default_factory=dict)  # what the stages of a training before this one chose

    def adjust(self, stage: Stage) -> Stage:
        """The stage with the person's epochs and patience, and with what was chosen before."""
        epochs = self.epochs or stage.epochs
        stage = replace(stage, epochs=epochs, patience=self.patience or stage.patience)
        if stage.name not in self.chosen:
            return stage
        before = self.chosen[stage.name]
        return replace(stage, name=f"{stage.name} on all", until=before.kept, repeated=before.blend)


@dataclass(frozen=True)
class Trained:
    """A trained network with its history, its stages' settings, and the probabilities of the held-out pictures
    (validation, then test) by view. `features` is the description of the head's feature store where there is one, and
    `plain` how many of its columns are pooled values (None: all), not products of them. A network that was trained once
    more on all pictures has `final`: what it gives for the held-out ones, (N,), while `held_out` is from before."""

    model: tf_keras.Model
    history: list[EpochRow]
    stages: list[dict[str, Any]]
    held_out: dict[str, np.ndarray]
    features: dict[str, Any] | None = None
    plain: int | None = None
    final: np.ndarray | None = None

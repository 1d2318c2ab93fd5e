"""A run folder's model: `model.weights.h5` (numbers only) and `model.json` (how to rebuild and feed it).

The card is written last: a folder without it is unfinished. Nothing that is loaded can run code: the network
is built here from the card's words, and the weights are checked before they are opened.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from models import ModelError
from models.backbones import find_backbone
from models.calibration import Calibration
from models.card import CARD, CARD_FORMAT, WEIGHTS, json_text, read_card, seal, sync, write_synced
from models.classifier import build_classifier
from models.imagenet import build_with_top, zero_shot_network
from models.recipes import SCRATCH_SIZE, ZERO_SHOT
from models.scales import at_sides
from models.scratch import preprocess_input as scratch_preprocess
from models.scratch import scratch_network
from models.weights import file_sha256, load_weights

SCRATCH = "scratch"


@dataclass(frozen=True)
class Run:
    """A loaded run: the network, and what its card says about feeding it and reading its scores."""

    folder: Path
    card: dict[str, Any]
    model: tf_keras.Model

    def calibration(self, views: str) -> Calibration:
        """Fitted on the validation part; the mean of several views has one of its own."""
        return Calibration(**self.card["calibration"]["none" if views == "none" else "flip"])


def build_network(backbone: str, recipe: str) -> tf_keras.Model:
    """The network a card names, without its weights: a backbone and its head (or its 1000 classes), or scratch."""
    if backbone == SCRATCH:
        return scratch_network(SCRATCH_SIZE)
    row = find_backbone(backbone)
    if recipe == ZERO_SHOT:
        return zero_shot_network(build_with_top(row), row.name)
    return at_sides(build_classifier(row.build(), row), row.sides)


def preprocessing(backbone: str) -> Any:
    """The function that turns RGB 0..255 into the input of the network a card names."""
    return scratch_preprocess if backbone == SCRATCH else find_backbone(backbone).preprocess_input


def save_run(folder: Path, model: tf_keras.Model, card: dict[str, Any], probe: np.ndarray) -> None:
    """Write weights and card into `folder`, whole or not at all; an older pair stays until then.

    The weights are written aside, synced, loaded back into a new network and compared on `probe` (N, S, S, 3)
    before they take their place. Raises OSError, or RuntimeError when the copy scores differently.
    """
    aside = folder / f".saving.{WEIGHTS}"
    try:
        # Saved from a network that was never compiled: the file holds no optimizer's state.
        copy = build_network(card["backbone"], card["recipe"])
        copy.set_weights(model.get_weights())
        copy.save_weights(str(aside))
        sync(aside)
        copy.set_weights([np.zeros_like(values) for values in model.get_weights()])
        load_weights(copy, aside, f"run {folder.name}")
        difference = np.abs(copy(probe, training=False) - model(probe, training=False)).max()
        if not difference <= 1e-6:
            raise RuntimeError(f"the saved copy scores differently by {difference:.2g}")
        written = {**card, "format": CARD_FORMAT, "weights_sha256": file_sha256(aside)}
        write_synced(folder / f".saving.{CARD}", json_text(seal(written)))
        # Between the two renames the card does not fit the weights, and loading refuses the pair.
        aside.replace(folder / WEIGHTS)
        (folder / f".saving.{CARD}").replace(folder / CARD)
        sync(folder)
    finally:
        aside.unlink(missing_ok=True)
        (folder / f".saving.{CARD}").unlink(missing_ok=True)


def load_run(folder: Path) -> Run:
    """Verify and load a finished run. Raises ModelError, before the weights are opened where that can be."""
    card = read_card(folder)
    weights = folder / WEIGHTS
    if not weights.is_file() or file_sha256(weights) != card.get("weights_sha256"):
        raise ModelError(f"{weights} is not the file that {CARD} describes; restore it, or train again.")
    try:
        model = build_network(card["backbone"], card["recipe"])
    except KeyError:
        raise ModelError(f"{folder / CARD} is damaged; restore it, or train the run again.") from None
    load_weights(model, weights, f"run {folder.name}")
    model.trainable = False
    return Run(folder, card, model)

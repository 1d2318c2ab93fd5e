"""What an int8 network expects of pictures: the extremes of its convolutions' inputs, seen on some labelled ones."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import tf_keras

from jobs.extraction import Picture, Source
from jobs.probes import prepared_pictures
from jobs.training_set import TrainingSet
from models import ModelError
from models.precision import Choice
from models.quantization import find_ranges

PICTURES = 64


def with_ranges(choice: Choice, network: tf_keras.Model, training_set: TrainingSet, source: Source) -> Choice:
    """`choice` with the ranges of `network` where it computes in int8.

    They are seen on the same pictures whatever the split is, so that another training finds its features stored.
    """
    if choice.precision != "int8":
        return choice
    _, images = prepared_pictures(source, _some(training_set), keep=True)
    return replace(choice, ranges=find_ranges(network, images))


def _some(training_set: TrainingSet) -> list[Picture]:
    """Those whose SHA-256 are the smallest: as good as drawn by lot, and the same ones however they are called."""
    return sorted(training_set.all(), key=lambda picture: (picture.digest, picture.path))[:PICTURES]


def ranges_to_keep(choice: Choice) -> dict[str, Any]:
    """For the card of a run."""
    return {"ranges": [list(pair) for pair in choice.ranges]} if choice.precision == "int8" else {}


def with_kept_ranges(choice: Choice, card: Mapping[str, Any]) -> Choice:
    """`choice` with the ranges of a card where it computes in int8. Raises ModelError when it has none."""
    if choice.precision != "int8":
        return choice
    try:
        return replace(choice, ranges=tuple((float(low), float(high)) for low, high in card["ranges"]))
    except (KeyError, TypeError, ValueError):
        raise ModelError("the run's model.json has no ranges for int8; train the run again.") from None

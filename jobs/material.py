"""What the stages of a recipe train on: a training set with the stored features of its pictures."""

import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import tf_keras

from jobs.extraction import Cut, Group, Key, Picture, Source, extract
from jobs.recomputing import Features
from jobs.training_set import TrainingSet
from models.classifier import describe_network
from models.recipes import MIRROR_VIEWS
from models.scales import outputs_at
from pipeline.feeding import Stored


@dataclass(frozen=True)
class Material:
    """A training set and its features by (cut, view); a network that looks at several `sides` has some of each."""

    training_set: TrainingSet
    stores: dict[Key, Features]
    sides: tuple[int, ...]

    def stored(self, at: str, views: Sequence[str], pictures: Sequence[Picture]) -> Stored:
        """The features of `pictures` at a cut: the views at the first side, then at the next ones."""
        digests = [picture.digest for picture in pictures]
        features = [self.stores[name, view] for name in _names([at], self.sides) for view in views]
        return Stored(
            [each.features() for each in features],
            [each.positions(digests) for each in features],
            np.array([picture.label for picture in pictures], dtype=np.int64),
        )


def extract_material(
    training_set: TrainingSet,
    source: Source,
    below: tf_keras.Model,
    cuts: Sequence[str],
    views: Sequence[str],
    sides: tuple[int, ...],
    stack: ExitStack,
    everywhere: bool = False,
) -> Material:
    """Run `below`, with an output for each of `cuts`, over all pictures at all sides; what can't be decoded becomes a
    reject of the set. All pictures get the views that are scored, training ones the other `views` at the last cut, or
    `everywhere` all of them."""
    plain = [view for view in MIRROR_VIEWS if view in views]
    more = [view for view in views if view not in plain]
    groups = [_group(training_set.all(), plain, below, cuts, sides)]
    if more:  # only what is tuned sees pictures that were changed at random
        tuned = training_set.all() if everywhere else training_set.parts["train"]
        groups.append(_group(tuned, more, _part(below, -1), cuts[-1:], sides))
    stores = extract(source, groups, _cuts(below, cuts, sides), stack)
    missing = set()
    for group in groups:
        digests = {picture.digest for picture in group.pictures}
        missing |= set().union(*(stores[key].missing(digests) for key in itertools.product(group.cuts, group.views)))
    training_set.reject(missing, "can't be decoded")
    return Material(training_set, stores, sides)


def _names(cuts: Sequence[str], sides: Sequence[int]) -> list[str]:
    """What the cuts are called at each side, in the order of `outputs_at`; at the first side like themselves."""
    return [cut if side == sides[0] else f"{cut}@{side}" for side in sides for cut in cuts]


def _group(
    pictures: Sequence[Picture],
    views: Sequence[str],
    below: tf_keras.Model,
    cuts: Sequence[str],
    sides: Sequence[int],
) -> Group:
    return Group(pictures, views, _names(cuts, sides), outputs_at(below, sides))


def _cuts(below: tf_keras.Model, cuts: Sequence[str], sides: Sequence[int]) -> dict[str, Cut]:
    """Every cut by its name. What makes it is told by its own layers, so that recipes share what they both need."""
    parts = [_part(below, index) for index in range(len(cuts))]
    networks = [outputs_at(part, sides, side) for side in sides for part in parts]
    told = [describe_network(part) for part in parts] * len(sides)
    return dict(zip(_names(cuts, sides), map(Cut, networks, told), strict=True))


def _part(below: tf_keras.Model, index: int) -> tf_keras.Model:
    return tf_keras.Model(below.input, below.outputs[index])

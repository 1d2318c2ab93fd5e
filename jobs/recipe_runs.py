"""The recipes that train on stored features: which pictures go through which network, in which stages."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from jobs.extraction import Source
from jobs.golden import golden_pictures
from jobs.material import Material, extract_material
from jobs.stages import EVALUATION_BATCH, Settings, Trained
from jobs.training_set import TrainingSet
from models.backbones import Backbone
from models.classifier import build_classifier, cut, freeze_below, head_mark, join_outputs, standardise
from models.engines import this_machine
from models.history import Ran
from models.mixed import joined, with_precision
from models.precision import tail_precision
from models.recipes import Stage, finetune_stage, finetune_views, fresh_head_stage, head_stage, head_views
from models.scales import at_sides
from models.second_order import plain_columns
from models.training import run_stage
from pipeline.feeding import ordered_batches, shuffled_batches

BLOCK = 1024  # pictures at once, where all of them are gone through


def train_on_features(
    training_set: TrainingSet,
    backbone: Backbone,
    base: tf_keras.Model,
    source: Source,
    recipe: str,
    settings: Settings,
) -> Trained:
    """Recipes 'head' and 'finetune': the base runs once over every picture, the stages train on what it gave."""
    weights, tunes = base.get_weights(), recipe == "finetune"
    network = build_classifier(base, backbone)
    below, _ = cut(network, head_mark(backbone))
    if tunes:
        below = join_outputs(below, cut(network, backbone.mark, backbone.mark_is_below)[0])
    cuts, views = (["head", "mark"], finetune_views(backbone)) if tunes else (["head"], head_views(backbone))
    with ExitStack() as stack:
        everywhere = settings.all_data
        material = extract_material(training_set, source, below, cuts, views, backbone.sides, stack, everywhere)
        first = _train_network(material, network, backbone, source, tunes, settings)
        held_out, last, final = _score(material, cuts[-1], head_views(backbone), first.top), first, None
        if settings.all_data:
            base.set_weights(weights)
            tf_keras.utils.set_random_seed(settings.seed)
            again = replace(settings, chosen={name: ran for name, (ran, _) in first.stages.items()})
            everything = replace(material, training_set=training_set.on_everything())
            last = _train_network(everything, build_classifier(base, backbone), backbone, source, tunes, again)
            final = _score(material, cuts[-1], head_views(backbone)[:1], last.top)["identity"]
        kept = material.stores["head", "identity"].store.description
    history = [row for ran, _ in first.stages.values() for row in ran.history]
    told = [settled for _, settled in first.stages.values()]
    model, plain = at_sides(last.network, backbone.sides), plain_columns(last.network)
    return Trained(model, history, told, held_out, kept, plain, final)


StageRun = tuple[Ran, dict[str, Any]]


class Network(NamedTuple):
    """A trained network, what of it lies above the cut that was trained on, and its stages by name."""

    network: tf_keras.Model
    top: tf_keras.Model
    stages: dict[str, StageRun]


def _train_network(
    material: Material, network: tf_keras.Model, backbone: Backbone, source: Source, tunes: bool, settings: Settings
) -> Network:
    _, head = cut(network, head_mark(backbone))
    if backbone.head == "pool":
        standardise(network, _blocks(material, head_views(backbone)))
    stages = {}
    if not settings.fresh_head:
        stages["head"] = _train_head(material, network, head, backbone, settings)
    if not tunes:
        return Network(network, head, stages)
    tuned, top, stages["finetune"] = _fine_tune(material, network, backbone, source, settings)
    return Network(tuned, top, stages)


def _train_head(
    material: Material, network: tf_keras.Model, head: tf_keras.Model, backbone: Backbone, settings: Settings
) -> StageRun:
    freeze_below(network, head)
    return _train_stage(material, "head", head_views(backbone), head, head_stage(backbone), settings)


def _blocks(material: Material, views: Sequence[str]) -> Callable[[], Iterator[np.ndarray]]:
    stored = material.stored("head", views, material.training_set.parts["train"])

    def blocks() -> Iterator[np.ndarray]:
        for array, rows in zip(stored.arrays, stored.rows, strict=True):
            for start in range(0, len(rows), BLOCK):
                yield array[rows[start : start + BLOCK]]

    return blocks


def _fine_tune(
    material: Material, network: tf_keras.Model, backbone: Backbone, source: Source, settings: Settings
) -> tuple[tf_keras.Model, tf_keras.Model, StageRun]:
    """The tuned network, its trained tail, and what the stage tells of itself."""
    precision = tail_precision(source.choice, backbone.bfloat16, this_machine())
    tuned = with_precision(network, precision)
    below, tail = cut(tuned, backbone.mark, backbone.mark_is_below)
    freeze_below(tuned, tail)
    stage = fresh_head_stage() if settings.fresh_head else finetune_stage(backbone)
    told = _train_stage(material, "mark", finetune_views(backbone), tail, stage, settings)
    pictures = golden_pictures(backbone.name, backbone.sides[0])
    return joined(tuned, below, tail, pictures, precision), tail, told


def _train_stage(
    material: Material, at: str, views: Sequence[str], network: tf_keras.Model, stage: Stage, settings: Settings
) -> StageRun:
    stage = settings.adjust(stage)
    train = material.stored(at, views, material.training_set.parts["train"])
    # At the largest side: the smaller ones lean the same way, as much as each other (docs/design.md).
    validation = material.stored(at, ("identity",), material.training_set.parts["validation"])
    ran = run_stage(
        network,
        stage,
        lambda epoch: shuffled_batches(train, stage.batch, settings.seed, epoch, stage.mixup),
        math.ceil(len(train.labels) / stage.batch),
        ordered_batches(validation, EVALUATION_BATCH),
        settings.folder / stage.name,
        settings.on_epoch,
        settings.callbacks,
    )
    blended = ran.blend._asdict() if stage.blend else None
    return ran, {**asdict(stage), "views": list(views), "blended": blended}


def _score(material: Material, at: str, views: Sequence[str], top: tf_keras.Model) -> dict[str, np.ndarray]:
    """The held-out pictures' probabilities, (N,), by view: the mean over the sides."""
    any_shape = tf.TensorSpec((None, *top.input_shape[1:]), tf.float32)
    compute = tf.function(lambda features: top(features, training=False), input_signature=[any_shape])

    def score(view: str) -> np.ndarray:
        stored = material.stored(at, (view,), material.training_set.held_out())
        sides = [ordered_batches(stored, EVALUATION_BATCH, side) for side in range(len(stored.arrays))]
        seen = [np.concatenate([compute(features).numpy()[:, 0] for features, _ in batches]) for batches in sides]
        return np.mean(seen, axis=0)

    return {view: score(view) for view in views}

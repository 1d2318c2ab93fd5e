"""The recipes that train on stored features: which pictures go through which network, in which stages."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from jobs.extraction import Key, Picture, Source, extract
from jobs.golden import golden_pictures
from jobs.recomputing import Features
from jobs.stages import EVALUATION_BATCH, Settings, Trained
from jobs.training_set import TrainingSet
from models.backbones import Backbone
from models.classifier import build_classifier, cut, freeze_below, head_mark, join_outputs, standardise
from models.engines import this_machine
from models.history import EpochRow
from models.mixed import joined, with_precision
from models.precision import tail_precision
from models.recipes import MIRROR_VIEWS, Stage, finetune_stage, finetune_views, head_stage, head_views
from models.training import run_stage
from pipeline.feeding import Stored, ordered_batches, shuffled_batches


def train_on_features(
    training_set: TrainingSet,
    backbone: Backbone,
    base: tf_keras.Model,
    source: Source,
    recipe: str,
    settings: Settings,
) -> Trained:
    """Recipes 'head' and 'finetune': the base runs once over every picture, the stages train on what it gave."""
    model = build_classifier(base, backbone)
    below_head, head = cut(model, head_mark(backbone))
    with ExitStack() as stack:
        if recipe == "head":
            stores = _extract(training_set, source, below_head, ["head"], head_views(backbone), stack)
        else:
            below_mark, _ = cut(model, backbone.mark, backbone.mark_is_below)
            both = join_outputs(below_mark, below_head)
            stores = _extract(training_set, source, both, ["mark", "head"], finetune_views(backbone), stack)
        if backbone.head == "pool":
            standardise(model, _training_features(training_set, stores, head_views(backbone)))
        freeze_below(model, head)
        history, stages = _train_stage(
            training_set, stores, "head", head_views(backbone), head, head_stage(backbone), settings
        )
        top, top_cut = head, "head"
        if recipe == "finetune":
            precision = tail_precision(source.choice, backbone.bfloat16, this_machine())
            tuned = with_precision(model, precision)
            below_mark, top = cut(tuned, backbone.mark, backbone.mark_is_below)
            top_cut = "mark"
            freeze_below(tuned, top)
            rows, more = _train_stage(
                training_set,
                stores,
                "mark",
                finetune_views(backbone),
                top,
                finetune_stage(backbone),
                settings,
            )
            history, stages = history + rows, stages + more
            pictures = golden_pictures(backbone.name, backbone.image_size)
            model = joined(tuned, below_mark, top, pictures, precision)
        held_out = _score_features(training_set, stores, top_cut, head_views(backbone), top)
        kept = stores["head", "identity"].store.description
    return Trained(model, history, stages, held_out, kept)


def _training_features(training_set: TrainingSet, stores: dict[Key, Features], views: Sequence[str]) -> np.ndarray:
    stored = _stored(stores, "head", views, training_set.parts["train"])
    return np.concatenate([array[rows] for array, rows in zip(stored.arrays, stored.rows, strict=True)])


def _extract(
    training_set: TrainingSet,
    source: Source,
    below: tf_keras.Model,
    cuts: list[str],
    views: tuple[str, ...],
    stack: ExitStack,
) -> dict[Key, Features]:
    held_out_views = [view for view in MIRROR_VIEWS if view in views]
    groups = [(training_set.parts["train"], views), (training_set.held_out(), held_out_views)]
    stores = extract(source, groups, below, cuts, stack)
    missing = set()
    for pictures, wanted in groups:
        digests = {picture.digest for picture in pictures}
        missing |= set().union(*(stores[cut, view].missing(digests) for cut in cuts for view in wanted))
    training_set.reject(missing, "can't be decoded")
    return stores


def _train_stage(
    training_set: TrainingSet,
    stores: dict[Key, Features],
    at: str,
    views: tuple[str, ...],
    network: tf_keras.Model,
    stage: Stage,
    settings: Settings,
) -> tuple[list[EpochRow], list[dict[str, Any]]]:
    stage = settings.adjust(stage)
    train = _stored(stores, at, views, training_set.parts["train"])
    validation = _stored(stores, at, ("identity",), training_set.parts["validation"])
    history = run_stage(
        network,
        stage,
        lambda epoch: shuffled_batches(train, stage.batch, settings.seed, epoch, stage.mixup),
        math.ceil(len(train.labels) / stage.batch),
        ordered_batches(validation, EVALUATION_BATCH),
        settings.folder / stage.name,
        settings.on_epoch,
        settings.callbacks,
    )
    return history, [{**asdict(stage), "views": list(views)}]


def _stored(stores: dict[Key, Features], at: str, views: Sequence[str], pictures: Sequence[Picture]) -> Stored:
    digests = [picture.digest for picture in pictures]
    return Stored(
        [stores[at, view].features() for view in views],
        [stores[at, view].positions(digests) for view in views],
        np.array([picture.label for picture in pictures], dtype=np.int64),
    )


def _score_features(
    training_set: TrainingSet,
    stores: dict[Key, Features],
    at: str,
    views: Sequence[str],
    top: tf_keras.Model,
) -> dict[str, np.ndarray]:
    compute = tf.function(lambda features: top(features, training=False))
    held_out = {}
    for view in views:
        stored = _stored(stores, at, (view,), training_set.held_out())
        batches = ordered_batches(stored, EVALUATION_BATCH)
        held_out[view] = np.concatenate([compute(features).numpy()[:, 0] for features, _ in batches])
    return held_out

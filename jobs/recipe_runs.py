"""Run a recipe: which pictures go through which network, in which stages."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from jobs.extraction import Picture, Source, extract
from jobs.training_set import TrainingSet
from models.backbones import Backbone
from models.classifier import build_classifier, cut, freeze_below, head_mark, join_outputs, standardise
from models.engines import make_engine
from models.history import EpochRow
from models.predict import pictures_per_batch, run_views
from models.recipes import (
    MIRROR_VIEWS,
    SCRATCH_SIZE,
    Stage,
    finetune_stage,
    finetune_views,
    head_stage,
    head_views,
    scratch_stage,
)
from models.saved import SCRATCH, preprocessing
from models.scratch import scratch_network
from models.training import run_stage
from pipeline.augmentation import shift_and_mirror
from pipeline.datasets import Preparation, evaluation_dataset, scoring_dataset, training_dataset
from pipeline.features import FeatureStore
from pipeline.feeding import Stored, ordered_batches, shuffled_batches
from pipeline.views import VIEWS

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
    (validation, then test) by view."""

    model: tf_keras.Model
    history: list[EpochRow]
    stages: list[dict[str, Any]]
    held_out: dict[str, np.ndarray]


def train_scratch(training_set: TrainingSet, engine: str, settings: Settings) -> Trained:
    """The small network on every pixel, straight from the files."""
    preparation = Preparation(SCRATCH_SIZE, preprocessing(SCRATCH))
    _reject_undecodable(training_set, preparation)
    model = scratch_network(SCRATCH_SIZE)
    stage = settings.adjust(scratch_stage())
    train, root = training_set.parts["train"], training_set.root
    history = run_stage(
        model,
        stage,
        lambda epoch: training_dataset(
            root, *_columns(train), preparation, stage.batch, settings.seed + epoch, shift_and_mirror
        ),
        math.ceil(len(train) / stage.batch),
        evaluation_dataset(root, *_columns(training_set.parts["validation"]), preparation, EVALUATION_BATCH),
        settings.folder / stage.name,
        settings.on_epoch,
        settings.callbacks,
    )
    held_out = _score_pictures(model, engine, training_set, replace(preparation, views=VIEWS["flip"]))
    return Trained(model, history, [asdict(stage)], held_out)


def _columns(pictures: Sequence[Picture]) -> tuple[list[bytes], list[int]]:
    return [picture.path for picture in pictures], [picture.label for picture in pictures]


def _reject_undecodable(training_set: TrainingSet, preparation: Preparation) -> None:
    """Read every picture once, so that one that can't be decoded is named and not passed over in silence."""
    paths, _ = _columns(training_set.all())
    decoded = set()
    for names, _ in scoring_dataset(training_set.root, paths, preparation, EVALUATION_BATCH):
        decoded.update(names.numpy())
    missing = {picture.digest for picture in training_set.all() if picture.path not in decoded}
    training_set.reject(missing, "can't be decoded")


def _score_pictures(
    model: tf_keras.Model, engine: str, training_set: TrainingSet, preparation: Preparation
) -> dict[str, np.ndarray]:
    paths, _ = _columns(training_set.held_out())
    run = make_engine(model, engine)
    batch = pictures_per_batch(len(preparation.views))
    batches = scoring_dataset(training_set.root, paths, preparation, batch)
    outputs = np.concatenate([run_views(run, images.numpy())[0] for _, images in batches])
    return {view: outputs[:, index, 0] for index, view in enumerate(("identity", "mirrored"))}


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
            _, top = cut(model, backbone.mark, backbone.mark_is_below)
            top_cut = "mark"
            freeze_below(model, top)
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
        held_out = _score_features(training_set, stores, top_cut, head_views(backbone), top)
    return Trained(model, history, stages, held_out)


def _training_features(
    training_set: TrainingSet, stores: dict[tuple[str, str], FeatureStore], views: Sequence[str]
) -> np.ndarray:
    stored = _stored(stores, "head", views, training_set.parts["train"])
    return np.concatenate([array[rows] for array, rows in zip(stored.arrays, stored.rows, strict=True)])


def _extract(
    training_set: TrainingSet,
    source: Source,
    below: tf_keras.Model,
    cuts: list[str],
    views: tuple[str, ...],
    stack: ExitStack,
) -> dict[tuple[str, str], FeatureStore]:
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
    stores: dict[tuple[str, str], FeatureStore],
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


def _stored(
    stores: dict[tuple[str, str], FeatureStore], at: str, views: Sequence[str], pictures: Sequence[Picture]
) -> Stored:
    digests = [picture.digest for picture in pictures]
    return Stored(
        [stores[at, view].features() for view in views],
        [stores[at, view].positions(digests) for view in views],
        np.array([picture.label for picture in pictures], dtype=np.int64),
    )


def _score_features(
    training_set: TrainingSet,
    stores: dict[tuple[str, str], FeatureStore],
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

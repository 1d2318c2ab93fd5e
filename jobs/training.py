"""Train a run from its options to its finished folder."""

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from jobs.defaults import nearby
from jobs.exclusion import exclude
from jobs.extraction import Source, cache_folder
from jobs.holdout import Finished, finish
from jobs.recipe_runs import Settings, Trained, train_on_features, train_scratch
from jobs.run_page import write_run_page
from jobs.suspects import write_suspects
from jobs.training_set import TrainingSet, describe, load_training_set, write_split
from jobs.versions import find_versions
from jobs.zero_shot import prepare_zero_shot, score_zero_shot
from models import ModelError
from models.backbones import find_backbone
from models.card import read_card, read_json, write_json
from models.engines import choose_engine
from models.history import EpochRow
from models.recipes import ZERO_SHOT
from models.saved import SCRATCH
from models.training import distribution
from models.weights import base_with_weights, weights_sha256
from pipeline import InputError
from pipeline.datasets import Preparation
from pipeline.split import Split
from submissions.locks import exclusive


@dataclass(frozen=True)
class Options:
    """What `jobs.train` was asked for; see its help."""

    data: Path
    backbone: str
    weights: str
    recipe: str
    split: Split
    seed: int
    epochs: int | None
    patience: int | None
    engine: str
    cache: Path
    tensorboard: Path | None
    exclude: frozenset[bytes] = frozenset()

    def that_matter(self) -> dict[str, Any]:
        """Those that a resumed training must share with its beginning."""
        return {
            "backbone": self.backbone,
            "recipe": self.recipe,
            "split": list(self.split),
            "seed": self.seed,
            "epochs": self.epochs,
            "patience": self.patience,
            "excluded": self._exclusions(),
        }

    def _exclusions(self) -> str | None:
        if not self.exclude:
            return None
        digest = hashlib.sha256(b"\0".join(sorted(self.exclude))).hexdigest()
        return f"{len(self.exclude)} pictures, {digest[:12]}"


def train(folder: Path, options: Options) -> None:
    """Train into `folder`, or go on with what an interrupted training of equal options left there."""
    engine = choose_engine(options.engine)
    clock = time.monotonic()
    training_set = load_training_set(options.data, options.split, options.seed)
    seconds = {"checking": time.monotonic() - clock}
    if options.exclude:
        exclude(training_set, options.exclude)
    print(f"{len(training_set.all()):,} labelled pictures in {nearby(options.data)}", flush=True)
    state = folder / "training"
    state.mkdir(parents=True, exist_ok=True)
    with exclusive(state / "lock"):
        _check_same(state / "options.json", folder, {**options.that_matter(), "data": fingerprint(training_set)})
        refused = len(training_set.rejects)
        tf_keras.utils.set_random_seed(options.seed)
        tf.config.experimental.enable_op_determinism()
        clock = time.monotonic()
        with distribution().scope():
            trained, kind = _train(training_set, options, engine, state)
        seconds |= _seconds(trained, time.monotonic() - clock)
        write_split(training_set, folder)
        if len(training_set.rejects) > refused:  # pictures that only decoding could tell
            print("\n".join(describe(training_set)))
        card = _card(options, training_set, engine) | {"seconds": seconds, "features": kind}
        finish(folder, training_set, trained, Finished(card, engine))
        _write_page(folder, training_set, options.cache)


def _write_page(folder: Path, training_set: TrainingSet, cache: Path) -> None:
    """The suspects and the page of a run that is whole already: a fault here costs the page, not the training."""
    print("looking for suspects, writing the page ...", flush=True)
    try:
        write_suspects(folder, training_set, read_card(folder), cache)
        write_run_page(folder, cache)
    except (InputError, OSError) as error:
        print(f"The run is saved; its page is not written ({error}). make report tries again.", file=sys.stderr)


def _seconds(trained: Trained, whole: float) -> dict[str, float]:
    """What each stage took, and what is left of `whole`: features and scores."""
    stages: dict[str, float] = {}
    for row in trained.history:
        stages[row.stage] = stages.get(row.stage, 0.0) + row.seconds
    # Epochs of an earlier, interrupted session are counted in their stage alone.
    return {"features and scores": max(0.0, whole - sum(stages.values())), **stages}


def _train(
    training_set: TrainingSet, options: Options, engine: str, state: Path
) -> tuple[Trained, dict[str, Any] | None]:
    """The trained network, and the key of the head's features where the recipe keeps them."""
    print("\n".join(describe(training_set)), flush=True)
    callbacks = []
    if options.tensorboard is not None:
        callbacks.append(_tensorboard(options.tensorboard))
    settings = Settings(state, options.seed, options.epochs, options.patience, _print_epoch, callbacks)
    if options.recipe == SCRATCH:
        return train_scratch(training_set, engine, settings), None
    backbone = find_backbone(options.backbone)
    if options.recipe == ZERO_SHOT:
        model = prepare_zero_shot(training_set, backbone, options.weights)
        return score_zero_shot(model, training_set, backbone, engine), None
    base = base_with_weights(backbone, options.weights)
    identity = {
        "backbone": backbone.name,
        "weights": weights_sha256(base),
        "engine": engine,
        "precision": "float32",
    }
    preparation = Preparation(backbone.image_size, backbone.preprocess_input)
    source = Source(training_set.root, preparation, identity, engine, cache_folder(options.cache))
    trained = train_on_features(training_set, backbone, base, source, options.recipe, settings)
    return trained, source.kind("head", "identity")


def _tensorboard(folder: Path) -> tf_keras.callbacks.Callback:
    try:
        return tf_keras.callbacks.TensorBoard(str(folder), profile_batch=0)
    except (ImportError, ModuleNotFoundError):
        raise ModelError("TensorBoard is not installed; run make setup EXTRAS='cpu tensorboard'.") from None


def _print_epoch(row: EpochRow) -> None:
    print(
        f"{row.stage} {row.epoch:>3}: loss {row.loss:.4f} accuracy {100 * row.accuracy:.2f} %, "
        f"validation loss {row.val_loss:.4f} accuracy {100 * row.val_accuracy:.2f} %, {row.seconds:.1f} s",
        flush=True,
    )


def fingerprint(training_set: TrainingSet) -> str:
    """SHA-256 over every picture's path, content and label."""
    digest = hashlib.sha256()
    for part in training_set.parts.values():
        for picture in sorted(part):
            digest.update(picture.path + b"\0" + picture.digest + bytes([picture.label]))
    return digest.hexdigest()


def _check_same(path: Path, folder: Path, options: dict[str, Any]) -> None:
    if not path.exists():
        write_json(path, options)
        return
    begun = read_json(path)
    changed = [f"{name} {begun.get(name)}, now {value}" for name, value in options.items() if begun.get(name) != value]
    if changed:
        raise ModelError(
            f"run {folder} was begun with other options ({'; '.join(changed)}); repeat those, choose another "
            "--run, or delete that folder."
        )
    print(f"going on with the unfinished run {folder}", flush=True)


def _card(options: Options, training_set: TrainingSet, engine: str) -> dict[str, Any]:
    return {
        "backbone": SCRATCH if options.recipe == SCRATCH else options.backbone,
        "recipe": options.recipe,
        "classes": list(training_set.classes),
        "engine": engine,
        "precision": "float32",
        "seed": options.seed,
        "options": {**options.that_matter(), "weights": Path(options.weights).name},
        "data": fingerprint(training_set),
        "labelled_folder": str(Path(os.fsdecode(training_set.root)).resolve()),
        "parts": {name: len(part) for name, part in training_set.parts.items()},
        "rejects": len(training_set.rejects),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "versions": find_versions(),
    }


def _git_commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

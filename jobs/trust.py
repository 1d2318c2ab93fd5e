"""Which engine computes: chosen by rule, trusted only where it agrees with TensorFlow in float32."""

import csv
import os
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import tf_keras

from jobs.golden import golden_pictures
from jobs.probes import spread
from models.agreement import compare
from models.conversion import ConvertedFolder, EngineError, compile_converted, convert
from models.engines import Engine, OpenVINOEngine, TensorFlowEngine, make_engine, this_machine
from models.precision import Choice, reopen
from models.predict import pictures_per_batch, run_views
from models.saved import Run, preprocessing
from pipeline.datasets import Preparation, scoring_dataset
from submissions.names import unescape

CONVERTED = "openvino"  # the folder in a run that keeps the converted network
# A converted network from a run's folder must give the drawn pictures' scores that its card holds, about.
GOLDEN_TOLERANCE = {"float32": 0.01, "bfloat16": 0.1}


class Opened(NamedTuple):
    """An engine for a run's network, what it is, and the record of its agreement for the run's card."""

    engine: Engine
    choice: Choice
    record: dict[str, Any]


def probabilities(engine: Engine, images: np.ndarray) -> np.ndarray:
    """The probabilities (N,) of prepared pictures (N, S, S, 3)."""
    return run_views(engine, images[:, np.newaxis])[0].reshape(len(images))


def trust(model: tf_keras.Model, choice: Choice, images: np.ndarray | None) -> Opened:
    """The engine of `choice` for a trained float32 `model` where it agrees with TensorFlow in float32 on held-out
    `images` (N, S, S, 3), else TensorFlow in float32, and one line says so."""
    if choice.is_exact:
        return Opened(TensorFlowEngine(model, choice.precision), choice, {})
    try:
        return _compared(model, make_engine(model, choice), choice, images)
    except EngineError as error:
        return _fall_back(model, f"OpenVINO can't take this network ({error})")


def _compared(model: tf_keras.Model, engine: Engine, choice: Choice, images: np.ndarray | None) -> Opened:
    exact = TensorFlowEngine(model, "float32")
    if images is None:
        return _fall_back(model, f"there are no held-out pictures to compare {choice.engine} on")
    agreement = compare(probabilities(engine, images), probabilities(exact, images))
    if not agreement.holds:
        return _fall_back(model, f"{choice.engine} in {choice.precision} does not agree: {agreement}")
    record = {"engine": choice.engine, "precision": choice.precision, **agreement.as_dict()}
    return Opened(engine, choice, {**record, "version": _version(choice.engine)})


def _version(engine: str) -> str:
    return version(engine)


def _fall_back(model: tf_keras.Model, reason: str) -> Opened:
    print(f"TensorFlow scores in float32: {reason}.", flush=True)
    return Opened(TensorFlowEngine(model, "float32"), Choice("tensorflow", "float32", reason), {})


def open_engine(run: Run) -> Opened:
    """The engine of a loaded run on this machine: its own choice, as far as that can be followed and trusted here."""
    card = run.card
    choice, changed = reopen(card["engine"], card["precision"], this_machine())
    if changed:
        print(f"run {run.folder.name}: {changed}.", flush=True)
    if choice.engine != "openvino":
        return Opened(TensorFlowEngine(run.model, choice.precision), choice, {})
    kept = ConvertedFolder(run.folder / CONVERTED, card["weights_sha256"], OpenVINOEngine.batch)
    try:
        engine = _open_converted(run, choice, kept)
    except EngineError as error:
        return _fall_back(run.model, f"OpenVINO can't take this network ({error})")
    if _is_recorded(card.get("agreement"), choice) or _is_recorded(kept.agreement(choice.precision), choice):
        return Opened(engine, choice, {})
    opened = _compared(run.model, engine, choice, held_out_pictures(run))
    if opened.record:
        kept.record(choice.precision, opened.record)
    return opened


def _open_converted(run: Run, choice: Choice, kept: ConvertedFolder) -> Engine:
    """From the run's folder where that gives the golden scores, else converted anew, and kept."""
    converted = kept.load()
    if converted is not None:
        engine = OpenVINOEngine(compile_converted(converted, choice.precision))
        pictures = golden_pictures(run.card["backbone"], run.card["image_size"])
        difference = np.abs(probabilities(engine, pictures) - np.array(run.card["golden"])).max()
        if difference <= GOLDEN_TOLERANCE[choice.precision]:
            return engine
    converted = convert(run.model, OpenVINOEngine.batch)
    kept.save(converted)
    return OpenVINOEngine(compile_converted(converted, choice.precision))


def _is_recorded(record: dict[str, Any] | None, choice: Choice) -> bool:
    wanted = {"engine": choice.engine, "precision": choice.precision, "holds": True}
    wanted["version"] = _version(choice.engine)
    return record is not None and wanted.items() <= record.items()


def held_out_pictures(run: Run) -> np.ndarray | None:
    """Some held-out pictures of a run, prepared, float32 (N, S, S, 3); None when they are gone."""
    root = run.card.get("labelled_folder", "")
    try:
        with (run.folder / "holdout.csv").open(newline="", encoding="utf-8") as file:
            paths = [unescape(row["path"]) for row in csv.DictReader(file)]
    except (OSError, KeyError):
        return None
    chosen = spread(paths)
    if not all(os.path.isfile(os.path.join(os.fsencode(root), path)) for path in chosen):
        return None
    preparation = Preparation(run.card["image_size"], preprocessing(run.card["backbone"]))
    batches = scoring_dataset(os.fsencode(root), chosen, preparation, pictures_per_batch(1))
    images = [batch.numpy()[:, 0] for _, batch in batches]
    return np.concatenate(images) if images else None

"""What becomes of a stage's weights at its end: mixed with those of its start, and the output's offset."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras

from jobs.run_tables import stage_table
from jobs.stages import Settings
from models.backbones import find_backbone
from models.blending import SHARES, blend, keep
from models.calibration import calibrated_loss
from models.history import EpochRow, Ran
from models.recipes import Blend, finetune_stage

RANDOM = np.random.default_rng(5)
FEATURES = RANDOM.normal(size=(4000, 2)).astype(np.float32)
TRUE_LOGITS = 3 * FEATURES[:, 0]
LABELS = (RANDOM.random(4000) < 1 / (1 + np.exp(-TRUE_LOGITS))).astype(float)


def network(kernel: list[float], bias: float) -> tf_keras.Model:
    """A logistic regression of two features with these weights."""
    inputs = tf_keras.Input((2,))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(1, activation="sigmoid")(inputs))
    model.set_weights([np.array(kernel)[:, None], np.array([bias])])
    return model


def started(tmp_path: Path) -> Path:
    """Weights at a stage's start that err to one side of the second feature."""
    path = tmp_path / "start.npz"
    keep(network([3.0, 2.0], 0.0), path)
    return path


def test_the_blend_is_the_share_that_suits_the_validation_part_and_the_offset_is_taken_back(tmp_path):
    model = network([3.0, -1.0], 1.2)  # two thirds of it and one third of the start are the truth

    def predict() -> tuple[np.ndarray, np.ndarray]:
        return LABELS, model(FEATURES).numpy()[:, 0].astype(float)

    before = calibrated_loss(*predict())
    chosen = blend(model, started(tmp_path), predict)
    kernel, bias = model.get_weights()
    assert chosen.share == pytest.approx(0.7, abs=0.11)
    assert kernel[:, 0] == pytest.approx([3, 2 - 3 * chosen.share], abs=1e-5)
    assert chosen.share in SHARES
    assert bias[0] == pytest.approx(1.2 * chosen.share + chosen.offset, abs=1e-5)
    assert abs(bias[0]) < 0.15
    assert calibrated_loss(*predict()) < before


def test_a_repeated_blend_asks_no_validation_part(tmp_path):
    model = network([3.0, -1.0], 1.2)
    repeated = Blend(0.5, -0.4)
    assert blend(model, started(tmp_path), lambda: pytest.fail("nothing is left to ask"), repeated) == repeated
    kernel, bias = model.get_weights()
    assert kernel[:, 0] == pytest.approx([3.0, 0.5])
    assert bias[0] == pytest.approx(0.6 - 0.4)


def test_a_training_on_all_pictures_is_asked_for_the_epoch_and_the_blend_of_the_first(tmp_path):
    chosen = {"finetune": Ran([], 3, Blend(0.6, -0.5))}
    settings = Settings(tmp_path, 0, None, None, print, chosen=chosen)
    stage = settings.adjust(finetune_stage(find_backbone("mobilenetv2")))
    assert (stage.last, stage.repeated) == (3, Blend(0.6, -0.5))


def test_the_page_of_a_run_tells_the_blend_and_runs_that_know_of_none_have_a_page_too():
    rows = [EpochRow("finetune", 1, 0.2, 0.96, 0.05, 0.99, 0.02, 1e-4, 40.0)]
    stage = {"name": "finetune", "optimizer": "adamw", "rate": 2e-4, "cosine": True, "batch": 64}
    plain = stage_table({"stages": [stage]}, rows).note
    told = stage_table({"stages": [{**stage, "blended": {"share": 0.6, "offset": -0.528}}]}, rows).note
    assert told.removeprefix(plain) == (
        " At the end of finetune the weights became 60 % of the new and 40 % of those before, and -0.53 was added to "
        "the logit."
    )

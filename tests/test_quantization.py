"""Convolutions in int8: the ranges that were seen, the steps that are taken, and whole runs trained and reopened so."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tf_keras
from commands import job, job_here

from jobs.ranges import ranges_to_keep, with_kept_ranges
from models import ModelError, engines
from models.backbones import find_backbone
from models.card import read_card
from models.engines import make_engine
from models.machine import cpu_int8
from models.precision import Choice, EngineError
from models.predict import run_views
from models.quantization import find_ranges
from models.saved import build_network
from pipeline.drawings import draw_sample

INTEGERS = Choice("openvino", "int8", "")


def convolution(filters: np.ndarray) -> tf_keras.Model:
    """A network of one convolution, filters (1, 1, in, out), without more."""
    network = tf_keras.Sequential([tf_keras.layers.Conv2D(filters.shape[-1], 1, use_bias=False, input_shape=(4, 4, 3))])
    network.set_weights([filters.astype(np.float32)])
    return network


def steps(values: np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    return np.round(values / scale) * scale


@pytest.mark.parametrize("low", [0.0, -2.0])
def test_products_are_those_of_values_in_steps(low):
    rng = np.random.default_rng(0)
    images, filters = rng.uniform(low, 2.0, (5, 4, 4, 3)), rng.normal(size=(1, 1, 3, 6))
    filters[..., 2] = 0  # a filter that sees nothing
    filters[..., 3] *= 1000  # each filter has steps of its own
    network = convolution(filters)
    ranges = find_ranges(network, images.astype(np.float32))
    engine = make_engine(network, replace(INTEGERS, ranges=ranges))
    found = run_views(engine, images[:, np.newaxis].astype(np.float32))[0][:, 0]
    ((smallest, largest),) = ranges
    scale = largest / 255 if smallest >= 0 else max(largest, -smallest) / 127
    rounded = steps(filters[0, 0], np.maximum(np.abs(filters[0, 0]).max(axis=0), 1e-8) / 127)
    expected = steps(images, scale) @ rounded
    size = np.abs(expected).max(axis=(0, 1, 2)) + 1e-6
    # A value at the middle between two steps may go to either.
    assert np.abs((found - expected) / size).max() < 0.02
    assert np.abs((found - expected) / size).mean() < 0.001
    assert not np.allclose(found, images @ filters[0, 0], rtol=1e-3, atol=1e-4 * size.min())


def test_ranges_are_the_extremes_of_what_goes_into_each_convolution():
    tf_keras.utils.set_random_seed(1)
    network = build_network("scratch", "scratch")
    images = np.random.default_rng(0).uniform(-1, 1, (11, *network.input_shape[1:])).astype(np.float32)
    ranges = find_ranges(network, images)
    assert len(ranges) == 5
    assert ranges[0] == (float(images.min()), float(images.max()))
    second = [layer for layer in network.layers if isinstance(layer, tf_keras.layers.Conv2D)][1]
    before = tf_keras.Model(network.input, second.input)(images).numpy()
    assert ranges[1] == pytest.approx((float(before.min()), float(before.max())), rel=1e-5)
    assert all(low >= 0 for low, _ in ranges[1:]), "after ReLU"


def test_a_network_with_more_convolutions_than_ranges_is_refused():
    with pytest.raises(EngineError, match="ranges"):
        make_engine(build_network("scratch", "scratch"), replace(INTEGERS, ranges=((0.0, 1.0),)))


@pytest.mark.parametrize("card", [{}, {"ranges": None}, {"ranges": [[0.0]]}, {"ranges": [["a", "b"]]}])
def test_a_card_without_ranges_is_one_sentence(card):
    with pytest.raises(ModelError, match="no ranges for int8; train the run again"):
        with_kept_ranges(INTEGERS, card)


def test_ranges_come_back_from_a_card_to_the_last_bit():
    seen = replace(INTEGERS, ranges=((-123.68, 0.1 + 0.2), (0.0, float(np.float32(1 / 3)))))
    card = json.loads(json.dumps(ranges_to_keep(seen)))
    assert with_kept_ranges(INTEGERS, card) == seen
    assert ranges_to_keep(Choice("openvino", "float32", "")) == {}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Drawings, and random weights of VGG16."""
    if not cpu_int8():
        pytest.skip("this CPU has no instructions for int8")
    place = tmp_path_factory.mktemp("int8")
    draw_sample(place / "data", labelled=60, unlabelled=6, seed=0)
    tf_keras.utils.set_random_seed(0)
    find_backbone("vgg16").build().save_weights(place / "vgg16.weights.h5")
    return place


def train(place: Path, run: str, *options: object) -> str:
    words = ("--data", place / "data", "--weights", place / "vgg16.weights.h5", "--cache", place / "cache")
    done = job("train", *words, "--precision", "int8", "--epochs", 1, "--run", place / run, *options)
    assert done.code == 0, done.errors
    return done.output


def submit(capfd: pytest.CaptureFixture[str], place: Path, run: str, out: str) -> str:
    words = (
        "--run",
        place / run,
        "--images",
        place / "data" / "test1",
        "--out",
        place / out,
        "--format",
        "probability",
    )
    done = job_here(capfd, "submit", *words)
    assert done.code == 0, done.errors
    return done.output


@pytest.mark.slow
def test_a_run_is_trained_and_scored_in_int8_and_another_finds_its_features(place, capfd, monkeypatch):
    assert "engine openvino, precision int8" in train(place, "head")
    card = read_card(place / "head")
    assert (card["engine"], card["precision"], len(card["ranges"])) == ("openvino", "int8", 13)
    assert card["agreement"]["holds"] and card["agreement"]["arithmetic"].startswith("int8")
    assert "pictures to compute" not in train(place, "again", "--seed", 1), "whatever the split is"
    assert read_card(place / "again")["ranges"] == card["ranges"]
    submit(capfd, place, "head", "one.csv")
    (place / "head" / "scores.sqlite").unlink()
    submit(capfd, place, "head", "two.csv")
    assert (place / "one.csv").read_bytes() == (place / "two.csv").read_bytes()
    monkeypatch.setattr(engines, "cpu_int8", lambda: "")
    assert "no int8: float32 instead of the run's precision" in submit(capfd, place, "head", "elsewhere.csv")


@pytest.mark.slow
def test_what_is_fine_tuned_is_scored_in_int8_too_with_ranges_of_its_own(place):
    train(place, "tuned", "--recipe", "finetune")
    tuned = read_card(place / "tuned")
    assert (tuned["precision"], len(tuned["ranges"])) == ("int8", 13)
    assert job("evaluate", "--run", place / "tuned").code == 0

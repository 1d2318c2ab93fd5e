"""Where a network looks: Grad-CAM on networks whose answer is known, and on the drawings."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras
from tf_keras import layers

from models.backbones import find_backbone
from models.classifier import build_classifier
from models.gradcam import explain, last_maps
from models.imagenet import build_with_top, zero_shot_network
from models.saved import SCRATCH, load_run, preprocessing
from models.scratch import scratch_network
from pipeline.drawings import draw_animal, draw_sample
from pipeline.images import resize


def red_or_blue() -> tf_keras.Model:
    """Says 1 for as much red as blue is missing: two channels, passed on as they are, averaged, subtracted."""
    inputs = layers.Input((8, 8, 3))
    maps = layers.Conv2D(2, 1, use_bias=False, name="maps")(inputs)
    output = layers.Dense(1, activation="sigmoid", name="probability")(layers.GlobalAveragePooling2D()(maps))
    network = tf_keras.Model(inputs, output)
    network.get_layer("maps").set_weights([np.array([[1, 0], [0, 0], [0, 1]], np.float32).reshape(1, 1, 3, 2)])
    network.get_layer("probability").set_weights([np.array([[30], [-30]], np.float32), np.zeros(1, np.float32)])
    return network


def test_the_heat_lies_where_the_class_is_and_nowhere_else():
    pictures = np.zeros((2, 8, 8, 3), np.float32)
    pictures[:, :2, :3, 0] = 1  # red at the top left
    pictures[:, 6:, 4:, 2] = 1  # blue at the bottom right
    pictures[1, 6:, :, 2] = 1  # so much of it that the second picture is blue
    heat, probabilities = explain(red_or_blue(), pictures)
    assert heat.shape == (2, 8, 8) and heat.dtype == np.float32
    assert probabilities[0] < 0.5 and probabilities[1] < 0.5
    pictures[0, :, :, 0] = 1
    heat, probabilities = explain(red_or_blue(), pictures)
    assert probabilities[0] > 0.5 > probabilities[1]
    assert np.array_equal(heat[0], np.where(pictures[0, ..., 2] > 0, 0, 1))
    assert np.array_equal(heat[1], (pictures[1, ..., 2] > 0).astype(np.float32))


def test_a_network_that_is_sure_beyond_float32_still_has_a_heat_map():
    pictures = np.zeros((1, 8, 8, 3), np.float32)
    pictures[0, 1, 1, 0] = 1e4
    heat, probabilities = explain(red_or_blue(), pictures)
    assert probabilities[0] == 1
    assert heat[0, 1, 1] == 1 and heat.sum() == 1


def test_a_picture_without_anything_that_speaks_for_its_class_has_no_heat():
    heat, _ = explain(red_or_blue(), np.zeros((1, 8, 8, 3), np.float32))
    assert not heat.any()


def test_no_pictures_are_no_fault():
    heat, probabilities = explain(red_or_blue(), np.zeros((0, 8, 8, 3), np.float32))
    assert len(heat) == len(probabilities) == 0


def test_the_maps_are_those_before_the_last_pooling():
    assert last_maps(scratch_network(96)).shape[1:] == (12, 12, 128)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "mobilenetv2", "convnexttiny"])
def test_every_kind_of_head_can_be_explained(name):
    row = find_backbone(name)
    images = np.random.default_rng(0).normal(size=(2, row.image_size, row.image_size, 3)).astype(np.float32)
    for network in (build_classifier(row.build(), row), zero_shot_network(build_with_top(row), name)):
        heat, probabilities = explain(network, images)
        assert heat.shape[0] == 2 and heat.shape[1] >= 7
        assert np.isfinite(heat).all() and heat.min() >= 0 and heat.max() <= 1
        assert np.allclose(probabilities, network(images, training=False).numpy()[:, 0], atol=1e-5)


@pytest.fixture(scope="module")
def drawn_run(tmp_path_factory) -> Path:
    """The small network, trained on drawings for a few epochs."""
    from jobs.run_card import Options
    from jobs.training import train
    from pipeline.split import Split

    folder = tmp_path_factory.mktemp("drawn")
    draw_sample(folder / "data", labelled=600, unlabelled=2, seed=9)
    train(
        folder / "run",
        Options(
            data=folder / "data",
            backbone="vgg16",
            weights="none",
            recipe=SCRATCH,
            split=Split(80, 10, 10),
            seed=0,
            epochs=12,
            patience=None,
            engine="tensorflow",
            precision="float32",
            cache=folder / "cache",
            features_limit=None,
            tensorboard=None,
        ),
    )
    return folder / "run"


@pytest.mark.slow
def test_on_drawings_the_animal_lights_up_and_not_the_scene(drawn_run):
    run = load_run(drawn_run)
    size = (run.card["image_size"],) * 2
    drawn = [draw_animal(kind, 5_000_000 + seed) for seed in range(40) for kind in ("cat", "dog")]
    pictures = np.stack([resize(np.asarray(picture), size) for picture, _ in drawn])
    heat, _ = explain(run.model, np.asarray(preprocessing(SCRATCH)(pictures)))
    places = heat.shape[1:]
    masks = np.stack([resize(mask[..., None].repeat(3, 2).astype(np.float32), places)[..., 0] for _, mask in drawn])
    shares = heat / heat.sum(axis=(1, 2), keepdims=True)
    on_animal = (shares * masks).sum(axis=(1, 2))
    # By chance, heat falls on the animal in proportion to what it covers of the picture.
    gain = on_animal - masks.mean(axis=(1, 2))
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain)), (on_animal.mean(), masks.mean())

"""Every backbone: its cut, its head; saved and loaded it scores the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tf_keras

from models import ModelError
from models.backbones import BACKBONES, find_backbone
from models.card import CARD
from models.classifier import build_classifier, cut, freeze_below, head_mark
from models.saved import load_run, save_run
from models.weights import base_with_weights


def card_of(name: str, size: int) -> dict:
    return {"backbone": name, "recipe": "head", "classes": ["cat", "dog"], "image_size": size, "precision": "float32"}


# The large ones take minutes on two cores: they are tested with the slow tests.
QUICK = {"vgg16", "mobilenetv2"}
EACH = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in BACKBONES]


def small(name: str):
    """The backbone for pictures as small as it takes: the same layers, a fraction of the work."""
    import dataclasses

    sizes = {"inceptionv3": 75, "xception": 71}
    return dataclasses.replace(find_backbone(name), image_size=sizes.get(name, 32), scales=())


@pytest.mark.parametrize("name", EACH)
def test_a_backbone_builds_cuts_saves_and_loads_and_scores_the_same(name, tmp_path, monkeypatch):
    row = small(name)
    monkeypatch.setitem(BACKBONES, name, row)
    tf_keras.utils.set_random_seed(1)
    model = build_classifier(base_with_weights(row, "none"), row)
    pictures = np.random.default_rng(1).uniform(0, 255, (2, row.image_size, row.image_size, 3))
    inputs = row.preprocess_input(pictures.astype(np.float32))
    scores = model(inputs, training=False).numpy()
    assert scores.shape == (2, 1)
    for mark in ((row.mark, row.mark_is_below), (head_mark(row), False)):
        below, above = cut(model, *mark)
        assert np.abs(above(below(inputs)) - scores).max() < 1e-6
    save_run(tmp_path, model, card_of(name, row.image_size), inputs)
    loaded = load_run(tmp_path).model
    assert np.abs(loaded(inputs, training=False) - scores).max() < 1e-6
    # Random weights can make a score of 0.5 of any picture: the weights themselves tell more.
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True))


@pytest.mark.parametrize("name", EACH)
def test_fine_tuning_never_trains_batch_norm_nor_changes_its_statistics(name):
    row = small(name)
    model = build_classifier(base_with_weights(row, "none"), row)
    _, above = cut(model, row.mark, row.mark_is_below)
    freeze_below(model, above)
    norms = [layer for layer in model.layers if isinstance(layer, tf_keras.layers.BatchNormalization)]
    before = [weight.copy() for layer in norms for weight in layer.get_weights()]
    features = np.random.default_rng(2).normal(size=(4, *above.input_shape[1:])).astype(np.float32)
    above.compile("sgd", "binary_crossentropy")
    above.fit(features, np.array([[0.0], [1.0], [0.0], [1.0]]), verbose=0)
    after = [weight for layer in norms for weight in layer.get_weights()]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    assert above.trainable_weights


def test_vgg16_is_keras_vgg16_with_the_head_of_the_blog():
    row = find_backbone("vgg16")
    model = build_classifier(row.build(), row)
    keras = tf_keras.applications.VGG16(include_top=False, weights=None, input_shape=(224, 224, 3))
    base = model.layers[: len(keras.layers)]
    assert [layer.name for layer in base[1:]] == [layer.name for layer in keras.layers[1:]]
    assert [layer.output_shape for layer in base] == [layer.output_shape for layer in keras.layers]
    assert [layer.count_params() for layer in base] == [layer.count_params() for layer in keras.layers]
    assert keras.count_params() == 14_714_688
    head = model.layers[len(keras.layers) :]
    assert [type(layer).__name__ for layer in head] == ["Flatten", "Dropout", "Dense", "Dense"]
    assert head[1].rate == 0.5
    assert (head[0].output_shape, head[2].units, head[3].units) == ((None, 25_088), 256, 1)
    assert sum(layer.count_params() for layer in head) == 6_423_041


def test_vgg16_fine_tuning_trains_block5_and_the_head_only():
    row = find_backbone("vgg16")
    model = build_classifier(row.build(), row)
    below, above = cut(model, row.mark)
    assert below.output_shape == (None, 14, 14, 512)
    freeze_below(model, above)
    trained = {weight.name.split("/")[0] for weight in model.trainable_weights}
    assert trained == {"block5_conv1", "block5_conv2", "block5_conv3", "dense", "probability"}


def test_an_unknown_backbone_is_refused_with_the_known_ones():
    with pytest.raises(ModelError, match=r"unknown backbone 'vgg'.*vgg16, vgg19.*convnextbase"):
        find_backbone("vgg")


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_files_load_in_both_layouts_whatever_their_name(tmp_path, legacy):
    row = small("vgg16")
    base = base_with_weights(row, "none")
    path = tmp_path / ("w.h5" if legacy else "w.weights.h5")
    base.save_weights(str(path))
    renamed = path.rename(tmp_path / "named by a person")
    loaded = base_with_weights(row, str(renamed))
    assert all(np.array_equal(a, b) for a, b in zip(base.get_weights(), loaded.get_weights(), strict=True))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(("stored", "wanted"), [("vgg19", "vgg16"), ("vgg16", "vgg19")])
def test_weights_of_another_backbone_are_refused(tmp_path, legacy, stored, wanted):
    path = tmp_path / ("w.h5" if legacy else "w.weights.h5")
    small(stored).build().save_weights(str(path))
    with pytest.raises(ModelError, match=f"does not hold weights of backbone {wanted}"):
        base_with_weights(small(wanted), str(path))


def test_weights_that_are_missing_or_no_hdf5_are_refused(tmp_path):
    with pytest.raises(ModelError, match="no such weights file"):
        base_with_weights(small("vgg16"), str(tmp_path / "none.h5"))
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(ModelError, match="no readable HDF5"):
        base_with_weights(small("vgg16"), str(tmp_path / "text.h5"))


def test_imagenet_weights_without_network_say_where_to_put_the_file(monkeypatch, tmp_path):
    keras = tf_keras.applications.VGG16

    def unreachable(weights=None, **options):
        if weights == "imagenet":
            raise Exception("URL fetch failure on https://example.invalid/a/vgg16_notop.h5: None -- no network")
        return keras(weights=weights, **options)

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tf_keras.applications, "VGG16", unreachable)
    with pytest.raises(ModelError, match=r"put the file vgg16_notop.h5 into .*\.keras/models"):
        base_with_weights(small("vgg16"), "imagenet")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory) -> Path:
    folder, row = tmp_path_factory.mktemp("saved"), small("mobilenetv2")
    model = build_classifier(row.build(), row)
    with pytest.MonkeyPatch.context() as patch:  # saving verifies what was saved
        patch.setitem(BACKBONES, "mobilenetv2", row)
        save_run(folder, model, card_of("mobilenetv2", 224), np.zeros((1, 32, 32, 3), np.float32))
    return folder


@pytest.fixture
def saved(made_once, tmp_path, monkeypatch) -> Path:
    """A run of a small backbone, for as long as the test lasts known by its name."""
    monkeypatch.setitem(BACKBONES, "mobilenetv2", small("mobilenetv2"))
    return Path(shutil.copytree(made_once, tmp_path / "run"))


def test_weights_with_a_flipped_bit_are_refused(saved):
    weights = saved / "model.weights.h5"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="is not the file that"):
        load_run(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', "null"])
def test_a_torn_card_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / CARD).write_text(text)
    with pytest.raises(ModelError):
        load_run(tmp_path)


def test_a_card_that_lacks_a_word_is_refused(saved):
    card = json.loads((saved / CARD).read_text())
    del card["backbone"]
    (saved / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match="damaged"):
        load_run(saved)


def test_a_run_that_is_missing_or_unfinished_says_so(tmp_path):
    with pytest.raises(ModelError, match="no such run"):
        load_run(tmp_path / "none")
    with pytest.raises(ModelError, match="unfinished"):
        load_run(tmp_path)

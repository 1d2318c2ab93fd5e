"""What a network is fed is what Keras would feed it."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.backbones import BACKBONES, find_backbone

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("name", BACKBONES)
def test_preprocessing_is_keras_own_bit_for_bit(name):
    row = find_backbone(name)
    keras = getattr(tf_keras.applications, row.module).preprocess_input
    assert np.array_equal(row.preprocess_input(PICTURES.copy()), keras(PICTURES.copy()))
    resized = PICTURES + np.float32(0.1)  # as the resize gives them: not whole numbers, and inside a graph
    dataset = tf.data.Dataset.from_tensors(resized).map(lambda images: (row.preprocess_input(images), keras(images)))
    assert all(np.array_equal(ours, theirs) for ours, theirs in dataset)

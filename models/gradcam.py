"""Where a network looks: Grad-CAM.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017):
each channel of the last maps is weighed by the mean of the score's gradient over the places (equation 1), and what
speaks for the class is the positive part of the weighed sum (equation 2). The score is the one before the sigmoid.
"""

import numpy as np
import tensorflow as tf
import tf_keras

from models.imagenet import CatOrDog
from models.scales import at_one_side

BATCH = 16
POOLING = (tf_keras.layers.MaxPooling2D, tf_keras.layers.AveragePooling2D)


def last_maps(model: tf_keras.Model) -> tf.Tensor:
    """The last tensor (B, h, w, channels) that every path to the output passes, and that no pooling has shrunk.

    A head may look at several layers; a map above the first of them would not show what the others see.
    """
    for name in _looked_at(model):
        tensor = model.get_layer(name).input
        if len(tensor.shape) == 4:
            break
    else:
        tensor = next(layer.output for layer in reversed(model.layers) if len(layer.output.shape) == 4)
    while isinstance(model.get_layer(_layer_of(tensor)), POOLING):
        tensor = model.get_layer(_layer_of(tensor)).input
    return tensor


def _looked_at(model: tf_keras.Model) -> list[str]:
    """The pooling layers of a pooled head, the one that looks lowest first."""
    order = {layer.name: place for place, layer in enumerate(model.layers)}
    pools = [layer for layer in model.layers if layer.name.startswith("pool_")]
    return [layer.name for layer in sorted(pools, key=lambda layer: order[_layer_of(layer.input)])]


def _layer_of(tensor: tf.Tensor) -> str:
    return str(tensor._keras_history.layer.name)


def explain(model: tf_keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heat maps and probabilities of preprocessed pictures (N, S, S, 3), for what the network takes each to be.

    Returns float32 (N, h, w) in 0..1, the warmest place of each map 1 (all 0 where nothing speaks for the class),
    and the probabilities of class 1, float32 (N,). A network that looks at several sizes is asked at the size given.
    """
    model = at_one_side(model)
    output = model.layers[-1]
    upper = tf_keras.Model(model.input, [last_maps(model), output.input])
    any_batch = tf.TensorSpec((None, *images.shape[1:]), tf.float32)  # one trace for the last, smaller one too
    explain_batch = tf.function(lambda batch: _explain_batch(upper, output, batch), input_signature=[any_batch])
    pairs = [explain_batch(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    if not pairs:
        return np.zeros((0, 1, 1), np.float32), np.zeros(0, np.float32)
    heat, scores = (np.concatenate([part.numpy() for part in column]) for column in zip(*pairs, strict=True))
    return heat, scores


def _explain_batch(
    upper: tf_keras.Model, output: tf_keras.layers.Layer, batch: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        maps, features = upper(batch, training=False)
        score = _logit(output, features)
        # Class 0 has no output of its own: what speaks against class 1 speaks for it.
        spoken_for = tf.reduce_sum(tf.abs(score))
    weights = tf.reduce_mean(tape.gradient(spoken_for, maps), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=3))
    warmest = tf.reduce_max(heat, axis=(1, 2), keepdims=True)
    return tf.math.divide_no_nan(heat, warmest), tf.sigmoid(score)[:, 0]


def _logit(output: tf_keras.layers.Layer, features: tf.Tensor) -> tf.Tensor:
    if isinstance(output, CatOrDog):
        return output.logit(features)
    return tf.matmul(features, output.kernel) + output.bias

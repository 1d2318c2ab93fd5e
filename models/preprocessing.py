"""What turns a picture into a network's input: Keras' own function, or the same one written for a stream."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

# The modules of `tf_keras.applications` whose weights come from Caffe: BGR, less ImageNet's means.
CAFFE_MODULES = ("vgg16", "vgg19", "resnet")
CAFFE_MEANS = (103.939, 116.779, 123.68)  # blue, green, red, as in Keras


def preprocessing_of(module: str) -> Callable[[Any], Any]:
    """The `preprocess_input` of a module of `tf_keras.applications`, bit for bit: RGB float32 (..., H, W, 3) in 0..255
    -> float32 of the same shape, in the network's own range and order of channels."""
    return caffe_input if module in CAFFE_MODULES else keras_preprocessing(module)


def keras_preprocessing(module: str) -> Callable[[Any], Any]:
    """Keras' own code for it, which works in place on arrays: what a comparison with Keras takes."""
    return getattr(tf_keras.applications, module).preprocess_input


def caffe_input(images: tf.Tensor) -> tf.Tensor:
    """RGB float32 (..., H, W, 3) in 0..255 -> BGR less the means.

    Keras turns the channels with a slice of negative step, which took more than decoding and resizing together
    (1.3 ms of 1.8 ms for a picture of 224 pixels; `tf.reverse` and one subtraction take 0.3 ms).
    """
    return tf.reverse(images, [-1]) - tf.constant(CAFFE_MEANS)

"""Gradients that TensorFlow computes slowly on CPUs, computed in another way while a network trains."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras
from tf_keras import layers

from models.engines import this_machine

# From this many channels and filters on: with 256 nothing is gained, with 128 something is lost (docs/design.md).
WIDE = 512
Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@contextmanager
def fast_gradients(network: tf_keras.Model) -> Iterator[None]:
    """Within it the gradients of fused batch norms, all frozen here, are computed faster, and where this machine gains
    by it those of wide convolutions. Layers, weights and scores stay what they are, but for rounding."""
    norms = [layer for layer in network.layers if getattr(layer, "fused", False)]
    convolutions = [layer for layer in network.layers if _is_wide(layer)] if _gains_by_products() else []
    for layer in norms:  # a product and a sum: on CPUs the fused operation's gradient takes several times as long
        layer.fused = False
    for layer in convolutions:
        layer.convolution_op = convolve if layer.bias is None else _with_bias(layer.bias)
        layer.use_bias = False
    try:
        yield
    finally:
        for layer in norms:
            layer.fused = True
        for layer in convolutions:
            del layer.convolution_op
            layer.use_bias = layer.bias is not None


def _gains_by_products() -> bool:
    """Measured on AVX512-BF16 alone: AMX has another convolution, a GPU its own."""
    machine = this_machine()
    return machine.gpu is None and machine.cpu_bfloat16 == "AVX512-BF16"


def _is_wide(layer: layers.Layer) -> bool:
    """Whether the layer is a convolution that `convolve` computes, wide enough, in bfloat16: float32 gains nothing."""
    return (
        type(layer) is layers.Conv2D
        and layer.compute_dtype == "bfloat16"
        and (layer.padding, layer.data_format) == ("same", "channels_last")
        and layer.strides == layer.dilation_rate == (1, 1) != layer.kernel_size
        and layer.groups == 1
        and min(layer.kernel.shape[2:]) >= WIDE
    )


@tf.custom_gradient
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    """The convolution of (B, H, W, C) with a kernel (h, w, C, F), stride 1, zeros around: (B, H, W, F), of one dtype.

    Its kernel's gradient is computed as h * w products of matrices, one for each place in the kernel, each of all
    pictures at once.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        towards_inputs = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(inputs), 1, "SAME")
        return towards_inputs, _towards_kernel(inputs, upstream, kernel.shape)

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradient


def _towards_kernel(inputs: tf.Tensor, upstream: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    rows, columns, channels, filters = shape
    height, width = inputs.shape[1:3]
    around = [[(size - 1) // 2, size // 2] for size in (rows, columns)]
    padded = tf.pad(inputs, [[0, 0], *around, [0, 0]])
    upstream = tf.reshape(upstream, (-1, filters))

    def product(row: int, column: int) -> tf.Tensor:
        seen = padded[:, row : row + height, column : column + width]
        return tf.matmul(tf.reshape(seen, (-1, channels)), upstream, transpose_a=True)

    places = [product(row, column) for row in range(rows) for column in range(columns)]
    return tf.reshape(tf.stack(places), shape)


def _with_bias(bias: tf.Variable) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return lambda inputs, kernel: add_bias(convolve(inputs, kernel), bias)


@tf.custom_gradient
def add_bias(outputs: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    """(B, H, W, F) and what is added to each filter's output, (F,), of one dtype.

    Its gradient is a sum: TensorFlow's own for a bias adds up in bfloat16, and is a tenth off after 10,000 addends.
    """
    return tf.nn.bias_add(outputs, bias), lambda upstream: (upstream, tf.reduce_sum(upstream, (0, 1, 2)))

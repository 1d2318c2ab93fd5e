"""One network that looks at a picture at several sizes, and gives the mean of what it sees.

A base that was trained at 224 pixels sees small animals better at a larger size, and large ones better at its own
(H. Touvron et al., "Fixing the train-test resolution discrepancy", 2019). The network is the same at each size: it
is fully convolutional, and pools before its head.
"""

from collections.abc import Sequence

import tf_keras
from tf_keras import layers

MEAN, RESIZED = "mean_of_scales", "side_"


def at_sides(network: tf_keras.Model, sides: Sequence[int]) -> tf_keras.Model:
    """`network` at each of `sides` (pixels, the largest first): float32 (B, S, S, 3) of the first side -> the mean.

    With one side it is `network` itself. A smaller picture is made from the larger one, bilinear.
    """
    if len(sides) == 1:
        return network
    seen = outputs_at(network, sides)
    mean = layers.Average(name=MEAN, dtype="float32")(seen.outputs)
    return tf_keras.Model(seen.input, mean, name=f"{network.name}_at_{len(sides)}_sides")


def outputs_at(network: tf_keras.Model, sides: Sequence[int], only: int | None = None) -> tf_keras.Model:
    """All outputs of `network` at the first of `sides`, then at the next ones, in one pass; or at `only` one of them.

    It takes pictures of the first side, float32 (B, S, S, 3).
    """
    if len(sides) == 1:
        return network
    inputs = layers.Input((sides[0], sides[0], 3))
    outputs: list[tf_keras.KerasTensor] = []
    for side in sides if only is None else [only]:
        seen = inputs if side == sides[0] else layers.Resizing(side, side, name=f"{RESIZED}{side}")(inputs)
        given = network(seen)
        outputs += given if isinstance(given, list) else [given]
    return tf_keras.Model(inputs, outputs, name=f"{network.name}_at_sides")


def at_one_side(model: tf_keras.Model) -> tf_keras.Model:
    """The network that `at_sides` was given; `model` itself where it looks at one size only."""
    if model.layers[-1].name != MEAN:
        return model
    return next(layer for layer in model.layers if isinstance(layer, tf_keras.Model))


def sides_of(model: tf_keras.Model) -> list[int]:
    """The sides at which a network looks, the largest first."""
    smaller = [layer.height for layer in model.layers if layer.name.startswith(RESIZED)]
    return [model.input_shape[1], *smaller]

"""A backbone and its head as one flat network, and where to cut it."""

import hashlib
import re

import numpy as np
import tf_keras
from tf_keras import layers

from models.backbones import Backbone

# L2 of the pooled head's weights, on standardised features: without it the head is sure of far too much.
POOLED_L2 = 0.015
SMALLEST_DEVIATION = 0.02
HEAD_LAYERS = ("flatten", "dropout", "dense", "pool", "standardise", "probability")


def build_classifier(base: tf_keras.Model, backbone: Backbone) -> tf_keras.Model:
    """Preprocessed float32 (B, S, S, 3) -> float32 (B, 1), the probability of the second class.

    One flat network, so that the layers keep the names, shapes and counts of `tf_keras.applications`. The
    'flatten' head is Flatten, Dropout 0.5, Dense 256 relu, Dense 1 sigmoid, as in the blog; the 'pool' head is
    a logistic regression on what is left of a map when its place is forgotten: its mean and its maximum, and
    the mean of the backbone's `taps`, each standardised by the training pictures.
    """
    regularizer = None
    if backbone.head == "flatten":
        features = layers.Flatten(name="flatten")(base.output)
        features = layers.Dropout(0.5, name="dropout")(features)
        features = layers.Dense(256, activation="relu", name="dense")(features)
    else:
        pooled = [
            layers.GlobalAveragePooling2D(name="pool_mean")(base.output),
            layers.GlobalMaxPooling2D(name="pool_max")(base.output),
        ]
        for tap in backbone.taps:
            pooled.append(layers.GlobalAveragePooling2D(name=f"pool_{tap}")(base.get_layer(tap).output))
        features = layers.Concatenate(name="pool")(pooled)
        features = layers.Normalization(name="standardise")(features)
        regularizer = tf_keras.regularizers.L2(POOLED_L2)
    # Probabilities stay in float32 whatever precision the layers below compute in.
    output = layers.Dense(1, activation="sigmoid", dtype="float32", name="probability", kernel_regularizer=regularizer)(
        features
    )
    return tf_keras.Model(base.input, output, name=f"{backbone.name}_classifier")


def is_head(name: str) -> bool:
    """Whether the layer of that name belongs to the head; the head computes in float32 in every precision."""
    return name in HEAD_LAYERS or name.startswith("pool_")


def standardise(model: tf_keras.Model, features: np.ndarray) -> None:
    """Fit the pooled head's standardisation to `features` (N, width) and start its weights at 0."""
    layer = model.get_layer("standardise")
    features = features.astype(np.float32)
    # The small addend keeps a feature that hardly ever fires from being blown up.
    deviation = features.std(axis=0) + SMALLEST_DEVIATION
    layer.adapt_mean.assign(features.mean(axis=0).reshape(layer.adapt_mean.shape))
    layer.adapt_variance.assign((deviation**2).reshape(layer.adapt_variance.shape))
    layer.finalize_state()
    output = model.get_layer("probability")
    output.set_weights([np.zeros_like(weight) for weight in output.get_weights()])


def head_mark(backbone: Backbone) -> str:
    """The first layer of the head that is trained: what is below never changes, pooling included."""
    return "flatten" if backbone.head == "flatten" else "standardise"


def cut(model: tf_keras.Model, mark: str, mark_is_below: bool = False) -> tuple[tf_keras.Model, tf_keras.Model]:
    """Cut `model` at the input of layer `mark` (or its output): (below, above), sharing the layers' weights.

    `above(below(x))` is `model(x)`. Raises ValueError when more than one tensor passes there.
    """
    name = mark.replace("/", "_")
    # A layer has a node for every network that it was called in; the one of `model` connects to its input.
    for node in model.get_layer(mark).inbound_nodes:
        tensor = node.output_tensors if mark_is_below else node.input_tensors
        try:
            below = tf_keras.Model(model.input, tensor, name=f"below_{name}")
            return below, tf_keras.Model(tensor, model.output, name=f"above_{name}")
        except ValueError:
            continue
    raise ValueError(f"{model.name} can't be cut at {mark}: more than one tensor passes there")


def describe_network(network: tf_keras.Model) -> str:
    """SHA-256 over the kinds, names and shapes of a network's layers: features of another cut are told by it.

    Without the numbers that Keras appends to names, which depend on what else was built in the process.
    """
    words = [
        f"{type(layer).__name__} {re.sub(r'_[0-9]+$', '', layer.name)} {layer.output_shape}" for layer in network.layers
    ]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def freeze_below(model: tf_keras.Model, above: tf_keras.Model) -> None:
    """Leave only the layers of `above` trainable, and of those no batch normalisation.

    A batch normalisation that is not trainable always runs with its stored statistics (training=False): a
    small set's own statistics would destroy what the base has learnt.
    """
    trained = {layer.name for layer in above.layers}
    for layer in model.layers:
        layer.trainable = layer.name in trained and not isinstance(layer, layers.BatchNormalization)


def join_outputs(*networks: tf_keras.Model) -> tf_keras.Model:
    """One network with the outputs of several that share their input, computed in one pass."""
    return tf_keras.Model(networks[0].input, [network.output for network in networks], name="joined")

"""The input pipeline: files in, batches on the device out.

One function, `prepare`, makes every picture that a network sees, in training, evaluation and scoring. A
picture that can't be read leaves the stream alone, before batching; its path does not come out, and whoever
compares the paths that came out with those that went in knows which are missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from pipeline.images import load
from pipeline.reading import Limits, Reader, read_picture
from pipeline.views import View, identity

# Enough to keep two cores decoding while the network computes; more only holds more pictures in memory.
READERS = tf.data.AUTOTUNE


@dataclass(frozen=True)
class Preparation:
    """How a file becomes the network's input: side of the square in pixels, the backbone's own
    preprocessing (RGB float32 0..255 -> float32), the views, what the reader refuses, and the reader."""

    image_size: int
    preprocess: Callable[[tf.Tensor], tf.Tensor]
    views: tuple[View, ...] = (identity,)
    limits: Limits = field(default_factory=Limits)
    reader: Reader = read_picture


def prepare(root: bytes, path: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    """One file's views, preprocessed: float32 (V, S, S, 3). Errors for a file that is no readable picture."""
    return prepare_views(load(root, path, preparation.limits, preparation.reader), preparation)


def prepare_views(image: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    """A decoded picture's (H, W, 3), 0..255, views, preprocessed: float32 (V, S, S, 3)."""
    size = preparation.image_size
    views = tf.stack([view(image, size) for view in preparation.views])
    prepared = preparation.preprocess(views)
    prepared.set_shape((len(preparation.views), size, size, 3))
    return prepared


def scoring_dataset(root: bytes, paths: Sequence[bytes], preparation: Preparation, batch: int) -> tf.data.Dataset:
    """(paths (B,) string, images (B, V, S, S, 3) float32) in the order given; unreadable ones left out.

    No shuffle, no repeat; the last batch is smaller. Each element carries its path.
    """
    dataset = tf.data.Dataset.from_tensor_slices(list(paths))
    dataset = dataset.map(lambda path: (path, prepare(root, path, preparation)), num_parallel_calls=READERS)
    return to_device(dataset.ignore_errors().batch(batch))


def evaluation_dataset(
    root: bytes, paths: Sequence[bytes], labels: Sequence[int], preparation: Preparation, batch: int
) -> tf.data.Dataset:
    """(images (B, S, S, 3) float32, labels (B, 1) float32) in the order given, of the first view."""
    dataset = _labelled(root, paths, labels, preparation)
    return to_device(dataset.batch(batch))


def training_dataset(
    root: bytes,
    paths: Sequence[bytes],
    labels: Sequence[int],
    preparation: Preparation,
    batch: int,
    seed: int,
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
) -> tf.data.Dataset:
    """As `evaluation_dataset`, shuffled anew in every epoch; `augment(image, seed (2,))` changes a picture.

    The order and the augmentation depend on `seed` and the epoch alone.
    """
    dataset = tf.data.Dataset.from_tensor_slices((list(paths), list(labels)))
    dataset = dataset.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    dataset = dataset.map(
        lambda path, label: _with_label(root, path, label, preparation), num_parallel_calls=READERS
    ).ignore_errors()
    if augment is not None:
        seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
        dataset = tf.data.Dataset.zip(dataset, seeds)
        dataset = dataset.map(lambda item, pair: (augment(item[0], pair), item[1]), num_parallel_calls=READERS)
    return to_device(dataset.batch(batch))


def _labelled(root: bytes, paths: Sequence[bytes], labels: Sequence[int], preparation: Preparation) -> tf.data.Dataset:
    dataset = tf.data.Dataset.from_tensor_slices((list(paths), list(labels)))
    return dataset.map(
        lambda path, label: _with_label(root, path, label, preparation), num_parallel_calls=READERS
    ).ignore_errors()


def _with_label(
    root: bytes, path: tf.Tensor, label: tf.Tensor, preparation: Preparation
) -> tuple[tf.Tensor, tf.Tensor]:
    return prepare(root, path, preparation)[0], tf.cast(label, tf.float32)[tf.newaxis]


def to_device(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Prefetch: into the GPU's memory when there is one, into the host's otherwise.

    With more than one GPU the distribution strategy moves the batches, and prefetching to one would fight it.
    """
    if len(tf.config.list_logical_devices("GPU")) == 1:
        return dataset.apply(tf.data.experimental.prefetch_to_device("/GPU:0"))
    return dataset.prefetch(tf.data.AUTOTUNE)

"""Batches from stored features: what a network's upper part trains and is evaluated on."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from pipeline.datasets import to_device


class Rows(Protocol):
    """What features are read from: an array, or something that is indexed like one by its rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, *features)."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """The features of `rows` (N,): float16 (N, *features)."""


class Stored(NamedTuple):
    """Features of N pictures under several views, with labels: `arrays[v][rows[v][i]]` is view v of picture i.

    Views of other sizes may have features of another shape; a batch is always of one shape.
    """

    arrays: Sequence[Rows]
    rows: Sequence[np.ndarray]
    labels: np.ndarray

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of one picture's features; None where it depends on the view."""
        columns = zip(*(array.shape[1:] for array in self.arrays), strict=True)
        return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in columns)

    def draw_views(self, random: np.random.Generator, count: int, batch: int) -> np.ndarray:
        """A view for each of `count` pictures, int64: those of a batch have one shape, drawn by batch."""
        shapes = [array.shape[1:] for array in self.arrays]
        kinds = [[view for view, shape in enumerate(shapes) if shape == kind] for kind in dict.fromkeys(shapes)]
        drawn = random.integers(len(kinds), size=-(-count // batch)).repeat(batch)[:count]
        views = np.zeros(count, dtype=np.int64)
        for number, kind in enumerate(kinds):
            views[drawn == number] = random.choice(kind, size=int((drawn == number).sum()))
        return views


def shuffled_batches(stored: Stored, batch: int, seed: int, epoch: int, mixup: float = 0.0) -> tf.data.Dataset:
    """One epoch: every picture once, under a view drawn anew, in an order drawn anew from (seed, epoch).

    Batches of (features (B, ...) float32, labels (B, 1) float32); the last one is smaller. With `mixup` each
    picture is mixed with another of its batch, by a share from Beta(mixup, mixup), 0.5 at least its own.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(stored.labels))
    views = stored.draw_views(random, len(order), batch)
    batches = _batches(stored, order, views, batch)
    if mixup:
        drawn = random.beta(mixup, mixup, size=len(order)).astype(np.float32)
        shares = tf.data.Dataset.from_tensor_slices(np.maximum(drawn, 1 - drawn)).batch(batch)
        batches = tf.data.Dataset.zip(batches, shares).map(_mix)
    return to_device(batches)


def _mix(pair: tuple[tf.Tensor, tf.Tensor], share: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tuple(_mixed(values, share) for values in pair)


def _mixed(values: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    own = tf.reshape(share, [-1] + [1] * (len(values.shape) - 1))
    return own * values + (1 - own) * tf.reverse(values, axis=[0])


def ordered_batches(stored: Stored, batch: int, view: int = 0) -> tf.data.Dataset:
    """Every picture once, in order, under one view: batches as in `shuffled_batches`."""
    order = np.arange(len(stored.labels))
    return to_device(_batches(stored, order, np.full(len(order), view), batch))


def _batches(stored: Stored, order: np.ndarray, views: np.ndarray, batch: int) -> tf.data.Dataset:
    def generate() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(order), batch):
            chosen = slice(start, start + batch)
            shape = stored.arrays[views[start]].shape[1:]
            features = np.empty((len(order[chosen]), *shape), dtype=np.float16)
            for view in np.unique(views[chosen]):
                members = views[chosen] == view
                features[members] = stored.arrays[view][stored.rows[view][order[chosen][members]]]
            yield features, stored.labels[order[chosen]]

    signature = (
        tf.TensorSpec((None, *stored.shape), tf.float16),
        tf.TensorSpec((None,), tf.int64),
    )
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return dataset.map(lambda x, y: (tf.cast(x, tf.float32), tf.cast(y, tf.float32)[:, tf.newaxis]))

"""Stock Keras in training, for `make bench`: `python -m jobs.bench_stock RECIPE PHOTOS STEPS`.

The blog's recipe as Keras' guides write it: float32, a dataset of decoded photos, `fit`. It is measured for some
steps after one that compiles, and prints one JSON line: seconds for a training photo and for a validation photo.
A step's time is the median: TensorFlow's tuner may hold up the last batch for seconds (docs/design.md), once in an
epoch of whatever length, so a mean of some steps would be too long.
"""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

BATCH = 50  # the blog's


def main(recipe: str, photos: Path, steps: int) -> dict[str, float]:
    """Seconds a photo, of `fit` and of `evaluate`; `photos` holds a folder for each class."""
    import tensorflow as tf
    import tf_keras

    files = tf_keras.utils.image_dataset_from_directory(
        str(photos), label_mode="binary", image_size=(224, 224), batch_size=BATCH, seed=0
    )
    prepare = tf_keras.applications.vgg16.preprocess_input
    prepared = files.map(lambda images, labels: (prepare(images), labels)).prefetch(tf.data.AUTOTUNE)
    model = _blog_model(recipe)
    ends: list[float] = []

    def note(batch: int, logs: object) -> None:
        ends.append(time.monotonic())

    clock = tf_keras.callbacks.LambdaCallback(on_batch_end=note, on_test_batch_end=note)
    seconds = {}
    for name, run in (("training", model.fit), ("validation", model.evaluate)):
        run(prepared.take(1), verbose=0)
        ends.clear()
        run(prepared.take(steps + 1), verbose=0, callbacks=[clock])
        seconds[name] = median(end - start for start, end in pairwise(ends)) / BATCH
    return seconds


def _blog_model(recipe: str) -> Any:
    """VGG16 with random weights and the blog's head; `finetune` trains block5 too."""
    import tf_keras
    from tf_keras import layers

    base = tf_keras.applications.VGG16(include_top=False, weights=None, input_shape=(224, 224, 3))
    for layer in base.layers:
        layer.trainable = recipe == "finetune" and layer.name.startswith("block5")
    outputs = layers.Flatten()(base.output)
    outputs = layers.Dense(256, activation="relu")(layers.Dropout(0.5)(outputs))
    outputs = layers.Dense(1, activation="sigmoid")(outputs)
    model = tf_keras.Model(base.input, outputs)
    rate = {"head": 2e-5, "finetune": 2e-6}[recipe]
    model.compile(tf_keras.optimizers.RMSprop(rate), "binary_crossentropy", metrics=["accuracy"])
    return model


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))

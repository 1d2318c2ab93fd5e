"""Networks with their 1000 ImageNet classes: what is in a picture, and cat or dog without any training."""

import contextlib
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from models import ModelError
from models.backbones import Backbone
from models.weights import download_weights, load_weights

# ImageNet's order is that of WordNet's tree: the domestic dogs (Chihuahua .. Mexican hairless) and the
# domestic cats (tabby .. Egyptian cat) each stand together. O. Russakovsky et al., "ImageNet Large Scale Visual
# Recognition Challenge" (2015).
DOGS = slice(151, 269)
CATS = slice(281, 286)
CLASSES = 1000
CLASS_INDEX = "imagenet_class_index.json"
CLASS_INDEX_MD5 = "c2c37ea517e94d9795004a39431a14cb"  # as in Keras' decode_predictions
# A class that the softmax gives nothing must not make the logarithm infinite.
TINY = 1e-30


class Guess(NamedTuple):
    """One class: WordNet's id, its name, its probability in 0..1."""

    wnid: str
    name: str
    probability: float


def build_with_top(backbone: Backbone) -> tf_keras.Model:
    """The backbone with its own top, without weights: preprocessed float32 (B, S, S, 3) -> (B, 1000) softmax."""
    build = getattr(tf_keras.applications, backbone.builder)
    return build(include_top=True, weights=None, input_shape=(backbone.image_size, backbone.image_size, 3))


def top_with_weights(backbone: Backbone, weights: str) -> tf_keras.Model:
    """The network of `build_with_top` with `weights`: 'imagenet', 'none' (random) or a file's path.

    Raises ModelError when the file is missing or holds other weights, and when 'imagenet' can't be downloaded.
    """
    network = build_with_top(backbone)
    if weights == "imagenet":
        network.set_weights(download_weights(backbone, include_top=True))
    elif weights != "none":
        load_weights(network, Path(weights), f"{backbone.name} with its {CLASSES} classes")
    return network


class CatOrDog(tf_keras.layers.Layer):
    """Softmax over ImageNet's classes (B, 1000) -> (B, 1): dogs' share of what is given to cats and dogs."""

    def call(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The probability of a dog, given that it is one of the two."""
        return tf.sigmoid(self.logit(probabilities))

    @staticmethod
    def logit(probabilities: tf.Tensor) -> tf.Tensor:
        """log(dogs / cats), (B, 1): what `call` is the sigmoid of."""
        dogs, cats = (tf.reduce_sum(probabilities[:, part], axis=1, keepdims=True) for part in (DOGS, CATS))
        return tf.math.log(dogs + TINY) - tf.math.log(cats + TINY)


def zero_shot_network(network: tf_keras.Model, name: str) -> tf_keras.Model:
    """Put `CatOrDog` on a network of `build_with_top`: preprocessed pictures -> (B, 1), probability of a dog."""
    output = CatOrDog(name="probability", dtype="float32")(network.output)
    return tf_keras.Model(network.input, output, name=f"{name}_zero_shot")


def check_cat_and_dog(classes: tuple[str, str]) -> None:
    """Raise ModelError unless the classes of a data folder are cats, then dogs: the only two it knows."""
    if [name.lower().rstrip("s") for name in classes] != ["cat", "dog"]:
        raise ModelError(
            f"the recipe zero-shot tells cats from dogs, and the labels are {' and '.join(classes)}; choose another "
            "--recipe."
        )


def load_class_index(path: Path | None, weights: str) -> list[tuple[str, str]]:
    """(wnid, name) of each of the 1000 classes, from `path`, from beside the `weights` file, or Keras' download.

    Raises ModelError when there is no such file, it is no class index, or it can't be downloaded.
    """
    beside = Path(weights).with_name(CLASS_INDEX)
    if path is None:
        path = beside if weights not in ("imagenet", "none") and beside.is_file() else _download_index()
    try:
        content = json.loads(path.read_bytes())
        rows = [content[str(number)] for number in range(CLASSES)]
        return [(str(wnid), str(name)) for wnid, name in rows]
    except OSError as error:
        raise ModelError(
            f"the class index {path} can't be read ({error.strerror}); name Keras' {CLASS_INDEX}."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path} is no index of {CLASSES} classes; name Keras' {CLASS_INDEX}.") from None


def _download_index() -> Path:
    from tf_keras.src.applications.imagenet_utils import CLASS_INDEX_PATH

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # 35 kB are no download to tell of
            fetched = tf_keras.utils.get_file(
                CLASS_INDEX, CLASS_INDEX_PATH, cache_subdir="models", file_hash=CLASS_INDEX_MD5
            )
    except Exception as error:  # get_file raises a bare Exception for every network fault
        if "URL fetch failure" not in str(error):
            raise
        raise ModelError(
            f"the names of ImageNet's classes could not be downloaded from {CLASS_INDEX_PATH}; put the file into "
            f"{Path.home() / '.keras' / 'models'}, or name it with --class-index FILE."
        ) from None
    return Path(fetched)


def best_guesses(probabilities: np.ndarray, index: list[tuple[str, str]], count: int = 5) -> list[Guess]:
    """The `count` most probable classes of one picture's probabilities (1000,), the best first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [Guess(index[number][0], index[number][1], float(probabilities[number])) for number in order]


def cats_and_dogs(probabilities: np.ndarray) -> tuple[float, float]:
    """What one picture's probabilities (1000,) give to all cats and to all dogs together."""
    return float(probabilities[CATS].sum()), float(probabilities[DOGS].sum())

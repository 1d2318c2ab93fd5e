"""Weights in and out: HDF5 files that hold numbers and nothing else."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import tf_keras

from models import ModelError
from models.backbones import Backbone

# A file that was saved with its 1000-class top holds that layer's kernel and bias beside the base's.
VARIABLES_OF_A_TOP = 2


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hexadecimal text. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(model: tf_keras.Model) -> str:
    """SHA-256 over shape, dtype and bytes of every variable in order: the same numbers, the same digest."""
    digest = hashlib.sha256()
    for values in model.get_weights():
        digest.update(f"{values.shape}{values.dtype}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def base_with_weights(backbone: Backbone, weights: str) -> tf_keras.Model:
    """The backbone's convolutional base with `weights`: 'imagenet', 'none' (random) or a file's path.

    Raises ModelError when the file is missing, no HDF5 file, or holds another backbone's weights, and when
    'imagenet' can't be downloaded.
    """
    base = backbone.build()
    if weights == "imagenet":
        base.set_weights(download_weights(backbone))
    elif weights != "none":
        load_weights(base, Path(weights), f"backbone {backbone.name}")
    return base


def download_weights(backbone: Backbone, include_top: bool = False) -> list[np.ndarray]:
    """Keras' own ImageNet weights, of the base or of the whole network. Raises ModelError without a network."""
    build = getattr(tf_keras.applications, backbone.builder)
    shape = (backbone.image_size, backbone.image_size, 3)
    try:
        return build(include_top=include_top, weights="imagenet", input_shape=shape).get_weights()
    except Exception as error:  # get_file raises a bare Exception for every network fault
        if "URL fetch failure" not in str(error):
            raise
        address = str(error).split("URL fetch failure on ", 1)[1].split(": ", 1)[0]
        file_name = address.rsplit("/", 1)[-1]
        raise ModelError(
            f"the ImageNet weights of {backbone.name} could not be downloaded from {address}; put the file "
            f"{file_name} into {Path.home() / '.keras' / 'models'}, or name a file with --weights FILE."
        ) from None


def load_weights(model: tf_keras.Model, path: Path, what: str) -> None:
    """Read `model`'s weights from an HDF5 file of either Keras layout, whatever the file is called.

    `what` says in error sentences which network the weights must fit. Raises ModelError.
    """
    check_hdf5(path)
    with h5py.File(path) as file:
        is_legacy = "layer_names" in file.attrs or "model_weights" in file
        stored = sum(1 for _ in _datasets(file))
    # Keras chooses the layout by the file's name; a link gives it the name it needs.
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / ("model.h5" if is_legacy else "model.weights.h5")
        link.symlink_to(path.resolve())
        try:
            model.load_weights(str(link))
        except (ValueError, KeyError, IndexError) as error:
            detail = str(error).splitlines()[0][:160]
            raise ModelError(_misfit(path, what, detail)) from None
    spare = stored - len(model.weights)
    if not 0 <= spare <= VARIABLES_OF_A_TOP:
        raise ModelError(_misfit(path, what, f"it holds {stored} arrays, {len(model.weights)} are needed"))
    for variable in model.weights:
        if not np.isfinite(variable.numpy()).all():
            raise ModelError(f"{path} holds NaN or infinite weights ({variable.name}); get the file again.")


def _misfit(path: Path, what: str, detail: str) -> str:
    return f"{path} does not hold weights of {what} ({detail}); name a file saved from that network."


def check_hdf5(path: Path) -> None:
    """Raise ModelError unless `path` is an HDF5 file whose arrays all lie in the file itself.

    External and soft links, external storage and virtual data sets would read other files of this machine.
    """
    if not path.is_file():
        raise ModelError(f"no such weights file: {path}; name a file, 'imagenet' or 'none'.")
    try:
        with h5py.File(path) as file:
            for name, dataset in _datasets(file):
                if dataset.external or dataset.is_virtual:
                    raise ModelError(f"{path} is refused: {name} keeps its data in another file.")
    except (OSError, RuntimeError, KeyError) as error:
        detail = str(error).splitlines()[0]
        raise ModelError(f"{path} is no readable HDF5 weights file ({detail}); get the file again.") from None


def _datasets(group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelError(f"{group.file.filename} is refused: {prefix}/{name} is a link to other data.")
        member = group[name]
        if isinstance(member, h5py.Group):
            yield from _datasets(member, f"{prefix}/{name}")
        else:
            yield f"{prefix}/{name}", member

"""Fill feature stores: run a frozen base over every picture that has no stored features yet."""

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tf_keras
from tqdm import tqdm

from models.engines import make_engine
from models.predict import pictures_per_batch, run_views
from pipeline import InputError
from pipeline.augmentation import stored_view
from pipeline.datasets import Preparation, scoring_dataset
from pipeline.features import FeatureStore, store_folder
from pipeline.images import DECODE_VERSION


class Picture(NamedTuple):
    """A labelled picture: path relative to the root, SHA-256 of the file, label 0 or 1."""

    path: bytes
    digest: bytes
    label: int


@dataclass(frozen=True)
class Source:
    """What features are computed from: the pictures' root, the preparation, and the base's identity."""

    root: bytes
    preparation: Preparation
    identity: dict[str, Any]  # backbone, weights' SHA-256, engine, precision
    engine: str
    cache: Path

    def kind(self, cut: str, view: str) -> dict[str, Any]:
        """All that the features of a cut and a view depend on: the key of their store."""
        kind = {**self.identity, "cut": cut, "view": view, "decode_version": DECODE_VERSION}
        return {**kind, "image_size": self.preparation.image_size}


def extract(
    source: Source,
    groups: Sequence[tuple[Sequence[Picture], Sequence[str]]],
    below: tf_keras.Model,
    cuts: Sequence[str],
    stack: ExitStack,
) -> dict[tuple[str, str], FeatureStore]:
    """Stores by (cut, view), open until `stack` closes, that hold the readable pictures of each group.

    A group is pictures and the views that are wanted of them. `below` has one output for each of `cuts`. A picture
    that can't be read is in none of the stores.
    """
    every_view = list(dict.fromkeys(view for _, views in groups for view in views))
    stores = _open_stores(source, below, cuts, every_view, stack)
    for pictures, views in groups:
        mine = {(cut, view): stores[cut, view] for cut in cuts for view in views}
        wanted = {picture.digest: picture.path for picture in pictures}
        missing = set().union(*(store.missing(wanted) for store in mine.values()))
        if missing:
            _check_space(source.cache, mine, len(missing))
            paths = {path: digest for digest, path in wanted.items() if digest in missing}
            _fill(source, paths, below, cuts, views, mine)
    return stores


def _open_stores(
    source: Source, below: tf_keras.Model, cuts: Sequence[str], views: Sequence[str], stack: ExitStack
) -> dict[tuple[str, str], FeatureStore]:
    stores = {}
    for cut, tensor in zip(cuts, below.outputs, strict=True):
        for view in views:
            kind = source.kind(cut, view)
            store = FeatureStore(store_folder(source.cache, kind), kind, tensor.shape[1:])
            stores[cut, view] = stack.enter_context(store)
            if store.forgotten:
                print(f"the feature store {store.folder} {store.forgotten}", flush=True)
    return stores


def _check_space(cache: Path, stores: dict[tuple[str, str], FeatureStore], pictures: int) -> None:
    needed = pictures * sum(store.row_bytes for store in stores.values())
    limit = shutil.disk_usage(cache).free // 2
    print(
        f"features: {pictures:,} pictures to compute, {needed / 1e6:,.0f} MB in {cache} (limit {limit / 1e6:,.0f} MB)"
    )
    if needed > limit:
        raise InputError(
            f"the features of {pictures:,} pictures need {needed / 1e9:.1f} GB, over half the free disk "
            f"({limit / 1e9:.1f} GB) of {cache}; free some space or name another folder with --cache."
        )


def _fill(
    source: Source,
    digests: dict[bytes, bytes],
    below: tf_keras.Model,
    cuts: Sequence[str],
    views: Sequence[str],
    stores: dict[tuple[str, str], FeatureStore],
) -> None:
    preparation = Preparation(
        source.preparation.image_size,
        source.preparation.preprocess,
        tuple(stored_view(view) for view in views),
        source.preparation.limits,
    )
    engine = make_engine(below, source.engine)
    batches = scoring_dataset(source.root, list(digests), preparation, pictures_per_batch(len(views)))
    with tqdm(total=len(digests), desc="features", unit="picture", leave=False, disable=None) as bar:
        for names, images in batches:
            outputs = run_views(engine, images.numpy())
            batch = [digests[name] for name in names.numpy()]
            for cut, output in zip(cuts, outputs, strict=True):
                for index, view in enumerate(views):
                    stores[cut, view].append(batch, np.asarray(output[:, index]))
            bar.update(len(batch))


def cache_folder(cache: Path) -> Path:
    """`cache`, made when it is not there. Raises InputError when that can't be done."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the cache folder {cache} can't be made ({os.strerror(error.errno or 0)}); name another with --cache."
        ) from None
    return cache

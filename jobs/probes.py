"""Some held-out pictures, prepared: on them engines and the saved network are compared."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TypeVar

import numpy as np

from jobs.extraction import Picture, Source
from models.agreement import PICTURES
from pipeline.feature_space import measure_space
from pipeline.features import FeatureStore, store_folder
from pipeline.images import DECODE_VERSION

Item = TypeVar("Item")


def spread(items: Sequence[Item], count: int = PICTURES) -> list[Item]:
    """At most `count` of `items`, evenly spread."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in dict.fromkeys(chosen.tolist())]


def prepared_pictures(source: Source, pictures: Sequence[Picture], keep: bool) -> tuple[list[Picture], np.ndarray]:
    """Those of a few pictures that can be read, and what the network sees of them, float32 (N, S, S, 3).

    With `keep` they go into a feature store of their own, where the limit leaves room, so that none of them is
    decoded twice; it holds float16, to which the images are rounded in any case.
    """
    with ExitStack() as stack:
        store = stack.enter_context(_store(source)) if keep else None
        images = {} if store is None else _kept(store, pictures)
        missing = {picture.path: picture.digest for picture in pictures if picture.digest not in images}
        for names, batch in source.batches(list(missing), ["identity"]):
            digests = [missing[path] for path in names.numpy().tolist()]
            rows = batch.numpy()[:, 0].astype(np.float16)
            images.update(zip(digests, rows, strict=True))
            if store is not None and len(rows) * store.disk_bytes <= measure_space(source.cache, source.limit).left:
                store.append(digests, rows)
        readable = [picture for picture in pictures if picture.digest in images]
        side = source.preparation.image_size
        stacked = np.array([images[picture.digest] for picture in readable], dtype=np.float32)
        return readable, stacked.reshape(-1, side, side, 3)


def _store(source: Source) -> FeatureStore:
    side = source.preparation.image_size
    kind = {"backbone": source.identity["backbone"], "cut": "input", "view": "identity", "image_size": side}
    kind["decode_version"] = DECODE_VERSION
    return FeatureStore(store_folder(source.cache, kind), kind, (side, side, 3))


def _kept(store: FeatureStore, pictures: Sequence[Picture]) -> dict[bytes, np.ndarray]:
    digests = {picture.digest for picture in pictures}
    rows = store.features()
    return {digest: rows[store.positions([digest])[0]] for digest in digests - store.missing(digests)}

"""Features that are kept, and those that the limit of the store leaves no room for: computed again when needed."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from pipeline.features import FeatureStore
from pipeline.feeding import Rows

Compute = Callable[[list[bytes]], np.ndarray]  # paths (N,) -> features (N, ...)


class Features:
    """The features of pictures under one view at one cut; read like a store that has all of them."""

    def __init__(self, store: FeatureStore, compute: Compute) -> None:
        self.store = store
        self._compute = compute
        self._left_out: dict[bytes, int] = {}
        self._paths: list[bytes] = []

    def leave_out(self, paths: Mapping[bytes, bytes]) -> None:
        """Take note of readable pictures (digest -> path) that are not kept."""
        for digest, path in paths.items():
            if self.store.missing([digest]) and digest not in self._left_out:
                self._left_out[digest] = len(self._paths)
                self._paths.append(path)

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those of `digests` that can't be had: their pictures can't be decoded."""
        return self.store.missing(digests) - self._left_out.keys()

    def positions(self, digests: Iterable[bytes]) -> np.ndarray:
        """The rows of `digests` in `rows()`, int64 (N,). Raises KeyError for one that is missing."""
        kept = len(self.store)
        beyond = {digest: kept + index for digest, index in self._left_out.items()}
        return np.array([self._position(digest, beyond) for digest in digests], dtype=np.int64)

    def _position(self, digest: bytes, beyond: dict[bytes, int]) -> int:
        return beyond[digest] if digest in beyond else int(self.store.positions([digest])[0])

    def features(self) -> Rows:
        """All rows, float16 (N, *shape); the kept ones mapped from their file."""
        kept = self.store.features()
        return PartlyKept(kept, self._paths, self._compute) if self._paths else kept


class PartlyKept:
    """An array's rows, and after them those of `paths`, which are computed whenever they are asked for."""

    def __init__(self, kept: np.ndarray, paths: list[bytes], compute: Compute) -> None:
        self._kept = kept
        self._paths = paths
        self._compute = compute

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, *features)."""
        return len(self._kept) + len(self._paths), *self._kept.shape[1:]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """The features of `rows` (N,): float16 (N, *features)."""
        rows = np.asarray(rows)
        features = np.empty((len(rows), *self.shape[1:]), dtype=np.float16)
        is_kept = rows < len(self._kept)
        features[is_kept] = self._kept[rows[is_kept]]
        if not is_kept.all():
            features[~is_kept] = self._compute([self._paths[row - len(self._kept)] for row in rows[~is_kept]])
        return features

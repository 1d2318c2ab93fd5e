"""Batches from stored features: every picture once, labels beside their features, device prefetch last."""

import numpy as np

from pipeline import feeding
from pipeline.feeding import Stored, ordered_batches, shuffled_batches

LABELS = np.arange(23) % 2
ARRAYS = [(np.arange(23)[:, None] + 100 * view).astype(np.float16) for view in (0, 1)]
STORED = Stored(ARRAYS, [np.arange(23)] * 2, LABELS)


def test_every_picture_comes_once_with_its_label_and_the_order_follows_seed_and_epoch():
    def epoch(number: int) -> list[tuple[float, float]]:
        pairs = [(x.numpy()[:, 0] % 100, y.numpy()[:, 0]) for x, y in shuffled_batches(STORED, 5, 1, number)]
        return [(a, b) for xs, ys in pairs for a, b in zip(xs.tolist(), ys.tolist(), strict=True)]

    assert sorted(epoch(0)) == [(float(index), float(index % 2)) for index in range(23)]
    assert epoch(0) == epoch(0) != epoch(1)


def test_mixing_keeps_the_larger_share_of_each_pictures_own_label():
    plain = np.concatenate([y for _, y in shuffled_batches(STORED, 5, 1, 0)])
    mixed = np.concatenate([y for _, y in shuffled_batches(STORED, 5, 1, 0, mixup=0.5)])
    assert not np.array_equal(plain, mixed)
    assert np.array_equal(mixed[plain == 1] >= 0.5, np.ones(int(plain.sum()), bool))


def test_batches_go_to_the_device_once_and_last(monkeypatch):
    calls = []
    monkeypatch.setattr(feeding, "to_device", lambda dataset: calls.append(1) or dataset)
    shuffled_batches(STORED, 5, 1, 0, mixup=0.5)
    ordered_batches(STORED, 5)
    assert len(calls) == 2


def test_a_batch_has_views_of_one_size_and_an_epoch_has_all_of_them():
    large, small = np.zeros((20, 4, 4, 1), np.float16), np.ones((20, 2, 2, 1), np.float16)
    rows = np.arange(20)
    stored = Stored([large, large + 2, small, small + 2], [rows] * 4, np.zeros(20, np.int64))
    seen = [features.numpy() for epoch in range(4) for features, _ in shuffled_batches(stored, 5, 0, epoch)]
    assert {features.shape[1:] for features in seen} == {(4, 4, 1), (2, 2, 1)}
    assert {float(value) for features in seen for value in features.ravel()} == {0, 1, 2, 3}
    assert any(len(np.unique(features)) == 2 for features in seen)

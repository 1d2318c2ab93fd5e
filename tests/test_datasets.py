"""The input pipeline: ids travel with pictures, nothing is dropped, a bad picture leaves alone."""

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets import (
    Preparation,
    evaluation_dataset,
    measured_dataset,
    prepare,
    scoring_dataset,
    training_dataset,
)
from pipeline.feeding import Stored, ordered_batches, shuffled_batches
from pipeline.views import VIEWS

COUNT = 23


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """23 pictures of one grey level each, so that pixels tell which file they came from; two are no pictures."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(COUNT):
        Image.new("RGB", (20 + number, 30), (number * 10,) * 3).save(root / f"{number}.png")
    (root / "5.png").write_bytes(b"no picture")
    (root / "22.png").write_bytes((root / "21.png").read_bytes()[:40])
    return root


def paths(*numbers: int) -> list[bytes]:
    return [b"%d.png" % number for number in (numbers or range(COUNT))]


def preparation(views: str = "none") -> Preparation:
    return Preparation(16, lambda images: images / 10.0, VIEWS[views])


@pytest.mark.parametrize("batch", [1, 4, 7, 64])
def test_ids_travel_with_their_pictures_and_bad_ones_leave_alone(folder, batch):
    seen = {}
    for names, images in scoring_dataset(bytes(folder), paths(), preparation(), batch):
        assert images.shape[1:] == (1, 16, 16, 3)
        seen |= {name: float(image.mean()) for name, image in zip(names.numpy(), images.numpy(), strict=True)}
    assert set(seen) == set(paths()) - {b"5.png", b"22.png"}
    assert all(value == pytest.approx(int(name.split(b".")[0])) for name, value in seen.items())


def test_scoring_keeps_the_order_and_gives_every_view(folder):
    wanted = paths(9, 3, 20, 1)
    (names, images), *rest = scoring_dataset(bytes(folder), wanted, preparation("crops"), 8)
    assert names.numpy().tolist() == wanted
    assert images.shape == (4, 10, 16, 16, 3)
    assert not rest


def test_training_evaluation_and_scoring_see_the_same_pixels(folder):
    names = paths(3)
    scored = next(iter(scoring_dataset(bytes(folder), names, preparation(), 1)))[1][0, 0]
    trained = next(iter(training_dataset(bytes(folder), names, [1], preparation(), 1, seed=0)))[0][0]
    evaluated = next(iter(evaluation_dataset(bytes(folder), names, [1], preparation(), 1)))[0][0]
    alone = prepare(bytes(folder), names[0], preparation())[0]
    assert np.array_equal(scored, trained)
    assert np.array_equal(scored, evaluated)
    assert np.array_equal(scored, alone)


def test_training_shuffles_by_seed_and_drops_nothing_at_the_tail(folder):
    names = paths(*range(5), *range(6, 20))
    labels = [int(name.split(b".")[0]) for name in names]

    def order(seed: int) -> list[float]:
        dataset = training_dataset(bytes(folder), names, labels, preparation(), 8, seed)
        return np.concatenate([batch_labels.numpy()[:, 0] for _, batch_labels in dataset]).tolist()

    assert sorted(order(1)) == labels
    assert order(1) == order(1)
    assert order(1) != order(2) != labels


def test_no_pipeline_is_tuned_while_it_runs(folder):
    # The tuner makes some of them wait before their last batch, up to a minute (docs/design.md).
    root, names = bytes(folder), paths(1, 2)
    stored = Stored([np.zeros((2, 3), np.float16)], [np.arange(2)], np.array([0, 1]))
    datasets = [
        scoring_dataset(root, names, preparation(), 2),
        measured_dataset(root, names, preparation(), 2),
        evaluation_dataset(root, names, [0, 1], preparation(), 2),
        training_dataset(root, names, [0, 1], preparation(), 2, seed=0),
        ordered_batches(stored, 2),
        shuffled_batches(stored, 2, seed=0, epoch=0, mixup=0.2),
    ]
    assert [dataset.options().autotune.enabled for dataset in datasets] == [False] * 6

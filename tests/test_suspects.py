"""Pictures that are probably labelled wrong: found by heads that never saw them, and left out on request."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from jobs.exclusion import exclude, read_exclusions
from jobs.extraction import Picture
from jobs.suspects import SURE, read_or_find_suspects, write_suspects
from jobs.training_set import TrainingSet
from models import folds
from models.folds import fold_of, fold_probabilities
from models.metrics import measure
from pipeline import InputError
from pipeline.features import FeatureStore, store_folder

KIND = {"backbone": "tiny", "cut": "head", "view": "identity"}
PARTS = {"train": 300, "validation": 60, "test": 60}


def clusters(count: int, width: int = 12) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Two clouds of float16 features, their labels, and digests."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) % 2
    features = rng.normal(size=(count, width)) + np.where(labels, 1.2, -1.2)[:, None]
    return features.astype("<f2"), labels, [hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(count)]


def test_wrong_labels_are_doubted_by_heads_that_never_saw_them():
    features, labels, digests = clusters(400)
    given = labels.copy()
    wrong = [3, 50, 101, 222, 399]
    given[wrong] = 1 - given[wrong]
    probabilities = fold_probabilities(features, np.arange(400), given, digests)
    doubt = np.where(given, 1 - probabilities, probabilities)
    assert set(np.argsort(-doubt)[:5]) == set(wrong)
    assert (doubt[wrong] > SURE).all()
    assert measure(labels, probabilities).accuracy > 0.98


def test_a_label_does_not_teach_the_head_that_scores_its_own_picture():
    features, labels, digests = clusters(200)
    before = fold_probabilities(features, np.arange(200), labels, digests)
    turned = labels.copy()
    turned[7] = 1 - turned[7]
    after = fold_probabilities(features, np.arange(200), turned, digests)
    # Only the temperature, fitted to all, may have moved.
    assert (before[7] > 0.5) == (after[7] > 0.5) == labels[7]


def test_rows_may_stand_anywhere_and_features_need_not_fit_into_memory(monkeypatch):
    features, labels, digests = clusters(100)
    straight = fold_probabilities(features, np.arange(100), labels, digests)
    assert np.allclose(fold_probabilities(features[::-1], np.arange(99, -1, -1), labels, digests), straight)
    monkeypatch.setattr(folds, "MOST_MEMORY", 0)
    monkeypatch.setattr(folds, "BLOCK", 7)
    assert np.allclose(fold_probabilities(features, np.arange(100), labels, digests), straight, atol=1e-4)


def test_maps_are_pooled_to_their_mean_and_maximum():
    features, labels, digests = clusters(100)
    maps = np.repeat(features[:, None, None, :], 4, axis=1).reshape(100, 2, 2, -1)
    assert measure(labels, fold_probabilities(maps, np.arange(100), labels, digests)).accuracy > 0.95


def test_twins_share_a_fold_and_folds_are_of_one_size():
    counts = np.bincount([fold_of(digest) for digest in clusters(500)[2]], minlength=5)
    assert counts.sum() == 500 and counts.min() > 70
    assert fold_of(b"\x07" * 32) == fold_of(bytes(b"\x07" * 32))


@pytest.fixture
def training_set() -> TrainingSet:
    _, labels, digests = clusters(420)
    pictures = [Picture(f"{('cat', 'dog')[y]}.{n}.jpg".encode(), digests[n], int(y)) for n, y in enumerate(labels)]
    pictures[10] = pictures[10]._replace(label=1)  # a cat called a dog, in the training part
    parts, start = {}, 0
    for name, size in PARTS.items():
        parts[name] = pictures[start : start + size]
        start += size
    return TrainingSet(b"/nowhere", ("cat", "dog"), parts, [])


def test_suspects_are_listed_with_their_part_and_read_again(training_set, tmp_path):
    features, _, digests = clusters(420)
    with FeatureStore(store_folder(tmp_path, KIND), KIND, (12,)) as store:
        store.append(digests, features)
    card = {"features": KIND, "labelled_folder": "/nowhere"}
    write_suspects(tmp_path, training_set, card, tmp_path)
    first, *_ = read_or_find_suspects(tmp_path, card, tmp_path / "no cache is needed any more")
    assert first.path == training_set.parts["train"][10].path
    assert (first.part, first.label) == ("train", 1) and first.doubt > SURE
    assert first.path in read_exclusions(tmp_path / "suspects.csv")


def test_without_stored_features_the_held_out_pictures_alone_are_looked_at(training_set, tmp_path):
    (tmp_path / "holdout.csv").write_text(
        "path,label,part,probability\ncat.1.jpg,0,test,0.9990000\ncat.2.jpg,0,test,0.6\ndog.3.jpg,1,validation,0.9\n"
    )
    card = {"features": None, "calibration": {"none": {"temperature": 1.0, "clip": 0.001}}}
    write_suspects(tmp_path, training_set, card, tmp_path)
    assert [suspect.path for suspect in read_or_find_suspects(tmp_path, card, tmp_path)] == [b"cat.1.jpg"]


def test_excluded_pictures_leave_the_training_part_and_no_other(training_set):
    names = {part[0].path for part in training_set.parts.values()}
    held_out = list(training_set.held_out())
    exclude(training_set, names)
    assert len(training_set.parts["train"]) == PARTS["train"] - 1
    assert [picture.path for picture in training_set.parts["excluded"]] == [b"cat.0.jpg"]
    assert training_set.held_out() == held_out


def test_a_list_of_other_pictures_or_of_a_whole_class_is_refused(training_set):
    with pytest.raises(InputError, match=r"1 pictures of --exclude are not in the data \(cow.1.jpg\)"):
        exclude(training_set, {b"cow.1.jpg", b"cat.0.jpg"})
    cats = {picture.path for picture in training_set.parts["train"] if picture.label == 0}
    with pytest.raises(InputError, match="leaves a class without a picture"):
        exclude(training_set, cats)


@pytest.mark.parametrize(
    ("content", "words"), [(b"id,label\n1,0\n", "has no column 'path'"), (b"\xff\xfe\x00", "not a CSV in UTF-8")]
)
def test_a_file_that_is_no_list_of_paths_is_told_so(tmp_path, content, words):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_exclusions(tmp_path / "list.csv")
    with pytest.raises(InputError, match="can't be read"):
        read_exclusions(tmp_path / "none.csv")


def test_names_of_any_bytes_come_back_from_the_list(tmp_path):
    from submissions.names import escape

    name = b"<img src=x>,\n\xff\\.jpg"
    Path(tmp_path / "list.csv").write_text(f'path\n"{escape(name)}"\n')
    assert read_exclusions(tmp_path / "list.csv") == {name}

"""A tampered or torn run is refused before it scores anything: one sentence, exit code 2, nothing written."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_runs import draw_pictures, save_tiny_run, submit_here

from jobs.golden import check_golden
from models import ModelError
from models import card as cards
from models.card import CARD, WEIGHTS
from models.saved import build_network, load_run, save_run
from models.weights import file_sha256


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    save_tiny_run(folder / "run")
    save_tiny_run(folder / "other", seed=2)
    draw_pictures(folder / "images", 2)
    return folder


@pytest.fixture
def run(place, tmp_path) -> Path:
    return Path(shutil.copytree(place / "run", tmp_path / "run"))


def flip_bit(path: Path, position: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(position * (len(data) - 1))] ^= 4
    path.write_bytes(data)


def edit_card(run: Path, **words: object) -> None:
    """Change the card as one who knows how: its seal fits."""
    card = {**json.loads((run / CARD).read_text()), **words}
    (run / CARD).write_text(json.dumps(cards.seal(card)))


def put_weights(run: Path, change: Callable[[h5py.File], None]) -> None:
    """Change the weights as one who knows how: the card has their SHA-256."""
    with h5py.File(run / WEIGHTS, "r+") as file:
        change(file)
    edit_card(run, weights_sha256=file_sha256(run / WEIGHTS))


def first_dataset(file: h5py.File) -> h5py.Dataset:
    found: list[h5py.Dataset] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found[0]


def replace_first(file: h5py.File, make: Callable[[h5py.Group, str, h5py.Dataset], None]) -> None:
    dataset = first_dataset(file)
    group, name, values = dataset.parent, dataset.name.rsplit("/", 1)[1], dataset[()]
    del group[name]
    make(group, name, values)


def external_link(file: h5py.File) -> None:
    replace_first(file, lambda group, name, _: group.__setitem__(name, h5py.ExternalLink("/etc/hosts", "/x")))


def soft_link(file: h5py.File) -> None:
    replace_first(file, lambda group, name, _: group.__setitem__(name, h5py.SoftLink("/elsewhere")))


def external_storage(file: h5py.File) -> None:
    def make(group, name, values):
        group.create_dataset(name, values.shape, values.dtype, external=[("/etc/hosts", 0, values.nbytes)])

    replace_first(file, make)


def virtual_dataset(file: h5py.File) -> None:
    def make(group, name, values):
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[...] = h5py.VirtualSource("/tmp/other.h5", "x", values.shape)
        group.create_virtual_dataset(name, layout)

    replace_first(file, make)


def infinite(file: h5py.File) -> None:
    first_dataset(file)[...] = np.inf


def wrong_shape(file: h5py.File) -> None:
    replace_first(file, lambda group, name, values: group.__setitem__(name, values[:1]))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def add_layer(file: h5py.File) -> None:
    for number in range(5):
        file[f"extra{number}"] = np.zeros(3)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped bit early": (lambda run: flip_bit(run / WEIGHTS, 0.01), "is not the file that model.json describes"),
    "flipped bit late": (lambda run: flip_bit(run / WEIGHTS, 0.9), "is not the file that model.json describes"),
    "cut weights": (lambda run: truncate(run / WEIGHTS), "is not the file that model.json describes"),
    "no weights": (lambda run: (run / WEIGHTS).unlink(), "is not the file that model.json describes"),
    "another run's weights": (
        lambda run: shutil.copy(run.parent / "other" / WEIGHTS, run),
        "is not the file that model.json describes",
    ),
    "another run's card": (
        lambda run: shutil.copy(run.parent / "other" / CARD, run),
        "is not the file that model.json describes",
    ),
    "external link": (lambda run: put_weights(run, external_link), "is a link to other data"),
    "soft link": (lambda run: put_weights(run, soft_link), "is a link to other data"),
    "external storage": (lambda run: put_weights(run, external_storage), "keeps its data in another file"),
    "virtual data": (lambda run: put_weights(run, virtual_dataset), "keeps its data in another file"),
    "infinite weights": (lambda run: put_weights(run, infinite), "NaN or infinite"),
    "another shape": (lambda run: put_weights(run, wrong_shape), "does not hold weights of run"),
    "more arrays": (lambda run: put_weights(run, add_layer), "does not hold weights of run"),
    "cut card": (lambda run: truncate(run / CARD), "damaged"),
    "empty card": (lambda run: (run / CARD).write_text(""), "damaged"),
    "no card": (lambda run: (run / CARD).unlink(), "unfinished"),
    "nested card": (lambda run: (run / CARD).write_text("[" * 100_000), "damaged"),
    "flipped digit in the card": (
        lambda run: (run / CARD).write_text((run / CARD).read_text().replace('"clip": 0.001', '"clip": 0.011')),
        "damaged",
    ),
    "other golden scores": (lambda run: edit_card(run, golden=[0.1, 0.2, 0.3]), "golden pictures otherwise"),
    "NaN golden scores": (lambda run: edit_card(run, golden=[float("nan")] * 3), "golden pictures otherwise"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_tampered_or_torn_run_is_refused_in_one_sentence(place, run, tmp_path, capfd, damage):
    shutil.copytree(place / "other", tmp_path / "other")
    act, words = DAMAGES[damage]
    act(run)
    before = {path.name for path in tmp_path.iterdir()}
    ended = submit_here(capfd, run, place / "images", tmp_path / "s.csv")
    assert ended.code == 2
    assert words in ended.errors
    assert len(ended.errors.strip().splitlines()) == 1, ended.errors
    assert {path.name for path in tmp_path.iterdir()} == before
    assert not (run / "scores.sqlite").exists()


@pytest.mark.parametrize(("precision", "allowed"), [("float32", 1e-4), ("bfloat16", 0.01), ("float16", 0.01)])
def test_golden_scores_may_differ_in_the_last_bits_of_the_precision_alone(run, precision, allowed):
    golden = json.loads((run / CARD).read_text())["golden"]
    edit_card(run, golden=[value + allowed / 2 for value in golden], precision=precision)
    check_golden(load_run(run))
    edit_card(run, golden=[value + allowed * 2 for value in golden], precision=precision)
    with pytest.raises(ModelError, match="golden pictures otherwise"):
        check_golden(load_run(run))


def test_a_save_that_fails_at_any_step_leaves_the_old_run_whole(run, monkeypatch):
    old = {path.name: path.read_bytes() for path in run.iterdir()}
    card = json.loads(old[CARD])
    model = build_network("scratch", "scratch")
    probe = np.zeros((1, 128, 128, 3), np.float32)
    steps = (("models.saved.sync", 0), ("models.saved.load_weights", 0), ("models.saved.write_synced", 0))
    for name, _ in steps:
        with monkeypatch.context() as patch:

            def fail(*_: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(name, fail)
            with pytest.raises(OSError, match="No space left"):
                save_run(run, model, card, probe[:, : model.input_shape[1], : model.input_shape[2]])
        assert {path.name: path.read_bytes() for path in run.iterdir()} == old, name
    load_run(run)

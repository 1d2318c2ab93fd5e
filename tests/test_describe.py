"""What is in a picture, and cat or dog without any training."""

import json
import zipfile

import numpy as np
import pytest
import tf_keras
from commands import job, job_here

from jobs import description
from models import ModelError
from models.backbones import find_backbone
from models.imagenet import (
    CATS,
    CLASSES,
    DOGS,
    CatOrDog,
    best_guesses,
    cats_and_dogs,
    check_cat_and_dog,
    load_class_index,
    top_with_weights,
)
from pipeline.drawings import draw_animal, draw_sample


def test_a_dog_is_the_share_that_dogs_have_of_cats_and_dogs():
    rows = np.full((3, CLASSES), 1e-9, np.float32)
    rows[0, DOGS.start], rows[0, DOGS.stop - 1], rows[0, CATS.start], rows[0, 0] = 0.3, 0.3, 0.2, 0.2
    rows[1, CATS.stop - 1] = 1.0
    rows[2, DOGS.stop] = 1.0  # the timber wolf is no dog
    dog = CatOrDog()(rows).numpy()[:, 0]
    assert dog[0] == pytest.approx(0.75, abs=1e-5)
    assert dog[1] < 1e-5
    assert dog[2] == pytest.approx(118 / 123, abs=1e-3)
    assert cats_and_dogs(rows[0]) == (pytest.approx(0.2, abs=1e-6), pytest.approx(0.6, abs=1e-6))


def test_an_answer_of_nothing_at_all_is_a_number_and_not_a_fault():
    assert CatOrDog()(np.zeros((1, CLASSES), np.float32)).numpy()[0, 0] == 0.5


def test_the_best_classes_come_first_with_their_names(tmp_path):
    path = tmp_path / "index.json"
    path.write_text(json.dumps({str(number): [f"n{number:08}", f"thing_{number}"] for number in range(CLASSES)}))
    index = load_class_index(path, "none")
    probabilities = np.zeros(CLASSES)
    probabilities[[7, 3]] = 0.6, 0.4
    assert best_guesses(probabilities, index, 2) == [("n00000007", "thing_7", 0.6), ("n00000003", "thing_3", 0.4)]


@pytest.mark.parametrize("content", ["", "[]", '{"0": ["n0", "x"]}', '{"0": 1}'])
def test_a_file_that_is_no_class_index_is_told_so(tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(ModelError, match="is no index of 1000 classes"):
        load_class_index(tmp_path / "index.json", "none")


def test_the_class_index_beside_the_weights_is_found_and_the_ranges_hold_dogs_and_cats(shared):
    index = load_class_index(None, str(shared / "weights" / "mobilenetv2_top.weights.h5"))
    names = [name for _, name in index]
    assert names[DOGS][0] == "Chihuahua" and names[DOGS][-1] == "Mexican_hairless" and len(names[DOGS]) == 118
    assert names[CATS] == ["tabby", "tiger_cat", "Persian_cat", "Siamese_cat", "Egyptian_cat"]


def test_a_class_index_that_can_not_be_downloaded_is_one_sentence_and_nothing_before_it(monkeypatch, capsys, tmp_path):
    def unreachable(*_, **__):
        print("Downloading data from https://example.invalid/index.json")
        raise Exception("URL fetch failure on https://example.invalid/index.json: None -- no network")

    monkeypatch.setattr(tf_keras.utils, "get_file", unreachable)
    with pytest.raises(ModelError, match=r"could not be downloaded from .*; put the file into .* --class-index FILE"):
        load_class_index(None, str(tmp_path / "weights.h5"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("classes", [("cat", "cow"), ("dog", "dogs"), ("a", "b")])
def test_only_cats_and_dogs_can_be_told_without_training(classes):
    with pytest.raises(ModelError, match="choose another --recipe"):
        check_cat_and_dog(classes)


def test_the_labels_of_every_copy_of_the_set_are_cats_and_dogs():
    for classes in (("cat", "dog"), ("Cat", "Dog"), ("cats", "dogs")):
        check_cat_and_dog(classes)


def test_weights_without_the_top_are_refused_with_a_sentence(shared):
    with pytest.raises(ModelError, match="does not hold weights of mobilenetv2 with its 1000 classes"):
        top_with_weights(find_backbone("mobilenetv2"), str(shared / "weights" / "mobilenetv2_notop.weights.h5"))


@pytest.fixture
def sure_of_cats(monkeypatch):
    """A network in the place of a downloaded one, which takes every picture for a tiger cat."""

    def download(backbone, _weights):
        print("Downloading data from https://example.invalid/weights.h5")
        flat = tf_keras.layers.GlobalAveragePooling2D()
        top = tf_keras.layers.Dense(CLASSES, "softmax", kernel_initializer="zeros")
        network = tf_keras.Sequential([tf_keras.layers.Input((backbone.image_size, backbone.image_size, 3)), flat, top])
        top.set_weights([np.zeros((3, CLASSES), np.float32), np.where(np.arange(CLASSES) == 282, 20.0, 0.0)])
        return network

    monkeypatch.setattr(description, "top_with_weights", download)
    monkeypatch.setattr(description, "load_class_index", lambda *_: [(f"n{n}", f"thing_{n}") for n in range(CLASSES)])


def test_each_of_many_pictures_has_its_answer_and_json_is_nothing_but_json(tmp_path, capfd, sure_of_cats):
    names = [f"{number}.jpg" for number in range(3)]
    for number, name in enumerate(names):
        draw_animal("cat", number)[0].save(tmp_path / name)
    (tmp_path / "1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:900])
    (tmp_path / "[red]link.jpg").symlink_to("2.jpg")
    files = [tmp_path / name for name in (*names, "[red]link.jpg")]
    done = job_here(capfd, "describe", *files, "--json", "--top", 2)
    assert done.code == 2
    first, broken, *others = json.loads(done.output)
    assert [other["picture"] for other in others] == [str(file) for file in files[2:]]
    assert all(found["classes"][0]["name"] == "thing_282" and found["answer"] == "cat" for found in (first, *others))
    assert "cut off" in broken["error"] and f"Error: 1 of 4 pictures can't be read: {files[1]}" in done.errors
    table = job_here(capfd, "describe", *files)
    assert table.code == 2 and table.output.count("cat or dog? cat (100.0 %)") == 3
    assert "[red]link.jpg" in table.output and "1.jpg: can't be read" in table.output


@pytest.mark.slow
def test_photos_are_described_and_a_bad_file_is_named(shared, tmp_path):
    names = [f"train/{kind}.{number}.jpg" for kind in ("cat", "dog") for number in (10, 100)]
    with zipfile.ZipFile(shared / "dogs-vs-cats" / "train.zip") as archive:
        archive.extractall(tmp_path, names)
    (tmp_path / "[red]not a picture.jpg").write_text("text")
    files = [*(tmp_path / name for name in names), tmp_path / "[red]not a picture.jpg"]
    weights = shared / "weights" / "mobilenetv2_top.weights.h5"
    options = (*files, "--backbone", "mobilenetv2", "--weights", weights)
    done = job("describe", *options, "--json", "--top", 3)
    assert done.code == 2
    assert done.errors.startswith("Error: 1 of 5 pictures can't be read") and done.errors.count("\n") == 1
    *photos, bad = json.loads(done.output)
    assert [photo["answer"] for photo in photos] == ["cat", "cat", "dog", "dog"]
    assert all(len(photo["classes"]) == 3 for photo in photos)
    assert "starts with" in bad["error"]
    table = job("describe", *options).output
    assert "tabby" in table and "cat or dog? dog" in table and "[red]not a picture.jpg" in table


def test_wrong_input_to_describe_gets_one_sentence(tmp_path, capfd):
    draw_animal("cat", 1)[0].save(tmp_path / "cat.jpg")
    for options, words in (
        ((), "no picture named"),
        ((tmp_path / "none.jpg",), "no such picture"),
        ((tmp_path,), "is a folder"),
        ((tmp_path / "cat.jpg", "--backbone", "vgg"), "unknown backbone"),
        ((tmp_path / "cat.jpg", "--weights", tmp_path / "w.h5"), "no such weights file"),
        ((tmp_path / "cat.jpg", "--weights", "none"), "random weights describe nothing"),
        ((tmp_path / "cat.jpg", "--class-index", tmp_path / "i.json"), "no such class index"),
    ):
        done = job_here(capfd, "describe", *options)
        assert done.code == 2, done.errors
        assert words in done.errors and len(done.errors.strip().splitlines()) == 1


@pytest.mark.slow
def test_zero_shot_makes_a_run_that_evaluates_and_submits_like_any_other(tmp_path):
    draw_sample(tmp_path / "data", labelled=24, unlabelled=5, seed=3)
    common = ("--data", tmp_path / "data", "--run", tmp_path / "run")
    train = (*common, "--recipe", "zero-shot", "--backbone", "mobilenetv2", "--weights", "none")
    done = job("train", *train)
    assert done.code == 0, done.errors
    assert not (tmp_path / "run" / "curves.png").exists()
    assert job("evaluate", "--run", tmp_path / "run").code == 0
    done = job("submit", *common, "--out", tmp_path / "s.csv", "--format", "probability", "--tta", "flip")
    assert done.code == 0, done.errors
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 6

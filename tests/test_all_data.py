"""Training once more on everything, and a new head with the layers above the mark: what stays and what changes."""

import csv
import json

import pytest
from commands import job, job_here

from pipeline.drawings import draw_sample


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    draw_sample(folder, labelled=60, unlabelled=4, seed=3)
    return folder


def card_of(run):
    return json.loads((run / "model.json").read_text())


def stages_of(run):
    with (run / "history.csv").open(newline="") as file:
        return {row["stage"] for row in csv.DictReader(file)}


def same_figures_other_network(chosen, final):
    first, last = card_of(chosen), card_of(final)
    assert first["metrics"] == last["metrics"] and first["calibration"] == last["calibration"]
    assert (chosen / "holdout.csv").read_bytes() == (final / "holdout.csv").read_bytes()
    assert stages_of(chosen) == stages_of(final)
    assert first["weights_sha256"] != last["weights_sha256"] and last["options"]["all_data"] is True


def test_all_data_trains_another_network_whose_figures_are_those_of_the_first(data, tmp_path, capfd):
    options = ("--data", data, "--recipe", "scratch", "--epochs", 2)
    assert job("train", *options, "--run", tmp_path / "chosen").code == 0
    done = job("train", *options, "--run", tmp_path / "final", "--all-data")
    assert done.code == 0, done.errors
    assert "scratch on all" in done.output
    same_figures_other_network(tmp_path / "chosen", tmp_path / "final")
    assert "then trained on all pictures" in (tmp_path / "final" / "report.html").read_text()
    done = job_here(capfd, "evaluate", "--run", tmp_path / "final")
    assert done.code == 2 and "--all-data" in done.errors and len(done.errors.strip().splitlines()) == 1
    assert job_here(capfd, "evaluate", "--run", tmp_path / "final", "--images", data / "train").code == 0
    submit = ("--run", tmp_path / "final", "--images", data / "test1", "--out", tmp_path / "s.csv")
    assert job_here(capfd, "submit", *submit).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["mobilenetv2", "vgg16"])
def test_all_data_goes_through_the_stages_of_finetune(data, tmp_path, backbone):
    options = ("--data", data, "--recipe", "finetune", "--backbone", backbone, "--weights", "none", "--epochs", 2)
    options += ("--cache", tmp_path / "cache", "--engine", "tensorflow", "--precision", "float32")
    assert job("train", *options, "--run", tmp_path / "chosen").code == 0
    done = job("train", *options, "--run", tmp_path / "final", "--all-data")
    assert done.code == 0, done.errors
    assert "head on all" in done.output and "finetune on all" in done.output
    blended = [stage["blended"] for stage in card_of(tmp_path / "final")["stages"]]
    assert blended[0] is None and (blended[1] is not None) == (backbone == "mobilenetv2")
    same_figures_other_network(tmp_path / "chosen", tmp_path / "final")


@pytest.mark.slow
def test_a_fresh_head_is_trained_with_the_layers_above_the_mark(data, tmp_path):
    options = ("--data", data, "--recipe", "finetune", "--backbone", "vgg16", "--weights", "none", "--epochs", 1)
    done = job("train", *options, "--cache", tmp_path / "cache", "--run", tmp_path / "run", "--fresh-head")
    assert done.code == 0, done.errors
    assert stages_of(tmp_path / "run") == {"finetune"}
    (stage,) = card_of(tmp_path / "run")["stages"]
    assert (stage["optimizer"], stage["rate"]) == ("rmsprop", 1e-5)


def test_options_that_mean_nothing_to_a_recipe_are_refused(data, capfd):
    wrong = (("head", "--fresh-head"), ("scratch", "--fresh-head"), ("zero-shot", "--all-data"))
    for recipe, option in wrong:
        done = job_here(capfd, "train", "--data", data, "--run", "x", "--recipe", recipe, option)
        assert done.code == 2 and option in done.errors and recipe in done.errors

"""A training that did not come to its end: when it goes on, when it is refused, when nothing was begun."""

from commands import job_here

from pipeline.drawings import draw_sample


def test_other_options_are_taken_before_the_first_stage_and_refused_after_it(tmp_path, capfd):
    draw_sample(tmp_path / "data", labelled=60, unlabelled=4, seed=3)
    (tmp_path / "damaged.h5").write_bytes(b"no weights")
    train = ("train", "--data", tmp_path / "data", "--run", tmp_path / "run", "--cache", tmp_path / "cache")
    pooled = ("--recipe", "head", "--backbone", "mobilenetv2", "--weights", tmp_path / "damaged.h5")
    done = job_here(capfd, *train, *pooled)
    assert done.code == 2 and "damaged.h5" in done.errors
    assert job_here(capfd, *train, "--recipe", "scratch", "--epochs", 1).code == 0

    (tmp_path / "run" / "model.json").unlink()  # as if it had been killed before its end
    done = job_here(capfd, *train, "--recipe", "scratch", "--epochs", 2)
    assert done.code == 2 and "was begun with other options (epochs 1, now 2)" in done.errors
    assert len(done.errors.strip().splitlines()) == 1
    done = job_here(capfd, *train, "--recipe", "scratch", "--epochs", 1)
    assert done.code == 0 and "going on with the unfinished run" in done.output

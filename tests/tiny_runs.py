"""A run with a small network of random weights: it scores as any other, and takes a second to make."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras
import typer
from commands import Ended
from PIL import Image

from jobs.entry import _guarded
from jobs.golden import golden_pictures
from jobs.submit import main
from models.saved import build_network, save_run
from models.weights import weights_sha256

HOUSE = Path(__file__).parent.parent
MEASURED = {"accuracy": 0.5, "log_loss": 0.7, "pictures": 4}


def save_tiny_run(folder: Path, engine: str = "tensorflow", seed: int = 1, **words: object) -> dict[str, Any]:
    """Make the run; the card is what training would write, as far as scoring needs it, and `words`."""
    tf_keras.utils.set_random_seed(seed)
    model = build_network("scratch", "scratch")
    golden = golden_pictures("scratch", model.input_shape[1])
    card = {
        "backbone": "scratch",
        "recipe": "scratch",
        "classes": ["cat", "dog"],
        "engine": engine,
        "precision": "float32",
        "image_size": model.input_shape[1],
        "golden": np.asarray(model(golden, training=False))[:, 0].astype(float).tolist(),
        "calibration": {name: {"temperature": 1.5, "clip": 0.001} for name in ("none", "flip")},
        "metrics": dict.fromkeys(("none", "flip"), MEASURED),
        "versions": {"data": weights_sha256(model)[:8]},
        "trained_at": "2026-01-01T00:00:00+00:00",
        **words,
    }
    folder.mkdir(parents=True)
    save_run(folder, model, card, golden)
    return card


def draw_pictures(folder: Path, count: int, size: int = 60) -> None:
    """Noise of `count` kinds, as 1.jpg, 2.jpg and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        noise = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg")


def submit_command(run: Path, images: Path, out: Path, *options: object) -> list[str]:
    wanted = ("--run", run, "--images", images, "--out", out, "--format", "probability", *options)
    return [sys.executable, "-m", "jobs.submit", *map(str, wanted)]


def submit(run: Path, images: Path, out: Path, *options: object, **environment: str) -> subprocess.CompletedProcess:
    """Run the job as a person does."""
    command = submit_command(run, images, out, *options)
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False, env=env)


def submit_here(capfd: pytest.CaptureFixture[str], run: Path, images: Path, out: Path, **options: object) -> Ended:
    """Run the job in this process, from its options to its exit code, without the seconds of a start."""
    capfd.readouterr()
    try:
        _guarded(main)(run=str(run), images=images, out=out, **{"form": "probability", **options})
        code = 0
    except typer.Exit as end:
        code = end.exit_code
    return Ended(code, *capfd.readouterr())

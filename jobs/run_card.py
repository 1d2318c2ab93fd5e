"""What a training was asked for, and what the card of its run says of that."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.training_set import TrainingSet
from jobs.versions import find_versions
from models.saved import SCRATCH
from models.weights import file_sha256
from pipeline.split import Split


@dataclass(frozen=True)
class Options:
    """What `jobs.train` was asked for; see its help."""

    data: Path
    backbone: str
    weights: str
    recipe: str
    split: Split
    seed: int
    epochs: int | None
    patience: int | None
    engine: str
    precision: str
    cache: Path
    features_limit: int | None
    tensorboard: Path | None
    exclude: frozenset[bytes] = frozenset()
    fresh_head: bool = False
    all_data: bool = False

    def that_matter(self) -> dict[str, Any]:
        """Those that a resumed training must share with its beginning."""
        return {
            "backbone": self.backbone,
            "weights": self._weights(),
            "engine": self.engine,
            "precision": self.precision,
            "recipe": self.recipe,
            "split": list(self.split),
            "seed": self.seed,
            "epochs": self.epochs,
            "patience": self.patience,
            "excluded": self._exclusions(),
            "fresh_head": self.fresh_head or None,
            "all_data": self.all_data or None,
        }

    def _weights(self) -> str:
        file = Path(self.weights)
        return file_sha256(file) if file.is_file() else self.weights

    def _exclusions(self) -> str | None:
        if not self.exclude:
            return None
        digest = hashlib.sha256(b"\0".join(sorted(self.exclude))).hexdigest()
        return f"{len(self.exclude)} pictures, {digest[:12]}"


def fingerprint(training_set: TrainingSet) -> str:
    """SHA-256 over every picture's path, content and label."""
    digest = hashlib.sha256()
    for part in training_set.parts.values():
        for picture in sorted(part):
            digest.update(picture.path + b"\0" + picture.digest + bytes([picture.label]))
    return digest.hexdigest()


def new_card(options: Options, training_set: TrainingSet) -> dict[str, Any]:
    """What a run's card says before anything is measured."""
    return {
        "backbone": SCRATCH if options.recipe == SCRATCH else options.backbone,
        "recipe": options.recipe,
        "classes": list(training_set.classes),
        "seed": options.seed,
        "options": {**options.that_matter(), "weights": Path(options.weights).name},
        "data": fingerprint(training_set),
        "labelled_folder": str(Path(os.fsdecode(training_set.root)).resolve()),
        "parts": {name: len(part) for name, part in training_set.parts.items()},
        "rejects": len(training_set.rejects),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "versions": find_versions(),
    }


def _git_commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

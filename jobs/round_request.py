"""What a scheduled round was asked for, and what it found out about itself. No TensorFlow."""

from dataclasses import dataclass, field
from pathlib import Path

from pipeline import InputError
from pipeline.rejection import LIMITS
from submissions.kaggle import Form
from submissions.records import Drift


@dataclass(frozen=True)
class Request:
    """See the help of `jobs.score`. settle: seconds; limit: files."""

    run: Path
    images: str
    out: str
    ledger: Path
    form: Form
    tta: str
    columns: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    settle: float = 0.0
    max_reject_share: float = 0.05
    min_files: int = 1
    fail_on_drift: bool = False
    metrics: Path | None = None
    megapixels: float = LIMITS.megapixels

    def check(self) -> None:
        """Raises InputError for what no round can be made of."""
        if self.form not in ("label", "probability"):
            raise InputError(f"unknown format '{self.form}'; choose label or probability.")
        if self.metrics is not None and not self.metrics.parent.is_dir():
            raise InputError(f"the folder of --metrics {self.metrics} does not exist; create it first.")


@dataclass
class Counts:
    """What a round has come to so far; the fields of `records.Round`, filled as they become known.

    found = scored + reused + rejected + waiting, once all are. drifted: whether some measure is.
    """

    model: str = ""
    found: int = 0
    new: int = 0
    scored: int = 0
    reused: int = 0
    rejected: int = 0
    vanished: int = 0
    waiting: int = 0
    seconds: float = 0.0
    published: bool = False
    drift: list[Drift] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of the CSV."""
        return self.scored + self.reused

    @property
    def rate(self) -> float:
        """New pictures a second."""
        return self.new / self.seconds if self.seconds else 0.0

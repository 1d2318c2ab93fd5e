"""Whether an engine gives the probabilities that TensorFlow gives in float32. No TensorFlow here."""

from dataclasses import dataclass
from typing import Any

import numpy as np

PICTURES = 64  # held-out ones, on which an engine must agree before it is trusted
LARGEST_MEAN = 0.005
UNDECIDED = 0.02  # a label may differ where the probability is that near to 0.5


@dataclass(frozen=True)
class Agreement:
    """Mean and largest difference of N probabilities, and how many labels differ that were not near 0.5."""

    pictures: int
    mean: float
    largest: float
    labels: int

    @property
    def holds(self) -> bool:
        """Whether the engine may be trusted."""
        return self.labels == 0 and self.mean <= LARGEST_MEAN

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.__dict__, "holds": self.holds}

    def __str__(self) -> str:
        return (
            f"mean difference {self.mean:.2g} (at most {LARGEST_MEAN:g}), {self.labels} other labels, "
            f"on {self.pictures} held-out pictures"
        )


def compare(probabilities: np.ndarray, reference: np.ndarray) -> Agreement:
    """The agreement of an engine's probabilities (N,) with TensorFlow's in float32 (N,). NaN never agrees."""
    values, exact = (np.asarray(column, dtype=np.float64) for column in (probabilities, reference))
    difference = np.nan_to_num(np.abs(values - exact), nan=1.0)
    undecided = np.abs(exact - 0.5) <= UNDECIDED
    other = ((values >= 0.5) != (exact >= 0.5)) & ~undecided
    return Agreement(len(exact), float(difference.mean()), float(difference.max()), int(other.sum()))

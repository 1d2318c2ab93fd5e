"""Three drawn pictures whose probabilities a run's card holds: a loaded run must give them again."""

import numpy as np

from models import ModelError
from models.saved import Run, preprocessing
from pipeline.drawings import draw_animal
from pipeline.images import resize

DRAWN = (("cat", 1), ("dog", 1), ("cat", 2))
# Other processors differ in the last bits of what they compute with, by the precision on the card.
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.01, "float16": 0.01, "int8": 1e-4}


def golden_pictures(backbone: str, image_size: int) -> np.ndarray:
    """The prepared pictures, float32 (3, S, S, 3)."""
    drawn = [np.asarray(draw_animal(kind, seed)[0]) for kind, seed in DRAWN]
    prepared = [resize(picture, (image_size, image_size)) for picture in drawn]
    return np.asarray(preprocessing(backbone)(np.stack(prepared)), dtype=np.float32)


def check_golden(run: Run) -> None:
    """Raise ModelError when the loaded network scores the golden pictures otherwise than its card says."""
    pictures = golden_pictures(run.card["backbone"], run.card["image_size"])
    scores = np.asarray(run.model(pictures, training=False))[:, 0]
    tolerance = TOLERANCES[run.card["precision"]]
    difference = float(np.abs(scores - np.array(run.card["golden"])).max())
    if not difference <= tolerance:
        raise ModelError(
            f"run {run.folder} scores its golden pictures otherwise than when it was saved (by {difference:.2g}, "
            f"{tolerance:g} is allowed); install the versions of constraints.txt, or train it again."
        )

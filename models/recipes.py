"""The recipes as tables: which stages, with which settings, on which stored views."""

from dataclasses import dataclass
from typing import NamedTuple

from models import ModelError
from models.backbones import Backbone

ZERO_SHOT = "zero-shot"
RECIPES = ("head", "finetune", "scratch", ZERO_SHOT)
SCRATCH_SIZE = 96  # side in pixels of what the small network sees

# Computed once and stored; training draws one of them for each picture in every epoch.
PLAIN_VIEWS = ("identity",)
MIRROR_VIEWS = ("identity", "mirrored")
AUGMENTED_VIEWS = (*MIRROR_VIEWS, "augmented-1", "augmented-2")


class Blend(NamedTuple):
    """What becomes of a stage's weights at its end: their share in the mean with those of its start, and what is added
    to the logit of the output, since training on augmented views leaves it too high or too low on plain ones."""

    share: float
    offset: float


UNBLENDED = Blend(1.0, 0.0)


@dataclass(frozen=True)
class Stage:
    """How a stage trains.

    `rate` is the learning rate at its start; with `cosine` it falls to 0 over `epochs` (I. Loshchilov, F. Hutter,
    "SGDR", 2017). `weight_decay` is AdamW's. `label_smoothing` s moves the targets to s/2 and 1 - s/2. `mixup` is
    the parameter of the Beta distribution by which features and labels of two pictures are mixed (H. Zhang et al.,
    "mixup", 2018; V. Verma et al., "Manifold Mixup", 2019). `averaging` is the decay per step of a running mean of
    the weights, which is what is validated and kept (B. Polyak, A. Juditsky, 1992). `blend` asks for the mean of
    the weights before and after the stage, weighed by validation loss (M. Wortsman et al., "Robust fine-tuning of
    zero-shot models", 2022), and for an offset of the output. 0 or False turns each of them off. `patience` epochs
    without a lower validation loss end the stage. `until` and `repeated` repeat what an earlier training chose by
    validation loss: the epoch that is kept, which is then the last, and the blend.
    """

    name: str
    optimizer: str
    rate: float
    batch: int
    epochs: int
    patience: int
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cosine: bool = False
    averaging: float = 0.0
    blend: bool = False
    until: int = 0
    repeated: Blend | None = None

    @property
    def last(self) -> int:
        """The epoch that ends the stage at the latest, from 1; what the learning rate falls to 0 by is `epochs`."""
        return self.until or self.epochs


def check_recipe(name: str) -> None:
    """Raise ModelError for a recipe that is not known."""
    if name not in RECIPES:
        raise ModelError(f"unknown recipe '{name}'; known are {', '.join(RECIPES)}.")


def check_options(recipe: str, fresh_head: bool, all_data: bool) -> None:
    """Raise ModelError for options that mean nothing to a recipe."""
    if fresh_head and recipe != "finetune":
        raise ModelError(f"--fresh-head is for the recipe finetune, not for {recipe}; leave it out.")
    if all_data and recipe == ZERO_SHOT:
        raise ModelError(f"--all-data is for recipes that train, and {recipe} does not; leave it out.")


def head_views(backbone: Backbone) -> tuple[str, ...]:
    """The views that a head trains on: only the picture itself under the flatten head, as in the blog."""
    return PLAIN_VIEWS if backbone.head == "flatten" else MIRROR_VIEWS


def finetune_views(backbone: Backbone) -> tuple[str, ...]:
    """The views that fine-tuning trains on."""
    return PLAIN_VIEWS if backbone.head == "flatten" else AUGMENTED_VIEWS


def head_stage(backbone: Backbone) -> Stage:
    """A head on frozen features.

    The flatten head as in the blog: RMSprop 2e-5, batch 50, 30 epochs. The pooled head's settings were chosen by
    log loss on photos that no training saw, over several splits (docs/design.md).
    """
    if backbone.head == "flatten":
        return Stage("head", "rmsprop", backbone.head_rate, batch=50, epochs=30, patience=30)
    return Stage(
        "head", "adam", backbone.head_rate, batch=256, epochs=20, patience=20, label_smoothing=0.02, cosine=True
    )


def finetune_stage(backbone: Backbone) -> Stage:
    """The layers above the mark, from where the head's training ended: small rates, augmented and mixed pictures."""
    if backbone.head == "flatten":
        return Stage("finetune", "rmsprop", backbone.head_rate / 10, batch=50, epochs=30, patience=30)
    return Stage(
        "finetune",
        "adamw",
        backbone.head_rate / 5,
        batch=64,
        epochs=4,
        patience=4,
        weight_decay=0.01,
        label_smoothing=0.02,
        mixup=0.2,
        cosine=True,
        averaging=0.995,
        blend=True,
    )


def fresh_head_stage() -> Stage:
    """A new head and the layers above the mark together, in the order of the blog."""
    return Stage("finetune", "rmsprop", 1e-5, batch=50, epochs=30, patience=30)


def scratch_stage() -> Stage:
    """The small network, all of it, from random weights."""
    return Stage(
        "scratch", "adam", 1e-3, batch=16, epochs=20, patience=8, label_smoothing=0.05, cosine=True, averaging=0.99
    )

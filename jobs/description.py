"""Describe pictures: read, feed and decode; as a table or as JSON."""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tf_keras
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from models.backbones import Backbone
from models.imagenet import Guess, best_guesses, cats_and_dogs, load_class_index, top_with_weights
from pipeline.datasets import Preparation, prepare_views
from pipeline.images import load_or_reject
from pipeline.reading import Rejected
from submissions.names import shown

# Below this, what cats and dogs get together says nothing about which of the two it is.
LEAST_FOR_AN_ANSWER = 0.01


@dataclass(frozen=True)
class Described:
    """One picture: its guesses, the sums over cats and dogs, or the reason why it can't be read."""

    name: str
    guesses: list[Guess] = field(default_factory=list)
    cats: float = 0.0
    dogs: float = 0.0
    error: str = ""

    @property
    def dog(self) -> float:
        """The probability of a dog, given that it is one of the two."""
        return self.dogs / max(self.cats + self.dogs, 1e-30)

    @property
    def answer(self) -> str:
        """cat, dog, or neither."""
        if self.cats + self.dogs < LEAST_FOR_AN_ANSWER:
            return "neither"
        return "dog" if self.dog >= 0.5 else "cat"


def describe(
    files: Sequence[Path], backbone: Backbone, weights: str, class_index: Path | None, count: int
) -> list[Described]:
    """What each file shows, in their order. Raises ModelError for weights or a class index that don't fit."""
    with contextlib.redirect_stdout(sys.stderr):  # Keras tells of its downloads; what is printed here is the answer
        index = load_class_index(class_index, weights)
        network = top_with_weights(backbone, weights)
    preparation = Preparation(backbone.image_size, backbone.preprocess_input)
    bar = tqdm(files, desc="describing", unit="picture", leave=False, disable=None)
    return [_describe_one(file, network, preparation, index, count) for file in bar]


def _describe_one(
    file: Path, network: tf_keras.Model, preparation: Preparation, index: list[tuple[str, str]], count: int
) -> Described:
    # The file is named by the person, so a link is followed wherever it leads.
    folder, name = os.path.split(os.path.realpath(os.fsencode(file)))
    try:
        image = load_or_reject(folder, name)
    except Rejected as reject:
        return Described(shown(file), error=str(reject))
    probabilities = np.asarray(network(prepare_views(image, preparation), training=False))[0]
    return Described(shown(file), best_guesses(probabilities, index, count), *cats_and_dogs(probabilities))


def print_table(described: Sequence[Described]) -> None:
    """A table for every picture: its classes, and below them the answer to "cat or dog?"."""
    console = Console()
    for picture in described:
        if picture.error:
            console.print(Text(f"{picture.name}: can't be read: {picture.error}"), soft_wrap=True)
            continue
        console.print(Text(picture.name, style="bold"), soft_wrap=True)
        table = Table()
        table.add_column("wnid")
        table.add_column("class", min_width=24)
        table.add_column("probability", justify="right")
        for guess in picture.guesses:
            table.add_row(Text(guess.wnid), Text(guess.name), f"{100 * guess.probability:.2f} %")
        console.print(table)
        sums = f"all cats {100 * picture.cats:.2f} %, all dogs {100 * picture.dogs:.2f} %"
        console.print(Text(f"cat or dog? {in_words(picture)}; {sums}\n"), soft_wrap=True)


def in_words(picture: Described) -> str:
    """The answer to "cat or dog?" with its share."""
    if picture.answer == "neither":
        return "neither"
    share = picture.dog if picture.answer == "dog" else 1 - picture.dog
    return f"{picture.answer} ({100 * share:.1f} %)"


def print_json(described: Sequence[Described]) -> None:
    """The same as a list, for programs."""
    print(json.dumps([_as_dict(picture) for picture in described], indent=1))


def _as_dict(picture: Described) -> dict[str, object]:
    if picture.error:
        return {"picture": picture.name, "error": picture.error}
    return {
        "picture": picture.name,
        "classes": [guess._asdict() for guess in picture.guesses],
        "cats": picture.cats,
        "dogs": picture.dogs,
        "answer": picture.answer,
        "probability_of_dog": picture.dog,
    }

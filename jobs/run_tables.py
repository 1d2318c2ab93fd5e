"""A run's figures and facts as words and tables."""

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.intervals import auc_interval, mean_interval
from models.metrics import Metrics
from models.training import EpochRow
from submissions.pages import Figure, Table


def headline(
    card: dict[str, Any], metrics: Metrics, labels: np.ndarray, calibrated: np.ndarray
) -> tuple[str, list[Figure]]:
    """One sentence, and the figures with their intervals, of calibrated probabilities (N,) for labels (N,)."""
    classes, wrong = card["classes"], metrics.pictures - metrics.correct
    low, high = metrics.interval
    losses = -np.log(np.where(labels == 1, calibrated, 1 - calibrated))
    loss_low, loss_high = mean_interval(losses)
    auc_low, auc_high = auc_interval(labels, calibrated)
    base = f"Backbone {card['backbone']}, recipe" if card["backbone"] != card["recipe"] else "Recipe"
    mistakes = f"{metrics.confusion[0][1]:,} labelled {classes[0]}, {metrics.confusion[1][0]:,} labelled {classes[1]}"
    lead = (
        f"{base} {card['recipe']}. Of {metrics.pictures:,} pictures that it never saw it takes {metrics.correct:,} "
        f"for what they are and {wrong:,} for the other ({mistakes})."
    )
    if card.get("options", {}).get("all_data"):
        lead += (
            " These are the figures of the network that chose the epochs; "
            "the run's own was then trained on all pictures, these too."
        )
    return lead, [
        Figure("Accuracy", f"{100 * metrics.accuracy:.2f} %", f"95 % interval {100 * low:.2f} to {100 * high:.2f} %"),
        Figure("Log loss", f"{metrics.log_loss:.4f}", f"95 % interval {max(0, loss_low):.4f} to {loss_high:.4f}"),
        Figure("Area under ROC", f"{metrics.auc:.5f}", f"95 % interval {auc_low:.5f} to {auc_high:.5f}"),
        Figure("Mistakes", f"{wrong:,}", f"of {metrics.pictures:,} pictures of the test part"),
    ]


def view_table(card: dict[str, Any]) -> Table:
    """The test part's figures for one view and, where it was measured, for the mean over mirrored views."""
    names = {"none": "one", "flip": "mirrored too"}
    rows, fitted_to = [], []
    for key, name in names.items():
        if key in card["metrics"]:
            measured, fitted = card["metrics"][key], card["calibration"][key]
            accuracy, loss = f"{100 * measured['accuracy']:.2f} %", f"{measured['log_loss']:.4f}"
            rows.append((name, accuracy, loss, "none" if measured["auc"] is None else f"{measured['auc']:.5f}"))
            fitted_to.append(f"{fitted['temperature']:.2f}")
    note = (
        f"Calibrated by a temperature of {' and '.join(fitted_to)} and a clip of {fitted['clip']:.2g}, fitted on the "
        "validation part; the test part was only measured."
    )
    return Table("By views", ("views", "accuracy", "log loss", "AUC"), rows, numbers=1, note=note)


def stage_table(card: dict[str, Any], history: Sequence[EpochRow]) -> Table:
    """Each stage's settings, the epoch that was kept, and its time."""
    rows = []
    for stage in card["stages"]:
        epochs = [row for row in history if row.stage == stage["name"]]
        best = min(epochs, key=lambda row: row.val_calibrated)
        rate = f"{stage['optimizer']}, {stage['rate']:.2g}" + (" falling to 0" if stage["cosine"] else "")
        kept, loss = f"{best.epoch} of {len(epochs)}", f"{best.val_calibrated:.4f}"
        rows.append(
            (stage["name"], rate, str(stage["batch"]), kept, loss, f"{sum(row.seconds for row in epochs):,.0f} s")
        )
    columns = ("stage", "learning rate", "batch", "epoch kept", "its loss", "time")
    note = "The validation loss after calibration chooses the epoch." + "".join(map(_blended, card["stages"]))
    return Table("Stages", columns, rows, numbers=2, note=note)


def _blended(stage: dict[str, Any]) -> str:
    """A sentence on what the stage's weights were mixed to; '' where they stayed, or the run predates this."""
    blended = stage.get("blended")
    if not blended:
        return ""
    return (
        f" At the end of {stage['name']} the weights became {100 * blended['share']:.0f} % of the new and "
        f"{100 - 100 * blended['share']:.0f} % of those before, and {blended['offset']:+.2f} was added to the logit."
    )


def _features(card: dict[str, Any]) -> list[tuple[str, str]]:
    """What computed the features that were trained on, which may be more exact than what scores."""
    kind = card.get("features")
    return [("features", f"{kind['engine']}, {kind['precision']}")] if kind else []


def describe_training(card: dict[str, Any], folder: Path) -> list[Table]:
    """What was trained, on which pictures, how long it took, with which versions."""
    options = {name: value for name, value in card["options"].items() if value is not None}
    options["split"] = "/".join(f"{number:g}" for number in card["options"]["split"])
    hidden = {"backbone", "recipe"} | ({"weights"} if card["backbone"] == card["recipe"] else set())
    rows = [
        ("backbone", card["backbone"]),
        ("recipe", card["recipe"]),
        ("classes", f"{card['classes'][0]} (0), {card['classes'][1]} (1)"),
        ("picture size", f"{card['image_size']} x {card['image_size']} pixels"),
        ("engine, precision", f"{card['engine']}, {card['precision']}"),
        *_features(card),
        *((name, str(value)) for name, value in options.items() if name not in hidden),
        ("trained", trained_at(card)),
        ("weights, SHA-256", card["weights_sha256"]),
        ("data, SHA-256", card["data"]),
        ("git commit", card["git_commit"]),
    ]
    tables = [Table("Card", (), rows), _parts(card, folder)]
    if card.get("seconds"):
        seconds = [(name, f"{value:,.0f} s") for name, value in card["seconds"].items()]
        tables.append(Table("Time", (), seconds, numbers=1))
    return [*tables, Table("Versions", (), sorted(card["versions"].items()), numbers=1)]


def trained_at(card: dict[str, Any]) -> str:
    """When a run was trained, to the minute; what its card says when that is no date."""
    try:
        return datetime.fromisoformat(card["trained_at"]).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return str(card["trained_at"])


def what(card: dict[str, Any]) -> str:
    """Backbone and recipe; the small network's are one."""
    return ", ".join(dict.fromkeys((card["backbone"], card["recipe"])))


def _parts(card: dict[str, Any], folder: Path) -> Table:
    with (folder / "split.csv").open(newline="", encoding="utf-8") as file:
        counts = Counter((row["part"], int(row["label"])) for row in csv.DictReader(file))
    names = dict.fromkeys(("train", "validation", "test", *sorted(part for part, _ in counts)))
    rows = []
    for name in names:
        both = counts[name, 0], counts[name, 1]
        if sum(both):
            rows.append((name, *(f"{count:,}" for count in both), f"{100 * both[1] / sum(both):.1f} %"))
    classes = card["classes"]
    return Table("Pictures", ("part", classes[0], classes[1], f"share of {classes[1]}"), rows, numbers=1)

"""Collect what the page of a run shows, and write it."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jobs.defaults import REPORT
from jobs.exclusion import read_table
from jobs.photos import Seen, look_at
from jobs.run_tables import describe_training, headline, stage_table, view_table
from jobs.suspects import SURE, SUSPECTS, Suspect, read_or_find_suspects
from models.calibration import EDGE, Calibration
from models.metrics import measure
from models.saved import Run, load_run
from models.training import read_history
from submissions.charts import class_histogram, clip_chart, curve_charts, reliability_chart, roc_chart
from submissions.names import escape, unescape
from submissions.page_files import write_page
from submissions.pages import Download, Gallery, Photo, RunPage, render_run

SHOWN = 12  # photos of a gallery
SUSPECTS_SHOWN = 24


class HeldOut(NamedTuple):
    """The test part: paths, labels (N,), raw and calibrated probabilities of class 1 (N,)."""

    paths: list[bytes]
    labels: np.ndarray
    raw: np.ndarray
    calibrated: np.ndarray


def write_run_page(folder: Path, cache: Path) -> Path:
    """Write `report.html` into the folder of a finished run, at once; its path. Raises ModelError, InputError."""
    run = load_run(folder)
    test = _read_test_part(folder, run.card)
    suspects = read_or_find_suspects(folder, run.card, cache)
    page = _page(run, test, suspects)
    return write_page(folder / REPORT, render_run(page))


def _read_test_part(folder: Path, card: dict[str, Any]) -> HeldOut:
    rows = [
        row for row in read_table(folder / "holdout.csv", ("path", "label", "part", "probability")) if row[2] == "test"
    ]
    raw = np.array([float(row[3]) for row in rows])
    calibrated = Calibration(**card["calibration"]["none"]).apply(raw)
    return HeldOut([unescape(row[0]) for row in rows], np.array([int(row[1]) for row in rows]), raw, calibrated)


def _page(run: Run, test: HeldOut, suspects: Sequence[Suspect]) -> RunPage:
    card, classes = run.card, (run.card["classes"][0], run.card["classes"][1])
    history = read_history(run.folder / "history.csv")
    metrics, calibration = measure(test.labels, test.calibrated), Calibration(**card["calibration"]["none"])
    groups = _choose(test)
    shown = [test.paths[i] for _, _, _, chosen in groups for i in chosen] + [s.path for s in suspects[:SUSPECTS_SHOWN]]
    seen = look_at(run, os.fsencode(card["labelled_folder"]), shown)
    lead, figures = headline(card, metrics, test.labels, test.calibrated)
    name = escape(os.fsencode(run.folder.resolve().name))
    unclipped = Calibration(calibration.temperature, EDGE).apply(test.raw)
    return RunPage(
        title=f"Run {name}",
        lead=lead,
        figures=figures,
        classes=classes,
        confusion=metrics.confusion,
        views=view_table(card),
        quality=[
            roc_chart(test.labels, test.calibrated, metrics.auc, classes),
            reliability_chart(test.labels, test.raw, test.calibrated, classes[1]),
            class_histogram(test.labels, test.calibrated, classes),
            clip_chart(test.labels, unclipped, calibration.clip),
        ],
        training=curve_charts(history) if history else [],
        stages=stage_table(card, history),
        galleries=[
            Gallery(anchor, title, intro, [_photo(test, i, classes, seen) for i in chosen])
            for anchor, title, intro, chosen in groups
        ],
        suspects=_suspects(card, suspects, classes, seen),
        download=_download(run.folder, suspects),
        exclude=_command(card, name) if any(suspect.part == "train" for suspect in suspects) else "",
        tables=describe_training(card, run.folder),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _choose(test: HeldOut) -> list[tuple[str, str, str, list[int]]]:
    """(anchor, title, intro, indices) of each gallery of the test part."""
    given = np.where(test.labels == 1, test.calibrated, 1 - test.calibrated)
    wrong = [int(i) for i in np.argsort(given, kind="stable")[:SHOWN] if given[i] < 0.5]
    unsure = [int(i) for i in np.argsort(np.abs(test.raw - 0.5), kind="stable")[:SHOWN]]
    # By the raw score: the clip makes the surest ones equal.
    typical = [
        int(i)
        for label in (0, 1)
        for i in np.argsort(test.raw if label == 0 else -test.raw, kind="stable")[: SHOWN // 2]
        if test.labels[i] == label
    ]
    return [
        ("wrong", "The most wrong", "Test photos that cost the most: sure, and mistaken.", wrong),
        ("unsure", "The least sure", "Test photos between the two classes, right or wrong.", unsure),
        ("typical", "The most typical", "Test photos that it is surest of, of each class.", typical),
    ]


def _photo(test: HeldOut, index: int, classes: tuple[str, str], seen: dict[bytes, Seen]) -> Photo:
    return make_photo(test.paths[index], int(test.labels[index]), float(test.calibrated[index]), classes, seen)


def make_photo(
    path: bytes, label: int | None, probability: float, classes: tuple[str, str], seen: dict[bytes, Seen]
) -> Photo:
    """A photo with what the model says of it, beside its label where it has one."""
    answer = int(probability >= 0.5)
    says = f"{classes[answer]} {100 * (probability if answer else 1 - probability):.2f} %"
    if label is not None:
        says = f"labelled {classes[label]}, taken for {says}" if answer != label else f"{says}, right"
    found = seen.get(path)
    pixels, heat = (found.pixels, found.heat) if found else (None, None)
    return Photo(escape(path), says, pixels, heat, wrong=label is not None and answer != label)


def _suspects(
    card: dict[str, Any], suspects: Sequence[Suspect], classes: tuple[str, str], seen: dict[bytes, Seen]
) -> Gallery:
    judges = (
        "heads on the stored features, each trained on four fifths of the pictures and asked about the rest, are"
        if card.get("features")
        else "the model, asked about the held-out pictures only (this recipe stores no features of the others), is"
    )
    listed = len(suspects)
    more = f" The first {SUSPECTS_SHOWN} are shown, the list has all." if listed > SUSPECTS_SHOWN else ""
    return Gallery(
        "suspects",
        "Suspects",
        f"{listed} {'picture' if listed == 1 else 'pictures'} of which {judges} at least {100 * SURE:.0f} % sure that "
        f"the label is wrong. Some are wrong, some show both animals or neither, and some are merely hard.{more}",
        [_suspect(suspect, classes, seen) for suspect in suspects[:SUSPECTS_SHOWN]],
    )


def _suspect(suspect: Suspect, classes: tuple[str, str], seen: dict[bytes, Seen]) -> Photo:
    found = seen.get(suspect.path)
    pixels, heat = (found.pixels, found.heat) if found else (None, None)
    other = classes[1 - suspect.label]
    says = f"labelled {classes[suspect.label]}, {other} {100 * suspect.doubt:.1f} % ({suspect.part})"
    return Photo(escape(suspect.path), says, pixels, heat, wrong=True)


def _download(folder: Path, suspects: Sequence[Suspect]) -> Download:
    text = (folder / SUSPECTS).read_text(encoding="utf-8") if suspects else ""
    return Download(SUSPECTS, text, f"Download {SUSPECTS} ({len(suspects)})")


def _command(card: dict[str, Any], name: str) -> str:
    words = ["python -m jobs.train", "--data DATA", f"--recipe {card['recipe']}"]
    if card["recipe"] != "scratch":
        words.append(f"--backbone {card['backbone']} --weights WEIGHTS")
    options = card.get("options", {})
    words += [f"--split {'/'.join(f'{part:g}' for part in options['split'])}"] if "split" in options else []
    words += [f"--{name} {options[name]}" for name in ("seed", "epochs", "patience") if options.get(name) is not None]
    words += [f"--{option.replace('_', '-')}" for option in ("fresh_head", "all_data") if options.get(option)]
    return " ".join([*words, f"--run {name}-cleaned", f"--exclude {SUSPECTS}"])

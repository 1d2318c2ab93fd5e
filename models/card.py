"""A run's card, `model.json`: what was trained, how to rebuild it and how to feed it. No TensorFlow here."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from models import ModelError

WEIGHTS = "model.weights.h5"
CARD = "model.json"
CARD_FORMAT = 1
SEAL = "card_sha256"


def model_key(
    card: dict[str, Any], views: str, decode_version: int, engine: str, precision: str, limits: dict[str, Any]
) -> str:
    """SHA-256 over all that a raw score depends on: not metrics, not calibration.

    `engine` and `precision` are those that compute here, which may be others than the card's. `limits` are those of
    decoding that are not the usual ones: what they reject is no reject elsewhere.
    """
    parts = {
        "weights": card["weights_sha256"],
        "backbone": card["backbone"],
        "classes": card["classes"],
        "image_size": card["image_size"],
        "precision": precision,
        "views": views,
        "decode_version": decode_version,
        "engine": engine,
        **limits,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON aside, sync it and put it in place at once."""
    aside = path.with_name(f".saving.{path.name}")
    try:
        write_synced(aside, json_text(content))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def json_text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def write_synced(path: Path, text: str) -> None:
    path.write_text(text)
    sync(path)


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(card: dict[str, Any]) -> dict[str, Any]:
    """The card with the SHA-256 of all that it says, so that a flipped bit or a slip of the hand is found."""
    told = {key: value for key, value in card.items() if key != SEAL}
    return {**told, SEAL: hashlib.sha256(json_text(told).encode()).hexdigest()}


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a finished run. Raises ModelError for a run that is missing, unfinished or torn."""
    if not folder.is_dir():
        raise ModelError(f"no such run: {folder}; train it first with --run {folder.name}, or name another.")
    if not (folder / CARD).exists():
        raise ModelError(f"run {folder} is unfinished; repeat the training command, it goes on from there.")
    try:
        card = json.loads((folder / CARD).read_text())
        known = card["format"] == CARD_FORMAT
        damaged = SEAL in card and card[SEAL] != seal(card)[SEAL]
    except (ValueError, KeyError, TypeError, RecursionError):
        damaged = True
    if damaged:
        raise ModelError(f"{folder / CARD} is damaged; restore it, or train the run again.") from None
    if not known:
        raise ModelError(f"{folder / CARD} has format {card['format']}, this version reads {CARD_FORMAT}.")
    return card


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object that this program wrote. Raises ModelError when it is torn."""
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ModelError(f"{path} is damaged; delete its folder and train again.")
    return content

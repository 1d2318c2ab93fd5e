"""Arrays in, HTML pages out: one file each, that loads nothing and runs nothing from elsewhere.

File names are hostile input: Jinja2 escapes every value, and the page's content security policy allows its own style
and script by their hashes, pictures by data URI, and nothing else.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from submissions.charts import Chart
from submissions.page_files import GENERATOR
from submissions.thumbnails import heat_uri, photo_uri

TEMPLATES = Path(__file__).with_name("templates")
Facts = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Photo:
    """A picture to show: its name as text, what is said of it, its pixels uint8 (H, W, 3) or None when it can't be
    read any more, and where the model looked, float (h, w) in 0..1, or None."""

    name: str
    says: str
    pixels: np.ndarray | None = None
    heat: np.ndarray | None = None
    wrong: bool = False


@dataclass(frozen=True)
class Gallery:
    """Photos under a title; `empty` is said when there are none."""

    anchor: str
    title: str
    intro: str
    photos: Sequence[Photo]
    empty: str = "None."


@dataclass(frozen=True)
class Figure:
    """A headline: its name, the value, and how sure it is."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption; cells are text. Columns from `numbers` on are aligned to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int = 99
    note: str = ""


@dataclass(frozen=True)
class Download:
    """A file that the page carries."""

    name: str
    text: str
    label: str

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(self.text.encode()).decode()}"


@dataclass(frozen=True)
class RunPage:
    """What the page of a run shows. `confusion`: rows are the true class, columns the predicted one."""

    title: str
    lead: str
    figures: Sequence[Figure]
    classes: tuple[str, str]
    confusion: Sequence[Sequence[int]]
    views: Table
    quality: Sequence[Chart]
    training: Sequence[Chart]
    stages: Table
    galleries: Sequence[Gallery]
    suspects: Gallery
    download: Download
    exclude: str
    tables: Sequence[Table]
    written: str


@dataclass(frozen=True)
class SubmissionPage:
    """What the page of a submission shows."""

    title: str
    lead: str
    figures: Sequence[Figure]
    charts: Sequence[Chart]
    drift: Sequence[tuple[str, float, str]]
    unsure: Gallery
    rejects: Table
    command: str
    manifest: str
    tables: Sequence[Table]
    written: str
    warnings: Sequence[str] = field(default_factory=tuple)


def render_run(page: RunPage) -> str:
    """The page of a run as HTML."""
    return _render("run.html", page)


def render_submission(page: SubmissionPage) -> str:
    """The page of a submission as HTML."""
    return _render("submission.html", page)


def _render(template: str, page: Any) -> str:
    style, script = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(page=page, style=style, script=script, policy=policy, generator=GENERATOR)
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(photo_uri=photo_uri, heat_uri=heat_uri)
    return environment

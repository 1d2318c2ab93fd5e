"""Pages as files: self-contained, safe from hostile names, small, and never written over someone else's file."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from submissions import SubmissionError
from submissions.charts import class_histogram, clip_chart, reliability_chart, roc_chart, score_histogram
from submissions.page_files import check_page, is_own_page, page_of, write_page
from submissions.pages import (
    Download,
    Figure,
    Gallery,
    Photo,
    RunPage,
    SubmissionPage,
    Table,
    render_run,
    render_submission,
)
from submissions.thumbnails import MOST_BYTES, heat_uri, photo_uri

HOSTILE = "<img src=x onerror=alert(1)>\"'&.jpg"
RANDOM = np.random.default_rng(0)
CLASSES = ("cat", "dog")


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def values(self, tag: str, attribute: str) -> list[str]:
        return [attributes.get(attribute) or "" for name, attributes in self.tags if name == tag]


def noise(side: int = 500) -> np.ndarray:
    return RANDOM.integers(0, 256, (side, side, 3), dtype=np.uint8)


def photos(count: int) -> list[Photo]:
    return [Photo(f"{n}{HOSTILE}", "labelled cat", noise(), RANDOM.random((7, 7)), wrong=True) for n in range(count)]


def scores() -> tuple[np.ndarray, np.ndarray]:
    labels = RANDOM.integers(0, 2, 400)
    return labels, np.clip(labels * 0.8 + RANDOM.normal(0.1, 0.2, 400), 0.01, 0.99)


def run_page(per_gallery: int = 2) -> str:
    labels, probabilities = scores()
    charts = [
        roc_chart(labels, probabilities, 0.9, CLASSES),
        reliability_chart(labels, probabilities, probabilities, "dog"),
        class_histogram(labels, probabilities, CLASSES),
        clip_chart(labels, probabilities, 0.01),
    ]
    galleries = [Gallery(f"g{n}", "Title", "Intro", photos(per_gallery)) for n in range(3)]
    return render_run(
        RunPage(
            title=HOSTILE,
            lead=HOSTILE,
            figures=[Figure("Accuracy", "98 %", HOSTILE)],
            classes=("cat", "<script>alert(2)</script>"),
            confusion=((190, 10), (5, 195)),
            views=Table("By views", ("", "accuracy"), [("one", "98 %")], numbers=1),
            quality=charts,
            training=charts[:2],
            stages=Table("Stages", ("stage",), [("head",)]),
            galleries=galleries,
            suspects=Gallery("suspects", "Suspects", "Some.", photos(2 * per_gallery)),
            download=Download("suspects.csv", f"path\n{HOSTILE}\n", "Download"),
            exclude=f"python -m jobs.train --run {HOSTILE}",
            tables=[Table(HOSTILE, (), [(HOSTILE, HOSTILE)], note=HOSTILE)],
            written="2026-01-01",
        )
    )


def submission_page() -> str:
    _, probabilities = scores()
    return render_submission(
        SubmissionPage(
            title=HOSTILE,
            lead=HOSTILE,
            figures=[Figure("Rows", "12")],
            charts=[score_histogram(probabilities, probabilities[:100], "dog")],
            drift=[("probability of dog", 0.3, "drifted"), ("brightness", 0.01, "alike")],
            unsure=Gallery("unsure", "The least sure", "Look.", [*photos(2), Photo(HOSTILE, "dog 51 %")]),
            rejects=Table("Files without a score", ("file", "reason"), [(HOSTILE, HOSTILE)]),
            command=f"python -m jobs.submit --images '{HOSTILE}'",
            manifest=f'{{"images": "{HOSTILE}"}}',
            tables=[],
            written="2026-01-01",
            warnings=[HOSTILE],
        )
    )


@pytest.fixture(scope="module", params=["run", "submission"])
def html(request) -> str:
    return run_page() if request.param == "run" else submission_page()


def test_a_hostile_name_is_text_wherever_it_stands(html):
    tags = Tags(html)
    assert "x" not in tags.values("img", "src")
    assert not [name for tag, attributes in tags.tags for name in attributes if name.startswith("on")]
    assert tags.text.count(HOSTILE) >= 4
    assert len([tag for tag, _ in tags.tags if tag == "script"]) == 1


def test_the_policy_allows_this_style_and_this_script_and_pictures_in_the_page(html):
    policy = next(
        attributes["content"]
        for tag, attributes in Tags(html).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:; ") and "unsafe" not in policy
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_nothing_is_loaded_from_elsewhere_and_every_picture_has_its_text(html):
    tags = Tags(html)
    for tag, attribute in (("img", "src"), ("source", "srcset"), ("script", "src"), ("link", "href")):
        assert all(value == "" or value.startswith("data:") for value in tags.values(tag, attribute))
    assert not [attributes for _, attributes in tags.tags if "style" in attributes]
    pictures = [attributes for tag, attributes in tags.tags if tag == "img"]
    assert all("alt" in attributes for attributes in pictures)
    assert all(attributes["alt"] for attributes in pictures if attributes.get("class") != "heat")


def test_a_page_full_of_photos_that_do_not_compress_stays_under_3_mb():
    assert len(run_page(per_gallery=12).encode()) < 3e6


def test_the_list_to_download_comes_out_as_it_went_in():
    link = Download("suspects.csv", "path\nähm,<b>\n", "Download").uri
    assert base64.b64decode(link.split(",", 1)[1]).decode() == "path\nähm,<b>\n"


def test_a_photo_keeps_its_proportions_and_its_budget():
    uri, width, height = photo_uri(noise(600)[:200])
    assert width / height == pytest.approx(3, rel=0.02) and max(width, height) <= 320
    assert len(base64.b64decode(uri.split(",")[1])) <= MOST_BYTES


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 5)])
def test_pictures_of_every_shape_get_a_thumbnail_and_a_heat_map(shape):
    _, width, height = photo_uri(np.zeros((*shape, 3), np.uint8))
    assert width >= 1 and height >= 1
    assert heat_uri(np.zeros((7, 7)), width, height).startswith("data:image/png;base64,")


def test_charts_tell_in_words_what_they_show():
    labels, probabilities = scores()
    chart = reliability_chart(labels, probabilities, labels.astype(float), "dog")
    assert "0.0000 after" in chart.alt and "0.0000 after" in chart.note
    assert "0.90000" in roc_chart(labels, probabilities, 0.9, CLASSES).alt
    assert "100.0 % of cats and 100.0 % of dogs" in class_histogram(labels, labels * 0.98 + 0.01, CLASSES).alt


def test_a_chart_is_drawn_in_colours_for_light_and_for_dark():
    chart = roc_chart(*scores(), 0.9, CLASSES)
    light, dark = (base64.b64decode(uri.split(",")[1]).decode() for uri in (chart.light, chart.dark))
    assert "#0072b2" in light and "#0072b2" not in dark and "#56b4e9" in dark
    assert roc_chart(*scores(), 0.9, CLASSES).alt == chart.alt


def test_a_submissions_page_never_replaces_someone_elses_file(tmp_path):
    out = tmp_path / "index.csv"
    check_page(out, overwrite=False)
    page_of(out).write_text("<html>a person's own</html>")
    with pytest.raises(SubmissionError, match=r"index\.html exists and is no page of this program"):
        check_page(out, overwrite=False)
    check_page(out, overwrite=True)
    write_page(page_of(out), submission_page())
    assert is_own_page(page_of(out))
    check_page(out, overwrite=False)


def test_a_page_is_whole_or_not_there(tmp_path, monkeypatch):
    (tmp_path / ".page.html.pawscore-tmp-1").write_text("left by a killed run")
    write_page(tmp_path / "page.html", "first")

    def fail(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError):
        write_page(tmp_path / "page.html", "second")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "first"

"""The pages in a real browser: complete, quiet, usable by mouse, keyboard and screen reader, at every width."""

import shutil
from pathlib import Path

import pytest
from browser import open_browser, visit
from commands import job

from pipeline.drawings import draw_sample

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
REJECT = "<img src=x onerror=alert(2)>.png"
PAGES = ("run", "submission")
WIDTHS = (375, 1440)
SCHEMES = ("light", "dark")


def done(name: str, *options: object) -> None:
    ended = job(name, *options)
    assert ended.code == 0, ended.errors


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """The page of a run on 60 drawings and of a submission of 11, a hostile file name among both."""
    folder = tmp_path_factory.mktemp("pages")
    draw_sample(folder / "drawn", labelled=60, unlabelled=10, seed=3)
    for picture in (folder / "drawn" / "train").iterdir():
        kind, rest = picture.name.split(".", 1)
        (folder / "data" / "train" / kind).mkdir(parents=True, exist_ok=True)
        picture.rename(folder / "data" / "train" / kind / rest)
    images, run = folder / "drawn" / "test1", folder / "run"
    shutil.move(folder / "data" / "train" / "cat" / "0.jpg", folder / "data" / "train" / "cat" / HOSTILE)
    shutil.copy(images / "1.jpg", images / HOSTILE)
    (images / REJECT).write_bytes(b"<b>no picture</b>")
    done("train", "--data", folder / "data", "--recipe", "scratch", "--epochs", 1, "--run", run)
    (run / "suspects.csv").write_text(
        f"path,label,part,probability\ncat/{HOSTILE},0,train,0.9990000\ndog/3.jpg,1,test,0.0100000\n"
        "cat/gone.jpg,0,train,0.9700000\n"
    )
    done("report", "--run", run)
    options = ("--run", run, "--images", images, "--out", folder / "s.csv", "--fill", 0.5)
    # The sample submission beside the drawings knows nothing of the two files more.
    (folder / "drawn" / "sampleSubmission.csv").unlink()
    done("submit", *options)
    return {"run": run / "report.html", "submission": folder / "s.html"}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_is_quiet_whole_and_fits(browser, pages, name, width, scheme):
    with visit(browser, pages[name], width, scheme) as (page, complaints, requests):
        broken = page.evaluate("[...document.images].filter(i => !i.complete || i.naturalWidth === 0).length")
        assert page.evaluate("document.images.length") > 5 and broken == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        # Nothing sticks out of the window but what scrolls in a box of its own.
        outside = """[...document.querySelectorAll('main *, header *, footer *')].filter(e =>
            e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.table, pre')).map(e => e.outerHTML)"""
        assert page.evaluate(outside) == []
        assert complaints == [] and requests == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_to_mend(browser, pages, name, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with visit(browser, pages[name], width, scheme) as (page, _, _):
        page.locator("details").first.evaluate("d => d.open = true") if name == "submission" else None
        found = axe.run(page).response
        assert found["violations"] == [] and len(found["passes"]) > 20
        page.locator("button.photo").first.click()
        assert axe.run(page).response["violations"] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_photo_is_enlarged_by_the_mouse(browser, pages, name):
    with visit(browser, pages[name]) as (page, complaints, _):
        small = page.locator("button.photo").nth(1)
        text = small.locator(".name").text_content()
        width = small.locator(".pixels").bounding_box()["width"]
        small.click()
        dialog = page.locator("dialog")
        assert dialog.is_visible()
        assert dialog.locator("#viewer-name").text_content() == text
        assert dialog.locator(".pixels").bounding_box()["width"] > 1.5 * width
        dialog.get_by_role("button", name="Next").click()
        assert dialog.locator("#viewer-name").text_content() != text
        dialog.get_by_role("button", name="Close").click()
        assert not dialog.is_visible() and complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_photo_is_enlarged_by_the_keyboard_alone(browser, pages, name):
    with visit(browser, pages[name]) as (page, complaints, _):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('button.photo')"):
                break
        text = page.evaluate("document.activeElement.querySelector('.name').textContent")
        page.keyboard.press("Enter")
        shown = page.locator("#viewer-name")
        assert shown.is_visible() and shown.text_content() == text
        page.keyboard.press("ArrowRight")
        second = shown.text_content()
        assert second != text
        page.keyboard.press("ArrowLeft")
        assert shown.text_content() == text
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        assert not shown.is_visible()
        # Who leafs on finds back to the photo that was shown last.
        page.wait_for_function("name => document.activeElement.textContent.includes(name)", arg=second, timeout=5000)
        assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_where_the_model_looks_is_shown_on_request(browser, pages, name):
    with visit(browser, pages[name]) as (page, _, _):
        heat = page.locator("button.photo .heat").first
        assert not heat.is_visible()
        button = page.get_by_role("button", name="Where the model looks").first
        button.click()
        assert heat.is_visible() and button.get_attribute("aria-pressed") == "true"
        picture, overlay = page.locator("button.photo .pixels").first.bounding_box(), heat.bounding_box()
        assert all(abs(picture[side] - overlay[side]) < 1 for side in ("x", "y", "width", "height"))
        button.click()
        assert not heat.is_visible()


def test_the_suspects_can_be_downloaded_as_they_are(browser, pages, tmp_path):
    with visit(browser, pages["run"]) as (page, complaints, _):
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Download suspects.csv").click()
        waiting.value.save_as(tmp_path / "got.csv")
        assert waiting.value.suggested_filename == "suspects.csv"
        assert (tmp_path / "got.csv").read_bytes() == (pages["run"].parent / "suspects.csv").read_bytes()
        assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_file_name_is_shown_as_text(browser, pages, name):
    with visit(browser, pages[name]) as (page, complaints, requests):
        shown = page.locator(".name", has_text=HOSTILE).first
        shown.scroll_into_view_if_needed()
        assert HOSTILE in shown.text_content()
        assert page.locator("img[src='x']").count() == 0
        shown.locator("xpath=ancestor::button").click()
        assert HOSTILE in page.locator("#viewer-name").text_content()
        assert page.locator("img[src='x']").count() == 0
        assert complaints == [] and requests == []


def test_a_picture_that_is_gone_and_a_reject_are_told(browser, pages):
    with visit(browser, pages["run"]) as (page, _, _):
        assert "cat/gone.jpg" in page.locator(".gone").text_content()
    with visit(browser, pages["submission"]) as (page, _, _):
        assert REJECT in page.get_by_role("region", name="Files without a score").text_content()
        assert "carry 0.5" in page.locator(".warning").text_content()

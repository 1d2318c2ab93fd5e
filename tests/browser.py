"""A headless Chromium for the tests of pages, found or visibly missed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


class Visit(NamedTuple):
    """An open page, with what it wrote to the console and what it asked for from elsewhere."""

    page: Any
    complaints: list[str]
    requests: list[str]


def find_browser() -> str:
    """The path of a Chromium or Chrome; skips the test, with the reason, where there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and Path(ON_MACOS).exists():
        found = ON_MACOS
    if found is None:
        pytest.skip("no Chromium or Chrome here: make test-browser installs Debian's; or name one with CHROMIUM=")
    return found


@contextmanager
def open_browser() -> Iterator[Any]:
    """A running browser, closed at the end."""
    path = find_browser()
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test-browser does")
    with driver.sync_playwright() as playwright:
        # The pages are our own and tests may run as root, where Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Any, file: Path, width: int = 1440, scheme: str = "light") -> Iterator[Visit]:
    """Open a file in a window of this width, in a light or dark scheme, and watch it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, complaints, requests = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_load_state("load")
    try:
        yield Visit(page, complaints, [url for url in requests if not url.startswith("data:") and url != file.as_uri()])
    finally:
        context.close()

"""Take the pictures of docs/ from pages: python tests/screenshots.py RUN_PAGE SUBMISSION_PAGE."""

import io
import sys
from pathlib import Path

from browser import open_browser, visit
from PIL import Image

DOCS = Path(__file__).parent.parent / "docs"
WIDTH, HEIGHT = 1280, 2350  # of what is taken; pixels of the page
SHRUNK = 860


def take(browser, page_file: Path, target: Path) -> None:
    """The beginning of a page with the heat maps on, shrunk, as a PNG of few colours."""
    with visit(browser, page_file.resolve(), WIDTH) as (page, _, _):
        page.locator(".heat-toggle").first.click()
        page.evaluate("document.activeElement.blur(); scrollTo({top: 0, behavior: 'instant'})")
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture = picture.crop((0, 0, WIDTH, min(HEIGHT, picture.height)))
    picture.thumbnail((SHRUNK, picture.height), Image.Resampling.LANCZOS)
    picture.quantize(192).save(target, optimize=True)


if __name__ == "__main__":
    with open_browser() as opened:
        take(opened, Path(sys.argv[1]), DOCS / "run-page.png")
        take(opened, Path(sys.argv[2]), DOCS / "submission-page.png")

"""Draw page one of a report, as wide as A4, for the front page.

    commonwatt study harbour --store runs
    python docs/_ext/report_picture.py runs/RUN/report.html docs/images/report-page-one.png

Needs Chromium, as the browser tests do, and the development environment.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import sync_playwright

CHROMIUM: Final = "/usr/bin/chromium"
WIDTH, HEIGHT = 794, 1123  # A4 at 96 dots an inch


def draw_page_one(report: Path, picture: Path) -> None:
    """Write a picture of page one in the type of paper."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5
        )
        page.emulate_media(media="print")
        page.goto(report.resolve().as_uri())
        page.wait_for_timeout(500)  # charts are drawn once the fonts are there
        # On paper the margin is the sheet's own, which a screen does not have.
        page.add_style_tag(content="#page-one { padding: 28px; }")
        shot = page.locator("#page-one").screenshot()
        browser.close()
    # Few colours are in it: a palette is a fifth of the bytes, in a repository that keeps them all.
    drawn = Image.open(io.BytesIO(shot)).convert("RGB")
    sheet = Image.new("RGB", (drawn.width, round(drawn.width * HEIGHT / WIDTH)), "white")
    sheet.paste(drawn, (0, 0))
    image = sheet.quantize(128)
    picture.parent.mkdir(parents=True, exist_ok=True)
    image.save(picture, optimize=True)


if __name__ == "__main__":
    draw_page_one(Path(sys.argv[1]), Path(sys.argv[2]))

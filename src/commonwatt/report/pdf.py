"""From a report's page to a PDF with numbered contents, through a Chromium that is installed.

CSS has no way in Chromium to say on which page a heading came to stand (`target-counter` of
CSS Generated Content for Paged Media is not implemented there). The page is therefore printed
twice: the first print says where every section stands, the second has the numbers in it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from commonwatt.core.errors import MissingExtraError, ProcessError
from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.processes.spawn import ProcessKind, run_process

CHROMIUM_VARIABLE: Final = "COMMONWATT_CHROMIUM"
CHROMIUM_NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
PRINT_TIMEOUT_S: Final = 300.0
# What Chromium's PDF backend writes, uncompressed: the tree of pages, and a name for each anchor
# that a link on the page leads to.
_OBJECT: Final = re.compile(rb"(?:^|\n)(\d+) 0 obj\b(.*?)\bendobj", re.DOTALL)
_KIDS: Final = re.compile(rb"/Kids\s*\[([^\]]*)\]")
_REFERENCE: Final = re.compile(rb"(\d+) 0 R")
_ROOT: Final = re.compile(rb"/Type /Catalog.*?/Pages (\d+) 0 R", re.DOTALL)
_DESTINATION: Final = re.compile(rb"/([^\s/\[\]<>()]+) \[(\d+) 0 R /XYZ")
_FOLIO: Final = re.compile(r'(<span class="folio" data-page="([^"]+)">)[^<]*(</span>)')


def find_chromium() -> str:
    """Return the Chromium that prints: the one that is named, or the first on the path.

    Raises:
        MissingExtraError: None is installed, or the one that is named is not there.
    """
    named = os.environ.get(CHROMIUM_VARIABLE, "")
    candidates = (named,) if named else CHROMIUM_NAMES
    # A browser that is named and absent is an error, and no other is taken in its place.
    for candidate in candidates:
        if path := shutil.which(candidate):
            return path
    raise MissingExtraError(
        named or "Chromium",
        found=Message("no such browser to print the report with"),
        remedy=Message(
            "Install Chromium or Chrome, name one in {variable}, or print report.html from any "
            "browser.",
            {"variable": CHROMIUM_VARIABLE},
        ),
    )


def write_report_pdf(page: Path, target: Path) -> None:
    """Print a report's page to a PDF whose contents have page numbers.

    Args:
        page: The report as `render_report_html` wrote it.
        target: The file to write.

    Raises:
        MissingExtraError: No Chromium is installed.
        ProcessError: It failed, or what it wrote cannot be read for page numbers.
    """
    chromium, text = find_chromium(), page.read_text(encoding="utf-8")
    with TemporaryDirectory(prefix="commonwatt-print-") as folder:
        first = _pdf_bytes_printed_by_chromium(chromium, text, Path(folder))
        numbers = pdf_page_number_by_anchor(first)
        missing = [name for _, name, _ in _FOLIO.findall(text) if name not in numbers]
        # A contents without a number would look like one whose section is not there.
        if missing:
            raise ProcessError(
                os.path.basename(chromium),
                found=Message("no page for {names}", {"names": ", ".join(missing)}),
                wanted=Message("a PDF that names where each section stands"),
            )
        numbered = report_html_with_page_numbers(text, numbers)
        save_bytes(_pdf_bytes_printed_by_chromium(chromium, numbered, Path(folder)), target)


def report_html_with_page_numbers(text: str, numbers: Mapping[str, int]) -> str:
    """Return the page with the number of each section in its contents.

    >>> report_html_with_page_numbers('<span class="folio" data-page="a"></span>', {"a": 3})
    '<span class="folio" data-page="a">3</span>'
    """
    return _FOLIO.sub(lambda at: f"{at[1]}{numbers.get(at[2], '')}{at[3]}", text)


def pdf_page_number_by_anchor(pdf: bytes) -> dict[str, int]:
    """Return on which page, from 1, each anchor of a PDF by Chromium stands; none where unknown."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    root = _ROOT.search(pdf)
    pages = list(_pdf_page_object_numbers(objects, int(root[1]))) if root else []
    place = {number: index + 1 for index, number in enumerate(pages)}
    return {
        name.decode("utf-8", "replace"): place[int(page)]
        for name, page in _DESTINATION.findall(pdf)
        if int(page) in place
    }


def _pdf_page_object_numbers(objects: Mapping[int, bytes], number: int) -> list[int]:
    """Return the pages below a node of the tree of pages, in order."""
    kids = _KIDS.search(objects.get(number, b""))
    if kids is None:
        return [number]
    return [
        leaf
        for kid in _REFERENCE.findall(kids[1])
        for leaf in _pdf_page_object_numbers(objects, int(kid))
    ]


def _pdf_bytes_printed_by_chromium(chromium: str, text: str, folder: Path) -> bytes:
    page, target = folder / "report.html", folder / "report.pdf"
    page.write_text(text, encoding="utf-8")
    target.unlink(missing_ok=True)
    # Root has no sandbox of its own in Chromium; the page is ours, escaped, and without script.
    rootless = [] if os.geteuid() else ["--no-sandbox"]
    finished = run_process(
        [
            chromium,
            "--headless",
            *rootless,
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder / 'profile'}",
            f"--print-to-pdf={target}",
            page.as_uri(),
        ],
        ProcessKind.REPORT_PRINT,
        timeout_s=PRINT_TIMEOUT_S,
    )
    if finished.exit_code != 0 or not target.is_file():
        raise ProcessError(
            os.path.basename(chromium),
            found=Message(
                "exit code {code} and no PDF: {words}",
                {
                    "code": str(finished.exit_code),
                    "words": finished.stderr.decode("utf-8", "replace").strip()[-300:],
                },
            ),
            wanted=Message("a browser that can print"),
        )
    return target.read_bytes()

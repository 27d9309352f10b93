"""Styles and scripts: read once, compressed once, under an address that names their content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from commonwatt.report.charts.svg import chart_styles

ROOT: Final = Path(__file__).parent / "static"
# The styles of charts stand where charts are drawn, so that a report has the very same.
CHART_STYLES: Final = "chart.css"
KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticAsset:
    """A file as it is sent."""

    kind: str
    plain: bytes
    packed: bytes
    tag: str


@cache
def static_asset(name: str) -> StaticAsset | None:
    """Return a file below `static`, or None where there is none that may be sent."""
    if name == CHART_STYLES:
        return _gzipped_static_asset(chart_styles().encode(), ".css")
    # Resolved first: `..` and links are followed before it is asked whether the file lies in the
    # folder.
    path = (ROOT / name).resolve()
    if not path.is_relative_to(ROOT) or path.suffix not in KINDS or not path.is_file():
        return None
    return _gzipped_static_asset(path.read_bytes(), path.suffix)


def _gzipped_static_asset(plain: bytes, suffix: str) -> StaticAsset:
    # gzip writes the time into its head; at zero all workers send the same bytes under one tag.
    packed = gzip.compress(plain, 9, mtime=0)
    tag = hashlib.sha256(plain).hexdigest()[:16]
    return StaticAsset(KINDS[suffix], plain, packed, tag)


@cache
def static_file_address(name: str) -> str:
    """Return the address of a file, which changes when the file does."""
    asset_file = static_asset(name)
    return f"/static/{name}?v={asset_file.tag}" if asset_file else f"/static/{name}"

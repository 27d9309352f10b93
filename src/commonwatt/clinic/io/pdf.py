"""A page as PDF, with every letter that it holds.

A letter for which this machine has no font would stand there as an empty box, and a
dossier with empty boxes is a dossier with holes; it is refused instead.
"""

from __future__ import annotations

from typing import Any

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.core.errors import MissingExtraError
from commonwatt.core.extras import import_optional_module
from commonwatt.core.messages import Message


def clinic_dossier_pdf_bytes(page: str) -> bytes:
    """Return a page of HTML as PDF; the same page and fonts give the same bytes.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        EvidenceError: This machine has no font for some of the letters.
    """
    weasyprint = _import_clinic_dossier_pdf_library()
    document: Any = weasyprint.HTML(
        string=page, url_fetcher=_refuse_clinic_dossier_url_fetch
    ).render()
    pdf = document.write_pdf()
    missing = {letter for font in document.fonts.values() for letter in font.missing}
    if missing:
        gaps = {"count": str(len(missing)), "first": f"U+{min(missing):04X}"}
        raise EvidenceError(
            "PDF",
            found=Message("no font for {count} of the letters, {first} first", gaps),
            remedy=Message("Install a font that has them, such as Noto Sans CJK."),
        )
    return pdf


def _import_clinic_dossier_pdf_library() -> Any:
    try:
        return import_optional_module("weasyprint")
    except OSError:  # the package is there and its system library is not: pip cannot bring that
        raise MissingExtraError(
            "Pango",
            found=Message("this library of the system, which draws letters, is not installed"),
            remedy=Message("On Debian and Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0"),
        ) from None


def _refuse_clinic_dossier_url_fetch(url: str, *_: Any, **__: Any) -> Any:
    """Fetch nothing: a dossier carries all that it shows."""
    raise ValueError(url[:60])

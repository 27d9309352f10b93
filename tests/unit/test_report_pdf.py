"""A report is printed with numbers in its contents, or the reason why not is said."""

import os
import shutil

import pytest

from commonwatt.core.errors import MissingExtraError, ProcessError
from commonwatt.report.pdf import (
    CHROMIUM_NAMES,
    CHROMIUM_VARIABLE,
    find_chromium,
    pdf_page_number_by_anchor,
    report_html_with_page_numbers,
    write_report_pdf,
)

# The tree of pages and the names, as Chromium's PDF backend writes them.
PDF = b"""%PDF-1.4
4 0 obj
<</Type /Page>>
endobj
5 0 obj
<</Type /Page>>
endobj
6 0 obj
<</Type /Pages
/Count 2
/Kids [5 0 R 4 0 R]
/Parent 8 0 R>>
endobj
7 0 obj
<</Type /Page>>
endobj
8 0 obj
<</Type /Pages
/Kids [6 0 R 7 0 R]>>
endobj
9 0 obj
<</fleet [4 0 R /XYZ 0 808.9 0]
/cost [7 0 R /XYZ 0 100 0]
/lost [99 0 R /XYZ 0 100 0]>>
endobj
10 0 obj
<</Type /Catalog
/Pages 8 0 R
/Dests 9 0 R>>
endobj
"""
PAGE = '<a href="#cost">Cost <span class="folio" data-page="cost"></span></a>'


def test_the_page_of_an_anchor_is_its_place_in_the_tree_and_not_its_number():
    assert pdf_page_number_by_anchor(PDF) == {"fleet": 2, "cost": 3}


@pytest.mark.parametrize("pdf", [b"", b"%PDF-1.4", PDF.replace(b"/Catalog", b"/Other")])
def test_a_pdf_of_another_kind_names_no_page(pdf):
    assert pdf_page_number_by_anchor(pdf) == {}


def test_numbers_stand_in_the_contents_and_a_second_print_takes_them_anew():
    once = report_html_with_page_numbers(PAGE, {"cost": 3})
    assert '<span class="folio" data-page="cost">3</span>' in once
    assert report_html_with_page_numbers(once, {"cost": 12}).count("12") == 1


def _program(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_browser_that_is_named_is_taken_or_else_the_first_on_the_path(tmp_path, monkeypatch):
    monkeypatch.delenv(CHROMIUM_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="Install Chromium or Chrome"):
        find_chromium()
    for name in reversed(CHROMIUM_NAMES):
        path = _program(tmp_path, name, "exit 0")
        assert find_chromium() == str(path)
    own = _program(tmp_path, "own", "exit 0")
    monkeypatch.setenv(CHROMIUM_VARIABLE, str(own))
    assert find_chromium() == str(own)
    own.unlink()
    with pytest.raises(MissingExtraError, match="own: no such browser"):
        find_chromium()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", "no PDF"),
        ("echo no display >&2; exit 3", "exit code 3 and no PDF: no display"),
        ('for a in "$@"; do case $a in --print-to-pdf=*) echo > "${a#*=}";; esac; done', "cost"),
    ],
)
def test_a_browser_that_does_not_print_leaves_no_file(tmp_path, monkeypatch, script, said):
    page, target = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(PAGE)
    monkeypatch.setenv(CHROMIUM_VARIABLE, str(_program(tmp_path, "browser", script)))
    with pytest.raises(ProcessError, match=said):
        write_report_pdf(page, target)
    assert not target.exists()


def test_what_a_browser_prints_with_every_number_is_written(tmp_path, monkeypatch):
    page, target, printed = tmp_path / "report.html", tmp_path / "report.pdf", tmp_path / "printed"
    page.write_text(PAGE)
    printed.write_bytes(PDF)
    script = 'for a in "$@"; do case $a in --print-to-pdf=*) cp PRINTED "${a#*=}";; esac; done'
    program = _program(tmp_path, "browser", script.replace("PRINTED", str(printed)))
    monkeypatch.setenv(CHROMIUM_VARIABLE, os.fspath(program))
    assert shutil.which(os.fspath(program))
    write_report_pdf(page, target)
    assert target.read_bytes() == PDF

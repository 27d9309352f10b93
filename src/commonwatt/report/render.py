"""From sections to one HTML page with nothing outside itself."""

from __future__ import annotations

import os

import jinja2
from markupsafe import Markup

from commonwatt.core.files import user_cache_folder
from commonwatt.core.messages import translate
from commonwatt.report.charts.svg import chart_styles
from commonwatt.report.model import FigureOrigin, Report
from commonwatt.report.paper import heading_that_breaks, table_placement


def render_report_html(report: Report) -> str:
    """Return the report as HTML: no script, no network, one file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commonwatt.report"),
        # Titles and labels come from the user's files.
        autoescape=True,
        # A name that a template misspells is an error and no empty place in a report.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=compiled_report_template_cache_or_none(),
    )

    def translate_to_report_language(text: str) -> str:
        return translate(text, report.language)

    page = environment.get_template("report.html")
    # A figure links only to an origin that the page has: a link to nowhere looks like proof.
    known = {origin.name for origin in report.origins}
    return page.render(
        report=report,
        t=translate_to_report_language,
        known=known,
        # Ours, and shipped with the package: nothing of a reader's stands in it.
        chart_styles=Markup(chart_styles()),  # noqa: S704
        groups=_figure_origins_by_group_name(report),
        faces={origin.name: origin.face for origin in report.origins},
        anchor=report_figure_origin_anchor,
        placement=table_placement,
        breakable=heading_that_breaks,
    )


def compiled_report_template_cache_or_none() -> jinja2.BytecodeCache | None:
    """Return where compiled templates lie, by their text; None where nothing can be written.

    Compiling them takes longer than filling them in.
    """
    folder = user_cache_folder() / "templates"
    try:
        # Its own user's alone, as it holds code that is run.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return jinja2.FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None


def _figure_origins_by_group_name(report: Report) -> dict[str, list[FigureOrigin]]:
    """Return the origins under the names of their groups, in the order that these come first."""
    groups: dict[str, list[FigureOrigin]] = {}
    for origin in report.origins:
        groups.setdefault(origin.group, []).append(origin)
    return groups


def report_figure_origin_anchor(name: str) -> str:
    """Return the anchor of a figure's origin.

    >>> report_figure_origin_anchor("input.my trace.csv")
    'of-input.my_trace.csv'
    """
    # An id of HTML holds no space, and a file's name may.
    return "of-" + "_".join(name.split())

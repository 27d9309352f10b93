"""Whether a study's run still says what its tables give: for whoever reads a run of others.

The digests show that a byte was changed. The rest does not trust them: every figure is
evaluated anew by the formula that this version declares, and its value, its wording, its
unit and its label must be those that the manifest and the page show.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from commonwatt.catalogue.measures import CURRENCY, measure_cell_text, measure_value_text
from commonwatt.core.errors import CommonwattError
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.report.render import report_figure_origin_anchor
from commonwatt.runs.store import MANIFEST
from commonwatt.study.formulas.declared import FormulaScope
from commonwatt.study.formulas.evaluate import (
    TOLERANCE,
    FormulaUse,
    is_study_figure_value_equal_within_rounding,
    study_figure_formula_uses,
    study_figure_formula_value,
    study_figure_label_message_function,
    study_figure_rounding_tolerance,
)
from commonwatt.study.formulas.extents import (
    study_figure_basis_message,
    study_figure_extent_and_basis_text,
    study_figure_scale_and_period_message,
)
from commonwatt.study.formulas.identities import study_table_laws_with_relative_difference
from commonwatt.study.tables import BASIS, BASIS_SITES

Tables = Mapping[str, pl.DataFrame]
Manifest = Mapping[str, Any]
Values = Mapping[str, float | None]
HEADLINE: Final[Mapping[str, str]] = {  # key of the headline: the figure that it repeats
    "jobs": "fleet.jobs",
    "gpus": "fleet.gpus",
    "utilisation_share": "fleet.utilisation_share",
    "makespan_utilisation_share": "fleet.makespan_utilisation_share",
    "mean_queue_delay_s": "fleet.mean_queue_delay_s",
    "p95_queue_delay_s": "fleet.p95_queue_delay_s",
    "energy_kwh": "fleet.energy_kwh",
    "energy_cost_usd": "fleet.energy_cost_usd",
    "carbon_kg": "fleet.carbon_kg",
    "mean_rtt_ms": "fleet.mean_rtt_ms",
    "placement_cost_usd": "place.cost_usd",
    "placement_gap": "place.gap_share",
    "debt_with_gdp_share": "funding.debt_with_gdp_share",
    "debt_without_gdp_share": "funding.debt_without_gdp_share",
}
# Read off the page itself, and not off what made it: a page that was edited afterwards must not
# pass.
_LINK: Final = re.compile(r'<a class="of" href="#([^"]+)">([^<]*)</a>')
_FACT: Final = re.compile(r'<dt>([^<]*)</dt><dd><a class="of" href="#([^"]+)">')
# A fact without a face is matched by the empty one, which no figure has.
_FACT_FACE: Final = re.compile(
    r'</dt><dd><a class="of" href="#([^"]+)">[^<]*</a></dd>(?:<dd class="face">([^<]*)</dd>)?'
)
_ORIGIN: Final = re.compile(r'<div class="came" id="([^"]+)">(.*?)</dl></div>', re.DOTALL)


def study_run_fault_messages(folder: Path) -> list[Message]:
    """Return what is wrong with a study's run; nothing where every figure follows.

    Args:
        folder: The folder of the run.
    """
    if not (folder / MANIFEST).is_file():
        return [Message("Run {run} has no manifest.", {"run": folder.name})]
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    # The digests are no end of it: whoever changed a cell, or a bug that did, can write its digest
    # anew.
    faults = list(_study_run_digest_fault_messages(folder, manifest))
    tables = {
        path.stem: pl.read_parquet(path) for path in sorted((folder / "tables").glob("*.parquet"))
    }
    pages = [page["name"] for page in manifest.get("texts", [])]
    page = next(((folder / name).read_text(encoding="utf-8") for name in pages), "")
    return faults + study_run_content_fault_messages(manifest, tables, page)


def _study_run_digest_fault_messages(folder: Path, manifest: Manifest) -> Iterator[Message]:
    for table in manifest["tables"]:
        path = folder / "tables" / f"{table['name']}.parquet"
        if not path.is_file() or file_sha256(path) != table["parquet_sha256"]:
            yield Message("Table {table} is missing or was changed.", {"table": table["name"]})
    for page in manifest.get("texts", []):
        path = folder / page["name"]
        if not path.is_file() or file_sha256(path) != page["sha256"]:
            yield Message("Page {page} is missing or was changed.", {"page": page["name"]})


def study_run_content_fault_messages(
    manifest: Manifest, tables: Tables, page: str
) -> list[Message]:
    """Return what of a run does not follow from its tables, whatever the digests say.

    Args:
        manifest: The run's manifest.
        tables: Its tables by name.
        page: Its report.
    """
    try:
        uses = {use.name: use for use in study_figure_formula_uses(tables)}
        values = _study_formula_value_by_figure_name(manifest, uses, tables)
        return [
            *_undeclared_basis_column_fault_messages(
                tables, _study_run_currency_or_empty(manifest)
            ),
            *_study_manifest_figure_fault_messages(manifest, uses, values, tables),
            *_study_table_law_fault_messages(tables),
            *_study_cell_differs_from_figure_messages(uses, values, tables),
            *_study_headline_fault_messages(manifest, tables),
            *_study_report_page_figure_fault_messages(manifest, uses, values, tables, page),
        ]
    except (CommonwattError, pl.exceptions.PolarsError, KeyError, ValueError) as error:
        # A table or a manifest that cannot even be read as one is a fault, and no crash.
        return [Message("The figure {figure} has no formula.", {"figure": str(error)[:200]})]


def _study_formula_value_by_figure_name(
    manifest: Manifest, uses: Mapping[str, FormulaUse], tables: Tables
) -> dict[str, float | None]:
    """Return what the formula of each figure gives; what is listed, where only rounding parts them.

    Of a small effect on a large debt they differ in digits that people are shown: nought may
    come out as a ten-millionth with a sign.
    """
    values: dict[str, float | None] = {}
    for name, use in uses.items():
        values[name] = by_formula = study_figure_formula_value(use, tables)
        rows = [figure for figure in manifest["figures"] if figure["name"] == name]
        listed = rows[0].get("value") if rows and use.formula.subtracted_sql else None
        if isinstance(listed, int | float) and is_study_figure_value_equal_within_rounding(
            by_formula, listed, rounding=study_figure_rounding_tolerance(use, tables)
        ):
            values[name] = listed
    return values


def _study_run_currency_or_empty(manifest: Manifest) -> str:
    units = (figure.get("unit", "") for figure in manifest["figures"])
    return next((unit.split()[0] for unit in units if re.fullmatch(r"[A-Z]{3} bn", unit)), "")


def _undeclared_basis_column_fault_messages(tables: Tables, currency: str) -> Iterator[Message]:
    for name, schema in BASIS.items():
        if name in tables:
            # XXX is ISO 4217's code for no currency, where nobody borrows.
            wanted = [column.name for column in schema.in_currency(currency or "XXX").columns]
            if tables[name].columns != wanted:
                yield Message("The table {table} is not of the kind that is declared.",
                              {"table": name})  # fmt: skip


def _study_manifest_figure_fault_messages(
    manifest: Manifest, uses: Mapping[str, FormulaUse], values: Values, tables: Tables
) -> Iterator[Message]:
    listed = [figure for figure in manifest["figures"] if figure.get("expression")]
    names = [figure["name"] for figure in listed]
    for name in sorted(set(uses) | set(names)):
        # A figure that is listed twice could show one value and be checked by the other.
        if names.count(name) != 1:
            yield Message("The figure {figure} is not listed, or twice.", {"figure": name})
    currency = _study_run_currency_or_empty(manifest)
    for figure in listed:
        use = uses.get(figure["name"])
        if use is None:
            yield Message("The figure {figure} has no formula.", {"figure": figure["name"]})
            continue
        value = values[use.name]
        wanted = {
            "label": str(study_figure_label_message_function(tables)(use)),
            "shown": measure_value_text(value, use.formula.form, currency=currency),
            "unit": use.unit.replace(CURRENCY, currency),
            "extent": str(study_figure_scale_and_period_message(use, tables)),
            "basis": str(study_figure_basis_message(use)),
            "formula": use.formula.sentence.translate("en"),
            "expression": use.expression,
            "tables": list(use.formula.tables),
            "table": use.formula.holds,
        }
        for what, right in wanted.items():
            if figure.get(what) != right:
                yield _study_figure_differs_fault_message(use.name, what, figure.get(what), right)
        if not is_study_figure_value_equal_within_rounding(figure["value"], value):
            yield _study_figure_differs_fault_message(use.name, "value", figure["value"], value)


def _study_figure_differs_fault_message(
    name: str, what: str, listed: object, wanted: object
) -> Message:
    return Message(
        "{figure}: {what} is {found}, and {wanted} by its formula.",
        {
            "figure": name,
            "what": what,
            "found": str(listed)[:120],
            "wanted": str(wanted)[:120],
        },
    )


def _study_table_law_fault_messages(tables: Tables) -> Iterator[Message]:
    for law, difference in study_table_laws_with_relative_difference(tables):
        # NaN is not greater than anything, so it has to be asked for by name.
        if difference is None or math.isnan(difference) or difference > TOLERANCE:
            yield Message(
                "{law}: {table} differs by {difference}.",
                {"law": law.id, "table": law.tables[0], "difference": str(difference)},
            )


def _study_cell_differs_from_figure_messages(
    uses: Mapping[str, FormulaUse], values: Values, tables: Tables
) -> Iterator[Message]:
    """Yield the cells of a table that repeats figures and says another than the figure."""
    for use in uses.values():
        key, table = use.name.rsplit(".", maxsplit=1)[1], use.formula.holds
        # Other tables hold more than figures; these two repeat them cell by cell.
        if table not in ("alternatives", "fleet_policies"):
            continue
        rows = tables[table]
        if use.formula.scope is FormulaScope.VARIANT:
            rows = rows.filter(name=use.bound["variant"])
        # The programme's own policy stands first among those compared.
        repeated, value = rows[key][0], values[use.name]
        if not is_study_figure_value_equal_within_rounding(repeated, value):
            yield _study_figure_differs_fault_message(use.name, table, repeated, value)


def _study_headline_fault_messages(manifest: Manifest, tables: Tables) -> Iterator[Message]:
    values = {figure["name"]: figure["value"] for figure in manifest["figures"]}
    headline = manifest["headline"]
    pairs = {key: (headline[key], values.get(HEADLINE[key])) for key in HEADLINE if key in headline}
    for key, quoted in headline.items():
        if re.fullmatch(r"capital_[a-z]{3}_bn", key):
            pairs[key] = (quoted, values.get("funding.capital_bn"))
    # The headline speaks of sites by their titles, figures by their names.
    names = dict(zip(*(tables[BASIS_SITES.name][c] for c in ("title", "site")), strict=True))
    for title, quoted in headline.get("cost_usd_per_gpu_hour", {}).items():
        pairs[title] = (quoted, values.get(f"cost.{names.get(title)}.usd_per_gpu_hour"))
    for name, quoted in headline.get("alternative_cost_usd_per_gpu_hour", {}).items():
        pairs[name] = (quoted, values.get(f"alternative.{name}.cost_usd_per_gpu_hour"))
    for key, (quoted, wanted) in pairs.items():
        if not is_study_figure_value_equal_within_rounding(quoted, wanted):
            yield Message(
                "The headline {name} is {found}, and the figure is {wanted}.",
                {"name": key, "found": str(quoted), "wanted": str(wanted)},
            )


def _study_report_page_figure_fault_messages(
    manifest: Manifest,
    uses: Mapping[str, FormulaUse],
    values: Values,
    tables: Tables,
    page_html: str,
) -> Iterator[Message]:
    """Yield the figures that the page shows otherwise; its labels where it is in English."""
    language = manifest["parameters"].get("language", "en")
    currency = _study_run_currency_or_empty(manifest)
    by_anchor = {report_figure_origin_anchor(name): use for name, use in uses.items()}
    for at, text in _LINK.findall(page_html):
        if at in by_anchor:
            use, value = by_anchor[at], values[by_anchor[at].name]
            form = use.formula.form
            shown = (
                measure_value_text(value, form, language, currency=currency),
                measure_cell_text(value, form, language, currency=currency),
            )
            # A fact has its unit and a cell has not; either is the figure.
            if html.unescape(text) not in shown:
                yield _study_page_figure_mismatch_message(use.name, text, shown[0])
    origins = dict(_ORIGIN.findall(page_html))
    for at, use in by_anchor.items():
        # A figure without its origin on the page can be followed nowhere.
        if at not in origins:
            yield _study_page_figure_mismatch_message(use.name, "–", use.expression)
            continue
        yield from _study_figure_origin_fault_messages(
            use, html.unescape(origins[at]), values[use.name], language, currency, tables
        )
    for at, text in _FACT_FACE.findall(page_html):
        if at in by_anchor:
            face = study_figure_extent_and_basis_text(by_anchor[at], tables, language)
            if html.unescape(text) != face:
                yield _study_page_figure_mismatch_message(by_anchor[at].name, text, face)
    # In Chinese a label takes words of the programme file, which a run names by its digest and does
    # not hold.
    if language == "en":
        for text, at in _FACT.findall(page_html):
            if at in by_anchor:
                label = str(study_figure_label_message_function(tables)(by_anchor[at]))
                if html.unescape(text) != label:
                    yield _study_page_figure_mismatch_message(by_anchor[at].name, text, label)


def _study_figure_origin_fault_messages(
    use: FormulaUse,
    origin_html: str,
    value: float | None,
    language: str,
    currency: str,
    tables: Tables,
) -> Iterator[Message]:
    shown = measure_value_text(value, use.formula.form, language, currency=currency)
    wanted = [
        f": {shown}</a>",
        f"<dd>{study_figure_extent_and_basis_text(use, tables, language)}</dd>",
        f"<dd>{use.formula.sentence.translate(language)}</dd>",
        f"<code>{use.expression}</code>",
    ]
    if language == "en":
        wanted.append(f">{study_figure_label_message_function(tables)(use)}: ")
    for part in wanted:
        if part not in origin_html:
            yield _study_page_figure_mismatch_message(use.name, origin_html[:80], part)


def _study_page_figure_mismatch_message(name: str, shown: str, wanted: str) -> Message:
    return Message(
        "The page shows {found} for {figure}, and not {wanted}.",
        {"figure": name, "found": shown[:120], "wanted": wanted[:120]},
    )

"""The dossier of a version: everything on record about it, on one page.

Each record stands with its entry, so that whoever doubts it can ask the ledger for a
proof. What the records amount to stands first: where the version is, who approved it,
how doctors decided, and what is still owed.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final, cast

from commonwatt.catalogue.measures import ABSENT, measure_cell_text
from commonwatt.catalogue.measures import measure_label_text as measure_label
from commonwatt.clinic.domain import tables
from commonwatt.clinic.domain.registry.preconditions import refusing_rule_or_none_by_live_deployment
from commonwatt.clinic.domain.registry.state import (
    MONITOR_RUN,
    Registry,
    RegistryRecord,
    ReportingDuty,
)
from commonwatt.core.messages import Message, translate

_HEADINGS = {
    "product": "Product",
    "version": "Version",
    "intended-use": "Intended use",
    "ruling": "Rulings",
    "evidence": "Evidence on record",
    "determination": "Determinations",
    "fulfilment": "Conditions met",
    "deployment": "Deployments",
    "event": "Events",
}
# Evidence on record has the columns of `clinic evidence`, whatever else a maker adds to a row.
_ESTIMATE_COLUMNS: Final = {column.name: column for column in tables.ESTIMATES.columns}
_STYLE: Final = (
    "body{font:16px/1.5 'Noto Sans','Noto Sans TC','Noto Sans CJK TC','PingFang TC',"
    "'Microsoft JhengHei',sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "th{text-align:left;vertical-align:top;padding:0 1rem .2rem 0;font-weight:normal;color:#555}"
    "td{vertical-align:top;padding:0 1rem .2rem 0;overflow-wrap:anywhere}"
    "h3{margin-bottom:.2rem}thead th{border-bottom:1px solid #ccc}"
    "@page{size:A4;margin:18mm;@bottom-right{content:counter(page) ' / ' counter(pages);"
    "font-size:9pt;color:#555}}"
    "@media print{body{font-size:10pt;margin:0;padding:0}h2,h3{break-after:avoid}}"
)


def dossier_records_by_kind(registry: Registry, version: str) -> dict[str, list[RegistryRecord]]:
    """Return the records that belong to a version, by kind, in the order of the ledger.

    Raises:
        StatusMoveError: There is no such version.
    """
    this = registry.registered_record(version, "version")
    # A dossier is of one version, and rulings are on the product: what the law says came before
    # this version and holds for it, too.
    product = this.body["product"]
    uses = {
        n
        for n in registry.by_kind["intended-use"]
        if registry.records[n].body["product"] == product
    }
    placed = {
        n for n in registry.by_kind["deployment"] if registry.records[n].body["version"] == version
    }
    determined = {each.name for each in registry.decisions_on.get(version, ())}
    chosen: dict[str, Callable[[RegistryRecord], bool]] = {
        "product": lambda r: r.name == product,
        "version": lambda r: r.name == version,
        "intended-use": lambda r: r.name in uses,
        "ruling": lambda r: r.body["intended_use"] in uses,
        "evidence": lambda r: r.body["version"] == version,
        "determination": lambda r: r.body["version"] == version,
        "fulfilment": lambda r: r.body["determination"] in determined,
        "deployment": lambda r: r.name in placed,
        "event": lambda r: r.body["deployment"] in placed and r.body["code"] != MONITOR_RUN,
    }
    return {
        kind: [r for r in _registry_records_of_kind(registry, kind) if belongs(r)]
        for kind, belongs in chosen.items()
    }


def dossier_html(
    registry: Registry,
    version: str,
    *,
    language: str,
    people: Mapping[str, str],
    on: date,
    duties: Iterable[ReportingDuty] = (),
) -> str:
    """Return the dossier as one page in the reader's language.

    Args:
        registry: What is on record.
        version: Of which version.
        language: Of headings and labels; what is on record stays as it was written.
        people: What each actor is called, as enrolled: a committee is people and no digits.
        on: The day on which it is asked what the gate refuses.
        duties: Of every incident on record; those of this version are shown.

    Raises:
        StatusMoveError: There is no such version.
    """
    title = f"{translate('Dossier', language)}: {html.escape(version)}"
    by_kind = dossier_records_by_kind(registry, version)
    parts = [
        _dossier_deployments_html(registry, by_kind["deployment"], people, on, language),
        _dossier_duties_html(by_kind, duties, language),
    ]
    parts += [_dossier_records_html(kind, records, language) for kind, records in by_kind.items()]
    lang = "zh-Hant" if language == "zh-Hant" else "en"
    as_of = Message(
        "As on record up to entry {index}.", {"index": f"{registry.entries_applied - 1:,}"}
    )
    return (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><p>{html.escape(as_of.translate(language))}</p>"
        f"{''.join(parts)}</html>\n"
    )


def clinic_dossier_field_label(name: str, language: str) -> str:
    """Return what a field of a record is called on the page.

    >>> (
    ...     clinic_dossier_field_label("artefact_sha256", "en"),
    ...     clinic_dossier_field_label("artefact_sha256", "zh-Hant"),
    ... )
    ('artefact sha256', '成品 SHA-256')
    """
    # A field without a label of its own is shown by its name rather than left out: a dossier with a
    # gap is read as a record with a gap.
    return translate(name.replace("_", " "), language)


def _dossier_deployments_html(
    registry: Registry,
    placed: list[RegistryRecord],
    people: Mapping[str, str],
    on: date,
    language: str,
) -> str:
    refused = refusing_rule_or_none_by_live_deployment(
        registry, on, [record.name for record in placed]
    )
    rows = [
        _dossier_deployment_row(registry, record, people, refused.get(record.name), language)
        for record in placed
    ]
    headings = [measure_label(column, language) for column in tables.STANDING.columns]
    return _clinic_dossier_section_html(
        "Where it stands", _clinic_dossier_table_html(headings, rows), bool(rows), language
    )


def _dossier_deployment_row(
    registry: Registry,
    record: RegistryRecord,
    people: Mapping[str, str],
    refused_by: str | None,
    language: str,
) -> list[str]:
    approved = registry.last_approval_move(record.name)
    by = ABSENT
    if approved:
        who = people.get(approved.actor_id, approved.actor_id)
        by = f"{who}, {translate('entry', language)} {approved.index:,}"
    decided = registry.outcome_counts_by_decision(record.name)
    decisions = ", ".join(
        f"{translate(outcome, language)} {sum(row.values()):,}" for outcome, row in decided.items()
    )
    status = translate(str(registry.deployment_status(record.name)), language)
    if refused_by:
        # Live is what was moved there; whether it may advise, the gate's table says.
        gaps = {"status": status, "rule": refused_by}
        status = Message("{status}, and the gate refuses it: {rule}", gaps).translate(language)
    lacking = f"{len(registry.encounters_shown_advice_undisclosed(record.name)):,}"
    return [record.name, record.body["institution"], status, by, lacking, decisions or ABSENT]


def _dossier_duties_html(
    records: Mapping[str, list[RegistryRecord]], duties: Iterable[ReportingDuty], language: str
) -> str:
    ours = {record.name for record in records["event"]}
    rows = [
        [
            duty.event,
            duty.jurisdiction,
            duty.severity,
            duty.reporter,
            f"{duty.due_at:%Y-%m-%d %H:%M%z}",
            duty.rule,
        ]
        for duty in duties
        if duty.event in ours
    ]
    names = ("event", "jurisdiction", "severity", "reporter", "due_at", "rule")
    columns = map(tables.DUTIES.column, names)
    grid = _clinic_dossier_table_html([measure_label(column, language) for column in columns], rows)
    return _clinic_dossier_section_html("Who must be told by when", grid, bool(rows), language)


def _clinic_dossier_section_html(heading: str, body: str, filled: bool, language: str) -> str:
    nothing = f"<p>{html.escape(translate('Nothing on record.', language))}</p>"
    return f"<h2>{html.escape(translate(heading, language))}</h2>{body if filled else nothing}"


def _registry_records_of_kind(registry: Registry, kind: str) -> Iterable[RegistryRecord]:
    return (registry.records[name] for name in registry.by_kind[kind])


def _dossier_records_html(kind: str, records: list[RegistryRecord], language: str) -> str:
    body = "".join(_registry_record_html(record, language) for record in records)
    return _clinic_dossier_section_html(_HEADINGS[kind], body, bool(records), language)


def _registry_record_html(record: RegistryRecord, language: str) -> str:
    entry = f"{translate('entry', language)} {record.index:,}, {record.at.isoformat()}"
    caption = f"{html.escape(record.name)} ({html.escape(entry)})"
    return f"<h3>{caption}</h3>{_clinic_dossier_fields_table_html(record.body, language)}"


def _clinic_dossier_fields_table_html(values: Mapping[str, Any], language: str) -> str:
    rows = (
        f"<th>{html.escape(clinic_dossier_field_label(str(name), language))}</th>"
        f"<td>{_clinic_dossier_value_html(value, language)}</td>"
        for name, value in values.items()
    )
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _clinic_dossier_value_html(value: Any, language: str) -> str:
    """Return a value as a person reads it: maps and lists of maps become tables."""
    if isinstance(value, dict):
        return (
            _clinic_dossier_fields_table_html(cast("dict[str, Any]", value), language)
            if value
            else ABSENT
        )
    if isinstance(value, list):
        return _clinic_dossier_record_list_html(cast("list[Any]", value), language)
    if value is None:
        return ABSENT
    # Everything on record was typed by somebody, and goes to a browser.
    return html.escape(str(value))


def _clinic_dossier_record_list_html(values: list[Any], language: str) -> str:
    if values and all(isinstance(value, dict) for value in values):
        names = list(dict.fromkeys(str(name) for value in values for name in value))
        rows = [
            [_clinic_dossier_cell_text(name, value.get(name), language) for name in names]
            for value in values
        ]
        return _clinic_dossier_table_html(
            [_clinic_dossier_heading_text(name, language) for name in names], rows
        )
    return ", ".join(_clinic_dossier_value_html(value, language) for value in values) or ABSENT


def _clinic_dossier_heading_text(name: str, language: str) -> str:
    column = _ESTIMATE_COLUMNS.get(name)
    return measure_label(column, language) if column else clinic_dossier_field_label(name, language)


def _clinic_dossier_cell_text(name: str, value: Any, language: str) -> str:
    column = _ESTIMATE_COLUMNS.get(name)
    if column:
        return measure_cell_text(value, column, language)
    return ABSENT if value is None else str(value)


def _clinic_dossier_table_html(headings: Iterable[str], rows: Iterable[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""What the commands of the rule books show in the terminal: rulings, places, findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commonwatt.cli.terminal_text import (
    figure_sentence,
    indented,
    terminal_label_and_text,
    terminal_table_text,
)
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.catalogue.tables import TableSchema

_ROUTES = {
    "approval": Message("approval"),
    "filing": Message("filing"),
    "exempt": Message("exempt"),
    "prohibited": Message("prohibited"),
    # The law of most places is silent on services; silence is said and not taken for an exemption.
    "": Message("no route stated"),
}


def product_rulings_terminal_text(answer: dict[str, Any], language: str) -> str:
    """Return class, route, duties and periods in each place, with the rules that give them."""
    lines = _rule_file_fault_terminal_lines(answer["faults"], language)
    for ruling in answer["rulings"]:
        lines += _product_ruling_terminal_lines(ruling, answer["rules"], language)
    gaps = {"digest": answer["rule_set_sha256"][:16], "day": answer["on"]}
    return "\n".join([*lines, Message("Rule set {digest}, law of {day}", gaps).translate(language)])


def _product_ruling_terminal_lines(
    ruling: dict[str, Any], rules: dict[str, Any], language: str
) -> list[str]:
    lines = [
        terminal_label_and_text(
            ruling["jurisdiction"], _ROUTES[ruling["route"]].translate(language)
        )
    ]
    for verdict in ruling["classes"]:
        lines.append(indented(terminal_label_and_text(verdict["scheme"], verdict["class"])))
        lines += [
            indented(_ruling_reason_terminal_text(name, rules[name], language), 2)
            for name in verdict["because"]
        ]
        # A rule that says otherwise is shown and not resolved: which of two laws yields is a
        # lawyer's decision.
        contested = translate("contradicted by", language)
        lines += [
            indented(f"{contested} {_ruling_reason_terminal_text(name, rules[name], language)}", 2)
            for name in verdict["against"]
        ]
    silent = translate("no rule gives a class", language)
    for scheme in ruling["gaps"]:
        lines.append(indented(terminal_label_and_text(scheme, silent)))
        lines += [
            indented(_ruling_reason_terminal_text(name, rules[name], language), 2)
            for name in ruling["gaps_because"].get(scheme, ())
        ]
    duties = ", ".join(ruling["obligations"]) or "–"
    lines.append(indented(terminal_label_and_text(translate("Duties", language), duties)))
    if ruling["report_within"]:
        lines.append(indented(_reporting_periods_terminal_text(ruling["report_within"], language)))
    for reporter, names in ruling["report_untimed"].items():
        gaps = {"reporter": translate(reporter, language), "rules": ", ".join(names)}
        sentence = Message("The {reporter} must report, and no period is on file: {rules}", gaps)
        lines.append(indented(sentence.translate(language)))
    lines += [indented(_unread_fact_terminal_text(fact, language)) for fact in ruling["unread"]]
    # What nobody stated is said beside what it led to.
    assumed = ", ".join(map("=".join, ruling["assumed"].items()))
    if assumed:
        lines.append(
            indented(terminal_label_and_text(translate("Not stated, assumed", language), assumed))
        )
    return lines


def _unread_fact_terminal_text(fact: Mapping[str, str], language: str) -> str:
    # A fact that had no say is named with the reason, so that nobody takes the class for one that
    # weighed it.
    reason = fact["text"] if language == "en" else fact["text_zh_hant"] or fact["text"]
    heading = translate("Stated, and read by no rule here", language)
    gaps = {**fact, "reason": reason}
    stated = Message("{fact}={value}", gaps)
    if reason:
        stated = Message("{fact}={value} [{article}: {reason}]", gaps)
    return terminal_label_and_text(heading, stated.translate(language))


def _reporting_periods_terminal_text(periods: Sequence[Mapping[str, Any]], language: str) -> str:
    from commonwatt.clinic.domain.tables import REPORT_WITHIN

    # Working days are never turned into days of the calendar: which of them are holidays is a
    # fact of place and year.
    return terminal_table_text(REPORT_WITHIN.columns, periods, language)


def _ruling_reason_terminal_text(name: str, rule: Mapping[str, Any], language: str) -> str:
    # With what somebody read the source in: law changes, and a reader must see what a rule rests
    # on. The law keeps its own language; its label is in the reader's.
    text = rule["text"] if language == "en" else rule["text_zh_hant"] or rule["text"]
    source, article, checked = (rule[key] for key in ("source", "article", "checked"))
    words = rule["quote"]
    quote = f"“{words}”" if words else translate("no quotation read", language)
    return terminal_label_and_text(name, f"{text} [{source}, {article}; {checked}; {quote}]")


_PRIMARY = Message("{share} of all rules were checked against the text of the law itself")


def rule_places_terminal_text(answer: Mapping[str, Any], language: str) -> str:
    """Return whose rules there are, on what they rest, and which files are at fault."""
    from commonwatt.catalogue.measures import measure_label_text
    from commonwatt.clinic.domain.measures import FAILING_CASES, PRIMARY_TEXT_SHARE
    from commonwatt.clinic.domain.tables import RULE_PLACES

    share = answer["primary_share"]
    from commonwatt.clinic.usecases.rules import place_rows_with_failing_case_counts

    rows = [
        place
        if language == "en"
        else {**place, "place_name": place["place_name_zh_hant"] or place["place_name"]}
        for place in place_rows_with_failing_case_counts(answer["places"])
    ]
    failing = [name for place in answer["places"] for name in place["failing_cases"]]
    shown = [column for column in RULE_PLACES.columns if column.name != "file"]
    gaps = {"digest": answer["rule_set_sha256"][:16]}
    unproved = terminal_label_and_text(
        measure_label_text(FAILING_CASES, language), ", ".join(failing)
    )
    return "\n".join(
        [
            *_rule_file_fault_terminal_lines(answer["faults"], language),
            terminal_table_text(shown, rows, language),
            *([unproved] if failing else []),
            figure_sentence(_PRIMARY, language, {"share": (PRIMARY_TEXT_SHARE, share)}),
            Message("Rule set {digest}", gaps).translate(language),
        ]
    )


def _rule_file_fault_terminal_lines(faults: Mapping[str, str], language: str) -> list[str]:
    heading = translate("A file of rules is at fault, and its place answers nothing", language)
    return [terminal_label_and_text(heading, fault) for fault in faults.values()]


def rule_book_findings_terminal_text(tables: dict[str, pl.DataFrame], language: str) -> str:
    """Return gaps, contradictions, unruled services or moved cells, a block each."""
    from commonwatt.catalogue.measures import measure_cell_text
    from commonwatt.clinic.domain import tables as declared
    from commonwatt.clinic.domain.measures import RULE_FINDINGS

    headings = {
        "gaps": Message("Combinations to which a scheme applies and no rule gives a class"),
        "contradictions": Message("Rules that give different classes to the same combinations"),
        "unruled_services": Message("Services for which there is neither class nor route"),
        "moved": Message("Cells that change"),
    }
    schemas = {
        schema.name: schema
        for schema in (
            declared.GAPS, declared.CONTRADICTIONS, declared.UNRULED_SERVICES, declared.MOVED,
        )
    }  # fmt: skip
    blocks: list[str] = []
    for name, frame in tables.items():
        count = measure_cell_text(frame.height, RULE_FINDINGS, language)
        blocks.append(terminal_label_and_text(headings[name].translate(language), count))
        if not frame.is_empty():
            blocks[-1] += "\n" + _rule_findings_terminal_rows_text(schemas[name], frame, language)
    return "\n\n".join(blocks)


def _rule_findings_terminal_rows_text(
    schema: TableSchema, frame: pl.DataFrame, language: str, most: int = 60
) -> str:
    rows = frame.head(most).iter_rows(named=True)
    lines = [terminal_table_text(schema.columns, rows, language)]
    return indented("\n".join([*lines, *(["…"] if frame.height > most else [])]))

"""Automatic checks of an output; each stop says the rule and where it broke.

Sources: Griffiths et al. (2019), Handbook on Statistical Disclosure Control
for Outputs (thresholds, dominance, degrees of freedom); NHS England's rule of
suppressing counts of 7 or fewer and rounding the rest to 5, as defaults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.images import png_output_disclosure_fault_messages
from commonwatt.sandbox.engines.airlock.models import FORMAT, OutputModelError, parse_output_model
from commonwatt.sandbox.engines.airlock.tables import (
    OutputTable,
    labelled_counts,
    output_json_leaf_path_value_pairs,
    parse_output_csv_or_none,
    parse_output_json,
    parse_output_number,
)
from commonwatt.sandbox.engines.deidentify.patterns import find_patterned_identifiers
from commonwatt.sandbox.engines.deidentify.text import find_identifier_spans
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput

_EXTREME: Final = re.compile(
    r"(?i)(^|_)(min|max|minimum|maximum|smallest|largest|oldest|youngest|range)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRules:
    """What a project allows out; the defaults are the strict ones in common use.

    Args:
        smallest_count: Counts of people above zero and below this are stopped.
        round_to: Counts must be multiples of this.
        largest_rows: Longest table.
        largest_bytes: Largest file [B].
        dominance_share: Most that the largest `dominance_people` may hold of a total.
        dominance_people: See above.
        residual_degrees: Fewest residual degrees of freedom of a model.
        longest_text: Most characters of prose.
        longest_list: Longest list of values in JSON that are no counts.
    """

    smallest_count: int = 8
    round_to: int = 5
    largest_rows: int = 500
    largest_bytes: int = 1 << 20
    dominance_share: float = 0.90
    dominance_people: int = 2
    residual_degrees: int = 10
    longest_text: int = 20_000
    longest_list: int = 25


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why an output may not leave: a rule's name and a sentence without values."""

    rule: str
    why: Message


def output_stop_reasons(
    output: CollectedOutput, rules: OutputRules | None = None
) -> list[StopReason]:
    """Return every reason to stop `output`; none means it may go to the reviewers."""
    rules = rules or OutputRules()
    data = output.path.read_bytes()
    # First, so that no other check has to read a file of any size.
    if len(data) > rules.largest_bytes:
        return [
            _stop_reason(
                "size", "The file is larger than {limit} bytes.", limit=rules.largest_bytes
            )
        ]
    reader = {
        OutputKind.CSV: _csv_output_stops,
        OutputKind.JSON: _json_output_stops,
        OutputKind.TEXT: _text_output_stops,
        OutputKind.MODEL: _model_file_stops,
    }
    if output.kind is OutputKind.PNG:
        return [
            StopReason("picture", fault) for fault in png_output_disclosure_fault_messages(data)
        ]
    return reader[output.kind](data, rules)


def _csv_output_stops(data: bytes, rules: OutputRules) -> list[StopReason]:
    table = parse_output_csv_or_none(data)
    if table is None:
        return [_stop_reason("shape", "The table has no rows, or rows of different length.")]
    checks: Sequence[Callable[[OutputTable, OutputRules], list[StopReason]]] = (
        _identifying_column_stops,
        _hidden_identifier_stops,
        _single_record_stops,
        _small_count_stops,
        _unrounded_count_stops,
        _degrees_of_freedom_stops,
        _dominance_stops,
        _extreme_value_stops,
    )
    return [stop for check in checks for stop in check(table, rules)]


def _identifying_column_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    del rules
    return [
        _stop_reason("identifier", "Column {column} is named like an identifier.", column=i + 1)
        for i in table.output_identifier_column_indices
    ]


def _hidden_identifier_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    del rules
    return _output_cell_identifier_stop_reasons(
        [cell for row in (table.header, *table.rows) for cell in row]
    )


def _single_record_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    """A table of many rows without a count describes people one by one."""
    if len(table.rows) > rules.largest_rows:
        return [_stop_reason("records", "The table has more than {n} rows.", n=rules.largest_rows)]
    # A long table of coefficients or of counts describes groups; a long table of anything else
    # may be people.
    if (
        table.output_count_column_indices
        or len(table.rows) <= 25
        or _is_output_coefficient_table(table)
    ):
        return []
    return [
        _stop_reason(
            "records", "More than 25 rows and no column that counts people: single records?"
        )
    ]


def _small_count_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    stops: list[StopReason] = []
    for index in table.output_count_column_indices:
        counts = table.numbers_among_output_column_cells(index)
        # Zero tells that nobody is there, which the defaults allow; a minus sign must not hide a
        # small count.
        small = sum(0 < abs(count) < rules.smallest_count for count in counts)
        if small:
            stops.append(
                _stop_reason(
                    "small counts", "{n} cells of column {column} count fewer than {limit} people.",
                    n=small, column=index + 1, limit=rules.smallest_count,
                )
            )  # fmt: skip
    return stops


def _unrounded_count_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    stops: list[StopReason] = []
    for index in table.output_count_column_indices:
        counts = table.numbers_among_output_column_cells(index)
        # Exact counts let two releases be subtracted, even where each cell is large.
        if any(count % rules.round_to for count in counts):
            stops.append(
                _stop_reason(
                    "rounding", "Counts in column {column} are not rounded to {base}.",
                    column=index + 1, base=rules.round_to,
                )
            )  # fmt: skip
    return stops


def _degrees_of_freedom_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    names = [name.strip().lower() for name in table.header]
    # As common packages name it; the first that is there decides.
    for degrees_column in ("df_resid", "residual_df", "dof", "df"):
        if degrees_column in names:
            values = table.output_column_numbers_or_none(names.index(degrees_column)) or []
            if any(value < rules.residual_degrees for value in values):
                return [
                    _stop_reason(
                        "degrees of freedom", "A model has fewer than {n} residual degrees.",
                        n=rules.residual_degrees,
                    )
                ]  # fmt: skip
    return []


def _dominance_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    """Totals need, beside them, the share held by the largest contributors."""
    names = [name.strip().lower() for name in table.header]
    # A total is dominated if a few hold most of it: whoever is one of them can work out the rest
    # (Griffiths et al.).
    totals = [name for name in names if re.search(r"(^|_)(sum|total_.+|amount|cost)s?$", name)]
    if not totals:
        return []
    share_column = f"top{rules.dominance_people}_share"
    if share_column not in names:
        return [
            _stop_reason(
                "dominance", "A total stands without the column {name}.", name=share_column
            )
        ]
    shares = table.output_column_numbers_or_none(names.index(share_column)) or []
    if any(share > rules.dominance_share for share in shares):
        return [
            _stop_reason(
                "dominance", "The largest {n} people hold more than {share} of a total.",
                n=rules.dominance_people, share=f"{rules.dominance_share:.0%}",
            )
        ]  # fmt: skip
    return []


def _extreme_value_stops(table: OutputTable, rules: OutputRules) -> list[StopReason]:
    del rules
    named = [name for name in table.header if _EXTREME.search(name.strip())]
    labels = [
        cell for i in table.output_category_column_indices for cell in table.output_column_cells(i)
    ]
    if named or any(_EXTREME.search(label.strip()) for label in labels):
        return [_stop_reason("extremes", "A minimum or maximum is the value of one person.")]
    return []


def _is_output_coefficient_table(table: OutputTable) -> bool:
    names = {name.strip().lower() for name in table.header}
    return bool(names & {"coefficient", "coef", "estimate", "odds_ratio", "std_err", "se"})


def _json_output_stops(data: bytes, rules: OutputRules) -> list[StopReason]:
    leaf_values = output_json_leaf_path_value_pairs(parse_output_json(data))
    words = [word for path, value in leaf_values for word in (*path.split("."), str(value))]
    stops = _output_cell_identifier_stop_reasons(words)
    if len(leaf_values) > rules.largest_rows:
        stops.append(_stop_reason("records", "More than {n} values.", n=rules.largest_rows))
    # Curves and importances are short; a list as long as a cohort is one value a person.
    if _longest_output_json_list_length(
        parse_output_json(data)
    ) > rules.longest_list and not labelled_counts(data, OutputKind.JSON):
        why = "A list of more than {n} values without counts: single records, or a model?"
        stops.append(_stop_reason("records", why, n=rules.longest_list))
    for path, value in leaf_values:
        stops += _json_output_leaf_stop_reasons(path, value, rules)
    return stops + _output_model_training_rows_stop_reasons(leaf_values, rules)


def _longest_output_json_list_length(output_json: Any) -> int:
    if isinstance(output_json, dict):
        return max(
            map(_longest_output_json_list_length, cast("dict[str, Any]", output_json).values()),
            default=0,
        )
    if isinstance(output_json, list):
        items = cast("list[Any]", output_json)
        return max([len(items), *map(_longest_output_json_list_length, items)])
    return 0


def _json_output_leaf_stop_reasons(path: str, value: Any, rules: OutputRules) -> list[StopReason]:
    name = path.rpartition(".")[2]
    table = OutputTable((name,), ((str(value),),))
    # Not by its type: a count in quotation marks is a count to whoever reads it.
    if parse_output_number(str(value)) is None:
        return _identifying_column_stops(table, rules)
    checks = (
        _identifying_column_stops,
        _small_count_stops,
        _unrounded_count_stops,
        _degrees_of_freedom_stops,
        _extreme_value_stops,
    )
    return [stop for check in checks for stop in check(table, rules)]


def _output_model_training_rows_stop_reasons(
    leaf_values: list[tuple[str, Any]], rules: OutputRules
) -> list[StopReason]:
    """Stop models that keep training rows: neighbours, support vectors, deep trees."""
    del rules
    # Names under which libraries write the rows that a model keeps.
    training_rows = re.compile(
        r"(?i)(support_vectors|training_data|x_train|fit_x|dual_coef|samples)"
    )
    if any(training_rows.search(path) for path, _ in leaf_values):
        return [_stop_reason("model", "The model carries rows that it was trained on.")]
    return []


def _model_file_stops(data: bytes, rules: OutputRules) -> list[StopReason]:
    """Read a model; whether it remembers people is asked where its rows are known."""
    del rules
    try:
        model = parse_output_model(data)
    except OutputModelError as fault:
        why = "The file is no model of the form {form}: {part}."
        return [_stop_reason("shape", why, form=FORMAT, part=fault.args[0])]
    return _output_cell_identifier_stop_reasons(model.features)


def _text_output_stops(data: bytes, rules: OutputRules) -> list[StopReason]:
    text = data.decode("utf-8")
    stops = _output_identifier_stop_reasons(find_identifier_spans(text))
    if len(text) > rules.longest_text:
        stops.append(
            _stop_reason("size", "More than {n} characters of text.", n=rules.longest_text)
        )
    if _output_text_looks_like_records(text):
        stops.append(
            _stop_reason("records", "The text holds lines of values like a table of records.")
        )
    if _output_text_looks_encoded(text):
        stops.append(
            _stop_reason("encoded", "The text holds a long stretch that no language writes.")
        )
    return stops


def _output_text_looks_like_records(output_text: str) -> bool:
    """Return whether many lines hold several numbers or fields each."""
    lines = [line for line in output_text.splitlines() if line.strip()]
    dense = sum(
        len(re.findall(r"-?\d+(?:\.\d+)?", line)) >= 3 or line.count(",") >= 4 for line in lines
    )
    # A report has a table or two; prose that is mostly numbers is records.
    return dense > 10 and dense > len(lines) / 3


def _output_text_looks_encoded(output_text: str) -> bool:
    # Base64 and hexadecimal: no language has words this long.
    return bool(re.search(r"[A-Za-z0-9+/=_-]{80,}|(?:[0-9a-f]{2}[ :]){24,}", output_text))


def _output_cell_identifier_stop_reasons(cells: Iterable[str]) -> list[StopReason]:
    """Look at each cell once, on a line of its own; numbers only for the shapes of identifiers.

    Beside each other cells make no sentence, and would be read as one.
    """
    lines = list(dict.fromkeys(cell.strip() for cell in cells))
    texts = [line for line in lines if parse_output_number(line) is None]
    spans = [
        span
        for line in texts
        for span in find_identifier_spans(line)
        if not _is_lone_latin_word_name_span(line, span)
    ]
    return _output_identifier_stop_reasons([*spans, *find_patterned_identifiers("\n".join(lines))])


def _is_lone_latin_word_name_span(line: str, span: IdentifierSpan) -> bool:
    """Return whether a cell is one Latin word that may be a name: Lee and May are words, too.

    Beside a title or a label, as in "Dr Lee", there is no doubt.
    """
    return span.label is IdentifierLabel.NAME and line.isascii() and len(line.split()) == 1


def _output_identifier_stop_reasons(spans: Iterable[IdentifierSpan]) -> list[StopReason]:
    kinds = sorted({span.label.value for span in spans} - _WEAK)
    if not kinds:
        return []
    return [
        _stop_reason("identifier", "It holds what looks like: {kinds}.", kinds=", ".join(kinds))
    ]


_WEAK: Final = frozenset(
    {"DATE", "HOSPITAL", "AGE_OVER_89", "URL", "OTHER_NUMBER", "ADDRESS", "PLACE", "ORGANISATION"}
)
"""Kinds that honest results name, too; the reviewers see them."""


def _stop_reason(rule: str, text: str, **values: object) -> StopReason:
    return StopReason(rule, Message(text, {name: str(value) for name, value in values.items()}))

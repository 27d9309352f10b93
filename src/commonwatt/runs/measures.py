"""What is said of a run and of where its figures come from."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, TEXT, Measure, TableColumn
from commonwatt.catalogue.shared import CONFIDENCE, DATED, SOURCE
from commonwatt.catalogue.tables import TableSchema
from commonwatt.core.messages import Message

RUN: Final = Measure(
    "run",
    Message("Id of the run"),
    "",
    Message("The run's id: a hash of everything that went in"),
    TEXT,
)
RUN_TITLE: Final = Measure(
    "run_title", Message("Title"), "", Message("What the run is called, such as a programme"), TEXT
)
RUN_KIND: Final = Measure(
    "run_kind", Message("Kind of run"), "", Message("The command that made the run"), TEXT
)
MADE_AT: Final = Measure(
    "made_at", Message("Made"), "", Message("When the run was completed, in UTC"), TEXT
)
# Text and no count: a seed is a name, and thousands in it are not parted.
SEED: Final = Measure(
    "seed", Message("Seed"), "", Message("The seed that every draw of the run comes from"), TEXT
)
TABLES_KEPT: Final = Measure(
    "tables_kept", Message("Tables kept"), "", Message("Tables that the run keeps"), COUNT
)
VERSION: Final = Measure(
    "run_version",
    Message("Version of the program"),
    "",
    Message("The version of Commonwatt that made the run"),
    TEXT,
)
RESULT_DIGEST: Final = Measure(
    "result_digest",
    Message("Digest of the result"),
    "",
    Message("SHA-256 over every table: equal digests are equal results"),
    TEXT,
)
INPUT_FILE: Final = Measure(
    "input_file", Message("File"), "", Message("Name of a file that the run read"), TEXT
)
INPUT_BYTES: Final = Measure(
    "input_bytes", Message("Bytes"), "", Message("Length of the file"), COUNT
)
INPUT_DIGEST: Final = Measure(
    "input_digest", Message("Digest of the file"), "", Message("Digest of the file's bytes"), TEXT
)
FIGURE: Final = Measure(
    "figure", Message("Figure"), "", Message("What a person calls a figure of the run"), TEXT
)
FIGURE_NAME: Final = Measure(
    "figure_name",
    Message("Name in the run"),
    "",
    Message("The figure's name in the run's manifest"),
    TEXT,
)
FIGURE_VALUE: Final = Measure(
    "figure_value", Message("Value"), "", Message("The figure's value, with its unit"), TEXT
)
FORMULA: Final = Measure(
    "formula", Message("Formula"), "", Message("How the figure follows from its inputs"), TEXT
)
EXPRESSION: Final = Measure(
    "expression",
    Message("Expression"),
    "",
    Message("The formula as a query over the run's tables, which was evaluated to this value"),
    TEXT,
)
FIGURE_TABLE: Final = Measure(
    "figure_table", Message("Table"), "", Message("The table of the run that holds it"), TEXT
)

RUNS_LISTED: Final = Measure(
    "runs_listed", Message("Runs listed"), "", Message("Runs of the store, each checked"), COUNT
)
FIGURES_CHECKED: Final = Measure(
    "figures_checked",
    Message("Figures checked"),
    "",
    Message("Figures of the run that were evaluated anew over its tables"),
    COUNT,
)
TABLE_NAME: Final = Measure(
    "run_table_name",
    Message("Table of the run"),
    "",
    Message("Name of a table that the run keeps"),
    TEXT,
)
TABLE_ROWS: Final = Measure(
    "run_table_rows",
    Message("Rows of the table"),
    "",
    Message("How many rows the table has"),
    COUNT,
)
TABLE_DIGEST: Final = Measure(
    "run_table_digest",
    Message("Digest of the table"),
    "",
    Message("Beginning of the SHA-256 of the table's bytes"),
    TEXT,
)

RUNS: Final = TableSchema(
    "runs",
    "The runs of a store, newest first.",
    (
        TableColumn.of(RUN),
        TableColumn.of(RUN_TITLE, "title"),
        TableColumn.of(RUN_KIND, "kind"),
        TableColumn.of(MADE_AT),
        TableColumn.of(SEED),
        TableColumn.of(TABLES_KEPT, "tables"),
        TableColumn.of(VERSION, "version"),
    ),
)
INPUTS: Final = TableSchema(
    "inputs",
    "The files that a run read.",
    (
        TableColumn.of(INPUT_FILE, "name"),
        TableColumn.of(INPUT_DIGEST, "sha256"),
        TableColumn.of(INPUT_BYTES, "bytes"),
    ),
)
FIGURES: Final = TableSchema(
    "figures",
    "The figures of a run, each with its formula and source.",
    (
        TableColumn.of(FIGURE_NAME, "name"),
        TableColumn.of(FIGURE, "label"),
        TableColumn.of(FIGURE_VALUE, "shown"),
        TableColumn.of(FORMULA),
        TableColumn.of(EXPRESSION),
        TableColumn.of(FIGURE_TABLE, "table"),
        TableColumn.of(SOURCE),
        TableColumn.of(DATED),
        TableColumn.of(CONFIDENCE),
    ),
)
TABLES: Final = TableSchema(
    "run_tables",
    "The tables that a run keeps.",
    (
        TableColumn.of(TABLE_NAME, "name"),
        TableColumn.of(TABLE_DIGEST, "sha256"),
        TableColumn.of(TABLE_ROWS, "rows"),
    ),
)
HEADLINE: Final = TableSchema(
    "run_headline",
    "The figures of a run that people quote, by their names in it.",
    (
        TableColumn.of(FIGURE_NAME, "name"),
        TableColumn.of(FIGURE_VALUE, "value"),
    ),
)

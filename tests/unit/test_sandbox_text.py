"""What the steps of a data project print: labels in both languages, and nothing unknown."""

import pytest

import commonwatt.sandbox.domain.tables as tables
from commonwatt.catalogue.errors import CatalogueError
from commonwatt.catalogue.measures import measure_label_text
from commonwatt.catalogue.tables import TableSchema
from commonwatt.cli.sandbox_text import (
    imported_dataset_terminal_text,
    project_activity_terminal_text,
    project_answer_terminal_text,
    risk_report_terminal_text,
)

ANSWERS = [value for value in vars(tables).values() if isinstance(value, TableSchema)]
SUBMITTED = {
    "job": "9c65-1",
    "ending": "done",
    "wall_s": 1.25,
    "memory_peak_bytes": 12_000_000,
    "kept_in": {"undeclared": 2},
    "outputs": [
        {"name": "n.csv", "sha256": "ab", "state": "stopped", "stops": ["small-cells: 2", "ids"]}
    ],
}


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_every_field_of_an_answer_has_its_label(answer, language):
    plain = [c for c in answer.columns if c.name not in tables.FIELDS_OF_FIELD.get(answer.name, {})]
    text = project_answer_terminal_text(answer, {c.name: None for c in plain}, language)
    assert [line.split("  ")[0] for line in text.splitlines()] == [
        measure_label_text(column, language) for column in plain
    ]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_a_field_that_the_catalogue_does_not_know_is_no_line(answer):
    with pytest.raises(CatalogueError, match="wait_h"):
        project_answer_terminal_text(answer, {"wait_h": 1}, "en")


def test_a_job_shows_its_figures_with_units_and_each_output_with_what_stopped_it():
    assert project_answer_terminal_text(tables.SUBMITTED, SUBMITTED, "en").splitlines() == [
        "Job of the project      9c65-1",
        "How the job ended       done",
        "Wall time of the job    1.2 s",
        "Most memory of the job  12.0 MB",
        "Files kept in           undeclared 2",
        "Outputs collected       1",
        "Outputs collected",
        "  Name of the output  State of the output  SHA-256 of the bytes  Stopped by",
        "  n.csv               stopped              ab                    small-cells: 2; ids",
    ]


def test_an_import_counts_records_and_not_rules():
    data = {
        "dataset": "raw", "rows": {"Patient": 1200}, "derived": {}, "sealed": [],
        "set_aside": {"Patient": {"no id": 3, "bad date": 4}}, "rules": {"Patient": {"no id": 3}},
    }  # fmt: skip
    lines = imported_dataset_terminal_text(data, "en").splitlines()
    assert "Quarantined as broken         7" in lines
    assert "Rows by table                 Patient 1,200" in lines
    assert lines[-2:] == [
        "  Patient               no id                                     3",
        "  Patient               bad date                                  4",
    ]


def test_genomes_have_a_report_of_their_own():
    data = {
        "dataset": "counts", "people": 90, "groups": {"a": 40, "b": 50}, "least_people": 20,
        "smallest_cell": 5, "cells": 100, "withheld": 7, "report_sha256": "ab",
    }  # fmt: skip
    text = risk_report_terminal_text(data, "zh-Hant")
    assert "各組人數" in text
    assert "a 40, b 50" in text


def test_an_alert_says_why_in_the_reader_s_language():
    why = "many jobs begun at night"
    alert = {
        "at": "t",
        "rule": "night jobs",
        "found": 5.0,
        "threshold": 5,
        "why": why,
        "actor": "x",
    }
    data = {"room": "heart", "steps": [], "uses": [], "alerts": [alert], "due": [],
            "thresholds": {"keep_days": 90}}  # fmt: skip
    assert why in project_activity_terminal_text(data, "en")
    chinese = project_activity_terminal_text(data, "zh-Hant")
    assert why not in chinese
    assert "90 日" in chinese

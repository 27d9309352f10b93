"""Every reader of a table that people bring takes what our writer wrote, mark and apostrophes."""

import polars as pl
import pytest

from commonwatt.audit.io.claims import load_claims
from commonwatt.clinic.io.patient_table import PatientColumns, read_scored_patients
from commonwatt.core.errors import TableError
from commonwatt.core.spreadsheets import frame_as_spreadsheet_csv_bytes
from commonwatt.fleet.io.traces.read import read_trace
from commonwatt.fleet.usecases.inputs import load_tenant_quotas
from commonwatt.operate.engines.care.lemons import LemonRule
from commonwatt.operate.io.care.telemetry.table import load_telemetry_samples
from commonwatt.operate.usecases.care_study import lemon_nodes_result
from commonwatt.siting.io.cells import load_cost_cells
from commonwatt.siting.usecases.place import load_placement_class_rows
from commonwatt.treasury.io.country.csvs import country_csv_rows

NAMES = ["=1+1", '=HYPERLINK("http://x.example","a")', "@SUM(1)", "-j", "plain", "'quoted", "衞生"]
MANY = len(NAMES)


def _trace(path):
    workload = read_trace(path).workload
    return [workload.tenant_names[at] for at in workload.tenant], workload.job_id.to_list()


def _trace_frame():
    return pl.DataFrame({"submit_s": [*range(MANY)], "runtime_s": [60] * MANY, "gpus": [1] * MANY,
                         "tenant": NAMES, "job_id": NAMES})  # fmt: skip


def _quotas(path):
    jobs = path.with_name("jobs.csv")
    jobs.write_bytes(frame_as_spreadsheet_csv_bytes(_trace_frame()))
    return load_tenant_quotas(path, read_trace(jobs).workload)


def _cells(path):
    return [cell.note for cell in load_cost_cells(path)]


def _cost_row(note):
    return {"site": "all", "input": "server_usd_per_gpu", "shape": "triangular", "low": 25000,
            "mode": 33750, "high": 39600, "unit": "USD/GPU", "year": 2024, "source": note,
            "dated": "2024", "confidence": "press", "note": note}  # fmt: skip


def _class_row(name):
    return {"class": name, "origin": "us-east4", "gpus": 8, "latency_ms": 40, "residency": "",
            "types": "", "defer_h": 0, "gb_per_gpu_hour": 2}  # fmt: skip


def _claim_row(number, quote):
    return {"id": f"c{number}", "quote": quote, "quantity": "debt", "low": "-1", "high": "2",
            "unit": "%", "region": "hong kong", "period": "2024"}  # fmt: skip


CASES = {
    "trace": (_trace_frame(), _trace, (NAMES, NAMES)),
    "quotas": (pl.DataFrame({"tenant": NAMES, "gpus": [2.0] * MANY}), _quotas,
               dict.fromkeys(NAMES, 2.0)),
    "telemetry": (
        pl.DataFrame({"at_s": [*range(MANY)], "node": NAMES, "signal": ["xid"] * MANY,
                      "value": [1.0] * MANY}),
        lambda path: [sample.node for sample in load_telemetry_samples(path)], NAMES,
    ),
    "lemons": (pl.DataFrame({"node": NAMES}),
               lambda path: lemon_nodes_result(path, nodes=99, rule=LemonRule())["faults"], MANY),
    "classes": (pl.DataFrame([_class_row(name) for name in NAMES]),
                lambda path: [row["class"] for row in load_placement_class_rows(path)], NAMES),
    "cells": (pl.DataFrame([_cost_row(name) for name in NAMES]), _cells, NAMES),
    "claims": (pl.DataFrame([_claim_row(i, name) for i, name in enumerate(NAMES)]),
               lambda path: [claim.quote for claim in load_claims(path)], NAMES),
    "evidence": (pl.DataFrame({"score": [.5] * MANY, "label": [1] * MANY, "=group": NAMES}),
                 lambda path: read_scored_patients(
                     path, PatientColumns(score="score", label="label", by=("=group",))
                 )[0]["by 0"].to_list(), NAMES),
    "country": (pl.DataFrame({"name": NAMES, "share": [-.5] * MANY}),
                lambda path: [row.cells["name"] for row in country_csv_rows(path, ["name"])],
                NAMES),
}  # fmt: skip


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_table_that_we_wrote_is_read_back_as_it_was(tmp_path, case, marked):
    frame, read, wanted = CASES[case]
    path = tmp_path / "table.csv"
    path.write_bytes(frame_as_spreadsheet_csv_bytes(frame, marked=marked))
    assert read(path) == wanted
    # The same table, of a writer that leaves formulas as they are.
    path.write_bytes(frame.write_csv().encode())
    assert read(path) == wanted


def test_a_tenant_with_two_quotas_is_refused_and_one_with_one_is_not(tmp_path):
    path = tmp_path / "quotas.csv"
    frame = pl.DataFrame({"tenant": NAMES[4:6], "gpus": [2.0, 3.0]})
    path.write_bytes(frame_as_spreadsheet_csv_bytes(frame))
    assert _quotas(path) == {NAMES[4]: 2.0, NAMES[5]: 3.0}
    pl.DataFrame({"tenant": [NAMES[4]] * 2, "gpus": [2.0, 3.0]}).write_csv(path)
    with pytest.raises(TableError, match="row 3, column tenant: .* twice"):
        _quotas(path)

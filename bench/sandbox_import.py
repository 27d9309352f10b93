"""Import speed and memory: kernel, import, whole command; one size and ten times that.

Each measurement runs in a process of its own. Wall time depends on what else
the machine does; processor seconds do not, and two free cores need at least half.

Run: .venv/bin/python bench/sandbox_import.py [OBSERVATIONS] [TIMES]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from commonwatt.sandbox.domain.fhir import OBSERVATION
from commonwatt.sandbox.io.imports.checked import open_dataset_import_database
from commonwatt.sandbox.io.imports.dataset import import_fhir
from commonwatt.sandbox.io.imports.ndjson import import_fhir_resource_into_parquet

PEOPLE = 5000


def read_bare(source: Path, store: Path) -> None:
    fields = ", ".join(f"\"{name}\": '{kind}'" for name, kind in OBSERVATION.fields.items())
    lines = source / "Observation.ndjson"
    with open_dataset_import_database(store) as base:
        base.execute(
            f"COPY (SELECT * FROM read_json('{lines}', format='newline_delimited',"
            f" columns={{{fields}}})) TO '{store / 'o.parquet'}' (FORMAT parquet)"
        )


def read_checked(source: Path, store: Path) -> None:
    (store / "work").mkdir()
    with open_dataset_import_database(store / "work") as base:
        import_fhir_resource_into_parquet(
            base, OBSERVATION, [source / "Observation.ndjson"], store / "o.parquet"
        )


def import_one_shape(source: Path, store: Path) -> None:
    import_fhir([source / "Observation.ndjson"], store, "raw")


def import_both_shapes(source: Path, store: Path) -> None:
    import_fhir([source], store, "raw")


STEPS = {
    "bare read of the same fields": read_bare,
    "reading kernel with rules": read_checked,
    "import, FHIR shape only": import_one_shape,
    "import, FHIR and OMOP shapes": import_both_shapes,
}


def write(folder: Path, count: int) -> None:
    """Write observations of about the size and variety of a hospital's vital signs."""
    folder.mkdir()
    with (folder / "Patient.ndjson").open("w") as file:
        for i in range(PEOPLE):
            row = {"resourceType": "Patient", "id": f"p{i}", "gender": "female",
                   "birthDate": f"19{i % 80 + 10}-02-03"}  # fmt: skip
            file.write(json.dumps(row) + "\n")
    with (folder / "Observation.ndjson").open("w") as file:
        for i in range(count):
            file.write(json.dumps({
                "resourceType": "Observation", "id": f"o{i}", "status": "final",
                "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/"
                              "observation-category", "code": "vital-signs"}]}],
                "code": {"coding": [{"system": "http://loinc.org", "code": f"{8000 + i % 300}-2"}],
                         "text": "A vital sign"},
                "subject": {"reference": f"Patient/p{i % PEOPLE}"},
                "encounter": {"reference": f"Encounter/e{i % 50000}"},
                "effectiveDateTime": f"20{i % 20:02}-10-14T23:37:54+00:00",
                "issued": f"20{i % 20:02}-10-14T23:37:54.530+00:00",
                "valueQuantity": {"value": i % 1000 / 7, "unit": "cm",
                                  "system": "http://unitsofmeasure.org", "code": "cm"},
            }) + "\n")  # fmt: skip


def measure(arguments: list[str]) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and peak memory [MB] of a process."""
    began = time.perf_counter()
    child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    cpu_s = used.ru_utime + used.ru_stime
    return time.perf_counter() - began, cpu_s, used.ru_maxrss / 1024


def show(name: str, count: int, usage: tuple[float, float, float]) -> None:
    wall_s, cpu_s, peak_mb = usage
    print(
        f"{name:<32}{count:>12,}{wall_s:>9.2f} s{count / wall_s:>12,.0f} rows/s"
        f"{cpu_s:>9.2f} CPU-s{2 * count / cpu_s:>12,.0f} rows/s on two cores at best"
        f"{peak_mb:>8,.0f} MB",
        flush=True,
    )


def commonwatt(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "commonwatt", *arguments]


def command(folder: Path, source: Path) -> list[str]:
    """Return the whole command, in a project made for it."""
    ledger = ["--ledger", str(folder / "ledger.db")]
    registrar, custodian = str(folder / "r.pem"), str(folder / "c.pem")
    place = [*ledger, "--rooms", str(folder / "rooms"), "--key", custodian]
    steps = [
        ["ledger", "init", *ledger, "--key", registrar, "--name", "R", "--organisation", "H"],
        ["ledger", "enrol", *ledger, "--by", registrar, "--key", custodian, "--name", "C",
         "--role", "data-custodian", "--organisation", "H"],
        ["sandbox", "init", "bench", *place, "--purpose", "speed"],
    ]  # fmt: skip
    for step in steps:
        subprocess.run(commonwatt(*step), check=True, stdout=subprocess.DEVNULL)
    return commonwatt("sandbox", "import", "bench", "raw", str(source), *place)


def run(folder: Path, count: int) -> None:
    source = folder / "in"
    write(source, count)
    size_mb = (source / "Observation.ndjson").stat().st_size / 1e6
    print(f"{count:,} observations, {size_mb:,.0f} MB")
    for number, name in enumerate(STEPS):
        store = folder / f"store{number}"
        store.mkdir()
        step = [sys.executable, __file__, "--step", name, str(source), str(store)]
        show(name, count, measure(step))
    show("whole command", count, measure(command(folder, source)))


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--step"]:
        STEPS[arguments[1]](Path(arguments[2]), Path(arguments[3]))
        return
    count = int(arguments[0]) if arguments else 1_000_000
    times = int(arguments[1]) if len(arguments) > 1 else 10
    for size in dict.fromkeys((count, count * times)):
        with tempfile.TemporaryDirectory() as name:
            run(Path(name), size)


if __name__ == "__main__":
    main(sys.argv[1:])

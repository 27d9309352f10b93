"""Import speed: FHIR Observations a second, beside a bare read of the same columns.

Run: .venv/bin/python bench/sandbox_import.py [OBSERVATIONS]
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from commonwatt.sandbox.imports.dataset import import_fhir
from commonwatt.sandbox.imports.fhir import OBSERVATION
from commonwatt.sandbox.imports.checked import connection

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


def write(path: Path) -> None:
    with path.open("w") as file:
        for i in range(COUNT):
            file.write(json.dumps({
                "resourceType": "Observation", "id": f"o{i}", "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": f"{8000 + i % 300}-2"}]},
                "subject": {"reference": f"Patient/p{i % 5000}"},
                "encounter": {"reference": f"Encounter/e{i % 50000}"},
                "effectiveDateTime": f"20{i % 20:02}-10-14T23:37:54+00:00",
                "valueQuantity": {"value": i % 1000 / 7, "unit": "cm"},
            }) + "\n")  # fmt: skip


def bare(path: Path, folder: Path) -> float:
    """Read the same fields with DuckDB alone, without a rule, into Parquet."""
    fields = ", ".join(f"\"{name}\": '{kind}'" for name, kind in OBSERVATION.fields.items())
    began = time.perf_counter()
    with connection(folder) as base:
        base.execute(
            f"COPY (SELECT * FROM read_json('{path}', format='newline_delimited',"
            f" columns={{{fields}}})) TO '{folder / 'bare.parquet'}' (FORMAT parquet)"
        )
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "Observation.ndjson"
        write(path)
        peer = bare(path, folder)
        began, used = time.perf_counter(), time.process_time()
        dataset = import_fhir([path], folder / "store", "data")
        took, cpu = time.perf_counter() - began, time.process_time() - used
    assert dataset.rows["Observation"] == COUNT
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"observations            {COUNT:>12,}")
    print(
        f"checked import          {took:>12.2f} s  {COUNT / took:>12,.0f} rows/s  {cpu:.1f} CPU-s"
    )
    print(f"bare read, same fields  {peer:>12.2f} s  {COUNT / peer:>12,.0f} rows/s")
    print(f"ratio                   {took / peer:>12.2f}")
    print(f"peak memory             {peak_mb:>12,.0f} MB")


if __name__ == "__main__":
    main()

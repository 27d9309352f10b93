"""Small inputs of the cases, made by hand."""

import csv
import json

import numpy as np
import polars as pl

from commonwatt.core.seeds import named_random_stream
from commonwatt.ledger import Key
from tests.language_models import made_notes, medec_text

ROLES = (
    "registrar", "manufacturer", "regulatory-officer", "committee-chair", "clinical-lead",
    "clinician", "gateway", "monitor", "safety-officer", "evaluator", "custodian", "first",
    "second", "researcher",
)  # fmt: skip

CLAIMS = """id,quote,quantity,low,high,unit,region,period,relates_to
X1,,electricity price,8.9,9.1,US cents/kWh,US Virginia,2024,
X2,,industrial tariff,66,66,USD/MWh,US Texas,2023,
X3,,electricity price,0.66,0.66,USD/kWh,US Texas,2023,
X4,,power usage effectiveness,1.09,1.09,PUE,US,2024,
X5,,borrowing ceiling,900,900,HKD bn,HK,2026,
X6,,government debt,41.46,41.46,HKD bn,HK,2025-12,
X7,,"price of one H100","25,000","40,000",USD,US,2024,
"""

LARGEST_FIRST = '''class LargestFirst:
    """Gangs of many GPUs first."""

    skips = True

    def order(self, waiting, now_s):
        return sorted(waiting, key=lambda job: -job.gpus)
'''

LINEAR = json.dumps({"intercept": -1.0, "weights": {"age_years": 0.02}})
ITEMS = "".join(
    json.dumps({"facts": {"age_years": str(20 + i * 7 % 70)}, "label": int(i * 7 % 70 > 35 + i % 9),
                "group": ("women", "men")[i % 2]}) + "\n"
    for i in range(300)
)  # fmt: skip

MODEL_CARD = """<AppliedModelCard><BasicInfo><ModelName>Stroke triage</ModelName></BasicInfo>
<UsesAndDirections><IntendedUseAndWorkflow>adults aged 30 and older</IntendedUseAndWorkflow>
<TargetedPatientPopulation>adults aged 18 and older</TargetedPatientPopulation></UsesAndDirections>
<Warnings><ClinicalRiskLevel>Low</ClinicalRiskLevel></Warnings>
<Trust><ConsentOrDisclosure>N/A</ConsentOrDisclosure></Trust></AppliedModelCard>
"""

_DIGEST = "cd" * 32
REGISTRY_FILES = {
    f"{name}.json": json.dumps(body)
    for name, body in {
        "product": {"name": "Chest", "manufacturer": "Example"},
        "version": {"product": "product/chest", "artefact_sha256": _DIGEST},
        "use": {"product": "product/chest", "guide": "imaging",
                "facts": {"significance": "drive", "condition": "serious", "autonomy": "informs",
                          "change": "planned", "technique": "deep", "offering": "product",
                          "user": "clinician"}},
        "determination": {"version": "version/chest-1", "ruling": "ruling/chest",
                          "outcome": "approved", "conditions": []},
        "deployment": {"version": "version/chest-1", "determination": "determination/chest",
                       "institution": "qmh", "place": "hk", "mode": "advisory", "threshold": 0.3,
                       "guide": "imaging", "monitor": {"band": 0.1, "alpha": 0.1}},
    }.items()
}  # fmt: skip

OPERATE_NODES = "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(
    f"n{i},8000,16000,2,A100\n" for i in range(8)
)
GPU_NODES = "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(
    f"n{i},96000,393216,8,A100\n" for i in range(4)
)
TELEMETRY = "at_s,node,signal,value\n1800000000,n1,DCGM_FI_DEV_XID_ERRORS,79\n"
FAULTS = "node,day,cause\n" + "".join(
    f"n{i % 7 if i % 3 else 1},{0.3 + i / 3:.2f},{('gpu-lost', 'network', 'host')[i % 3]}\n"
    for i in range(24)
)
FAULT_COUNTS = "cause,count\nfaulty_gpu,15\nsoftware_bug,7\nnetwork,4\n"


def keys(folder):
    """Write the same key for each role every time."""
    for number, role in enumerate(ROLES):
        Key.from_seed(bytes([number + 1]) * 32).save(folder / f"{role}.pem")


def ward(folder):
    """Write cases with a model's score, a doctor's estimate and what happened."""
    chance = named_random_stream(3, "ward")
    with (folder / "cases.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["age_years", "score", "own", "label"])
        for _ in range(400):
            age = int(chance.integers(18, 95))
            risk = 1 / (1 + np.exp(2 - 0.03 * age))
            own = min(0.95, max(0.05, round(risk + 0.2 * (chance.random() - 0.5), 3)))
            rows.writerow([age, round(float(risk), 4), own, int(chance.random() < risk)])


def notes(folder):
    """Write notes, half of them with a wrong drug."""
    (folder / "notes.csv").write_text(medec_text(made_notes(40)))


def detect_tables(folder):
    """Write ordinary hours of a fleet and later ones with one illness."""
    chance = np.random.default_rng(1)
    values = 0.5 + 0.02 * chance.normal(size=(3000, 3))
    values[2500:2540, 1] += 0.4
    frame = pl.DataFrame(values.round(6), schema=["cpu", "disk", "net"])
    label = np.zeros(1000, dtype=int)
    label[500:540] = 1
    frame[:2000].write_csv(folder / "a.csv")
    frame[2000:].with_columns(label=label).write_csv(folder / "b.csv")

"""The meter of truth on the shared pairs, and how fast it is.

    python bench/clinic_truth.py [--half development|left-out] [--write]

Frames at odd places in the file's order of first appearance were read while the lexicon was
written; those at even places were left out, and only figures over all of them were looked at.
`--write` renews the table that the program prints beside its scores, from the frames left out.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonwatt.clinic.engines.language.meaning import shipped_clinic_note_fidelity_meter
from commonwatt.clinic.engines.language.meaning.measured import (
    ROC_FILE,
    auroc,
    clinic_note_fidelity_roc_csv,
    clinic_note_fidelity_roc_points,
)
from commonwatt.clinic.engines.language.meaning.teaching import make_clinic_note_fidelity_pairs
from tests.shared_data import shared_data


def half_of_pairs(half):
    """Return the pairs of the frames read (`development`) or of those left out."""
    lines = shared_data("health", "contradictions", "pairs.jsonl").read_text().splitlines()
    pairs = [json.loads(line) for line in lines]
    frames = list(dict.fromkeys(pair["frame"] for pair in pairs))
    ours = set(frames[half == "left-out" :: 2])
    return [pair for pair in pairs if pair["frame"] in ours]


def measured_points(pairs):
    """Return the points of all, by language and by dimension."""
    meter = shipped_clinic_note_fidelity_meter()
    verdicts = [meter(pair["summary"], pair["source"]) for pair in pairs]
    scores = np.array([verdict.contradiction_score for verdict in verdicts])
    labels = np.array([pair["label"] for pair in pairs])
    parts = {"all": np.ones(len(pairs), bool)}
    for name in ("lang", "dimension"):
        column = np.array([pair[name] for pair in pairs])
        parts |= {str(value): column == value for value in sorted(set(column))}
    points = []
    for part, chosen in parts.items():
        opposed = scores[chosen & (labels == "contradicted")]
        points += clinic_note_fidelity_roc_points(
            part, opposed, scores[chosen & (labels == "entailed")], meter.limit
        )
    new = np.array([verdict.not_in_source for verdict in verdicts])
    outside = labels == "not in source"
    return points, auroc(new[outside], new[~outside])


def pairs_a_second():
    """Return how many pairs of sentences are judged in a second of one CPU."""
    meter = shipped_clinic_note_fidelity_meter()
    pairs = make_clinic_note_fidelity_pairs(seed=1)
    meter(pairs[0].summary, pairs[0].source)
    began = time.process_time()
    for pair in pairs:
        meter(pair.summary, pair.source)
    return len(pairs) / (time.process_time() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--half", default="left-out", choices=("development", "left-out"))
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    points, new = measured_points(half_of_pairs(given.half))
    for point in points:
        if point.flagged_share in (0.02, -1.0):
            print(*point, sep="\t")
    print(f"not in source against the rest: AUROC {new:.3f}")
    print(f"{pairs_a_second():,.0f} pairs a CPU-second")
    if given.write:
        if given.half != "left-out":
            sys.exit("--write takes the frames left out")
        ROC_FILE.write_text(clinic_note_fidelity_roc_csv(points), encoding="utf-8")

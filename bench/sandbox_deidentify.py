"""De-identification of notes: what is found, what is masked for nothing, and how fast.

Run: .venv/bin/python bench/sandbox_deidentify.py [--presidio PYTHON]

The tagger was trained on templates and names of our own; no template of the shared
data was ever read in training. The English set has a template number with each
text; its even numbers were looked at while the templates for training were
written, its odd ones were not, so the odd half is the blind one. PYTHON is an
interpreter that has presidio-analyzer; without one, Presidio is looked for here.
"""

import argparse
import csv
import gzip
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify.score import score_deidentification
from commonwatt.sandbox.engines.deidentify.text import find_identifier_spans
from commonwatt.sandbox.engines.deidentify.training.corpus import tagger_training_documents

SHARED = Path(__file__).parents[2] / "shared" / "data"
NO_IDENTIFIER = ("AGE", "TITLE", "NRP")
"""Kinds of the English set that identify nobody by themselves: ages below 90, Mr, French."""

PRESIDIO = """
import json, sys, tempfile, time
import spacy
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
folder = tempfile.mkdtemp()
spacy.blank("en").to_disk(folder)
engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy",
    "models": [{"lang_code": "en", "model_name": folder}]}).create_engine()
analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
for name in ("EmailRecognizer", "UrlRecognizer"):  # both ask the network for a list of domains
    analyzer.registry.remove_recognizer(name)
texts = json.load(sys.stdin)
analyzer.analyze(text="warm", language="en")
began = time.process_time()
found = [[(r.start, r.end) for r in analyzer.analyze(text=t, language="en")] for t in texts]
print(json.dumps({"cpu_s": time.process_time() - began, "found": found}))
"""


def hong_kong():
    path = SHARED / "health" / "deid-text-hk" / "notes.jsonl"
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        yield row["text"], [(s["start"], s["end"], s["label"]) for s in row["spans"]]


def english(remainder):
    path = SHARED / "health" / "deid-text-en" / "synth_dataset_v2.json.zst"
    query = (
        "SELECT line FROM read_csv(?, compression='zstd', header=false, delim='\x1f', quote='',"
        " escape='', auto_detect=false, max_line_size=67108864, columns={'line': 'VARCHAR'})"
    )
    lines = duckdb.connect().execute(query, [str(path)]).fetchall()
    for row in json.loads("\n".join(line or "" for (line,) in lines)):
        if row["template_id"] % 2 == remainder:
            spans = [
                (s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]
            ]
            yield row["full_text"], spans


def own():
    for document in tagger_training_documents(1500, 5, held_out=True, names=(0.8, 1.0)):
        yield document.text, [(f.start, f.end, f.label.value) for f in document.findings]


def clinical():
    path = SHARED / "surveillance" / "medec_ms" / "MEDEC-MS-TestSet.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [(row["Text"], []) for row in csv.DictReader(file) if row["Text"]]


def presidio(python, notes):
    """Return a recogniser that replays what Presidio found, and its CPU time."""
    texts = [text for text, _ in notes]
    done = subprocess.run(
        [python, "-W", "ignore", "-c", PRESIDIO], input=json.dumps(texts), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1]
    reply = json.loads(done.stdout.splitlines()[-1])
    spans = {
        text: [IdentifierSpan(start, end, IdentifierLabel.OTHER_NUMBER) for start, end in offsets]
        for text, offsets in zip(texts, reply["found"], strict=True)
    }
    return spans.__getitem__, reply["cpu_s"]


def report(name, notes, find):
    scores = score_deidentification(notes, find)
    print(f"\n{name}: {len(notes):,} texts, {sum(scores.true_counts.values()):,} identifiers")
    for kind in sorted(scores.true_counts):
        print(f"  {kind:<20}{scores.true_counts[kind]:>6,}{scores.recall(kind):>9.3f}")
    if scores.true_counts:
        print(f"  {'all':<26}{scores.recall():>9.3f}")
        identifying = [kind for kind in scores.true_counts if kind not in NO_IDENTIFIER]
        print(f"  {'all that identify':<26}{scores.recall(*identifying):>9.3f}")
    print(f"  {'clean masked':<26}{scores.deidentification_clean_masked_share:>9.2%}")


def speed(notes, find):
    began = time.process_time()
    for text, _ in notes:
        find(text)
    return len(notes) / (time.process_time() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presidio", default=sys.executable)
    options = parser.parse_args()
    sets = {
        "Hong Kong notes, templates never trained on": list(hong_kong()),
        "English, even templates": list(english(0)),
        "English, odd templates (blind)": list(english(1)),
        "Own templates and names held out": list(own()),
        "Clinical English without identifiers": clinical(),
    }
    find_identifier_spans("warm 陳大文")
    for name, notes in sets.items():
        report(name, notes, find_identifier_spans)
    notes = sets["Hong Kong notes, templates never trained on"]
    mixed = sets["English, odd templates (blind)"]
    bare = re.compile(r"[A-Z]{1,2}\d{6}\([\dA]\)")
    print("\nspeed                     texts/CPU-s")
    print(f"  ours, Hong Kong notes   {speed(notes, find_identifier_spans):>10,.0f}")
    print(f"  ours, English           {speed(mixed, find_identifier_spans):>10,.0f}")
    print(f"  one pattern alone       {speed(notes, bare.findall):>10,.0f}")
    for name in ("Hong Kong notes, templates never trained on", "English, odd templates (blind)"):
        find, outcome = presidio(options.presidio, sets[name])
        if find is None:
            print(f"\nPresidio did not run: {outcome}")
            return
        report(f"Presidio's patterns without a language model; {name}", sets[name], find)
        print(f"  {'texts/CPU-s':<24}{len(sets[name]) / outcome:>11,.0f}")


if __name__ == "__main__":
    main()

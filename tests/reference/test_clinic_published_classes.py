"""Classes that regulators published, against the rule books; skipped where the list is absent.

The facts of each case were typed from its sentence and the meanings in `facts.yaml`. No rule
knows a case: the books hold law, and a row that is not typed here is named.
"""

import csv
import sys
from datetime import date

from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from tests.shared_data import shared_data

BOOK = load_regulatory_rule_book(site_folders=())
DAY = date(2026, 11, 30)
AGREEMENT = 0.95  # share of the rows
PLACES = {"IMDRF": "imdrf", "EU MDR": "eu", "NMPA": "cn", "HSA": "sg"}
BASE = {
    "autonomy": "informs", "change": "locked", "technique": "statistical", "offering": "product",
    "user": "clinician",
}  # fmt: skip


def weighs(significance, condition, **more):
    return BASE | {"significance": significance, "condition": condition} | more


TYPED = {
    "pc-00": weighs("diagnose", "critical"),
    "pc-01": weighs("diagnose", "critical", input="laboratory"),
    "pc-02": weighs("drive", "critical"),
    "pc-03": weighs("drive", "critical"),
    "pc-04": weighs("drive", "serious", input="signal"),
    "pc-05": weighs("drive", "serious", input="laboratory", technique="rules"),
    "pc-06": weighs("drive", "serious", user="patient", input="vital-signs"),
    "pc-07": weighs("inform", "serious", input="signal", processing="stores"),
    "pc-08": weighs("drive", "non-serious"),
    "pc-09": weighs("drive", "non-serious", input="record"),
    "pc-10": weighs("inform", "serious", input="signal", processing="stores"),
    "pc-11": weighs("inform", "serious", input="vital-signs", processing="stores"),
    "pc-12": weighs("inform", "serious", input="signal", processing="monitors"),
    "pc-13": weighs("inform", "serious", user="patient", processing="measures"),
    "pc-14": weighs("diagnose", "serious", input="record"),
    # Options are what N12 calls informing, however grave the disease.
    "pc-15": weighs("inform", "critical", input="record"),
    "pc-16": weighs("inform", "serious", input="vital-signs", processing="monitors"),
    "pc-17": weighs("drive", "critical", input="vital-signs", processing="monitors", vital="yes"),
    "pc-18": weighs("inform", "non-serious", user="patient", purpose="conception", input="record"),
    "pc-19": weighs("inform", "serious", user="patient", processing="stores", input="record"),
    "pc-20": weighs("drive", "critical", drives="IIb", autonomy="acts"),
    "pc-21": weighs("diagnose", "serious", closed_loop="yes", autonomy="acts", user="patient"),
    "pc-22": weighs("drive", "serious", technique="deep", maturity="low"),
    "pc-23": weighs("diagnose", "serious", technique="deep", maturity="low"),
    "pc-24": weighs("drive", "serious", technique="deep", maturity="low"),
    "pc-25": weighs("inform", "serious", technique="deep", maturity="low", processing="measures"),
    "pc-26": weighs("drive", "serious", technique="deep", input="record"),
    "pc-27": weighs("inform", "critical"),
    "pc-28": weighs("diagnose", "non-serious"),
    "pc-29": weighs("inform", "non-serious", input="vital-signs", processing="monitors"),
}


def rows(name):
    path = shared_data("clinic", name)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def say(capsys, *lines):
    """Print what a reader of the proof must see, whether it holds or not."""
    with capsys.disabled():
        sys.stdout.write("".join(f"\n{line}" for line in lines))


def first_verdict(facts, place):
    ruling = classify_product(BOOK, facts, jurisdiction=place, on=DAY)
    return ruling.verdicts[0], BOOK.schemes[place][0].classes


def agrees(published, facts, place):
    """Return whether a published class is the computed one, and why it is what it is."""
    verdict, classes = first_verdict(facts, place)
    wanted, _, at_least = published.replace("not a device", "not-a-device").partition(" at least")
    index = classes.index(verdict.klass)
    right = index >= classes.index(wanted) if published.endswith("at least") else False
    right = right or (not at_least and verdict.klass == wanted)
    articles = "; ".join(
        f"{BOOK.rule(name).source.title}, {BOOK.rule(name).article}" for name in verdict.reasons
    )
    return right, f"{verdict.klass} by {articles}"


def test_the_books_agree_with_the_classes_that_regulators_published(capsys):
    listed = rows("published_classifications.csv")
    typed = [row for row in listed if row["id"] in TYPED]
    disagreements = []
    for row in typed:
        right, why = agrees(row["classification"], TYPED[row["id"]], PLACES[row["scheme"]])
        if not right:
            disagreements.append(f"{row['id']} {row['scheme']}: published {row['classification']}"
                                 f" ({row['criterion']}), computed {why}")  # fmt: skip
    untyped = [f"{row['id']} is not typed: {row['case']}" for row in listed if row not in typed]
    say(capsys, *disagreements, *untyped)
    assert len(typed) >= 30
    assert 1 - len(disagreements) / len(typed) >= AGREEMENT


def test_a_floor_that_was_published_holds_in_every_cell_of_the_matrix():
    # "Measures or monitors a physiological process, whatever the cell of the matrix: B at least."
    for significance in ("diagnose", "drive", "inform"):
        for condition in ("critical", "serious", "non-serious"):
            for processing in ("measures", "monitors"):
                facts = weighs(significance, condition, processing=processing)
                verdict, classes = first_verdict(facts, "sg")
                assert classes.index(verdict.klass) >= classes.index("B")


def test_class_and_regulation_of_each_product_code_are_those_of_the_list(capsys):
    listed = rows("fda_product_codes.csv")
    spelling = {"1": "I", "2": "II", "3": "III", "U": "unclassified"}
    apart = {name: [0, 0] for name in ("1", "2", "3", "U", "regulation")}
    disagreements = []
    for row in listed:
        facts = weighs("drive", "serious", product_code=row["product_code"])
        ruling = classify_product(BOOK, facts, jurisdiction="us", on=DAY)
        klass = ruling.verdicts[0].klass
        right = klass == spelling[row["device_class"]]
        # A constant scores well, so that each class is counted by itself.
        apart[row["device_class"]][0] += right
        apart[row["device_class"]][1] += 1
        regulation = ruling.facts["fda_regulation"]
        apart["regulation"][0] += regulation == (row["regulation_number"] or "none")
        apart["regulation"][1] += 1
        if not right:
            disagreements.append(f"{row['product_code']}: {row['device_class']}, computed {klass}")
    say(capsys, *disagreements, *(f"{k}: {a} of {b}" for k, (a, b) in apart.items()))
    assert all(right >= AGREEMENT * total for right, total in apart.values())

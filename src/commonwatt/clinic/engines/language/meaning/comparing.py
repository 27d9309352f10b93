"""A sentence of a summary against its source: what agrees, what excludes each other, what is new.

Each axis and each kind of concept gives three features: agreement, conflict (both name a value
and none is shared) and addition (only the summary does). Of the source only the sentences that
speak of the same are looked at, because "left" in another sentence supports nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.language.meaning.lexicon import (
    load_clinical_lexicon,
    load_concept_relations,
    normalized_clinical_text,
)
from commonwatt.clinic.engines.language.meaning.quantities import Quantity
from commonwatt.clinic.engines.language.meaning.reading import (
    ReadSentence,
    clinical_sentences,
    read_clinical_sentence,
)

MOST_SENTENCES: Final = 3
ALIKE: Final = 1e-6
_TIMES: Final = ("day", "week", "month", "rel", "phase", "season", "age", "meal")
_PLAIN_AXES: Final = ("lat", "dir", "act", "seq", "freq", "route", "hist", "smk")
_GROUPS: Final = (
    *_PLAIN_AXES, "time", "subj", "other", "cert", "stat", "number", "unit", "drug", "site",
    "organism", "procedure", "test", "sign", "value",
)  # fmt: skip
FEATURES: Final = (
    *(f"{group} {kind}" for group in _GROUPS for kind in ("agrees", "conflicts", "added")),
    "certainty by default conflicts",
    "status by default conflicts",
    "sign without a shared concept conflicts",
    "direction against value conflicts",
    "value by findings conflicts",
    "drug given up conflicts",
    "concepts shared",
    "share of concepts shared",
    "share of concepts new",
    "no concept",
    "share of words shared",
    "words new",
    "characters shared",
    "finding sign conflicts",
    "number without unit conflicts",
    "finding sign in the same words conflicts",
    "conflict of a closed class",
    "conflict of an open class",
    "conflict of a closed class and concepts shared",
    "conflict of an open class and concepts shared",
)
PLACES: Final = {name: place for place, name in enumerate(FEATURES)}
# Classes of few words that mean one thing, and classes whose words often mean another.
CLOSED: Final = [
    PLACES[f"{group} conflicts"]
    for group in ("lat", "number", "unit", "drug", "freq", "route", "subj", "organism", "cert")
]
OPEN: Final = [
    PLACES[f"{group} conflicts"]
    for group in (
        "dir", "time", "seq", "smk", "other", "stat", "value", "finding sign", "drug given up",
        "direction against value",
    )
]  # fmt: skip
CONFLICTS: Final = [place for place, name in enumerate(FEATURES) if "conflict" in name]
AGREEMENTS: Final = [place for place, name in enumerate(FEATURES) if name.endswith(" agrees")]


@lru_cache(65536)
def _clinical_concepts_with_wider(concepts: frozenset[str]) -> frozenset[str]:
    wider = set(concepts) | {
        load_concept_relations().impaired[concept]
        for concept in concepts & load_concept_relations().impaired.keys()
    }
    for concept in concepts:
        wider.update(load_concept_relations().wider.get(concept, ()))
    return frozenset(wider)


@lru_cache(65536)
def _normalized_clinical_character_pairs(text: str) -> frozenset[str]:
    plain = "".join(c for c in normalized_clinical_text(text) if c.isalnum())
    return frozenset(plain[i : i + 2] for i in range(len(plain) - 1))


def is_clinical_sentence_verbatim_in_source(summary: str, source: str) -> bool:
    """Return whether a sentence stands in the source as it is.

    >>> is_clinical_sentence_verbatim_in_source("No fever.", "No cough. No fever. Well.")
    True
    """
    plain = normalized_clinical_text(summary).strip(" .。")
    parts = [normalized_clinical_text(part).strip(" .。") for part in clinical_sentences(source)]
    return bool(plain) and plain in parts


def nearest_source_sentences_about_claim(claim: ReadSentence, source: str) -> list[ReadSentence]:
    """Return the sentences of a source that speak of the same as a claim, the nearest first."""
    parts = [read_clinical_sentence(part) for part in clinical_sentences(source)]
    wanted = _clinical_concepts_with_wider(frozenset(claim.concepts))
    ranked = sorted(
        parts, key=lambda part: -_claim_to_source_sentence_nearness(claim, wanted, part)
    )
    nearest = ranked[:1]
    covered = (
        _clinical_concepts_with_wider(frozenset(nearest[0].concepts))
        if nearest
        else frozenset[str]()
    )
    missing = claim.concepts - covered
    for part in ranked[1:]:
        # Another sentence is looked at only for what the nearer ones do not speak of.
        covered = missing & _clinical_concepts_with_wider(frozenset(part.concepts))
        if covered and len(nearest) < MOST_SENTENCES:
            nearest.append(part)
            missing -= covered
    return nearest


def _claim_to_source_sentence_nearness(
    claim: ReadSentence, wanted: frozenset[str], part: ReadSentence
) -> float:
    shared = len(wanted & _clinical_concepts_with_wider(frozenset(part.concepts)))
    axes = sum(1 for axis in claim.axes if axis in part.axes)
    dimensions = {quantity.dimension for quantity in part.quantities}
    quantities = sum(1 for quantity in claim.quantities if quantity.dimension in dimensions)
    pairs = _normalized_clinical_character_pairs(claim.text)
    overlap = len(pairs & _normalized_clinical_character_pairs(part.text)) / max(len(pairs), 1)
    words = len(claim.words & part.words)
    return 2.0 * shared + 0.7 * words + 0.3 * axes + 0.5 * quantities + 3.0 * overlap


class _Comparison:
    """The features of one pair, filled in group by group."""

    def __init__(self, claim: ReadSentence, parts: Sequence[ReadSentence]) -> None:
        self.claim, self.parts = claim, parts
        self.row: npt.NDArray[np.float64] = np.zeros(len(FEATURES))
        self.axes: dict[str, set[str]] = {}
        for part in parts:
            for axis, values in part.axes.items():
                self.axes.setdefault(axis, set()).update(values)
        self.concepts = _clinical_concepts_with_wider(
            frozenset[str]().union(*(part.concepts for part in parts))
        )
        self.shared = _clinical_concepts_with_wider(frozenset(claim.concepts)) & self.concepts

    def put(self, group: str, kind: str, amount: float = 1.0) -> None:
        """Count one agreement, conflict or addition."""
        self.row[PLACES[f"{group} {kind}"]] += amount

    def compare(self, group: str, ours: set[str], theirs: set[str]) -> None:
        """Compare the values of one axis."""
        if not ours:
            return
        if not theirs:
            self.put(group, "added")
        elif _any_clinical_axis_value_shared(ours, theirs):
            # Where the source names several values and the summary one, it may be the wrong one;
            # where the summary names one more, that one is new.
            self.put(group, "agrees")
        else:
            self.put(group, "conflicts")


def _any_clinical_axis_value_shared(ours: set[str], theirs: set[str]) -> bool:
    ours_all = {value for each in ours for value in each.split("+")}
    return any(value in ours_all for each in theirs for value in each.split("+"))


def summary_against_source_features(summary: str, source: str) -> npt.NDArray[np.float64]:
    """Return the features of a sentence of a summary and its source, as `FEATURES`."""
    claim = read_clinical_sentence(summary)
    comparison = _Comparison(claim, nearest_source_sentences_about_claim(claim, source))
    _compare_clinical_axes(comparison)
    _compare_certainty_and_status(comparison)
    _compare_denial_signs_of_concepts(comparison)
    _compare_good_and_bad_values(comparison)
    _compare_clinical_quantities(comparison)
    _compare_drugs_sites_and_organisms(comparison)
    _compare_concept_and_word_coverage(comparison)
    row = comparison.row
    share = row[PLACES["share of concepts shared"]]
    if len(claim.concepts) >= 2 and not share and not row[PLACES["share of words shared"]]:
        # Two polyps are no contradiction of a potassium of 5.9: nothing of the claim is there.
        row[CONFLICTS] = 0.0
    for places, name in ((CLOSED, "a closed class"), (OPEN, "an open class")):
        if row[places].any():
            # One wrong side is not made good by a right dose.
            row[AGREEMENTS] = 0.0
            row[PLACES[f"conflict of {name}"]] = 1.0
            row[PLACES[f"conflict of {name} and concepts shared"]] = share
    return row


def _subjects_besides_staff_else_patient(axes: dict[str, set[str]]) -> set[str]:
    staff = {"doctor", "nurse", "surgeon"}
    others = {value for value in axes.get("subj", ()) if value != "patient" and value not in staff}
    return others or {"patient"}


def _compare_clinical_axes(comparison: _Comparison) -> None:
    ours, theirs = comparison.claim.axes, comparison.axes
    anchors = set[str]().union(*(part.anchors for part in comparison.parts))
    for axis in _PLAIN_AXES:
        # "A before B" and "B after A" are the same; what the order refers to must be the same.
        if axis == "seq" and comparison.claim.anchors ^ anchors:
            continue
        source = _source_sides_of_shared_concepts(comparison) if axis == "lat" else set[str]()
        comparison.compare(axis, ours.get(axis, set()), source or theirs.get(axis, set()))
    for axis in _TIMES:
        comparison.compare("time", ours.get(axis, set()), theirs.get(axis, set()))
    known = {*_PLAIN_AXES, *_TIMES, "subj", "cert", "stat", "pol", "val", "neutral", "informant"}
    for axis in ours.keys() - known:
        comparison.compare("other", ours[axis], theirs.get(axis, set()))
    subjects = _subjects_besides_staff_else_patient(ours)
    # A child's own note calls it "the baby" in one sentence and nothing in the next.
    if "subj" not in ours and _subjects_besides_staff_else_patient(theirs) <= {
        "baby",
        "twin1",
        "twin2",
    }:
        return
    if subjects != {"patient"} or _subjects_besides_staff_else_patient(theirs) != {"patient"}:
        comparison.compare("subj", subjects, _subjects_besides_staff_else_patient(theirs))


def _source_sides_of_shared_concepts(comparison: _Comparison) -> set[str]:
    """Return on which sides the source has what the claim names: "left pneumonia, right clear"."""
    kinds = load_clinical_lexicon().kinds
    named = {
        concept
        for concept in _clinical_concepts_with_wider(frozenset(comparison.claim.concepts))
        if kinds.get(concept) in ("finding", "procedure")
    }
    return {
        side
        for part in comparison.parts
        for concept in named & part.sides.keys()
        for side in part.sides[concept]
    }


_SURENESS: Final = {"unlikely": -1, "maybe": 1, "likely": 1, "sure": 3}


def _compare_certainty_and_status(comparison: _Comparison) -> None:
    ours = {_SURENESS[value] for value in comparison.claim.axes.get("cert", ())}
    theirs = {_SURENESS[value] for value in comparison.axes.get("cert", ())}
    comparison.compare("cert", {str(v) for v in ours}, {str(v) for v in theirs}) if theirs else None
    if comparison.shared and (ours == set()) != (theirs == set()) and (ours or theirs) != {3}:
        comparison.row[PLACES["certainty by default conflicts"]] = 1.0
    stat_ours, stat_theirs = (
        comparison.claim.axes.get("stat", set()),
        comparison.axes.get("stat", set()),
    )
    # "Yet to be done", "will be given": what is planned is not done, whatever the participle.
    comparison.compare("stat", stat_ours & {"planned"} or stat_ours, stat_theirs)
    if comparison.shared and ("planned" in stat_ours) != ("planned" in stat_theirs):
        comparison.row[PLACES["status by default conflicts"]] = 1.0


_SIGNED: Final = frozenset({"finding", "procedure", "organism", "drug"})
_SIGNED_EVENTS: Final = frozenset({"consent", "feeding", "compliance"})


def _does_denial_of_concept_matter(concept: str) -> bool:
    """Return whether it matters if a concept is denied: a finding, not the day of admission."""
    return load_clinical_lexicon().kinds.get(concept) in _SIGNED or concept in _SIGNED_EVENTS


def _concept_denials_with_implied(
    sentence: ReadSentence, concept: str, denied: bool
) -> list[tuple[str, bool]]:
    """Return a concept and what it implies, each with its sign, the nearest first.

    What denies the narrower says nothing of the wider: no cancer, but a lump. To lack a function
    is to deny it, a procedure that is only planned has not been done, and a drug that was
    stopped is not taken.
    """
    kind = load_clinical_lexicon().kinds.get(concept)
    if kind == "procedure":
        denied = denied or "planned" in sentence.axes.get("stat", ())
    # What was stopped is taken no longer; of several drugs, which one was is not known.
    if kind == "drug":
        denied = (
            denied or concept in sentence.before_switch or _sentence_stops_its_only_drug(sentence)
        )
    implied = [(concept, denied)]
    relations = load_concept_relations()
    # A culture that is negative is one in which nothing grew.
    if (yielded := relations.yields.get(concept)) and (denied or "pol" in sentence.axes):
        implied.insert(0, (yielded, denied))
    if not denied:
        implied += [(wider, False) for wider in relations.wider.get(concept, ())]
    if base := relations.impaired.get(concept):
        implied.append((base, not denied))
    return implied


def _sentence_stops_its_only_drug(sentence: ReadSentence) -> bool:
    kinds = load_clinical_lexicon().kinds
    drugs = [concept for concept in sentence.concepts if kinds.get(concept) == "drug"]
    return len(drugs) == 1 and sentence.axes.get("act") == {"stop"}


def _compare_denial_signs_of_concepts(comparison: _Comparison) -> None:
    """Compare the sign of shared concepts; without one, that of the whole sentences."""
    kinds = load_clinical_lexicon().kinds
    signs: dict[str, set[bool]] = {}
    for part in comparison.parts:
        for concept, denied in part.mentions:
            for name, sign in _concept_denials_with_implied(part, concept, denied):
                signs.setdefault(name, set()).add(sign)
    compared = False
    agrees = conflicts = conflicts_of_findings = 0
    for concept, denied in comparison.claim.mentions:
        if kinds.get(concept) in ("site", "person", "drug class"):
            continue
        for name, sign in _concept_denials_with_implied(comparison.claim, concept, denied):
            if name in signs:
                compared = True
                agrees += sign in signs[name]
                conflicts += sign not in signs[name]
                conflicts_of_findings += sign not in signs[name] and _does_denial_of_concept_matter(
                    concept
                )
                break
    findings = conflicts_of_findings > 0 or any(
        _does_denial_of_concept_matter(concept) for concept in comparison.shared
    )
    comparison.put("sign", "agrees", float(agrees > 0))
    comparison.put("sign", "conflicts", float(min(conflicts, 2)))
    comparison.row[PLACES["finding sign conflicts"]] = float(conflicts_of_findings > 0)
    valued = comparison.claim.good and any(part.good for part in comparison.parts)
    if (not compared or not findings) and not valued:
        ours = _is_sentence_affirmed(comparison.claim)
        theirs = _is_sentence_affirmed(comparison.parts[0]) if comparison.parts else ours
        comparison.row[PLACES["sign without a shared concept conflicts"]] = float(ours != theirs)


def _is_sentence_affirmed(sentence: ReadSentence) -> bool:
    return sentence.denials % 2 == 0


def _findings_good_news_score(sentence: ReadSentence, shared: frozenset[str]) -> float:
    """Return how good it is which findings a sentence names, and which it denies.

    Findings that both sides name are left out: their signs are compared themselves.
    """
    kinds = load_clinical_lexicon().kinds
    news = 0.0
    for concept, denied in sentence.mentions:
        if kinds.get(concept) == "finding" and concept not in shared:
            news += 0.5 if denied else -0.5
        # A test that is "positive" is no good news.
        elif kinds.get(concept) == "test" and sentence.axes.get("pol") == {"pos"}:
            news -= 0.5
        elif kinds.get(concept) == "test" and denied:
            news += 0.5
    return news


def _direction_good_news_score(sentence: ReadSentence) -> float:
    """Return whether what goes up or down is good news."""
    direction = sentence.axes.get("dir", set()) & {"up", "down"}
    if len(direction) != 1:
        return 0.0
    sign = 1.0 if direction == {"up"} else -1.0
    return sign if sentence.concepts & load_concept_relations().good_if_up else -sign


def _compare_good_and_bad_values(comparison: _Comparison) -> None:
    """Compare what is called good or bad; where one side only counts or moves, what that is."""
    if not comparison.parts:
        return
    claim, row = comparison.claim, comparison.row
    theirs = sum(part.good for part in comparison.parts)
    moved = sum(_direction_good_news_score(part) for part in comparison.parts)
    named = sum(_findings_good_news_score(part, comparison.shared) for part in comparison.parts)
    if claim.good and theirs:
        comparison.put("value", "agrees" if claim.good * theirs > 0 else "conflicts")
        return
    settled = row[PLACES["dir agrees"]] + row[PLACES["dir conflicts"]]
    mine = claim.good or _direction_good_news_score(claim)
    other = theirs or moved
    if mine and other and not settled:
        if mine * other < 0 and comparison.shared:
            row[PLACES["direction against value conflicts"]] = 1.0
    elif claim.good and not named:
        comparison.put("value", "added")
    if (mine or _findings_good_news_score(claim, comparison.shared)) * (
        other or named
    ) < 0 and not (mine and other):
        row[PLACES["value by findings conflicts"]] = 1.0


_MEASURED: Final = frozenset(
    [
        "mass",
        "volume",
        "length",
        "time",
        "substance",
        "units",
        "bodymass",
        "cups",
        "share",
        "pressure",
        "degrees",
    ]
)


_LEAST_BODY_MG: Final = 4e5
_MG_OF_KG: Final = 1e6


def _are_clinical_quantities_comparable(ours: Quantity, theirs: Quantity) -> bool:
    dimensions = {ours.dimension, theirs.dimension}
    # A newborn is weighed in kg by the one and in g by the other.
    return len(dimensions) == 1 or (
        dimensions == {"mass", "bodymass"} and max(ours.amount, theirs.amount) >= _LEAST_BODY_MG
    )


def _is_same_clinical_quantity(ours: Quantity, theirs: Quantity) -> bool:
    if {ours.dimension, theirs.dimension} == {"mass", "bodymass"}:
        # A newborn of 3.2 kg weighs 3200 g.
        mass, body = sorted((ours, theirs), key=lambda quantity: quantity.dimension == "bodymass")
        return abs(mass.amount - body.amount * _MG_OF_KG) <= ALIKE * mass.amount
    if ours.dimension in _MEASURED and theirs.dimension in _MEASURED:
        near = abs(ours.amount - theirs.amount) <= ALIKE * max(
            abs(ours.amount), abs(theirs.amount)
        ) + _rounding_of_converted_clinical_quantity(ours, theirs)
        return ours.dimension == theirs.dimension and near
    return ours.figure == theirs.figure


def _rounding_of_converted_clinical_quantity(ours: Quantity, theirs: Quantity) -> float:
    """Return half the last digit of a figure that another system of measures was converted to.

    Zero where both are in one measure, and for doses, which convert exactly.
    """
    if ours.dimension not in ("bodymass", "degrees"):
        return 0.0
    scales = [_clinical_unit_scale(quantity) for quantity in (ours, theirs)]
    if abs(scales[0] - scales[1]) < ALIKE:
        return 0.0
    return 0.5 * scales[0] * 10.0 ** -_decimal_count_of_clinical_figure(ours.figure)


def _clinical_unit_scale(quantity: Quantity) -> float:
    if quantity.dimension == "degrees":
        return 1.0 if quantity.figure == quantity.amount else 5 / 9
    return quantity.amount / quantity.figure if quantity.figure else 1.0


def _decimal_count_of_clinical_figure(figure: float) -> int:
    return 0 if figure.is_integer() else len(repr(figure).partition(".")[2])


def _is_difference_of_other_quantities(quantity: Quantity, theirs: set[Quantity]) -> bool:
    """Return whether a quantity is how far two others lie apart: from 82 to 76 kg, 6 kg."""
    like = sorted({q.figure for q in theirs if q.dimension in ("", quantity.dimension)})
    return any(abs(b - a - quantity.figure) < ALIKE for a in like for b in like if b > a)


def _compare_clinical_quantities(comparison: _Comparison) -> None:
    theirs = {quantity for part in comparison.parts for quantity in part.quantities}
    ours = comparison.claim.quantities
    # A quantity that the summary repeats is spoken for, and contradicts no other.
    free = {
        other
        for other in theirs
        if not any(_is_same_clinical_quantity(mine, other) for mine in ours)
    }
    for quantity in ours:
        if any(
            _is_same_clinical_quantity(quantity, other) for other in theirs
        ) or _is_difference_of_other_quantities(quantity, theirs):
            comparison.put("number", "agrees")
        elif any(quantity.figure == other.figure for other in theirs):
            comparison.put("unit", "conflicts")
        elif (quantity.figure, quantity.dimension) == (1.0, ""):
            # "A", "one" and "一" are articles as often as they are numbers.
            continue
        elif any(_are_clinical_quantities_comparable(quantity, other) for other in free):
            comparison.put("number", "conflicts")
        elif any(not (quantity.dimension and other.dimension) for other in free):
            comparison.row[PLACES["number without unit conflicts"]] = 1.0
        else:
            comparison.put("number", "added")


def _compare_drugs_sites_and_organisms(comparison: _Comparison) -> None:
    """Compare drugs, sites and organisms: another in the place of the right one is a conflict."""
    kinds = load_clinical_lexicon().kinds
    given_up = {drug for part in comparison.parts for drug in part.before_switch}
    for group in ("drug", "site", "organism", "procedure", "test"):
        ours = {c for c in comparison.claim.concepts if kinds.get(c) == group}
        theirs = {c for c in comparison.concepts if kinds.get(c) == group}
        wider = _clinical_concepts_with_wider(frozenset(ours))
        # The wider place may be named by either side, and is then no other place.
        comparison.compare(group, ours, theirs | (wider & comparison.concepts))
        if (
            group == "drug"
            and ours
            and ours <= given_up
            and "stop" not in comparison.claim.axes.get("act", ())
        ):
            comparison.row[PLACES["drug given up conflicts"]] = 1.0


def _compare_concept_and_word_coverage(comparison: _Comparison) -> None:
    claim, row = comparison.claim, comparison.row
    concepts = claim.concepts
    wider = load_concept_relations().wider
    covered = {
        concept for concept in concepts if comparison.concepts & {concept, *wider.get(concept, ())}
    }
    row[PLACES["concepts shared"]] = min(len(covered), 4)
    row[PLACES["share of concepts shared"]] = len(covered) / len(concepts) if concepts else 0.0
    row[PLACES["share of concepts new"]] = 1 - len(covered) / len(concepts) if concepts else 0.0
    row[PLACES["no concept"]] = float(not concepts)
    words = set[str]().union(*(part.words for part in comparison.parts))
    row[PLACES["share of words shared"]] = (
        len(claim.words & words) / len(claim.words) if claim.words else 0.0
    )
    row[PLACES["words new"]] = min(len(claim.words - words), 6) / 6
    pairs = _normalized_clinical_character_pairs(claim.text)
    source_pairs = frozenset[str]().union(
        *(_normalized_clinical_character_pairs(part.text) for part in comparison.parts)
    )
    row[PLACES["characters shared"]] = len(pairs & source_pairs) / max(len(pairs), 1)
    row[PLACES["finding sign in the same words conflicts"]] = (
        row[PLACES["finding sign conflicts"]] * row[PLACES["characters shared"]]
    )

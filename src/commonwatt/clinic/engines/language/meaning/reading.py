"""One sentence read: concepts with their sign, values on closed axes, quantities, and the rest.

How far a denial goes stands in `scope`; two cues undo each other. A cue before a value of an axis
with two values means the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from commonwatt.clinic.engines.language.meaning.lexicon import (
    clinical_tokens,
    load_clinical_lexicon,
    normalized_clinical_text,
    stemmed_word,
)
from commonwatt.clinic.engines.language.meaning.quantities import (
    Quantity,
    clinical_quantity_end_and_quantity,
)
from commonwatt.clinic.engines.language.meaning.scope import (
    ALTERNATIVES,
    CLAUSE_MARKS,
    CLAUSE_WORDS,
    CONJUNCTIONS,
    JOINING_WORDS,
    OWN_VERBS,
    PREDICATES,
    VERB_FORMS,
    Clause,
    clauses_with_denied_lists_joined,
)

_SENTENCE: Final = re.compile(
    r"(?<=[\w%)+\]][.!?;])(?<!\bdr\.)(?<!\b[a-z]\.)(?<!\be\.g\.)\s+|(?<=[。！；])|(?<=\w？)|\n+",
    re.I,
)
_VALUE_REACH: Final = 3
_ENDS_NEGATION: Final = frozenset(
    [
        "at",
        "on",
        "after",
        "before",
        "during",
        "since",
        "by",
        "for",
        "when",
        "while",
        "until",
        "from",
        "because",
        "due",
        "despite",
        "following",
        "if",
        "unless",
        "apart",
        "except",
        "besides",
        "aside",
        "though",
        "although",
    ]
)
# Words that deny what comes after them, and look back only where nothing does.
_PARTICLES: Final = frozenset(
    [
        "not",
        "no",
        "cannot",
        "can't",
        "couldn't",
        "doesn't",
        "didn't",
        "isn't",
        "wasn't",
        "aren't",
        "weren't",
        "hasn't",
        "haven't",
        "don't",
        "won't",
        "unable",
        "未",
        "不",
        "唔",
        "冇",
        "無",
        "沒",
        "有",
        "能",
        "法",
    ]
)
_OPPOSITE: Final = {
    "dir.up": "dir.down+same",
    "dir.down": "dir.up+same",
    "val.good": "val.bad",
    "val.bad": "val.good",
    "pol.pos": "pol.neg",
    "cert.sure": "cert.maybe",
    "cert.likely": "cert.unlikely",
    "cert.maybe": "cert.unlikely",
    "stat.done": "stat.planned",
    "act.start": "act.none",
    "act.stop": "act.continue",
    "act.continue": "act.stop",
    "nature.malignant": "nature.benign",
    "nature.benign": "nature.malignant",
    "ind.independent": "ind.dependent",
    "ind.dependent": "ind.independent",
    "rhythm.regular": "rhythm.irregular",
    "smk.current": "smk.never",
    "sensi.sensitive": "sensi.resistant",
    "extent.complete": "extent.partial",
    "urg.emergency": "urg.elective",
    "live.alone": "live.with",
}
_SWITCH: Final = re.compile(
    r"\b(?:swap|switch|chang|replac|convert|substitut)\w*\b|轉用|轉為|轉成|改用|改為|改服|換成|換為|轉做|轉食"
)
_EMPTY_WORDS: Final = """
a an the and or of to in on at for from by with is are was were be been being it its this that
these those his her their our my as than then into onto about over per there have has had having
did do does who which also some any all very only just when while where during under out up
what we you they them he she him i patient
的 了 咗 是 在 和 及 與 之 於 為 係 嘅 喺 其 此 該 並 而 以 由 對 個 有
個 會 用 時 至 或 可 要 到 仍 被 經 患
"""
_EMPTY: Final = frozenset(stemmed_word(word) for word in _EMPTY_WORDS.split())


_SAYS: Final = frozenset(
    map(stemmed_word, ["says", "reports", "states", "thinks", "noticed", "said", "reported"])
) | {"話", "說", "表"}


class Mention(NamedTuple):
    """A concept in a sentence, and whether it is denied there."""

    concept: str
    denied: bool


@dataclass(slots=True)
class ReadSentence:
    """What a sentence says.

    Args:
        text: As it stood.
        mentions: Its concepts, each with its sign.
        concepts: The same, whatever their sign.
        axes: Values by axis; a value that stands for several is written `husband+wife`.
        quantities: Its numbers.
        words: Stems and Chinese characters that no term or quantity took up.
        denials: How many cues of negation it has.
        anchors: What "before" and "after" refer to.
        before_switch: Drugs that were given up for others in this sentence.
        sides: Sides that stand in the same clause as a concept, by concept.
    """

    text: str
    mentions: set[Mention] = field(default_factory=set[Mention])
    concepts: set[str] = field(default_factory=set[str])
    axes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    quantities: set[Quantity] = field(default_factory=set[Quantity])
    words: set[str] = field(default_factory=set[str])
    denials: int = 0
    good: float = 0.0
    before_switch: set[str] = field(default_factory=set[str])
    anchors: set[str] = field(default_factory=set[str])
    sides: dict[str, set[str]] = field(default_factory=dict[str, set[str]])


def clinical_sentences(text: str) -> list[str]:
    r"""Return the sentences of a text.

    >>> clinical_sentences("Hb 7.2. Seen by Dr. Chan.\n左膝痛。無發燒。")
    ['Hb 7.2.', 'Seen by Dr. Chan.', '左膝痛。', '無發燒。']
    """
    return [part.strip() for part in _SENTENCE.split(text) if part and part.strip(" .。")]


@lru_cache(65536)
def read_clinical_sentence(text: str) -> ReadSentence:
    """Return what a sentence says; callers share the object and must not change it.

    >>> sentence = read_clinical_sentence("No fever, left knee swollen, paracetamol 1 g.")
    >>> sorted(sentence.mentions)[:2], sentence.axes["lat"]
    ([Mention(concept='fever', denied=True), Mention(concept='knee', denied=False)], {'left'})
    """
    sentence = ReadSentence(text)
    plain = normalized_clinical_text(text).replace("(-)", " -ve ").replace("(+)", " +ve ")
    for clause in clauses_with_denied_lists_joined(
        _clauses_and_add_rest_to_sentence(clinical_tokens(plain), sentence)
    ):
        _add_signed_clause_to_sentence(clause, sentence)
    sentence.concepts = {mention.concept for mention in sentence.mentions}
    _add_directions_of_clinical_change(plain, sentence)
    _add_part_of_day_axis(plain, sentence)
    _add_replaced_drug(plain, sentence)
    _add_current_smoking_axis(sentence)
    _add_duration_since_onset(sentence)
    return sentence


def _clauses_and_add_rest_to_sentence(tokens: list[str], sentence: ReadSentence) -> list[Clause]:
    """Return the clauses of a sentence; quantities and the remaining words go into it."""
    stems = [stemmed_word(token) for token in tokens]
    clauses = [Clause()]
    place = 0
    # Whether nothing but conjunctions stands between a concept and the place.
    follows_concept = False
    while place < len(tokens):
        if _token_opens_clause(tokens, stems, place):
            clauses.append(Clause(tokens[place]))
            place, follows_concept = place + 1, False
            continue
        clause = clauses[-1]
        end, atoms = _clinical_term_end_and_atoms(tokens, stems, place)
        _add_function_words_to_clause(clause, tokens, stems, place, end)
        after, quantity = clinical_quantity_end_and_quantity(tokens, place)
        if follows_concept and end == place and tokens[place] in JOINING_WORDS:
            place += 1
        elif quantity is not None and after > place and after >= end:
            place, follows_concept = (
                _add_clause_quantity_and_return_end(clause, tokens, after, quantity),
                False,
            )
            sentence.quantities.add(quantity)
        elif end > place:
            _add_term(clause, tokens, (place, end), atoms)
            is_concept = any("." not in atom for atom in atoms)
            if is_concept and follows_concept:
                clause.joined.add(place)
            place, follows_concept = end, is_concept
        else:
            clause.chinese |= tokens[place] > "\u3400"
            if stems[place] not in _EMPTY and stems[place].isalnum():
                sentence.words.add(stems[place])
                clause.unknown.add(place)
            place, follows_concept = place + 1, False
    return clauses


def _clinical_term_end_and_atoms(
    tokens: list[str], stems: list[str], place: int
) -> tuple[int, tuple[str, ...]]:
    """Return where the longest term at a place ends, and its atoms."""
    end, atoms = load_clinical_lexicon().longest_term_end_and_atoms(stems, place)
    # A lone letter is a side only where it is no part of a unit.
    lone = tokens[place] in ("l", "r") and end == place + 1
    if lone and place and tokens[place - 1] in "/'":
        return place, ()
    # Who says it is not whom it is about.
    if end < len(tokens) and stems[end] in _SAYS:
        atoms = tuple(atom.replace("subj.", "informant.") for atom in atoms)
    return end, atoms


def _add_function_words_to_clause(
    clause: Clause, tokens: list[str], stems: list[str], place: int, end: int
) -> None:
    """Note what ends a negation, what closes a list, and the verbs of a clause."""
    token = tokens[place]
    if token in _ENDS_NEGATION:
        clause.ends.append(place)
    if end <= place + 1 and token in CONJUNCTIONS:
        clause.conjunctions.add(token)
    is_predicate = bool(clause.concepts) and token in PREDICATES
    if stems[place] in OWN_VERBS or token in VERB_FORMS or is_predicate:
        clause.verbs.append(place)


def _add_clause_quantity_and_return_end(
    clause: Clause, tokens: list[str], after: int, quantity: Quantity
) -> int:
    """Note a quantity, and return where it ends."""
    clause.has_quantity = True
    # "三年前" is how long ago, and no order of two events.
    if quantity.dimension == "time" and tokens[after : after + 1] == ["前"]:
        clause.atoms.append((after, "hist.past"))
        return after + 1
    return after


def _add_term(
    clause: Clause, tokens: list[str], span: tuple[int, int], atoms: tuple[str, ...]
) -> None:
    place, end = span
    clause.atoms += [(place, atom) for atom in atoms]
    if "pol.neg" in atoms:
        clause.cue_words[place] = tokens[end - 1]
    if atoms == ("pol.neg",) and tokens[end - 1] in _PARTICLES:
        clause.particles[place] = end
    clause.chinese |= tokens[place] > "\u3400"


def _token_opens_clause(tokens: list[str], stems: list[str], place: int) -> bool:
    """Return whether a token parts two clauses: a mark, "but", or "and" before a verb."""
    if tokens[place] in CLAUSE_MARKS:
        return not (tokens[place] in ":：" and _colon_joins_sign(tokens, stems, place))
    if load_clinical_lexicon().longest_term_end_and_atoms(stems, place)[0] > place + 1:
        return False
    following = stems[place + 1] if place + 1 < len(tokens) else ""
    joins = tokens[place] in CONJUNCTIONS - ALTERNATIVES
    return tokens[place] in CLAUSE_WORDS or (joins and following in (OWN_VERBS | {"有"}))


def _colon_joins_sign(tokens: list[str], stems: list[str], colon: int) -> bool:
    """Return whether a colon joins a cue and what it denies: "denies: fever", "fever: no"."""
    lexicon = load_clinical_lexicon()
    if any(
        lexicon.longest_term_end_and_atoms(stems, at) == (colon, ("pol.neg",))
        for at in range(colon)
    ):
        return True
    if colon + 1 >= len(tokens):
        return False
    end, atoms = lexicon.longest_term_end_and_atoms(stems, colon + 1)
    alone = end == len(tokens) or tokens[end] in CLAUSE_MARKS
    return alone and atoms in (("pol.neg",), ("pol.pos",))


def _add_signed_clause_to_sentence(clause: Clause, sentence: ReadSentence) -> None:
    """Give each concept and value of a clause its sign, and put it into the sentence."""
    taken = {place for place, _ in clause.concepts}
    turning: set[int] = set()
    for place, atom in clause.atoms:
        if "." not in atom or atom == "pol.neg" or place in taken:
            continue
        before = [
            cue
            for cue in clause.cues
            if cue < place <= cue + _VALUE_REACH
            and cue not in taken
            and not any(cue < other < place for other in taken)
        ]
        turned = len(before) % 2 == 1 and atom in _OPPOSITE
        # "Not improved" denies the improvement; in "no visible mass" it is the mass.
        turning.update(before if turned and atom != "pol.pos" else ())
        _add_clinical_axis_value(_OPPOSITE[atom] if turned else atom, sentence)
        if atom.startswith("seq."):
            sentence.anchors.update(_anchor(place, clause.concepts, clause.chinese))
    sentence.denials += len([cue for cue in clause.cues if cue not in turning])
    signs = clause.is_denied_by_place_and_concept(turning)
    denied_places = {place for (place, _), denied in signs.items() if denied}
    sentence.mentions |= {Mention(concept, denied) for (_, concept), denied in signs.items()}
    sides = {atom.partition(".")[2] for _, atom in clause.atoms if atom.startswith("lat.")}
    for _, concept in clause.concepts if sides else ():
        sentence.sides.setdefault(concept, set()).update(sides)
    for place, atom in clause.atoms:
        if place not in taken or "." not in atom or atom == "pol.neg":
            continue
        # No hypertension, wherever it stands in a list, is no high pressure.
        turned = place in denied_places and place not in clause.cues and atom in _OPPOSITE
        _add_clinical_axis_value(_OPPOSITE[atom] if turned else atom, sentence)
        if atom.startswith("seq."):
            sentence.anchors.update(_anchor(place, clause.concepts, clause.chinese))


def _anchor(place: int, concepts: list[tuple[int, str]], chinese: bool) -> set[str]:
    """Return the concept that a cue of order refers to: 手術前, before the operation."""
    if chinese:
        behind = [(at, concept) for at, concept in concepts if at <= place]
        return {concept for at, concept in behind if at == max(at for at, _ in behind)}
    ahead = [(at, concept) for at, concept in concepts if at >= place]
    return {concept for at, concept in ahead if at == min(at for at, _ in ahead)}


def _add_clinical_axis_value(atom: str, sentence: ReadSentence) -> None:
    axis, _, value = atom.partition(".")
    if axis == "val":
        sentence.good += 1.0 if value == "good" else -1.0
    sentence.axes.setdefault(axis, set()).add(value)


_ARROW: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:→|->|=>|—>)\s*(\d+(?:\.\d+)?)")
_FROM_TO: Final = re.compile(
    r"(?:from|由|從)\s*(\d+(?:\.\d+)?)[^\d,.;。，]{0,12}?(?:to|至|到|升至|降至|減至|增至|加到|減到)\s*(\d+(?:\.\d+)?)"
)
_SINCE: Final = re.compile(r"\bsince\b|[自由從].{0,4}起", re.I)
_DAYS_AGO: Final = {"yesterday": 1.0, "daybefore": 2.0}
_CLOCK: Final = re.compile(
    r"\b([01]?\d|2[0-3]):([0-5]\d)\b|\b([01]\d|2[0-3])([0-5]\d)\s?h(?:rs?|ours)?\b"
)


def _add_directions_of_clinical_change(plain: str, sentence: ReadSentence) -> None:
    """Read `190→120` and "from 190 to 120" as a change."""
    for pattern in (_ARROW, _FROM_TO):
        for match in pattern.finditer(plain):
            first, last = float(match[1]), float(match[2])
            if first != last:
                sentence.axes.setdefault("dir", set()).add("up" if last > first else "down")


def _add_part_of_day_axis(plain: str, sentence: ReadSentence) -> None:
    """Read the time of a day as its part."""
    for match in _CLOCK.finditer(plain):
        hour = int(match[1] or match[3])
        part = (
            "night+morning" if hour < 6
            else "morning" if hour < 12
            else "noon+afternoon" if hour < 14
            else "afternoon" if hour < 17
            else "afternoon+evening" if hour < 19
            else "evening+night"
        )  # fmt: skip
        sentence.axes.setdefault("day", set()).add(part)


def _add_replaced_drug(plain: str, sentence: ReadSentence) -> None:
    """Find the drug that another took the place of."""
    if not (match := _SWITCH.search(plain)):
        return
    lexicon = load_clinical_lexicon()
    drugs: list[tuple[int, str]] = []
    tokens = clinical_tokens(plain)
    stems = [stemmed_word(token) for token in tokens]
    switch = len(clinical_tokens(plain[: match.start()]))
    for place in range(len(tokens)):
        _, atoms = lexicon.longest_term_end_and_atoms(stems, place)
        drugs += [(place, atom) for atom in atoms if lexicon.kinds.get(atom) == "drug"]
    order = list(dict.fromkeys(name for _, name in drugs))
    # "A was replaced by B", "swapped A for B", "由A轉用B": the first goes; "B replaced A" the last.
    if len(order) == 2:
        active = (
            match[0].startswith("replac")
            and sum(place < switch for place, _ in drugs) == 1
            and not re.search(r"replac\w*\s+(?:by|with)", plain)
        )
        sentence.before_switch.add(order[1] if active else order[0])


def _add_current_smoking_axis(sentence: ReadSentence) -> None:
    """Read whoever smokes, and not in the past, as a current smoker, however that is put."""
    past = "past" in sentence.axes.get("hist", ())
    if Mention("smoking", False) in sentence.mentions and not past:
        sentence.axes.setdefault("smk", {"current"})


def _add_duration_since_onset(sentence: ReadSentence) -> None:
    """Read what began yesterday as lasting for a day."""
    if "start" not in sentence.axes.get("act", ()) and not _SINCE.search(sentence.text):
        return
    for day in sentence.axes.get("rel", set()) & _DAYS_AGO.keys():
        days = _DAYS_AGO[day]
        sentence.quantities.add(Quantity(days, "time", 24.0 * days))

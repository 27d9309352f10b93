"""How far a denial goes: over the members of a list, and not into a clause of its own.

A cue governs the concepts after it in its clause, those before it where none comes after, and
every member of a list that it opens: "no fever, cough or dyspnoea", "否認噁心、嘔吐及腹瀉". A comma
ends the list where what follows has a verb, a sign, a number or a side of its own.

Source: Chapman et al. (2001), A simple algorithm for identifying negated findings and diseases
in discharge summaries, Journal of Biomedical Informatics 34, 301.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from commonwatt.clinic.engines.language.meaning.lexicon import (
    load_clinical_lexicon,
    load_concept_relations,
    stemmed_word,
)

NEGATION_REACH: Final = 7
LIST_MARKS: Final = frozenset(",，、")
CLAUSE_MARKS: Final = LIST_MARKS | frozenset(";:.!()；：。")
# These open a clause where no longer term, such as "nothing but" or 而家, takes them up.
CLAUSE_WORDS: Final = frozenset(
    ["but", "however", "although", "though", "yet", "whereas", "except", "但", "惟", "而"]
)
ALTERNATIVES: Final = frozenset(["or", "nor", "或"])
CONJUNCTIONS: Final = ALTERNATIVES | frozenset(["and", "&", "及", "和", "與", "同", "並", "且"])
JOINING_WORDS: Final = CONJUNCTIONS | frozenset(["/", "any", "a", "an", "者", "以", "埋", "、"])
_OWN_VERBS: Final = """
has have had having is are was were be been does did do reports reporting complains
complaining presents presented presenting develops developed shows showed remains started
noticed feels felt admits admitted endorses found noted with since because says describes
experienced experiences suffers only 訴 覺 感 患 伴 呈 只 僅
"""
OWN_VERBS: Final = frozenset(stemmed_word(word) for word in _OWN_VERBS.split())
# Nouns and participles share their stems with these: only some forms are verbs.
_VERB_FORMS: Final = """
vomited vomits fainted faints collapsed coughed coughs bled bleeds itched smokes smoked drinks drank
takes took uses used eats ate sleeps slept
"""
VERB_FORMS: Final = frozenset(_VERB_FORMS.split())
# "Not" denies a verb or an adjective, and opens a list only where a conjunction closes it.
_DENIES_VERBS: Final = frozenset(["not", "unable", "不", "唔", "非", "能", "法"])
# After a site these make a sentence without a verb: "no fever, knee swollen".
_PREDICATES: Final = """
swollen painful tender sore weak numb itchy red hot dilated blocked broken infected
"""
PREDICATES: Final = frozenset(_PREDICATES.split())


class Clause:
    """Atoms of a clause in order, as (place, atom), and what tells how far a denial goes in it."""

    def __init__(self, mark: str = "") -> None:
        self.mark = mark
        self.atoms: list[tuple[int, str]] = []
        self.ends: list[int] = []
        self.chinese = False
        self.unknown: set[int] = set()
        self.particles: dict[int, int] = {}
        self.cue_words: dict[int, str] = {}
        self.conjunctions: set[str] = set()
        self.verbs: list[int] = []
        self.has_quantity = False
        # Places of concepts that nothing but conjunctions parts from the concept before.
        self.joined: set[int] = set()

    @property
    def concepts(self) -> list[tuple[int, str]]:
        """Return the concepts of the clause, by place."""
        return [(place, atom) for place, atom in self.atoms if "." not in atom]

    @property
    def cues(self) -> list[int]:
        """Return the places of what denies."""
        return [place for place, atom in self.atoms if atom == "pol.neg"]

    @property
    def has_own_verb(self) -> bool:
        """Return whether it is a sentence of its own; "wheeze or rash was heard" ends a list."""
        last = max((place for place, _ in self.concepts), default=-1)
        ends_list = bool(self.conjunctions & ALTERNATIVES)
        return any(not ends_list or verb < last for verb in self.verbs)

    @property
    def has_own_polarity_cue(self) -> bool:
        """Return whether it says itself what is there and what is not."""
        last = max((place for place, _ in self.concepts), default=-1)
        ends_list = bool(self.conjunctions & ALTERNATIVES)
        return any(
            atom.startswith("pol.")
            and self.cue_words.get(place) != "nor"
            and not (ends_list and atom == "pol.pos" and place > last)
            for place, atom in self.atoms
        )

    def cue_denies_unknown_verb(self, cue: int) -> bool:
        """Return whether a cue denies a verb that nobody knows, as in "did not react"."""
        end = self.particles.get(cue)
        return end is not None and bool({end, end + 1} & self.unknown)

    def reaches(self, cue: int, place: int) -> bool:
        """Return whether no word that ends a negation stands between a cue and a place."""
        return not any(cue < end < place for end in self.ends)

    def is_denied_by_place_and_concept(self, turning: set[int]) -> dict[tuple[int, str], bool]:
        """Return the sign of each concept; cues in `turning` deny a value and no concept."""
        concepts, denied = self.concepts, dict[tuple[int, str], bool]()
        taken = {place for place, _ in concepts}
        cues = [cue for cue in self.cues if cue not in turning]
        list_is_denied = False
        for place, concept in concepts:
            # A term such as "afebrile" denies its own concept and nothing after it.
            own = [cue for cue in cues if cue == place]
            before = [
                cue
                for cue in cues
                if cue < place <= cue + NEGATION_REACH
                and cue not in taken
                and self.reaches(cue, place)
                # "No fever and no cough": each cue has its own, and they do not undo each other.
                and not any(cue < other < later < place for other in taken for later in cues)
            ]
            # A cue with no concept after it looks back: "fever was denied", "瘀血已消失".
            behind = [
                cue
                for cue in cues
                if cue > place
                and not self.cue_denies_unknown_verb(cue)
                and not any(cue <= other and self.reaches(cue, other) for other, _ in concepts)
            ]
            if place in self.joined and list_is_denied and not own:
                denied[place, concept] = True
                continue
            denied[place, concept] = len([*own, *before, *behind]) % 2 == 1
            list_is_denied = len(before) % 2 == 1
        return denied

    def open_denial_cue_place_or_none(self) -> int | None:
        """Return the place of the cue whose list the next clause may go on with."""
        taken = {place for place, _ in self.concepts}
        cues = [cue for cue in self.cues if cue not in taken]
        if not cues or self.cue_denies_unknown_verb(cues[-1]):
            return None
        cue = cues[-1]
        ahead = [(place, atom) for place, atom in self.atoms if place > cue]
        first = next((place for place, atom in ahead if "." not in atom), None)
        # "No improvement of the pain, nausea": what is denied is the improvement.
        values = {atom.partition(".")[0] for place, atom in ahead if first and place < first}
        if first is None or not self.reaches(cue, first) or values & {"dir", "val", "act"}:
            return None
        return cue

    def absorb_clause(self, other: Clause) -> None:
        """Go on with another clause as one."""
        self.atoms += other.atoms
        self.ends += other.ends
        self.chinese |= other.chinese
        self.unknown |= other.unknown
        self.particles |= other.particles
        self.cue_words |= other.cue_words
        self.conjunctions |= other.conjunctions
        self.joined |= other.joined
        self.verbs += other.verbs
        self.has_quantity |= other.has_quantity


def clauses_with_denied_lists_joined(clauses: Sequence[Clause]) -> list[Clause]:
    """Return the clauses of a sentence, each list that is denied as a whole in one."""
    joined: list[Clause] = []
    # Whether the sentence has a 、, which parts members, so that its commas part clauses.
    enumerated = any(clause.mark == "、" for clause in clauses)
    for number, clause in enumerate(clauses):
        if joined and _continues_denied_list(joined[-1], clauses[number:], enumerated):
            clause.joined.update(place for place, _ in clause.concepts)
            joined[-1].absorb_clause(clause)
            continue
        joined.append(clause)
        if _is_clause_list_denied_at_end(clause):
            # "Fever, cough and rash were denied": the cue stands behind the whole list.
            while (
                len(joined) > 1
                and joined[-1].mark in LIST_MARKS
                and _clause_only_names_findings(joined[-2])
            ):
                last = joined.pop()
                joined[-1].absorb_clause(last)
    return joined


def _continues_denied_list(before: Clause, rest: Sequence[Clause], enumerated: bool) -> bool:
    clause, cue = rest[0], before.open_denial_cue_place_or_none()
    if (
        cue is None
        or clause.mark not in LIST_MARKS
        or not _could_be_member_of_denied_list(before, clause)
    ):
        return False
    alternatives = conjunctions = False
    for following in rest:
        if following.mark not in LIST_MARKS or not _could_be_member_of_denied_list(
            before, following
        ):
            break
        alternatives |= bool(following.conjunctions & ALTERNATIVES)
        conjunctions |= bool(following.conjunctions)
    if alternatives or clause.mark == "、":
        return True
    # 、 joins members; beside it, a comma parts what is no longer of the list.
    if enumerated or not _clause_only_names_findings(clause, closed=conjunctions):
        return False
    if not _concept_kinds_of_clause(clause) <= _concept_kinds_of_clause(before) | {"site"}:
        return False
    word = before.cue_words.get(cue, "")
    return conjunctions or not (word in _DENIES_VERBS or word.endswith("n't"))


def _could_be_member_of_denied_list(before: Clause, clause: Clause) -> bool:
    """Return whether a clause names what the list before it does, without a verb or a sign."""
    shared = (_concept_kinds_of_clause(clause) & _concept_kinds_of_clause(before)) - {"site"}
    return bool(shared) and not clause.has_own_polarity_cue and not clause.has_own_verb


def _concept_kinds_of_clause(clause: Clause) -> set[str | None]:
    kinds = load_clinical_lexicon().kinds
    return {kinds.get(concept) for _, concept in clause.concepts}


def _clause_only_names_findings(clause: Clause, *, closed: bool = True) -> bool:
    """Return whether a clause names findings and says nothing of them, not even "mild".

    Args:
        clause: What stands between two marks.
        closed: Whether a conjunction ends the list, which may then name sites and strange words.
    """
    taken = {place for place, _ in clause.concepts}
    names = {concept for _, concept in clause.concepts}
    axes = {atom.partition(".")[0] for place, atom in clause.atoms if place not in taken}
    speaks_of_site = clause.chinese and not closed and "site" in _concept_kinds_of_clause(clause)
    # "Appetite" after "no nausea" is not what is denied.
    return (
        bool(names)
        and not axes
        and (closed or not clause.ends)
        and not clause.has_own_verb
        and not clause.has_quantity
        and not speaks_of_site
        and not names & load_concept_relations().good_if_up
        and len(clause.unknown) <= (closed and not clause.chinese)
    )


def _is_clause_list_denied_at_end(clause: Clause) -> bool:
    """Return whether a clause ends a list and denies it: "… and rash were denied", "…均無"."""
    places = [place for place, _ in clause.concepts]
    return bool(
        places
        and len(clause.cues) == 1
        and clause.cues[0] > max(places)
        and not clause.cue_denies_unknown_verb(clause.cues[0])
        and (clause.conjunctions or clause.mark == "、")
    )

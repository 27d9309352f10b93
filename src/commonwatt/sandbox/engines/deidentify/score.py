"""How well identifiers are found in notes whose truth is known.

An identifier counts as found when every letter and digit of it is masked, whatever
kind it was taken for; half a name is still a name. What an institution measures on notes of
its own with this says more than any figure of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from commonwatt.sandbox.engines.deidentify.text import Recogniser

Truth = tuple[int, int, str]
"""Where an identifier begins and ends, and its kind in the words of its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeidentificationScore:
    """What was found and what was masked for nothing.

    Args:
        found_counts: Identifiers found, by kind.
        true_counts: Identifiers that were there, by kind.
        clean: Characters that belong to no identifier.
        clean_masked: How many of them were masked.
    """

    found_counts: Mapping[str, int]
    true_counts: Mapping[str, int]
    clean: int
    clean_masked: int

    def recall(self, *kinds: str) -> float:
        """Return the share found of the named kinds, or of all."""
        chosen_kinds = [kind for kind in self.true_counts if not kinds or kind in kinds]
        total = sum(self.true_counts[kind] for kind in chosen_kinds)
        return sum(self.found_counts[kind] for kind in chosen_kinds) / total if total else 1.0

    @property
    def deidentification_clean_masked_share(self) -> float:
        """Return the share of clean characters that were masked."""
        return self.clean_masked / self.clean if self.clean else 0.0


def score_deidentification(
    notes: Iterable[tuple[str, Sequence[Truth]]], find: Recogniser
) -> DeidentificationScore:
    """Return how well `find` does on notes and their truth.

    >>> from commonwatt.sandbox.engines.deidentify.patterns import find_patterned_identifiers
    >>> truth = [(5, 12, "EMAIL"), (14, 17, "NAME")]
    >>> found = score_deidentification([("Mail a@b.org, Ann", truth)], find_patterned_identifiers)
    >>> found.recall("EMAIL"), found.recall("NAME"), found.clean_masked
    (1.0, 0.0, 0)
    """
    found_counts: Counter[str] = Counter()
    true_counts: Counter[str] = Counter()
    clean = wrong = 0
    for text, truth in notes:
        masked = {at for span in find(text) for at in range(span.start, span.end)}
        secret = {at for start, end, _ in truth for at in range(start, end)}
        clean += len(text) - len(secret)
        wrong += len(masked - secret)
        for start, end, kind in truth:
            true_counts[kind] += 1
            # Letters and digits only: a blank or a hyphen left between two masks tells nothing.
            found_counts[kind] += all(
                at in masked for at in range(start, end) if text[at].isalnum()
            )
    return DeidentificationScore(
        found_counts={kind: found_counts[kind] for kind in true_counts},
        true_counts=dict(true_counts),
        clean=clean,
        clean_masked=wrong,
    )  # fmt: skip

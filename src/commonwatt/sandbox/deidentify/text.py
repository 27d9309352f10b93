"""Free text without the identifiers in it.

All recognisers are ours and need no network, no model and no foreign weights.
A site that has a model of its own passes it as a further recogniser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from commonwatt.sandbox.deidentify.findings import Finding, mask, merge
from commonwatt.sandbox.deidentify.names import find_names
from commonwatt.sandbox.deidentify.patterns import find_patterns

Recogniser = Callable[[str], Iterable[Finding]]


def find_identifiers(text: str, *, more: Sequence[Recogniser] = ()) -> list[Finding]:
    """Return what in `text` could say who a person is, in order, without overlap.

    >>> [found.label.value for found in find_identifiers("Dr Chan saw A123456(3)")]
    ['NAME', 'HKID']
    """
    findings = [*find_patterns(text), *find_names(text)]
    for recogniser in more:
        findings += recogniser(text)
    return merge(findings)


def mask_text(text: str, *, more: Sequence[Recogniser] = ()) -> str:
    """Return `text` with every identifier replaced by its kind.

    >>> mask_text("病人陳大文，身份證A123456(3)。黃疸三天。")
    '病人[NAME]，身份證[HKID]。黃疸三天。'
    """
    return mask(text, find_identifiers(text, more=more))

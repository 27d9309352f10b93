"""Free text without the identifiers in it.

Shapes and check digits find numbers, rules find Chinese names, and a small tagger
with weights of our own finds what only its surroundings give away. None of them
needs a network or weights of others. An institution that has a model of its own passes it
as a further recogniser, or names it for `load_institution_recogniser`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Final, Protocol, cast

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.domain.findings import (
    IdentifierLabel,
    IdentifierSpan,
    mask_identifier_spans,
    merge_identifier_spans,
    merged_identifier_spans_with_further_outside,
)
from commonwatt.sandbox.engines.deidentify.names import find_chinese_name_spans
from commonwatt.sandbox.engines.deidentify.patterns import (
    find_patterned_identifiers,
    is_lot_number_in_note,
)
from commonwatt.sandbox.engines.deidentify.tokens import tokenise

_EPONYM: Final = re.compile(
    r"(?:['’]s)?\s(?:disease|syndrome|lymphoma|cyst|sign|palsy|thyroiditis|fracture|test|ulcer"
    r"|score|criteria|catheter|tumou?r|sarcoma|reflex|contracture|o?esophagus|hernia|nodes?"
    r"|phenomenon|chorea|an(?:a)?emia|dementia|encephalopathy|granulomatosis|stain|agar|arteritis"
    r"|manoeuvre|maneuver|procedure|purpura|psychosis)\b"
)
_FEWEST_DIGITS: Final = 5
_NUMBERS: Final = frozenset(
    {IdentifierLabel.MRN, IdentifierLabel.OTHER_NUMBER, IdentifierLabel.PHONE}
)


class Recogniser(Protocol):
    """Finds identifiers in a text; a model of an institution's own is one."""

    def __call__(self, text: str, /) -> Iterable[IdentifierSpan]:
        """Return what was found, in code points of `text`, in any order."""
        ...


def find_identifier_spans(text: str, *, further: Sequence[Recogniser] = ()) -> list[IdentifierSpan]:
    """Return what in `text` could say who a person is, in order, without overlap.

    >>> [span.label.value for span in find_identifier_spans("Dr Chan saw A123456(3)")]
    ['NAME', 'HKID']
    """
    # Its kernels bring the compiler along, which no command that reads no text shall wait for.
    from commonwatt.sandbox.engines.deidentify.tagger import (  # noqa: PLC0415
        find_tagged_identifier_spans,
        shipped_deidentification_tagger_weights,
    )

    shaped = find_patterned_identifiers(text)
    named = find_chinese_name_spans(text)
    # The tagger sees what shapes and rules found, as it did in training.
    tokens = tokenise(text, shaped, named)
    tagged = (
        span
        for span in find_tagged_identifier_spans(tokens, shipped_deidentification_tagger_weights())
        if not _is_identifier_span_no_person(text, span)
    )
    # What rules found keeps its kind, whatever the tagger takes its surroundings for.
    spans = merged_identifier_spans_with_further_outside(
        merge_identifier_spans([*shaped, *named]), tagged
    )
    for recogniser in further:
        spans = merge_identifier_spans([*spans, *recogniser(text)])
    return spans


def _is_identifier_span_no_person(text: str, span: IdentifierSpan) -> bool:
    """Return whether a find is goods, a plain count, or a disease named after someone."""
    if span.label in _NUMBERS:
        digits = sum(map(str.isdigit, text[span.start : span.end]))
        return digits < _FEWEST_DIGITS or is_lot_number_in_note(text, span.start, span.end)
    return span.label is IdentifierLabel.NAME and bool(_EPONYM.match(text, span.end))


def mask_identifiers_in_text(text: str, *, further: Sequence[Recogniser] = ()) -> str:
    """Return `text` with every identifier replaced by its kind.

    >>> mask_identifiers_in_text("病人陳大文，身份證A123456(3)。黃疸三天。")
    '病人[NAME]，身份證[HKID]。黃疸三天。'
    """
    return mask_identifier_spans(text, find_identifier_spans(text, further=further))


def load_institution_recogniser(reference: str) -> Recogniser:
    """Return an institution's own recogniser, named as `module:function`.

    >>> name = "commonwatt.sandbox.engines.deidentify.patterns:find_patterned_identifiers"
    >>> load_institution_recogniser(name)("a@b.org")
    [IdentifierSpan(start=0, end=7, label=<IdentifierLabel.EMAIL: 'EMAIL'>)]

    Raises:
        DeidentifyError: There is no such module or no such function in it.
    """
    module, _, name = reference.partition(":")
    try:
        recogniser = cast("object", getattr(import_module(module), name))
    except (ImportError, AttributeError, ValueError):
        raise DeidentifyError(
            reference,
            found=Message("nothing of that name"),
            wanted=Message("a function, as `module:function`"),
        ) from None
    return cast("Recogniser", recogniser)

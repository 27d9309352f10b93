"""Our recognisers inside Presidio, and Presidio's inside ours.

Presidio is optional and never imported unless asked for. `commonwatt_recogniser_for_presidio`
gives its analyzer one more recogniser; `recogniser_from_presidio` lets an institution that
has tuned an analyzer, with a language model of its own choice, add it to `find_identifier_spans`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from commonwatt.core.extras import import_optional_module
from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify.text import Recogniser, find_identifier_spans

ENTITIES: Final = {
    IdentifierLabel.NAME: "PERSON", IdentifierLabel.HKID: "HK_ID", IdentifierLabel.CNID: "CN_ID",
    IdentifierLabel.TWID: "TW_ID",
    IdentifierLabel.PHONE: "PHONE_NUMBER", IdentifierLabel.EMAIL: "EMAIL_ADDRESS",
    IdentifierLabel.MRN: "MEDICAL_RECORD",
    IdentifierLabel.DATE: "DATE_TIME", IdentifierLabel.AGE_OVER_89: "AGE",
    IdentifierLabel.ADDRESS: "LOCATION",
    IdentifierLabel.PLACE: "LOCATION", IdentifierLabel.HOSPITAL: "ORGANIZATION",
    IdentifierLabel.ORGANISATION: "ORGANIZATION",
    IdentifierLabel.OTHER_NUMBER: "ID", IdentifierLabel.URL: "URL",
}  # fmt: skip
"""What Presidio calls each kind of identifier."""

# Reversed, so that of two kinds with one name in Presidio the first of ours is taken back.
_LABELS: Final = {name: label for label, name in reversed(ENTITIES.items())} | {
    "CREDIT_CARD": IdentifierLabel.OTHER_NUMBER,
    "IBAN_CODE": IdentifierLabel.OTHER_NUMBER,
    "US_SSN": IdentifierLabel.OTHER_NUMBER,
    "IP_ADDRESS": IdentifierLabel.OTHER_NUMBER,
}
_SCORE: Final = 0.9


def commonwatt_recogniser_for_presidio(language: str = "en") -> Any:
    """Return an `EntityRecognizer` that finds what `find_identifier_spans` finds.

    Raises:
        MissingExtraError: Presidio is not installed.
    """
    analyzer = import_optional_module("presidio_analyzer")

    class _Recognizer(analyzer.EntityRecognizer):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues]
        """Commonwatt's recognisers, as Presidio calls them."""

        def load(self) -> None:
            """Need nothing: lists and weights are read at first use."""

        def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any) -> list[Any]:
            """Return what was found of the kinds in `entities`."""
            del nlp_artifacts
            return [
                analyzer.RecognizerResult(ENTITIES[span.label], span.start, span.end, _SCORE)
                for span in find_identifier_spans(text)
                if ENTITIES[span.label] in entities
            ]

    make = cast("Any", _Recognizer)
    return make(
        supported_entities=sorted(set(ENTITIES.values())),
        name="Commonwatt",
        supported_language=language,
    )


def recogniser_from_presidio(analyzer: Any, language: str = "en") -> Recogniser:
    """Return a recogniser that asks an institution's own `AnalyzerEngine`.

    Kinds that Presidio names and we do not are told as other numbers.
    """

    def find_with_presidio(text: str, /) -> Iterable[IdentifierSpan]:
        results = cast("list[Any]", analyzer.analyze(text=text, language=language))
        for entity in results:
            label = _LABELS.get(str(entity.entity_type), IdentifierLabel.OTHER_NUMBER)
            yield IdentifierSpan(int(entity.start), int(entity.end), label)

    return find_with_presidio

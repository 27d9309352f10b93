"""The parameters of a page: one table for forms, addresses, checks and OpenAPI."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from commonwatt.core.messages import Message
from commonwatt.web.errors import ParameterError


class ParameterKind(StrEnum):
    """What a form shows for a parameter."""

    CHOICE = "choice"
    NUMBER = "number"
    SLIDER = "slider"
    TEXT = "text"


Options = Sequence[tuple[str, Message | str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParameter:
    """One parameter of a page.

    Args:
        name: Its name in the address.
        label: What the form calls it.
        meaning: A sentence for the form, OpenAPI and the reference page.
        default: What holds where the address says nothing, as it would stand there.
        kind: What the form shows.
        options: For `CHOICE`: what can be chosen, as value and label, for one `Look`.
        closed: For `CHOICE`: whether nothing but the options can be asked for. They are then the
            same for everybody; a name that stands for a file is never looked up as a path.
        minimum: For numbers: the least.
        maximum: For numbers: the greatest.
        step: For numbers: the step of the form's control.
        unit: Unit of a number.
        longest: For `TEXT`: the most letters.
    """

    name: str
    label: Message
    meaning: Message
    default: str = ""
    kind: ParameterKind = ParameterKind.TEXT
    options: Callable[[Any], Options] | None = None
    closed: bool = False
    minimum: float = -math.inf
    maximum: float = math.inf
    step: float = 1.0
    unit: str = ""
    longest: int = 100

    def check_value(self, text: str) -> None:
        """Refuse a value that this parameter cannot have.

        Raises:
            ParameterError: It is out of bounds, too long, no number, or none of the choices.
        """
        if self.kind in {ParameterKind.NUMBER, ParameterKind.SLIDER}:
            self._check_text_is_number_in_bounds(text)
        # A line break would go on from here into addresses, run titles and logs.
        elif len(text) > self.longest or not text.isprintable():
            most = Message("at most {longest} letters", {"longest": str(self.longest)})
            raise ParameterError(self.name, found=Message("another text"), wanted=most)
        elif self.closed and self.options:
            self._check_text_is_a_choice([value for value, _ in self.options(None)], text)

    def openapi_schema(self) -> dict[str, Any]:
        """Return what OpenAPI says of it."""
        number = self.kind in {ParameterKind.NUMBER, ParameterKind.SLIDER}
        what: dict[str, Any] = {"type": "number"} if number else {"type": "string"}
        if self.default or not number:  # a number may have no default: nothing is then asked
            what["default"] = float(self.default) if number else self.default
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        # JSON has no infinity, which is what an open bound is.
        what |= {name: value for name, value in bounds.items() if number and math.isfinite(value)}
        if not number:
            what["maxLength"] = self.longest
        return {
            "name": self.name,
            "in": "query",
            "required": False,
            "description": str(self.meaning),
            "schema": what,
        }

    def _check_text_is_a_choice(self, choices: Sequence[str], text: str) -> None:
        if text not in choices:
            # The same for every other text: what lies on the server's disk is not said.
            wanted = Message("one of {names}", {"names": ", ".join(choices)})
            raise ParameterError(self.name, found=Message("another text"), wanted=wanted)

    def _check_text_is_number_in_bounds(self, text: str) -> None:
        try:
            value = float(text)
        except ValueError:
            # NaN fails every comparison, so a word and the text "nan" are refused by the one test
            # below.
            value = math.nan
        if not self.minimum <= value <= self.maximum:
            bounds = {"low": f"{self.minimum:g}", "high": f"{self.maximum:g}"}
            raise ParameterError(
                self.name,
                found=repr(text[:40]),
                wanted=Message("a number from {low} to {high}", bounds),
            )


@dataclass(frozen=True, slots=True)
class PageValues:
    """The checked values of a page's parameters, as text of its address."""

    given_text: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a value as text."""
        return self.given_text[name]

    def number(self, name: str) -> float:
        """Return a value as a number."""
        return float(self.given_text[name])

    def query_string(self, **changes: str) -> str:
        """Return the values as the query of an address, in the order of the table."""
        # What is empty is left out, so that one choice has one address and one key in the cache.
        return urlencode({k: v for k, v in (dict(self.given_text) | changes).items() if v != ""})


def parse_page_values(parameters: Sequence[PageParameter], values: Mapping[str, str]) -> PageValues:
    """Return the value of each parameter, checked; what the table lacks is left out.

    Raises:
        ParameterError: A value is out of bounds.
    """
    checked: dict[str, str] = {}
    # The table leads and not the address, which may carry `lang` and `theme` besides.
    for parameter in parameters:
        # A form sends a field that was left empty as "", which means that nothing was chosen.
        text = values.get(parameter.name, "") or parameter.default
        if text:
            parameter.check_value(text)
        checked[parameter.name] = text
    return PageValues(checked)

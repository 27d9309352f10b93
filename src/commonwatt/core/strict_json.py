"""JSON in which nothing is said twice: what a person hands in has one meaning, or is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class RepeatedNameError(ValueError):
    """An object names one of its members twice; `name` says which."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def parse_strict_json(text: str | bytes) -> Any:
    """Return the value of a JSON text whose objects name each member once.

    Readers differ in which of two members of one name they take (RFC 8259, section 4), so that
    two programs in a row could judge two different requests.

    Raises:
        RepeatedNameError: A name stands twice in one object.
        ValueError: It is no JSON; NaN and Infinity, which Python would read, are none.

    >>> parse_strict_json('{"red_flag": "yes"}')
    {'red_flag': 'yes'}
    """
    return json.loads(
        text,
        object_pairs_hook=json_object_with_unique_names,
        parse_constant=_refuse_json_nan_or_infinity,
    )


def json_object_with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of its members, for a reader of JSON that has numbers of its own.

    Raises:
        RepeatedNameError: A name stands twice.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedNameError(next(name for name in names if names.count(name) > 1))
    return members


def _refuse_json_nan_or_infinity(word: str) -> NoReturn:
    raise ValueError(word)

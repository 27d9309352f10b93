"""What runs behind a deployment: weights in a file, a function, or a server.

Weights are checked against the digest on record. Of a function or a server the
gateway cannot know what runs; that it is the version on record is taken on trust,
and `LoadedModel.has_digest` says which of the two it was.
"""

from __future__ import annotations

import json
import math
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from commonwatt.clinic.engines.gateway.gate import ScoringModel
from commonwatt.core.errors import InputError
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.core.strict_json import parse_strict_json

_WANTED: Final = Message("one of linear = FILE, python = MODULE:FUNCTION, url = ADDRESS")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticModel:
    """A logistic model over numeric facts.

    >>> LogisticModel(intercept=-1.0, weights={"age_years": 0.02})({"age_years": "50"})
    0.5
    """

    intercept: float
    weights: Mapping[str, float]

    def __call__(self, facts: Mapping[str, str]) -> float:
        """Return the chance of the event."""
        x = self.intercept + sum(w * float(facts[name]) for name, w in self.weights.items())
        # `exp` overflows beyond 709; the score is zero to the last digit long before.
        return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model and what is known of it; `remote` ones are not asked on the event loop."""

    model: ScoringModel
    artefact_sha256: str = ""
    remote: bool = False

    @property
    def has_artefact_digest(self) -> bool:
        """Whether its digest could be computed here."""
        return bool(self.artefact_sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpModel:
    """A server that answers `{"facts": {…}}` with `{"score": 0.3}`."""

    url: str
    timeout_s: float = 5.0

    def __call__(self, facts: Mapping[str, str]) -> float:
        """Return the server's score."""
        body = json.dumps({"facts": dict(facts)}).encode()
        request = urllib.request.Request(  # noqa: S310  the operator's own configuration
            self.url, body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:  # noqa: S310
            return float(json.load(answer)["score"])


def load_medical_model(entry: Mapping[str, Any], folder: Path, where: str) -> LoadedModel:
    """Return the model that an entry of an institution file names.

    Raises:
        InputError: The entry names none, or it cannot be loaded.
    """
    match dict(entry):
        case {"linear": str(name), **rest} if not rest:
            return _loaded_logistic_model(folder / name)
        # No digest: what a function computes hangs on every module that it imports, and a hash of
        # one file would claim more than it shows.
        case {"python": str(name), **rest} if not rest:
            return LoadedModel(model=_loaded_scoring_function(name, where))
        # `urlopen` would also read file: and ftp: addresses.
        case {"url": str(url), **rest} if not set(rest) - {"timeout_s"} and _is_model_server_url(
            url
        ):
            return LoadedModel(model=HttpModel(url=url, **rest), remote=True)
        case _:
            raise InputError(where, wanted=_WANTED)


def load_logistic_model(path: Path) -> LogisticModel:
    """Return the logistic model in a JSON file: `{"intercept": 0, "weights": {"fact": 1}}`.

    Raises:
        InputError: The file holds no such model.
    """
    try:
        file = cast("dict[str, Any]", parse_strict_json(path.read_text(encoding="utf-8-sig")))
        weights = {str(name): float(weight) for name, weight in file["weights"].items()}
        return LogisticModel(intercept=float(file["intercept"]), weights=weights)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        wanted = Message("a JSON file with an intercept and weights by fact")
        raise InputError(str(path), wanted=wanted) from None


def _loaded_logistic_model(path: Path) -> LoadedModel:
    return LoadedModel(model=load_logistic_model(path), artefact_sha256=file_sha256(path))


def load_medical_model_function(name: str, where: str) -> Any:
    """Return the function that `module:function` names.

    Raises:
        InputError: There is none.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        raise InputError(
            where, found=name, wanted=Message("MODULE:FUNCTION that can be imported")
        ) from None


def _loaded_scoring_function(name: str, where: str) -> ScoringModel:
    return cast("ScoringModel", load_medical_model_function(name, where))


def _is_model_server_url(url: str) -> bool:
    return url.startswith(("http://", "https://"))

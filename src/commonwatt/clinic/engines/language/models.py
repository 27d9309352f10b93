"""Whatever answers a prompt: a function, a server, or answers that were recorded.

Recorded answers are one line of JSON each, under the digest of their prompt, after
a first line that says which model gave them, when, and where it ran. Prompts are
not kept, because they hold notes.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, cast

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.core.messages import Message

_PROVENANCE: Final = ("model", "recorded_on", "source", "licence")


class TextModel(Protocol):
    """Whatever answers a prompt; the same prompt should give the same answer."""

    @property
    def name(self) -> str:
        """What it is called in the report."""
        ...

    def __call__(self, prompt: str) -> str:
        """Return the answer."""
        ...


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A function of this process."""

    name: str
    function: Callable[[str], str]

    def __call__(self, prompt: str) -> str:
        """Return the function's answer."""
        return str(self.function(prompt))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatModel:
    """A server with the chat-completions interface that most servers of models offer.

    Args:
        url: The whole address, as `http://127.0.0.1:8000/v1/chat/completions`.
        model: The name under which the server knows it.
        token: Sent as a bearer token where the server wants one.
        seed: Asked for, with temperature zero; whether a server obeys is its own affair.
        timeout_s: How long one answer may take.
    """

    url: str
    model: str
    token: str = field(default="", repr=False)
    seed: int = 0
    timeout_s: float = 120.0

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return self.model

    def __call__(self, prompt: str) -> str:
        """Return the server's answer.

        Raises:
            EvidenceError: It gave none, or not in the form of the interface.
        """
        request_body = {"model": self.model, "messages": [{"role": "user", "content": prompt}]}
        # Asked for, because an examination should give the same answers twice; many servers batch
        # requests and do not keep to it by default.
        body = json.dumps(request_body | {"temperature": 0, "seed": self.seed}).encode()
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:  # noqa: S310
                return str(json.load(answer)["choices"][0]["message"]["content"])
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            wanted = Message("a server that answers as chat completions do")
            raise EvidenceError(self.url, found=type(error).__name__, wanted=wanted) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """Answers that a model gave earlier."""

    provenance: Mapping[str, str]
    answers: Mapping[str, str]

    @property
    def name(self) -> str:
        """The model that gave them."""
        return self.provenance["model"]

    def __call__(self, prompt: str) -> str:
        """Return what was answered to this very prompt.

        Raises:
            EvidenceError: Nothing was recorded for it.
        """
        answer = self.answers.get(language_prompt_sha256(prompt))
        if answer is None:
            raise EvidenceError(
                "recorded answers",
                found=Message("no answer to one of the prompts"),
                wanted=Message("answers to the same notes, canaries and seed"),
            )
        return answer


class RecordingModel:
    """A model whose answers are remembered for `recorded_model_answers_json_lines`."""

    def __init__(self, model: TextModel) -> None:
        self._model, self.answers = model, dict[str, str]()

    @property
    def name(self) -> str:
        """The name of the model behind."""
        return self._model.name

    def __call__(self, prompt: str) -> str:
        """Return the model's answer, asked once for each prompt."""
        digest = language_prompt_sha256(prompt)
        if digest not in self.answers:
            self.answers[digest] = self._model(prompt)
        return self.answers[digest]


def language_prompt_sha256(prompt: str) -> str:
    """Return the name of a prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def recorded_model_answers_json_lines(
    provenance: Mapping[str, str], answers: Mapping[str, str]
) -> str:
    """Return recorded answers as lines of JSON."""
    lines = [
        dict(provenance),
        # The prompt itself holds a patient's note and stays where it was.
        *({"prompt_sha256": k, "answer": answers[k]} for k in sorted(answers)),
    ]
    return "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)


def load_recorded_language_model(path: Path) -> RecordedModel:
    """Return recorded answers.

    Raises:
        EvidenceError: The file cannot be read, or does not say where its answers are from.
    """
    try:
        first, *rest = path.read_text(encoding="utf-8-sig").splitlines()
        provenance = cast("dict[str, Any]", json.loads(first))
        rows = [cast("dict[str, str]", json.loads(line)) for line in rest]
        answers = {row["prompt_sha256"]: row["answer"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(str(path), found=type(error).__name__) from None
    missing = [name for name in _PROVENANCE if not provenance.get(name)]
    if missing:
        wanted = Message("the fields {names} in the first line", {"names": ", ".join(missing)})
        raise EvidenceError(str(path), wanted=wanted)
    return RecordedModel(provenance=provenance, answers=answers)

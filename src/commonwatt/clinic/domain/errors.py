"""What can be wrong with a rule, a move, a piece of evidence, a monitor or a piece of advice."""

from __future__ import annotations

from collections.abc import Mapping

from commonwatt.core.errors import CommonwattError, InputError
from commonwatt.core.messages import Message


class RulesError(InputError):
    """A rule file, or a fact given to the rules, is not of the form."""

    code, exit_code = "rules-invalid", 66


class StatusMoveError(CommonwattError):
    """A record may not move so, or not by this person."""

    code, exit_code = "move-refused", 67


class EvidenceError(InputError):
    """Evidence cannot be computed from these data."""

    code, exit_code = "evidence-invalid", 68


class MonitorError(InputError):
    """A monitor cannot be run on this plan or these outcomes."""

    code, exit_code = "monitor-invalid", 69


class MonitorSilentError(CommonwattError):
    """A monitor ran, and nothing follows from what it saw."""

    code, exit_code = "monitor-silent", 80


class AdviceRefusedError(CommonwattError):
    """A model may not advise here; the rule is named."""

    code, exit_code = "advice-refused", 70

    def __init__(self, where: str, *, rule: str, words: Mapping[str, str]) -> None:
        self.rule, self.words = rule, words
        refusal = Message("refused by the rule {rule}", {"rule": rule})
        super().__init__(where, found=refusal, remedy=words.get("en", ""))

    def translate(self, language: str) -> str:
        """Return the sentence in `language`, with the guide's own words in it."""
        # A department wrote its remedy in both languages itself; no catalogue of messages has it.
        remedy = self.words.get(language, "")
        return CommonwattError(self.where, found=self.found, remedy=remedy).translate(language)

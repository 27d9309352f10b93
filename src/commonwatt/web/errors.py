"""What can be wrong at the console's doors."""

from __future__ import annotations

from collections.abc import Sequence

from commonwatt.core.errors import CommonwattError, UsageError
from commonwatt.core.messages import Message


class SignInError(CommonwattError):
    """Nobody is signed in, or name, password, link or token do not hold."""

    code, exit_code = "sign-in-refused", 110


class ForbiddenError(CommonwattError):
    """The person who asks has no role that may do this."""

    code, exit_code = "forbidden", 111


class PageNotFoundError(CommonwattError):
    """The console has no page, table or chart of that name."""

    code, exit_code = "page-unknown", 112


class ParameterError(UsageError):
    """A page's parameter has a value that it cannot have."""

    code, exit_code = "parameter-invalid", 113


class BodyTooLargeError(ParameterError):
    """More was sent than a form can hold."""

    code, exit_code = "body-too-large", 118


class TooManyRequestsError(CommonwattError):
    """Too many requests or failed attempts in too short a time.

    Args:
        where: What was asked too often.
        found: What was counted.
        wanted: What would be right.
        remedy: When to come again.
        retry_after_s: The same for programs, as the header of that name says it [s].
    """

    code, exit_code = "too-many-requests", 114

    def __init__(
        self,
        where: str,
        *,
        found: str | Message = "",
        wanted: str | Message = "",
        remedy: str | Message = "",
        retry_after_s: int = 60,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(where, found=found, wanted=wanted, remedy=remedy)


class StillMadeError(CommonwattError):
    """What a page shows is still being made; the page says so and asks again."""

    code, exit_code = "still-made", 119


class TaskError(CommonwattError):
    """A run that the console started did not come to its end."""

    code, exit_code = "work-failed", 115


class NotAdmittedError(CommonwattError):
    """An organisation's provider vouches for somebody whom no rule of the console lets in.

    Args:
        where: The way in.
        missed: What each of the rules missed; nothing of the person.
        contact: Whom to ask; "" for whoever keeps the accounts.
    """

    code, exit_code = "not-admitted", 116

    def __init__(self, where: str, *, missed: Sequence[Message], contact: str = "") -> None:
        self.missed = tuple(missed)
        super().__init__(
            where,
            found="; ".join(str(reason) for reason in missed),
            wanted=Message("an invitation, or a group or an e-mail domain that may come in"),
            remedy=Message(
                "Ask {contact} for an invitation, or for a group that may come in.",
                {"contact": contact},
            )
            if contact
            else Message(
                "Ask whoever keeps the accounts of this console for an invitation, or for a group "
                "that may come in."
            ),
        )

    def translate(self, language: str) -> str:
        """Return the refusal, each of its reasons and whom to ask in `language`."""
        reasons = Message("; ").translate(language).join(r.translate(language) for r in self.missed)
        opening = Message(
            "Your organisation knows you, but this console may not let you in: {missed}.",
            {"missed": reasons},
        )
        return f"{opening.translate(language)} {self._remedy_sentence(language)}"

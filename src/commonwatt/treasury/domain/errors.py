"""What can be wrong with a country, a ledger, a bond, a rule table or a centre."""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError, InputError
from commonwatt.core.messages import Message


class CountryError(InputError):
    """A country file or a macro table holds a value that cannot be projected."""

    code, exit_code = "country-invalid", 30


class AccountError(InputError):
    """An entry does not balance, or names a fund that does not exist."""

    code, exit_code = "account-invalid", 31


class BondError(InputError):
    """A bond cannot exist as it is described."""

    code, exit_code = "bond-invalid", 32


class RuleError(InputError):
    """A rule table is unknown, or lacks the input that it judges."""

    code, exit_code = "rule-invalid", 33


class CentreError(InputError):
    """A compute centre's finance file holds a value that cannot be financed."""

    code, exit_code = "centre-invalid", 34


def checked_treasury_share(
    where: str, value: float, error: type[CommonwattError], *, limit: float = 1.0
) -> float:
    """Return `value` if it is a share between -`limit` and `limit`, or raise `error`.

    A percent given where a share is wanted is the mistake that this catches.

    Raises:
        CommonwattError: Of the class `error`, when the value is beyond the limit.

    >>> checked_treasury_share("hongkong.toml, growth", 0.05, CountryError)
    0.05
    """
    if -limit <= value <= limit:
        return value
    raise error(
        where,
        found=f"{value:g}",
        wanted=Message(
            "a share between {low} and {high}", {"low": f"{-limit:g}", "high": f"{limit:g}"}
        ),
        remedy=Message("Write 0.05 for five per cent."),
    )

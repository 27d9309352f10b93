"""Failed sign-ins, counted by name and by address in the database that all workers share.

Only failures count, so an office whose staff sign in one after the other behind one address
is never refused. They are looked at twice, before the password is hashed and again when it
is known whether it holds: whoever sends a hundred guesses at once then learns no more from
the eleventh to finish than from the eleventh to be sent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

import commonwatt.web.schema as schema
from commonwatt.core.messages import Message
from commonwatt.web.errors import TooManyRequestsError
from commonwatt.web.rates import rate_limit_network_of_address

if TYPE_CHECKING:
    from commonwatt.web.services import Services

WINDOW_S: Final = 900


@dataclass(frozen=True, slots=True)
class SignInKeys:
    """Under what an attempt to sign in is counted.

    Args:
        name: Against many machines that guess at one account.
        address: Against one machine that tries many names.
    """

    name: str
    address: str

    @classmethod
    def of(cls, name: str, address: str) -> SignInKeys:
        """Return the keys of an attempt.

        Digests, because people type passwords into the field of the name, and what they
        typed would stand in the database and its backups.

        >>> SignInKeys.of("ada", "2001:db8::1") == SignInKeys.of("ada", "2001:db8::2")
        True
        """
        return cls(
            name=f"name/{hashlib.sha256(name.encode()).hexdigest()}",
            address=f"address/{hashlib.sha256(rate_limit_network_of_address(address).encode()).hexdigest()}",
        )


def check_sign_in_failures_below_limit(services: Services, keys: SignInKeys, now: datetime) -> None:
    """Refuse an attempt on a name or from an address that has failed too often.

    Raises:
        TooManyRequestsError: There were too many failures in this quarter of an hour.
    """
    with services.ledger.reading() as connection:
        if has_too_many_sign_in_failures(connection, services, keys, now):
            raise too_many_sign_in_failures_error(now)


def has_too_many_sign_in_failures(
    connection: sa.Connection, services: Services, keys: SignInKeys, now: datetime
) -> bool:
    """Return whether name or address have failed as often as they may."""
    table = schema.attempts
    query = sa.select(table.c.key).where(
        table.c.key.in_([keys.name, keys.address]),
        table.c.window == _sign_in_window_number_at(now),
        table.c.count >= services.settings.attempts,
    )
    return connection.execute(query.limit(1)).first() is not None


def record_failure_and_tell_if_too_many(
    tx: sa.Connection, services: Services, keys: SignInKeys, now: datetime
) -> bool:
    """Count a failure under its name and address; return whether it is one too many."""
    window = _sign_in_window_number_at(now)
    table = schema.attempts
    most = services.settings.attempts
    counts = [
        _count_failure_and_return_window_count(tx, key, window) for key in (keys.address, keys.name)
    ]
    if 1 in counts:
        # Old windows go as new keys come, so the table stays as small as one quarter of an hour.
        tx.execute(sa.delete(table).where(table.c.window < window))
    # On record once for each key and window: who guesses must not be able to fill the ledger.
    if most in counts:
        body = {"window": window}
        services.entry_writer.record(tx, "attempts", "account/attempts", body, at=now)
    return max(counts) > most


def forget_sign_in_failures_of_name(tx: sa.Connection, keys: SignInKeys) -> None:
    """Forget the failures on a name whose owner has signed in.

    Those of the address stay: whoever holds one account of their own would otherwise sign
    in with it between two guesses at others, and have as many as they like.
    """
    tx.execute(sa.delete(schema.attempts).where(schema.attempts.c.key == keys.name))


def too_many_sign_in_failures_error(now: datetime) -> TooManyRequestsError:
    """Return the refusal, which says when to come again."""
    left_s = WINDOW_S - int(now.timestamp()) % WINDOW_S
    return TooManyRequestsError(
        "sign-in",
        retry_after_s=left_s,
        found=Message("too many failed attempts on this name or from this address"),
        remedy=Message("Try again in {minutes} min.", {"minutes": str(-(-left_s // 60))}),
    )


def _sign_in_window_number_at(now: datetime) -> int:
    return int(now.timestamp()) // WINDOW_S


def _count_failure_and_return_window_count(tx: sa.Connection, key: str, window: int) -> int:
    """Count one more failure under a key and return the count."""
    # One statement, because two workers that each find no row would both insert the first.
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    table = schema.attempts
    counted = (
        insert(table)
        .values(key=key, window=window, count=1)
        .on_conflict_do_update(
            index_elements=[table.c.key, table.c.window], set_={"count": table.c.count + 1}
        )
        .returning(table.c.count)
    )
    return int(tx.execute(counted).scalar_one())

"""Accounts, their roles, and the ways in: password, one-time link, token, provider.

Every change here is one transaction with its entry in the ledger. Secrets are random,
shown once, and kept only as digests.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

import commonwatt.web.schema as schema
from commonwatt.core.identifiers import ACCOUNT, IdentifierKind, identifier_checked_valid
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import ledger_instant_text
from commonwatt.ledger.store import lock_chain_head, verified_ledger_entries_by_connection
from commonwatt.web.auth.attempts import (
    SignInKeys,
    check_sign_in_failures_below_limit,
    forget_sign_in_failures_of_name,
    has_too_many_sign_in_failures,
    record_failure_and_tell_if_too_many,
    too_many_sign_in_failures_error,
)
from commonwatt.web.errors import ParameterError, SignInError
from commonwatt.web.request_context import Visitor
from commonwatt.web.roles import ConsoleRole

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from commonwatt.web.auth.admission import AdmissionRules, VouchedIdentity
    from commonwatt.web.services import Services

LINK_HOURS: Final = 24
TOKEN_DAYS: Final = 90
LONGEST_SESSION: Final = timedelta(days=7)
PROVIDER: Final = "provider"
SHORTEST_PASSWORD: Final = 12
# Far above the 64 that NIST SP 800-63B wants allowed, and short enough that nobody stalls the
# server with one to hash.
LONGEST_PASSWORD: Final = 200
# A session is written at most this often: each write takes the one write lock that SQLite has.
_SEEN_EVERY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleAccount:
    """An account as the page of accounts shows it.

    Args:
        name: What it is called.
        roles: What it may do follows from these.
        closed: Whether it can sign in no more.
        external: Whether its owner signs in with a provider.
        by_rules: Whether its roles follow the provider, anew at each sign-in.
        made_at: When.
    """

    name: str
    roles: frozenset[ConsoleRole]
    closed: bool
    external: bool
    by_rules: bool
    made_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A session just begun: what the cookie holds, and who it is."""

    secret: str
    visitor: Visitor


def console_secret_sha256_hex(secret: str) -> str:
    """Return what is kept of a secret; secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def has_any_console_account(services: Services) -> bool:
    """Return whether anybody has an account."""
    with services.ledger.reading() as connection:
        return connection.execute(sa.select(schema.accounts.c.name).limit(1)).first() is not None


def list_console_accounts(services: Services) -> list[ConsoleAccount]:
    """Return every account with its roles, by name."""
    with services.ledger.reading() as connection:
        rows = connection.execute(sa.select(schema.accounts).order_by(schema.accounts.c.name))
        by_rules = account_names_made_by_provider_rules(connection)
        return [
            ConsoleAccount(
                name=row.name,
                roles=roles_of_account(connection, row.name),
                closed=row.closed,
                external=row.subject is not None,
                by_rules=row.name in by_rules,
                made_at=row.made_at,
            )
            for row in rows.all()
        ]


def roles_of_account(connection: sa.Connection, account: str) -> frozenset[ConsoleRole]:
    """Return the roles of an account."""
    table = schema.grants
    query = sa.select(table.c.role).where(table.c.account == account)
    return frozenset(ConsoleRole(role) for (role,) in connection.execute(query))


def make_welcome_link_secret(services: Services, account: str, *, now: datetime) -> str:
    """Return a secret that once lets its holder set the password of `account`.

    An empty `account` is the first one, whose holder chooses the name.
    """
    secret = secrets.token_urlsafe(24)
    ends = ledger_instant_text(now + timedelta(hours=LINK_HOURS))
    with services.ledger.transaction() as tx:
        # One link an account, so that a new one ends those that went astray.
        tx.execute(sa.delete(schema.links).where(schema.links.c.account == account))
        row = {"digest": console_secret_sha256_hex(secret), "account": account, "ends_at": ends}
        tx.execute(sa.insert(schema.links).values(row))
        subject = f"account/{account}" if account else "account/first"
        services.entry_writer.record(tx, "link", subject, {"ends_at": ends}, at=now)
    return secret


def account_of_welcome_link_blank_if_first(
    services: Services, secret: str, *, now: datetime
) -> str:
    """Return whose link this is; empty for the first account.

    Raises:
        SignInError: There is no such link, it was used, or it is too old.
    """
    with services.ledger.reading() as connection:
        return _account_of_valid_welcome_link(connection, secret, now)


def use_welcome_link(
    services: Services,
    secret: str,
    name: str,
    password: str,
    roles: Iterable[ConsoleRole],
    *,
    now: datetime,
) -> None:
    """Set a password by a one-time link, and make the account if it is the first.

    Args:
        services: The console.
        secret: Of the link; it holds no more afterwards.
        name: For the first account: what it is called.
        password: The new one.
        roles: For the first account: its roles beside that of registrar.
        now: The time.

    Raises:
        SignInError: The link does not hold.
        IdentifierError: Nobody may be called so.
        ParameterError: Name or password are not of the form.
    """
    check_account_password_length(password)
    # Hashed before the transaction: Argon2 is slow on purpose, and the transaction keeps every
    # other writer waiting.
    hashed = _console_argon2_password_hasher().hash(password)
    with services.ledger.transaction() as tx:
        # Read and deleted in one transaction, so that two who hold the link cannot both use it.
        account = _account_of_valid_welcome_link(tx, secret, now)
        tx.execute(
            sa.delete(schema.links).where(
                schema.links.c.digest == console_secret_sha256_hex(secret)
            )
        )
        if not account:
            account = name
            _insert_and_record_console_account(services, tx, name, hashed, None, now)
            # Sorted, here and below, so that entries come in one order whatever the order of the
            # form.
            for role in sorted({ConsoleRole.REGISTRAR, *roles}):
                _grant_account_role(services, tx, name, role, now)
        table = schema.accounts
        tx.execute(sa.update(table).where(table.c.name == account).values(password=hashed))
        # Whoever signed in with the old password is out.
        tx.execute(sa.delete(schema.sessions).where(schema.sessions.c.account == account))
        services.entry_writer.record(tx, "password", f"account/{account}", {}, at=now)


def make_account(
    services: Services, name: str, roles: Iterable[ConsoleRole], *, by: str, now: datetime
) -> None:
    """Make an account without a password; a link lets its owner set one.

    Raises:
        IdentifierError: Nobody may be called so.
        ParameterError: The name is taken, or is none that an account may have.
    """
    with services.ledger.transaction() as tx:
        _insert_and_record_console_account(services, tx, name, "", None, now, by=by)
        for role in sorted(set(roles)):
            _grant_account_role(services, tx, name, role, now, by=by)


def set_account_roles(
    services: Services, name: str, roles: Iterable[ConsoleRole], *, by: str, now: datetime
) -> None:  # fmt: skip
    """Grant and take away roles, each an entry; sessions follow at once.

    Raises:
        ParameterError: There is no such account, or nobody would keep the accounts.
    """
    wanted = frozenset(roles)
    with services.ledger.transaction() as tx:
        _check_account_is_open(tx, name)
        had = roles_of_account(tx, name)
        for role in sorted(wanted - had):
            _grant_account_role(services, tx, name, role, now, by=by)
        for role in sorted(had - wanted):
            _revoke_account_role(services, tx, name, role, now, by=by)
        # Asked after the change and inside its transaction: the refusal undoes all of it.
        _check_registrar_account_left(tx)


def check_open_console_account_exists(services: Services, name: str) -> None:
    """Refuse a name that no open account has.

    Raises:
        ParameterError: There is no such account.
    """
    with services.ledger.reading() as connection:
        _check_account_is_open(connection, name)


def close_account(services: Services, name: str, *, by: str, now: datetime) -> None:
    """Close an account: it cannot sign in, its sessions, tokens and keys end.

    Raises:
        ParameterError: There is no such account, or nobody would keep the accounts.
    """
    with services.ledger.transaction() as tx:
        _check_account_is_open(tx, name)
        _close_open_account(services, tx, name, now, by=by)


def sign_in(
    services: Services, name: str, password: str, address: str, *, now: datetime
) -> ConsoleSession:
    """Return a new session for name and password.

    Raises:
        TooManyRequestsError: Too many failures on this name or from this address.
        SignInError: Name and password do not belong together; which is wrong is not said.
    """
    keys = SignInKeys.of(name, address)
    check_sign_in_failures_below_limit(services, keys, now)
    matches = _password_belongs_to_account(services, name, password)
    with services.ledger.transaction() as tx:
        # A transaction of its own, which is kept although the sign-in is refused right after it.
        # Right and wrong passwords pass the same test here, so that the refusal tells neither.
        if matches:
            refused = has_too_many_sign_in_failures(tx, services, keys, now)
        else:
            refused = record_failure_and_tell_if_too_many(tx, services, keys, now)
        if matches and not refused:
            forget_sign_in_failures_of_name(tx, keys)
    if refused:
        raise too_many_sign_in_failures_error(now)
    if not matches:
        raise SignInError(
            "sign-in",
            found=Message("a name and a password that do not belong together"),
            remedy=Message("Try again, or ask whoever keeps the accounts for a new link."),
        )
    return begin_account_session(services, name, now=now)


def begin_account_session(
    services: Services, account: str, *, now: datetime, how: str = "password"
) -> ConsoleSession:
    """Begin a session of an account that has shown who it is."""
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    at = ledger_instant_text(now)
    row = {
        "digest": console_secret_sha256_hex(secret),
        "account": account,
        "csrf": csrf,
        "made_at": at,
        "seen_at": at,
        "ends_at": ledger_instant_text(now + timedelta(hours=services.settings.session_hours)),
    }
    table = schema.sessions
    with services.ledger.transaction() as tx:
        # Sessions that have ended are swept here, since nothing else comes by regularly.
        tx.execute(sa.delete(table).where(table.c.ends_at < at))
        tx.execute(sa.insert(table).values(row))
        services.entry_writer.record(tx, "sign-in", f"account/{account}", {"how": how}, at=now)
        roles = roles_of_account(tx, account)
    visitor = Visitor(name=account, roles=roles, session=row["digest"], csrf=csrf)
    return ConsoleSession(secret=secret, visitor=visitor)


def end_visitor_session(services: Services, visitor: Visitor, *, now: datetime) -> None:
    """End a session."""
    table = schema.sessions
    with services.ledger.transaction() as tx:
        tx.execute(sa.delete(table).where(table.c.digest == visitor.session))
        services.entry_writer.record(tx, "sign-out", f"account/{visitor.name}", {}, at=now)


def visitor_of_session_extending_it(
    services: Services, secret: str, *, now: datetime
) -> Visitor | None:
    """Return who holds this session, or None where it has ended."""
    table, at = schema.sessions, ledger_instant_text(now)
    known = console_secret_sha256_hex(secret)
    with services.ledger.reading() as connection:
        query = sa.select(table.c.account, table.c.csrf, table.c.seen_at, table.c.made_at)
        row = connection.execute(query.where(table.c.digest == known, table.c.ends_at > at)).first()
        if row is None:
            return None
        # Read at each request and kept in no session, so that a role taken back is gone at once.
        roles = roles_of_account(connection, row.account)
    if row.seen_at < ledger_instant_text(now - _SEEN_EVERY):
        _extend_console_session(services, known, row.made_at, now)
    return Visitor(name=row.account, roles=roles, session=known, csrf=row.csrf)


def make_api_token(services: Services, account: str, label: str, *, now: datetime) -> str:
    """Return a new token for programs, which has the roles of its account."""
    # By the prefix a token is recognised where it should not be, such as in a repository.
    secret = f"cw_{secrets.token_urlsafe(32)}"
    ends = ledger_instant_text(now + timedelta(days=TOKEN_DAYS))
    row = {
        "digest": console_secret_sha256_hex(secret),
        "account": account,
        "label": label[:60],
        "made_at": ledger_instant_text(now),
        "ends_at": ends,
    }
    with services.ledger.transaction() as tx:
        tx.execute(sa.insert(schema.tokens).values(row))
        body = {"label": label[:60], "ends_at": ends}
        services.entry_writer.record(tx, "token", f"account/{account}", body, at=now)
    return secret


def drop_api_token(services: Services, account: str, token_digest: str, *, now: datetime) -> None:
    """Take back a token of an account, named by its digest."""
    table = schema.tokens
    with services.ledger.transaction() as tx:
        tx.execute(
            # The account, too: the digest comes from an address, and nobody ends another's token.
            sa.delete(table).where(table.c.digest == token_digest, table.c.account == account)
        )
        services.entry_writer.record(
            tx, "token-back", f"account/{account}", {"token": token_digest[:12]}, at=now
        )


def api_token_rows_of_account(services: Services, account: str) -> list[sa.RowMapping]:
    """Return the tokens of an account, newest first; never their secrets."""
    table = schema.tokens
    query = sa.select(table).where(table.c.account == account).order_by(table.c.made_at.desc())
    with services.ledger.reading() as connection:
        return list(connection.execute(query).mappings())


def visitor_of_api_token_or_none(
    services: Services, secret: str, *, now: datetime
) -> Visitor | None:
    """Return whose token this is, or None where it does not hold."""
    table = schema.tokens
    query = sa.select(table.c.account).where(
        table.c.digest == console_secret_sha256_hex(secret),
        table.c.ends_at > ledger_instant_text(now),
    )
    with services.ledger.reading() as connection:
        row = connection.execute(query).first()
        if row is None:
            return None
        return Visitor(name=row.account, roles=roles_of_account(connection, row.account))


def admit_oidc_identity_returning_account_name(
    services: Services, identity: VouchedIdentity, rules: AdmissionRules, *, now: datetime
) -> str:
    """Return the account of a person whom a provider vouches for, if they may come in.

    Who was invited has the roles of the account. Everybody else has those that the rules give,
    anew each time: what they give no more is taken away, and who is let in no more has none.

    Raises:
        SignInError: The account was closed.
        NotAdmittedError: No rule lets the person in.
    """
    table, wanted = schema.accounts, rules.roles_of(identity)
    with services.ledger.transaction() as tx:
        # Before the first look, or two windows of one person would both make the account.
        lock_chain_head(tx)
        # By the subject and not the name: a name may change hands at the provider, a subject may
        # not (OpenID Connect Core 1.0, section 2).
        row = tx.execute(sa.select(table).where(table.c.subject == identity.subject)).first()
        if row is not None and row.closed:
            raise SignInError("oidc", found=Message("a closed account"))
        if row is not None and row.name not in account_names_made_by_provider_rules(tx, row.name):
            return str(row.name)
        account = ""
        if row is not None:
            account = str(row.name)
        elif wanted:
            account = _unused_console_account_name_like(tx, identity.name)
            _insert_and_record_console_account(
                services, tx, account, "", identity.subject, now, by=PROVIDER
            )
        had = roles_of_account(tx, account)
        for role in sorted(wanted - had):
            _grant_account_role(services, tx, account, role, now, by=PROVIDER)
        for role in sorted(had - wanted):
            _revoke_account_role(services, tx, account, role, now, by=PROVIDER)
    # After the transaction, which is kept: sessions and tokens of the account lose their roles.
    if not wanted:
        raise rules.refusal(identity)
    return account


def bind_invited_account_to_oidc_identity(
    services: Services, secret: str, identity: VouchedIdentity, *, now: datetime
) -> str:
    """Bind an account to a person whom a provider vouches for, by the account's one-time link.

    An account that a rule made for the person before is closed: one person has one account.

    Raises:
        SignInError: The link does not hold, is that of the first account, or the person was
            invited to another account, or had one that was closed.
    """
    table = schema.accounts
    with services.ledger.transaction() as tx:
        account = _account_of_valid_welcome_link(tx, secret, now)
        # The first account has no name yet, and whoever makes it must not need the provider.
        if not account:
            raise SignInError(
                "link",
                found=Message("the link of the first account"),
                wanted=Message("a password, so that the console can be kept without the provider"),
            )
        row = tx.execute(sa.select(table).where(table.c.subject == identity.subject)).first()
        if row is not None and row.name != account:
            if row.closed or row.name not in account_names_made_by_provider_rules(tx, row.name):
                raise SignInError(
                    "link",
                    found=Message("a person who has another account here, or had one"),
                    remedy=Message("Ask whoever keeps the accounts for a link to that one."),
                )
            _close_open_account(services, tx, row.name, now, by="invitation")
            tx.execute(sa.update(table).where(table.c.name == row.name).values(subject=None))
        digest = console_secret_sha256_hex(secret)
        tx.execute(sa.delete(schema.links).where(schema.links.c.digest == digest))
        this = table.c.name == account
        # The person alone has the account then: an invitation may be one that somebody else led
        # them to, who still knows the password.
        tx.execute(sa.update(table).where(this).values(subject=identity.subject, password=""))
        for held in (schema.sessions, schema.tokens):
            tx.execute(sa.delete(held).where(held.c.account == account))
        services.entry_writer.record(tx, "provider", f"account/{account}", {"by": "link"}, at=now)
    return account


def account_names_made_by_provider_rules(
    connection: sa.Connection, name: str = ""
) -> frozenset[str]:
    """Return the accounts, or that of `name`, that a provider's rules made.

    Who was invited afterwards is not among them. Read from the ledger, where it stands who made
    each account.
    """
    subject = f"account/{name}" if name else ""
    made = verified_ledger_entries_by_connection(
        connection, kind="console.account", subject=subject
    )
    invited = verified_ledger_entries_by_connection(
        connection, kind="console.provider", subject=subject
    )
    subjects = {entry.subject for entry in made if entry.body.get("by") == PROVIDER}
    subjects -= {entry.subject for entry in invited}
    return frozenset(subject.removeprefix("account/") for subject in subjects)


def check_account_password_length(password: str) -> None:
    """Refuse a password that is too short to withstand guessing.

    Raises:
        ParameterError: It is shorter than twelve letters, or longer than two hundred.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        bounds = {"least": str(SHORTEST_PASSWORD), "most": str(LONGEST_PASSWORD)}
        wanted = Message("a password of {least} to {most} letters", bounds)
        raise ParameterError("password", wanted=wanted)


def _insert_and_record_console_account(
    services: Services,
    tx: sa.Connection,
    name: str,
    hashed: str,
    subject: str | None,
    now: datetime,
    *,
    by: str = "link",
) -> None:
    _check_account_name_valid_and_free(tx, name)
    row = {
        "name": name,
        "password": hashed,
        "subject": subject,
        "closed": False,
        "made_at": ledger_instant_text(now),
    }
    tx.execute(sa.insert(schema.accounts).values(row))
    services.entry_writer.record(tx, "account", f"account/{name}", {"by": by}, at=now)


def _check_account_name_valid_and_free(tx: sa.Connection, name: str) -> None:
    identifier_checked_valid(IdentifierKind.PERSON, name, "name")
    if not ACCOUNT.fits(name):
        wanted = Message("1 to 60 letters, digits or . _ @ -, a letter or digit first")
        raise ParameterError("name", wanted=wanted)
    table = schema.accounts
    if tx.execute(sa.select(table.c.name).where(table.c.name == name)).first():
        raise ParameterError("name", found=Message("a name that is taken"))


def _check_account_is_open(tx: sa.Connection, name: str) -> None:
    table = schema.accounts
    open_one = (table.c.name == name) & ~table.c.closed
    if tx.execute(sa.select(table.c.name).where(open_one)).first() is None:
        raise ParameterError("account", found=Message("no open account of that name"))


def _close_open_account(
    services: Services, tx: sa.Connection, name: str, now: datetime, *, by: str
) -> None:
    for role in sorted(roles_of_account(tx, name)):
        _revoke_account_role(services, tx, name, role, now, by=by)
    for table in (schema.sessions, schema.tokens, schema.links):
        tx.execute(sa.delete(table).where(table.c.account == name))
    table = schema.accounts
    tx.execute(sa.update(table).where(table.c.name == name).values(closed=True, password=""))
    services.entry_writer.record(tx, "close", f"account/{name}", {"by": by}, at=now)
    _check_registrar_account_left(tx)


def _check_registrar_account_left(tx: sa.Connection) -> None:
    table = schema.grants
    query = sa.select(table.c.account).where(table.c.role == ConsoleRole.REGISTRAR.value)
    if tx.execute(query).first() is None:
        wanted = Message("at least one account that keeps the accounts")
        raise ParameterError("roles", wanted=wanted)


def _grant_account_role(
    services: Services,
    tx: sa.Connection,
    account: str,
    role: ConsoleRole,
    now: datetime,
    *,
    by: str = "link",
) -> None:
    # A key for each role, so that an entry shows in which role somebody acted.
    actor_id = services.entry_writer.enrol(tx, account, role.value, at=now)
    row = {"account": account, "role": role.value, "actor_id": actor_id}
    tx.execute(sa.insert(schema.grants).values(row))
    body = {"role": role.value, "actor": actor_id, "by": by}
    services.entry_writer.record(tx, "grant", f"account/{account}", body, at=now)


def _revoke_account_role(
    services: Services,
    tx: sa.Connection,
    account: str,
    role: ConsoleRole,
    now: datetime,
    *,
    by: str,
) -> None:
    table = schema.grants
    this = (table.c.account == account) & (table.c.role == role.value)
    actor_id = tx.execute(sa.select(table.c.actor_id).where(this)).scalar_one()
    tx.execute(sa.delete(table).where(this))
    services.entry_writer.revoke(tx, actor_id, f"role taken back by {by}", at=now)
    body = {"role": role.value, "by": by}
    services.entry_writer.record(tx, "grant-back", f"account/{account}", body, at=now)


def _account_of_valid_welcome_link(connection: sa.Connection, secret: str, now: datetime) -> str:
    table = schema.links
    query = sa.select(table.c.account).where(
        table.c.digest == console_secret_sha256_hex(secret),
        table.c.ends_at > ledger_instant_text(now),
    )
    row = connection.execute(query).first()
    if row is None:
        raise SignInError(
            "link",
            found=Message("a link that was used, or is too old"),
            remedy=Message("Ask whoever keeps the accounts for a new one."),
        )
    return str(row.account)


def _extend_console_session(
    services: Services, session_digest: str, made_at: str, now: datetime
) -> None:
    made = datetime.strptime(made_at, "%Y-%m-%dT%H:%M:%S.%f%z")
    # A session in daily use would otherwise never end.
    ends = min(now + timedelta(hours=services.settings.session_hours), made + LONGEST_SESSION)
    table = schema.sessions
    values = {"seen_at": ledger_instant_text(now), "ends_at": ledger_instant_text(ends)}
    with services.ledger.transaction() as tx:
        tx.execute(sa.update(table).where(table.c.digest == session_digest).values(values))


def _unused_console_account_name_like(tx: sa.Connection, wanted: str) -> str:
    """Return a name for a provider's person that nobody has: theirs, or with a number."""
    # Fifty of the sixty letters that a name may have: the rest is room for a number.
    plain = re.sub(r"[^A-Za-z0-9._@-]", "-", wanted).strip("-._@")[:50] or "person"
    table = schema.accounts
    taken = {name for (name,) in tx.execute(sa.select(table.c.name))}
    # One number more than there are names, so that one of them is free.
    numbers = (f"{plain}-{i}" for i in range(2, len(taken) + 3))
    return plain if plain not in taken else next(n for n in numbers if n not in taken)


def _password_belongs_to_account(services: Services, name: str, password: str) -> bool:
    row = None
    # PostgreSQL refuses a text with a NUL outright, and no account is called so.
    if name.isprintable():
        with services.ledger.reading() as connection:
            table = schema.accounts
            row = connection.execute(sa.select(table).where(table.c.name == name)).first()
    # An account whose owner has not used the link yet, or who comes by a provider, has "" for a
    # password.
    known = row is not None and not row.closed and bool(row.password)
    password_hash = (
        row.password if row is not None and known else _password_hash_for_unknown_account()
    )
    # Hashed for nobody, too, so that names that nobody has take as long as others.
    return _account_password_matches_argon2_hash(password_hash, password) and known


def _account_password_matches_argon2_hash(password_hash: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _console_argon2_password_hasher().verify(password_hash, password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False


@cache
def _console_argon2_password_hasher() -> PasswordHasher:
    """Return Argon2id as RFC 9106 recommends for little memory: 64 MiB, three passes."""
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _password_hash_for_unknown_account() -> str:
    """Return a hash for names that nobody has, so that they take as long as others."""
    return _console_argon2_password_hasher().hash(secrets.token_urlsafe(16))

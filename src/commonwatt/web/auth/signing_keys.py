"""Under which key an account acts: the one enrolled for it in the role that a step asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa

import commonwatt.web.schema as schema
from commonwatt.core.messages import Message
from commonwatt.web.errors import ForbiddenError
from commonwatt.web.roles import ConsoleRole

if TYPE_CHECKING:
    from commonwatt.ledger import Key
    from commonwatt.web.request_context import RequestContext


def visitor_actor_id_in_role_or_blank(context: RequestContext, role: ConsoleRole) -> str:
    """Return the actor under which who looks acts in a role; empty where they lack the role."""
    table = schema.grants
    query = sa.select(table.c.actor_id).where(
        table.c.account == context.visitor.name, table.c.role == role.value
    )
    with context.services.ledger.reading() as connection:
        return connection.execute(query).scalar() or ""


def visitor_signing_key(context: RequestContext, roles: Iterable[ConsoleRole]) -> Key:
    """Return the key under which who looks acts in the first of `roles` that they hold.

    Raises:
        ForbiddenError: They hold none of them.
    """
    table = schema.grants
    with context.services.ledger.reading() as connection:
        rows = connection.execute(
            sa.select(table.c.role, table.c.actor_id).where(table.c.account == context.visitor.name)
        )
        known: dict[str, str] = {row.role: row.actor_id for row in rows}
    # The step's order decides and not the account's, so one person always signs one kind of step in
    # one role.
    wanted = list(roles)
    for role in wanted:
        if role.value in known:
            return context.services.entry_writer.load_signing_key_of_actor(known[role.value])
    names = ", ".join(role.value for role in wanted)
    raise ForbiddenError(
        context.visitor.name, wanted=Message("one of the roles {roles}", {"roles": names})
    )

"""People who opted out, and every use that must not see them.

An opt-out has a scope. A project has one, too: what it does. Whoever
opted out of that, of research at large or of everything is left out of every
job and every question from the moment the opt-out is on record.
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

import commonwatt.sandbox.io.store.schema as schema


class ConsentScope(StrEnum):
    """What a person can opt out of."""

    ALL = "all"
    RESEARCH = "research"
    AI_TRAINING = "ai-training"
    GENOMICS = "genomics"


def does_opt_out_forbid_use(opted_out: ConsentScope, use: ConsentScope) -> bool:
    """Return whether an opt-out keeps a person out of a use.

    >>> does_opt_out_forbid_use(ConsentScope.RESEARCH, ConsentScope.GENOMICS)
    True
    >>> does_opt_out_forbid_use(ConsentScope.GENOMICS, ConsentScope.AI_TRAINING)
    False
    """
    # Every project is research of some kind, so an opt-out of research at large reaches the
    # narrower scopes, and not the other way round.
    return opted_out in (ConsentScope.ALL, ConsentScope.RESEARCH) or opted_out is use


def add_opt_out_or_withdrawal_row(
    tx: sa.Connection, project: str, person: str, scope: ConsentScope, *, out: bool
) -> None:
    """Put on record that a person opted out of `scope`, or took that back."""
    row = {"room": project, "person": person, "scope": scope.value, "out": out}
    tx.execute(schema.opt_outs.insert().values(row))


def opted_out_tokens_for_use(tx: sa.Connection, project: str, use: ConsentScope) -> frozenset[str]:
    """Return the people whom a use must not see, by their tokens in the project."""
    columns = (schema.opt_outs.c.person, schema.opt_outs.c.scope, schema.opt_outs.c.out)
    query = (
        sa.select(*columns)
        .where(schema.opt_outs.c.room == project)
        .order_by(schema.opt_outs.c.number)
    )
    # Each scope by itself: coming back into genomics does not undo an opt-out of AI training.
    last = {(row.person, row.scope): row.out for row in tx.execute(query)}
    return frozenset(
        person
        for (person, scope), out in last.items()
        if out and does_opt_out_forbid_use(ConsentScope(scope), use)
    )

"""`commonwatt ledger key|revoke|rotate|permissions|witness|clock`: who may write, from when on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import CommandResult, LazyGroup, command, option
from commonwatt.cli.terminal_text import figure_sentence, terminal_label_and_text
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message

_file = click.Path(dir_okay=False, path_type=Path)
_by = option("--by", "by_file", type=_file, required=True, help="Key file of the registrar.")
_by_if_changed = option("--by", "by_file", type=_file, help="Key file of the registrar.")
_actor = click.argument("actor_id", metavar="ACTOR")
_reason = option("--reason", required=True, help="Why, in words for the record.")


def add_ledger_key_commands(ledger: LazyGroup, upkeep: LazyGroup) -> None:
    """Add what concerns keys, permissions and witnesses to `commonwatt ledger`."""
    _add_ledger_key_and_actor_commands(ledger)
    _add_ledger_permission_commands(upkeep)
    _add_ledger_witness_command(ledger)


def _add_ledger_key_and_actor_commands(ledger: LazyGroup) -> None:
    @command(ledger, "key", example="commonwatt ledger key lee.pem")
    @click.argument("key_file", type=_file)
    @option("--no-password", "unlocked", is_flag=True, help="For the key of a service.")
    def ledger_key_command(key_file: Path, unlocked: bool) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Make a pair of keys: a private one that a password locks, and FILE.pub to hand on."""
        from commonwatt.ledger import usecases as app

        pair = app.make_signing_key_pair_files(key_file, locked=not unlocked)
        sentence = Message(
            "Key {actor_id}: the private one in {key_file}, the public one in {public_key_file}",
            {name: pair[name] for name in ("actor_id", "key_file", "public_key_file")},
        )
        return CommandResult(data=pair, text=sentence.translate)

    @command(
        ledger,
        "revoke",
        example='commonwatt ledger revoke 139e3940e64b5491 --by me.pem --reason "card lost"',
    )
    @ledger_option
    @_actor
    @_by
    @_reason
    def ledger_revoke_command(  # pyright: ignore[reportUnusedFunction]
        where: str, actor_id: str, by_file: Path, reason: str
    ) -> CommandResult:
        """Revoke a key: what it signed stays, and it signs no more."""
        from commonwatt.ledger import usecases as app
        from commonwatt.ledger.clock import utc_now

        actor = app.revoke_ledger_actor(where, by_file, actor_id, reason, now=utc_now)
        gaps = {name: actor[name] for name in ("name", "role", "actor_id")}
        sentence = Message("{name} ({role}) signs no more with key {actor_id}", gaps)
        return CommandResult(
            data=actor, text=_ledger_agreement_terminal_text_renderer(sentence, actor)
        )

    @command(
        ledger,
        "rotate",
        example="commonwatt ledger rotate 139e3940e64b5491 --public-key new.pem.pub --by me.pem"
        ' --reason "yearly"',
    )
    @ledger_option
    @_actor
    @option(
        "--public-key", "public_file", type=_file, required=True, help="File of the new public key."
    )
    @_by
    @_reason
    def ledger_rotate_command(  # pyright: ignore[reportUnusedFunction]
        where: str, actor_id: str, public_file: Path, by_file: Path, reason: str
    ) -> CommandResult:
        """Give a person a new key in the same role, and revoke the old one."""
        from commonwatt.ledger import usecases as app
        from commonwatt.ledger.clock import utc_now

        actor = app.rotate_ledger_actor(where, by_file, actor_id, public_file, reason, now=utc_now)
        gaps = {name: actor[name] for name in ("name", "role", "actor_id", "replaces")}
        sentence = Message("{name} ({role}) signs with key {actor_id} in place of {replaces}", gaps)
        return CommandResult(
            data=actor, text=_ledger_agreement_terminal_text_renderer(sentence, actor)
        )


def _add_ledger_permission_commands(upkeep: LazyGroup) -> None:
    @command(upkeep, "permissions", example="commonwatt ledger upkeep permissions --json")
    @ledger_option
    @option("--set", "table_file", type=_file, help="JSON file of the table to put in force.")
    @option("--shipped", is_flag=True, help="Put the table of this program in force.")
    @_by_if_changed
    def ledger_permissions_command(  # pyright: ignore[reportUnusedFunction]
        where: str, table_file: Path | None, shipped: bool, by_file: Path | None
    ) -> CommandResult:
        """Show which role may write which kind of entry, or change it."""
        from commonwatt.ledger import usecases as app
        from commonwatt.ledger.clock import utc_now

        if not table_file and not shipped:
            table = app.ledger_permissions_at(where)
        elif by_file is None or (table_file and shipped):
            raise UsageError(
                "ledger upkeep permissions", wanted=Message("--by with --set or --shipped")
            )
        else:
            table = app.set_ledger_permissions(where, by_file, table_file, now=utc_now)
        lines = [
            terminal_label_and_text(kind, ", ".join(roles))
            for kind, roles in sorted(table["roles"].items())
        ]
        committee = Message("Committee: {roles}", {"roles": ", ".join(table["committee"]) or "–"})
        return CommandResult(
            data=table,
            text=lambda language: _ledger_agreement_terminal_text_renderer(
                "\n".join([*lines, committee.translate(language)]), table
            )(language),
        )

    @command(
        upkeep,
        "clock",
        example='commonwatt ledger upkeep clock --by me.pem --reason "a clock was wrong"',
    )
    @ledger_option
    @_by
    @_reason
    def ledger_clock_command(where: str, by_file: Path, reason: str) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Go on where the last entries bear a time that lies in the future."""
        from commonwatt.ledger import usecases as app
        from commonwatt.ledger.clock import utc_now
        from commonwatt.ledger.measures import ENTRY

        entry = app.correct_ledger_clock(where, by_file, reason, now=utc_now)
        sentence = Message("Entry {index} goes on in time after entry {after}")
        places = {"index": (ENTRY, entry["index"]), "after": (ENTRY, entry["body"]["after"])}
        return CommandResult(
            data=entry, text=lambda language: figure_sentence(sentence, language, places)
        )


def _add_ledger_witness_command(ledger: LazyGroup) -> None:
    @command(
        ledger,
        "witness",
        example="commonwatt ledger witness\n"
        'commonwatt ledger witness --add /mnt/other/host --by me.pem --reason "outside the ward"',
    )
    @ledger_option
    @option("--add", multiple=True, help="Folder (whole path) or https:// address to push to.")
    @option("--remove", multiple=True, help="Folder or address to push to no more.")
    @option("--accept-loss", is_flag=True, help="Go on although entries are lost for good.")
    @_by_if_changed
    @option("--reason", default="", help="Why, in words for the record.")
    def ledger_witness_command(  # pyright: ignore[reportUnusedFunction]
        where: str,
        add: tuple[str, ...],
        remove: tuple[str, ...],
        accept_loss: bool,
        by_file: Path | None,
        reason: str,
    ) -> CommandResult:
        """Show what the witnesses know of the ledger, or change who they are."""
        from commonwatt.ledger import usecases as app
        from commonwatt.ledger.clock import utc_now
        from commonwatt.ledger.measures import ENTRY

        if not (add or remove or accept_loss):
            rows = app.ledger_size_and_witness_reports(where)
            return CommandResult(
                data=rows, text=lambda language: _ledger_witness_terminal_text(rows, language)
            )
        if by_file is None or not reason:
            raise UsageError("ledger witness", wanted=Message("--by and --reason with a change"))
        if accept_loss:
            entry = app.accept_loss_of_ledger_entries(where, by_file, reason, now=utc_now)
            lost = Message("Entry {index} says which are lost")
            place = {"index": (ENTRY, entry["index"])}
            return CommandResult(
                data=entry, text=lambda language: figure_sentence(lost, language, place)
            )
        rows = app.change_ledger_witnesses(where, by_file, add, remove, reason, now=utc_now)
        return CommandResult(
            data=rows,
            text=lambda language: _ledger_agreement_terminal_text_renderer(
                _ledger_witness_terminal_text(rows, language), rows
            )(language),
        )


def _ledger_witness_terminal_text(rows: dict[str, Any], language: str) -> str:
    from commonwatt.ledger.measures import ENTRIES

    whole = Message("The ledger has {n} entries")
    lines = [figure_sentence(whole, language, {"n": (ENTRIES, rows["entries"])})]
    for row in rows["witnesses"]:
        gaps = {"name": row["name"]}
        known = Message("{name}: knows {size} entries", gaps)
        away = Message("{name}: cannot be reached", gaps)
        lines.append(
            figure_sentence(known, language, {"size": (ENTRIES, row["size"])})
            if row["reached"]
            else away.translate(language)
        )
    return "\n".join(lines)


def _ledger_agreement_terminal_text_renderer(
    sentence: Message | str, written: dict[str, Any]
) -> Any:
    """Return what says a change, or that the second of the committee must make it, too."""

    def text(language: str) -> str:
        if written.get("waits_for_second"):
            return Message(
                "Agreed, and not in force yet: another of the committee must run the same command."
            ).translate(language)
        return sentence if isinstance(sentence, str) else sentence.translate(language)

    return text

"""`commonwatt ledger`: who decided what, and the proof that nothing was changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from commonwatt.cli.databases import DATABASE_LOCATION, ledger_option
from commonwatt.cli.frame import CommandResult, LazyGroup, command, option
from commonwatt.cli.ledger_keys import add_ledger_key_commands
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.ledger import Checkpoint

ledger = LazyGroup(
    name="ledger",
    help="Show and prove who decided what.",
    example="commonwatt ledger verify\ncommonwatt ledger show --kind clinic.",
    renamed={
        "migrate": "ledger upkeep migrate", "backup": "ledger upkeep backup",
        "restore": "ledger upkeep restore",
    },
)  # fmt: skip
upkeep = LazyGroup(
    name="upkeep",
    help="Keep a ledger going: backups, versions, clocks, and who may write what.",
    example="commonwatt ledger upkeep backup . --to /mnt/vault/monday.tar",
)

_file = click.Path(dir_okay=False, path_type=Path)
_key = option("--key", "key_file", type=_file, required=True, help="File of the key that signs.")
_name = option("--name", required=True, help="Name of the member of staff or service.")
_organisation = option("--organisation", required=True, help="Who answers for them.")
_device = option("--device", default="unnamed", help="Machine or card that holds the key.")


@command(
    ledger, "init", example="commonwatt ledger init --key me.pem --name Chan --organisation HA"
)
@ledger_option
# Here and in `ledger_enrol_command` a missing key is made; anywhere else it is a mistake, which
# a new key would hide.
@option("--key", "key_file", type=_file, required=True, help="Key file; made if there is none.")
@_name
@_organisation
@_device
def ledger_init_command(
    where: str, key_file: Path, name: str, organisation: str, device: str
) -> CommandResult:
    """Make a ledger and enrol its first registrar."""
    from commonwatt.ledger import Person
    from commonwatt.ledger import usecases as app
    from commonwatt.ledger.clock import utc_now

    # The first must be a registrar: only a registrar can enrol the next.
    who = Person(name=name, role="registrar", organisation=organisation, device=device)
    actor = app.init_ledger_with_first_registrar(where, key_file, who, now=utc_now)
    return CommandResult(
        data=actor, text=lambda language: _enrolled_actor_terminal_text(actor, language)
    )


@command(
    ledger,
    "enrol",
    example="commonwatt ledger enrol --by me.pem --public-key lee.pem.pub --name Lee"
    " --role clinician --organisation HA",
)
@ledger_option
@option("--by", "by_file", type=_file, required=True, help="Key file of the registrar.")
@option("--public-key", "public_file", type=_file, help="File of the person's public key.")
@option("--key", "key_file", type=_file, help="Key file; made if there is none.")
@_name
@option("--role", required=True, help="Role that permissions speak of.")
@_organisation
@_device
def ledger_enrol_command(
    where: str,
    by_file: Path,
    public_file: Path | None,
    key_file: Path | None,
    name: str,
    role: str,
    organisation: str,
    device: str,
) -> CommandResult:
    """Enrol a person in a role under a key."""
    from commonwatt.ledger import Person
    from commonwatt.ledger import usecases as app
    from commonwatt.ledger.clock import utc_now

    who = Person(name=name, role=role, organisation=organisation, device=device)
    if public_file and not key_file:
        actor = app.enrol_actor_by_public_key_file(where, by_file, public_file, who, now=utc_now)
    elif key_file and not public_file:
        actor = app.enrol_ledger_actor(where, by_file, key_file, who, now=utc_now)
    else:
        raise UsageError("ledger enrol", wanted=Message("either --public-key or --key"))
    return CommandResult(
        data=actor, text=lambda language: _enrolled_actor_terminal_text(actor, language)
    )


@command(
    upkeep,
    "migrate",
    example="commonwatt ledger upkeep migrate\n"
    "commonwatt ledger upkeep migrate --ledger postgresql://me@db/commonwatt",
)
@ledger_option
def ledger_migrate_command(where: str) -> CommandResult:
    """Bring every store in a ledger's database up to this version.

    A file is migrated when it is first opened, after a copy of it was laid beside; a
    PostgreSQL, which several hosts share, waits for this command.
    """
    from commonwatt.cli.migrations import migrate_database_command_result

    return migrate_database_command_result(where)


@command(ledger, "verify", example="commonwatt ledger verify --checkpoint kept.txt")
@ledger_option
# Without one a whole ledger that was written anew, by who holds its keys, still verifies.
@option("--checkpoint", "pinned", type=_file, help="Checkpoint that you kept elsewhere.")
def ledger_verify_command(where: str, pinned: Path | None) -> CommandResult:
    """Prove that nothing was changed, removed or reordered."""
    from commonwatt.ledger import usecases as app

    done = app.verify_ledger_at(where, pinned)
    return CommandResult(
        data=done,
        text=lambda language: _ledger_verification_terminal_text(done, language),
    )


@command(ledger, "show", example="commonwatt ledger show --kind clinic. --limit 20")
@ledger_option
@option("--from", "first", type=click.IntRange(0), default=0, help="First entry to show.")
@option("--kind", default="", help="Only this kind; with a full stop at its end, all below it.")
@option("--subject", default="", help="Only this subject; with a slash at its end, all below it.")
@option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
def ledger_show_command(
    where: str, first: int, kind: str, subject: str, limit: int
) -> CommandResult:
    """Show entries and who stands behind them."""
    from commonwatt.ledger import usecases as app

    listing = app.ledger_entries_and_actors(where, first, kind, subject, limit)
    return CommandResult(
        data=listing, text=lambda language: _ledger_entries_terminal_text(listing, language)
    )


@command(ledger, "prove", example="commonwatt ledger prove 17 --json")
@ledger_option
@click.argument("index", metavar="[ENTRY]", type=click.IntRange(0), required=False)
@option("--since", type=click.IntRange(0), help="Prove growth from this many entries instead.")
def ledger_prove_command(where: str, index: int | None, since: int | None) -> CommandResult:
    """Prove that an entry is in the ledger, or that the ledger only grew."""
    from commonwatt.ledger import usecases as app

    proof = app.ledger_inclusion_or_consistency_proof(where, index, since)
    return CommandResult(
        data=proof, text=lambda language: _ledger_proof_terminal_text(proof, language)
    )


@command(ledger, "checkpoint", example="commonwatt ledger checkpoint --key me.pem > kept.txt")
@ledger_option
@_key
def ledger_checkpoint_command(where: str, key_file: Path) -> CommandResult:
    """Sign the size and root of now, for outsiders to keep."""
    from commonwatt.ledger import usecases as app

    return _command_result_of_checkpoint_note(app.sign_current_ledger_checkpoint(where, key_file))


@command(ledger, "export", example="commonwatt ledger export record --key me.pem")
@ledger_option
@_key
@click.argument("folder", type=click.Path(path_type=Path))
def ledger_export_command(where: str, key_file: Path, folder: Path) -> CommandResult:
    """Write the record and a verifier that needs only Python into a new folder."""
    from commonwatt.ledger import usecases as app

    return _command_result_of_checkpoint_note(app.export_ledger_folder(where, key_file, folder))


_database = option(
    "--database",
    type=DATABASE_LOCATION,
    default="",
    envvar="COMMONWATT_LEDGER_DATABASE",
    help="URL of a PostgreSQL that holds this home's ledger, or @FILE that holds it "
    "(or COMMONWATT_LEDGER_DATABASE).",
)
_keys_archive = option(
    "--keys", type=_file, help="File for the keys alone; without it no key is in the backup."
)


@command(
    upkeep,
    "backup",
    example="commonwatt ledger upkeep backup . --to /mnt/vault/monday.tar"
    " --keys /mnt/safe/keys.tar",
)
@click.argument("home", type=click.Path(file_okay=False, path_type=Path))
@option("--to", "archive", type=_file, required=True, help="New file, outside the home.")
@_keys_archive
@_database
def ledger_backup_command(
    home: Path, archive: Path, keys: Path | None, database: str
) -> CommandResult:
    """Write ledger, projects, data and runs of a folder into one file, while they are in use."""
    from commonwatt.ledger import usecases as app

    done = app.back_up_ledger_home_as_dict(home, archive, keys, database, now=datetime.now(UTC))
    return CommandResult(
        data=done, text=lambda language: _home_backup_terminal_text(done, language)
    )


@command(
    upkeep,
    "restore",
    example="commonwatt ledger upkeep restore /mnt/vault/monday.tar --to home"
    " --keys /mnt/safe/keys.tar --checkpoint kept.txt",
)
@click.argument("archive", type=_file)
@option(
    "--to", "home", type=click.Path(file_okay=False, path_type=Path), required=True,
    help="New or empty folder.",
)  # fmt: skip
@option("--keys", type=_file, help="File of the keys that were backed up beside it.")
@_database
# Without one a restore cannot know of entries that came after the backup.
@option(
    "--checkpoint", "pinned", type=_file, multiple=True, help="Checkpoint that you kept elsewhere."
)
def restore(
    archive: Path, home: Path, keys: Path | None, database: str, pinned: tuple[Path, ...]
) -> CommandResult:
    """Put a backup back into an empty place, verified, all of it or nothing."""
    from commonwatt.ledger import usecases as app

    done = app.restore_ledger_home_as_dict(archive, home, keys, database, pinned)
    return CommandResult(
        data=done, text=lambda language: _home_restore_terminal_text(done, language)
    )


def _home_backup_terminal_text(done: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import figure_sentence
    from commonwatt.ledger import measures

    first = figure_sentence(
        Message(
            "Backup {id} is whole: {files} files, {bytes}, in {archive}",
            {"id": done["backup_id"], "archive": done["archive"]},
        ),
        language,
        {
            "files": (measures.BACKUP_FILES, done["files"]),
            "bytes": (measures.BACKUP_BYTES, done["bytes"]),
        },
    )
    keys = (
        Message("{count} keys apart, in {archive}", {"archive": done["keys_archive"]})
        if done["keys_archive"]
        else Message("{count} keys are not in it; back them up by --keys or by other means")
    )
    count = {"count": (measures.BACKUP_KEYS, len(done["keys"]))}
    apart = [figure_sentence(keys, language, count)] if done["keys"] else []
    return _backup_summary_terminal_text([first, *apart], done, language)


def _home_restore_terminal_text(done: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import figure_sentence
    from commonwatt.ledger import measures

    first = figure_sentence(
        Message(
            "Backup {backup_id} of {at} is restored: {files} files, in {home}",
            {key: done[key] for key in ("backup_id", "at", "home")},
        ),
        language,
        {"files": (measures.BACKUP_FILES, done["files"])},
    )
    names = ", ".join(done["keys_missing"])
    missing = Message("These keys were not in it: {names}", {"names": names}).translate(language)
    return _backup_summary_terminal_text([first, missing] if names else [first], done, language)


_LEFT_OUT: Final = {
    "link": Message("a link"),
    "draft": Message("a draft that was never finished"),
    "socket or pipe": Message("a socket or pipe"),
}


def _backup_summary_terminal_text(first: list[str], done: dict[str, Any], language: str) -> str:
    """Return what was done, how far each ledger goes, and what was left out, a line each."""
    from commonwatt.cli.terminal_text import figure_sentence
    from commonwatt.ledger.measures import ENTRIES

    chains = [
        figure_sentence(
            Message(
                "{path} holds {entries} entries until {at}, root {root}",
                {"path": chain["path"], "at": chain["at"] or "–", "root": chain["root"]},
            ),
            language,
            {"entries": (ENTRIES, chain["entries"])},
        )
        for chain in done["ledgers"]
    ]
    left = [
        Message(
            "Left out: {path} ({why})", {"path": path, "why": _LEFT_OUT[why].translate(language)}
        ).translate(language)
        for path, why in done["left_out"].items()
    ]
    compare = Message("Compare the number of entries with a checkpoint that is kept elsewhere.")
    advice = [compare.translate(language)] if chains else []
    return "\n".join([*first, *chains, *left, *advice])


def _command_result_of_checkpoint_note(note: Checkpoint) -> CommandResult:
    from commonwatt.ledger import usecases as app

    # The printing adds the line's end again, so a file that was redirected holds the signed note
    # byte for byte.
    return CommandResult(
        data=app.ledger_checkpoint_dict(note), text=lambda _: note.note.rstrip("\n")
    )


def _enrolled_actor_terminal_text(actor: dict[str, Any], language: str) -> str:
    if actor.get("waits_for_second"):
        return Message(
            "Agreed, and not in force yet: another of the committee must run the same command."
        ).translate(language)
    gaps = {key: actor[key] for key in ("name", "role", "organisation", "actor_id", "key_file")}
    sentence = Message(
        "{name} ({organisation}) is enrolled as {role}: {actor_id}, key in {key_file}", gaps
    )
    return sentence.translate(language)


def _ledger_verification_terminal_text(verification: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import figure_sentence
    from commonwatt.ledger import measures

    sentence = Message(
        "Whole: {entries} entries, {signatures} signatures, {actors} actors,"
        " {checkpoints} checkpoints; root {root}",
        {"root": verification["root"]},
    )
    counted = {
        "entries": measures.ENTRIES,
        "signatures": measures.SIGNATURES,
        "actors": measures.ACTORS,
        "checkpoints": measures.CHECKPOINTS,
    }
    whole = figure_sentence(
        sentence, language, {gap: (of, verification[gap]) for gap, of in counted.items()}
    )
    if verification["roles_checked"]:
        return whole
    unsaid = Message(
        "This ledger does not say who may write what, so no role was checked but a registrar's."
        " A registrar puts the table in force: commonwatt ledger upkeep permissions --shipped"
        " --by KEY.pem"
    )
    return f"{whole}\n{unsaid.translate(language)}"


def _ledger_entries_terminal_text(listing: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import terminal_table_text
    from commonwatt.ledger.measures import SHOWN_ENTRIES

    if not listing["entries"]:
        return translate("No such entries.", language)
    who = {actor["actor_id"]: actor for actor in listing["actors"]}
    rows = [entry | {"by": _ledger_signer_terminal_text(who[entry["actor_id"]])}
            for entry in listing["entries"]]  # fmt: skip
    return terminal_table_text(SHOWN_ENTRIES.columns, rows, language)


def _ledger_signer_terminal_text(actor: dict[str, Any]) -> str:
    name, role, organisation = (actor[key] for key in ("name", "role", "organisation"))
    return f"{name} ({role}, {organisation})"


def _ledger_proof_terminal_text(proof: dict[str, Any], language: str) -> str:
    from commonwatt.cli.terminal_text import figure_sentence, indented, terminal_figures_text
    from commonwatt.ledger.measures import PROOF, PROOF_HASHES

    first = figure_sentence(
        Message("The proof holds: {steps} hashes"),
        language,
        {"steps": (PROOF_HASHES, len(proof["path"]))},
    )
    figures = [(column, proof[column.name]) for column in PROOF.columns if column.name in proof]
    # The path comes last and whole, so that another program can compute the root from what is
    # printed.
    return "\n".join(
        [
            first,
            terminal_figures_text(figures, language),
            *(indented(step) for step in proof["path"]),
        ]
    )


# After the commands above, because help lists commands in the order in which they are added.
add_ledger_key_commands(ledger, upkeep)
ledger.add_command(upkeep)

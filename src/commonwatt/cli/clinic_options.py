"""Options that several commands of the clinic share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from commonwatt.cli.frame import option, raise_click_usage_error
from commonwatt.core.messages import Message

# Spelled here, as the registry's own table would be loaded for every line of help.
DESIGNS = ("retrospective", "external", "prospective", "randomised")  # third-party: from a seal
GUIDELINES = ("TRIPOD+AI", "STARD-AI", "CONSORT-AI", "SPIRIT-AI", "DECIDE-AI", "none")
# Places are files, and which there are is known when a command runs: no list of them is typed here.
PLACE_METAVAR = "PLACE"
rules_option = option(
    "--rules",
    "rule_folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with rules of your own, one .yaml a place; may repeat"
    " (or COMMONWATT_CLINIC_RULES).",
)
_key_file = click.Path(dir_okay=False, path_type=Path)
key_option = option(
    "--key", "key_file", type=_key_file, required=True, help="File of the key that signs."
)
# For a command that computes for anybody, and puts on record only for who signs.
record_option = option("--record", "record", metavar="NAME", help="Also put it on record as NAME.")
record_key_option = option(
    "--key", "key_file", type=_key_file, help="File of the key that signs the record."
)
guides_option = option(
    "--guides",
    "guide_folders",
    multiple=True,
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    envvar="COMMONWATT_CLINIC_GUIDES",
    help="Folder with guides of your own, one .yaml each; may repeat"
    " (or COMMONWATT_CLINIC_GUIDES).",
)


def parse_name_value_fact_options(facts: tuple[str, ...]) -> dict[str, str]:
    """Return facts written as NAME=VALUE by name, or leave with a usage error."""
    # At the first sign: a value may hold one itself.
    split = [fact.partition("=") for fact in facts]
    if not all(sign for _, sign, _ in split):
        raise_click_usage_error(Message("A fact is written NAME=VALUE."))
    stated: dict[str, str] = {}
    for name, _, value in split:
        # Of two statements on one fact neither is taken for the other.
        if stated.setdefault(name, value) != value:
            raise_click_usage_error(
                Message("A fact is stated once: {name} is given twice.", {"name": name})
            )
    return stated


def command_utc_now() -> datetime:
    """Return the time of this machine: the clock that a command hands to what it calls.

    What is put on record reads it once the ledger is locked, so that commands that run at once
    come in the order of their entries.
    """
    return datetime.now(UTC)

"""`commonwatt serve`: the console on the loopback address."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commonwatt.cli.databases import DATABASE_LOCATION
from commonwatt.cli.frame import CommandResult, click_echo_message_to_stderr, command, option
from commonwatt.cli.options import store_option
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    from commonwatt.web.settings import Settings

_path = click.Path(path_type=Path)


class _RuleText(click.ParamType[str]):
    """A rule of admission; in the environment they are parted by semicolons.

    The names of groups hold spaces, and in a directory commas and signs of equality.
    """

    name = "text"
    envvar_list_splitter = ";"


@command(None, "serve", example="commonwatt serve\ncommonwatt serve --port 8900 --workers 2")
@store_option
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@option("--port", default=8800, show_default=True, help="Port to listen on; 0 takes a free one.")
@option(
    "--address", default="",
    help="Address as people type it, where a proxy stands before the console; it may end in "
    "a path, such as https://example.org/compute.",
)  # fmt: skip
@option("--workers", default=1, show_default=True, help="Processes that answer.")
@option(
    "--requests-per-minute", default=1200, show_default=True, type=click.IntRange(min=0),
    help="Requests of one account or address in a minute; 0 for any number.",
)  # fmt: skip
@option(
    "--database", type=DATABASE_LOCATION, default="", envvar="COMMONWATT_DATABASE",
    help="Path or URL of the database of accounts, ledger, rooms and models, or @FILE that holds "
    "it (or COMMONWATT_DATABASE); beside the runs by default.",
)  # fmt: skip
@option(
    "--rooms", type=_path, default=Path("rooms"), show_default=True, help="Folder of all projects."
)
@option(
    "--operate", type=_path, default=Path("operate"), show_default=True,
    envvar="COMMONWATT_OPERATE", help="Folder of the controller (or COMMONWATT_OPERATE).",
)  # fmt: skip
@option(
    "--sample", default="harbour", show_default=True,
    help='Programme that is run when there is no run yet; "" for none.',
)  # fmt: skip
@option(
    "--time-zone", default="", envvar="COMMONWATT_TIME_ZONE",
    help="Zone of every time that pages show, such as Asia/Hong_Kong "
    "(or COMMONWATT_TIME_ZONE); the zone of this machine by default.",
)  # fmt: skip
@option(
    "--trusted-proxy", "trusted_proxies", multiple=True, envvar="COMMONWATT_TRUSTED_PROXIES",
    help="Address or network of a proxy whose X-Forwarded-For is believed; may be repeated "
    "(or COMMONWATT_TRUSTED_PROXIES, separated by spaces).",
)  # fmt: skip
@option(
    "--contact", default="", envvar="COMMONWATT_CONTACT",
    help="Whom people ask who may not come in, such as a mail address (or COMMONWATT_CONTACT).",
)  # fmt: skip
@option(
    "--institution", default="", envvar="COMMONWATT_INSTITUTION",
    help="Institution file of the clinic, whose patients are told of models in this console "
    "(or COMMONWATT_INSTITUTION).",
)  # fmt: skip
@option(
    "--institution-secret", default="institution.secret", show_default=True,
    envvar="COMMONWATT_INSTITUTION_SECRET",
    help="File of that institution's secret (or COMMONWATT_INSTITUTION_SECRET).",
)  # fmt: skip
@option(
    "--oidc-issuer", default="", envvar="COMMONWATT_OIDC_ISSUER",
    help="Address of an OpenID Connect provider (or COMMONWATT_OIDC_ISSUER).",
)  # fmt: skip
@option(
    "--oidc-client", default="", envvar="COMMONWATT_OIDC_CLIENT",
    help="Name of this console at the provider (or COMMONWATT_OIDC_CLIENT).",
)  # fmt: skip
@option(
    "--oidc-secret-file", default="", envvar="COMMONWATT_OIDC_SECRET_FILE",
    help="File that holds the console's secret there (or COMMONWATT_OIDC_SECRET_FILE).",
)  # fmt: skip
@option(
    "--oidc-scope", default="openid profile email", show_default=True,
    envvar="COMMONWATT_OIDC_SCOPE",
    help="What of a person the provider is asked for (or COMMONWATT_OIDC_SCOPE).",
)  # fmt: skip
@option(
    "--oidc-roles-claim", default="roles", show_default=True,
    envvar="COMMONWATT_OIDC_ROLES_CLAIM",
    help="Claim that names a person's groups or roles, such as realm_access.roles "
    "(or COMMONWATT_OIDC_ROLES_CLAIM).",
)  # fmt: skip
@option(
    "--oidc-group", "oidc_groups", multiple=True, type=_RuleText(),
    envvar="COMMONWATT_OIDC_GROUPS", metavar="GROUP=ROLE,ROLE",
    help="Group of the provider that may come in, with these roles; may be repeated "
    "(or COMMONWATT_OIDC_GROUPS, separated by semicolons).",
)  # fmt: skip
@option(
    "--oidc-domain", "oidc_domains", multiple=True, type=_RuleText(),
    envvar="COMMONWATT_OIDC_DOMAINS", metavar="DOMAIN[=ROLE,ROLE]",
    help="Domain of verified e-mail addresses that may come in, as viewers or with these roles; "
    "may be repeated (or COMMONWATT_OIDC_DOMAINS, separated by semicolons).",
)  # fmt: skip
def serve(store: Path, host: str, port: int, workers: int, **given: object) -> CommandResult:
    """Answer on the loopback address and print one link."""
    from commonwatt.web.workers import load_program_for_workers

    if workers > 1:
        load_program_for_workers()  # beside what is loaded and prepared here
    from commonwatt.web.serve import (
        bind_console_socket,
        console_settings_for,
        console_start_warnings,
        prepare_console_and_return_link,
        serve_console,
    )

    # First, so that a port that is taken is said at once and not after the database was made;
    # closed whatever happens, as an option that is refused leaves nobody to answer there.
    with closing(bind_console_socket(host, port)) as sock:
        settings = console_settings_for(store, sock, **given)
        link = prepare_console_and_return_link(settings)
        _print_cli_console_link(settings, link)
        for note in console_start_warnings(settings):
            click_echo_message_to_stderr(note)
        serve_console(settings, sock, workers)
    return CommandResult(data={"address": settings.address}, text=lambda _: "")


def _print_cli_console_link(settings: Settings, link: str) -> None:
    # The link is what was asked for and goes to stdout, where a script can take it; the rest is
    # talk.
    click.echo(link)
    if link != settings.address:
        click_echo_message_to_stderr(
            Message("This link makes the first account; it works once and ends after a day.")
        )
    click_echo_message_to_stderr(Message("Stop with Ctrl-C."))

"""`commonwatt audit`: published claims against references and our own models."""

from __future__ import annotations

from pathlib import Path

import click

from commonwatt.cli.frame import CommandResult, command, option

_path = click.Path(path_type=Path)


@command(None, "audit", example="commonwatt audit claims.csv --out audit")
@click.argument("claims", type=_path, metavar="CLAIMS")
@option("--flagged", is_flag=True, help="Show only claims that are not in line.")
def audit(claims: Path, flagged: bool) -> CommandResult:
    """Check published claims against sourced data, our own models and each other."""
    from commonwatt.audit import usecases as app

    audited = app.audit(app.load_claims(claims), app.load_reference_library())
    # Claims are checked against each other, so all are audited and only what is shown is narrowed.
    shown = [each for each in audited if not flagged or each.kind is not app.FindingKind.IN_LINE]
    frame = app.audit_finding_frame(shown)
    return CommandResult(
        data={"claims_file": claims.name, "findings": frame.to_dicts()},
        text=lambda language: app.audit_text(shown, language),
        tables={"audit": frame},
    )

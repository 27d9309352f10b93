"""`commonwatt treasury`: accounts, fans, rules and project finance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commonwatt.cli.frame import Answer, LazyGroup, command, option
from commonwatt.core.messages import translate

treasury = LazyGroup(
    name="treasury",
    help="Show what the bonds do to the public debt.",
    example="commonwatt treasury project hongkong\ncommonwatt treasury fan hongkong --seed 1",
)

_path = click.Path(path_type=Path)
_country = click.argument("country", metavar="COUNTRY")
_weo = option("--weo", type=_path, help="WEO table; COUNTRY is then a code such as FRA.")


@command(treasury, "project", example="commonwatt treasury project hongkong --json")
@_country
@_weo
@option("--years", type=click.IntRange(1, 60), help="Years to project (default: as planned).")
@option("--basis", type=click.Choice(["cash", "revalued"]), default="cash", help="Opening stock.")
@option("--bonds-as-income/--bonds-not-income", default=True, help="Headline counts proceeds.")
@option("--transfers-as-income/--transfers-not-income", default=True, help="Likewise transfers.")
@option("--programme", multiple=True, help="Count only this borrowing programme; may repeat.")
def project(
    country: str,
    weo: Path | None,
    years: int | None,
    basis: str,
    bonds_as_income: bool,
    transfers_as_income: bool,
    programme: tuple[str, ...],
) -> Answer:
    """Project accounts, debt and reserves year by year, with bridge and decomposition."""
    from commonwatt.app import treasury as app
    from commonwatt.app.charts import treasury as charts
    from commonwatt.treasury.project import Basis, Treatment

    treatment = Treatment(
        bonds_as_income=bonds_as_income,
        transfers_as_income=transfers_as_income,
        basis=Basis(basis),
        programmes=programme,
    )
    answer = app.project_answer(app.open_country(country, weo), years=years, treatment=treatment)
    names = ("years", "history", "bridge", "quarters", "published_checks")
    return Answer(
        data=answer,
        text=lambda language: _project_text(answer, language),
        tables=app.tables(answer, names),
        files=charts.project_files(answer),
    )


def _project_text(answer: dict[str, Any], language: str) -> str:
    money = f"_{answer['currency'].lower()}_bn"
    heads = ("fiscal year", "debt", "debt / GDP", "issued", "redeemed", "interest", "reserves")
    rows = [tuple(translate(head, language) for head in heads)]
    for year in answer["years"]:
        amounts = [
            year[f"{n}{money}"] for n in ("gross_issuance", "redemption", "interest", "reserves")
        ]
        rows.append(
            (
                year["fiscal_year"],
                f"{year[f'debt{money}']:,.1f}",
                f"{100 * year['debt_gdp_share']:.1f} %",
                *("–" if a is None else f"{a:,.1f}" for a in amounts),
            )
        )
    steps = [("", "", "")]
    steps += [
        (s["step"], f"{s[f'amount{money}']:+,.1f}", f"{s[f'level{money}']:,.1f}")
        for s in answer["bridge"]
    ]
    note = translate("Amounts in bn {currency}; debt on the {basis} basis.", language).format(
        currency=answer["currency"], basis=answer["treatment"]["debt_basis"]
    )
    return "\n".join([_columns(rows), _columns(steps), "", note])


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            c.ljust(w) if k == 0 else c.rjust(w)
            for k, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )

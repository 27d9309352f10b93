"""How a country folder is spelled: `country.toml` and the CSV files beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA, ShippedCollection
from commonwatt.treasury.domain.accounts import (
    AccountingEntry,
    AccountKind,
    BudgetAccount,
    GeneralLedger,
)
from commonwatt.treasury.domain.bonds.ladder import Tranche
from commonwatt.treasury.domain.country import (
    BudgetLine,
    Country,
    HistoryYear,
    LineDriver,
    MixPart,
    PublishedFigure,
)
from commonwatt.treasury.domain.errors import (
    AccountError,
    BondError,
    CountryError,
    checked_treasury_share,
)
from commonwatt.treasury.io.country.csvs import (
    CountryCsvRow,
    country_csv_rows,
    optional_country_csv_rows,
)
from commonwatt.treasury.io.country.plausible import (
    CountryAmounts,
    check_budget_lines,
    check_country_amounts,
    check_debt_history,
    check_debt_tranches,
    check_published_figures,
)
from commonwatt.treasury.io.country.publications import (
    check_published_balances,
    load_budget_forecast_vintages,
    load_published_bond_cash_windows,
    load_published_debt_stocks,
)

SHIPPED = DATA / "treasury"
COUNTRIES = ShippedCollection(SHIPPED, "*/country.toml")
Share = Annotated[float, Field(ge=-1, le=1)]
_WHOLE_PERCENT = 100.0
T = TypeVar("T", bound=BaseModel)


class _CountrySection(BaseModel):
    # A misspelt key is refused: a default in its place would be an answer to another question.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GdpPart(_CountrySection):
    """Nominal GDP and its growth."""

    before: float = Field(gt=0)
    first: float = Field(gt=0)
    growth: list[Share] = Field(min_length=1)
    vintage: str


class ReservesPart(_CountrySection):
    """Fiscal reserves."""

    opening: float
    extra_return: Share = 0.0


class DebtPart(_CountrySection):
    """Issuance, ceiling and what the bases differ by."""

    issuance: list[Annotated[float, Field(ge=0)]] = Field(default_factory=list[float])
    opening_revaluation: float = 0.0
    financing_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    ceiling: float | None = Field(None, gt=0)
    ceiling_programmes: list[str] = Field(default_factory=list[str])
    guarantees: float = Field(0.0, ge=0)


class QuarterPart(_CountrySection):
    """Share of a year's income and expense in one quarter."""

    income: Annotated[float, Field(ge=0, le=1)]
    expense: Annotated[float, Field(ge=0, le=1)]


class AccountPart(_CountrySection):
    """One account of the chart."""

    name: str
    kind: AccountKind
    programme: str = ""


class CountryFile(_CountrySection):
    """The whole of `country.toml`."""

    name: str
    iso3: str = Field(pattern="^[A-Z]{3}$")
    currency: str = Field(pattern="^[A-Z]{3}$")
    fiscal_year_starts: int = Field(ge=1, le=12)
    first_year: int = Field(ge=1900, le=2200)
    gdp: GdpPart
    reserves: ReservesPart | None = None
    debt: DebtPart
    accounts: list[AccountPart]
    # Shocks are estimated from decades of history; a country without them borrows by name.
    shocks_of: str | None = Field(None, pattern="^[A-Z]{3}$")
    fx_change: dict[str, Share] = Field(default_factory=dict[str, float])
    quarters: list[QuarterPart] = Field(default_factory=list[QuarterPart])


def load_country(name_or_path: str) -> Country:
    """Return a shipped country by name, or one from a folder or its `country.toml`.

    Raises:
        CountryError: A file is missing or holds a bad value.
        AccountError: The ledger does not balance or names an unknown fund.
        BondError: A tranche cannot exist.
    """
    folder = country_folder(name_or_path)
    path = folder / "country.toml"
    file = validate_treasury_document(
        path.name, CountryFile, read_treasury_toml(path, CountryError), CountryError
    )
    accounts = tuple(BudgetAccount(part.name, part.kind, part.programme) for part in file.accounts)
    entries = _load_accounting_entries(folder / "ledger.csv", file.currency)
    # Before anything is projected: a slip in what was read is not to become a path.
    check_published_balances(
        folder / "cells.csv", file.currency, _posted_general_ledger(accounts, entries)
    )
    lines = _load_budget_lines(
        folder / "lines.csv", {account.name for account in accounts}, file.currency
    )
    tranches = _load_debt_tranches(folder / "tranches.csv", file.currency)
    history = _load_debt_history(folder / "history.csv", file.currency)
    published = _load_published_budget_figures(folder / "published.csv", file.currency)
    _check_country_plausible(file, lines, tranches, history, published)
    return Country(
        name=file.name,
        iso3=file.iso3,
        currency=file.currency,
        fiscal_year_starts=file.fiscal_year_starts,
        first_year=file.first_year,
        gdp_before=file.gdp.before,
        gdp_first=file.gdp.first,
        growth=tuple(file.gdp.growth),
        gdp_vintage=file.gdp.vintage,
        reserves=file.reserves.opening if file.reserves else None,
        reserves_return=file.reserves.extra_return if file.reserves else 0.0,
        lines=lines,
        accounts=accounts,
        tranches=tranches,
        issuance=tuple(file.debt.issuance),
        mix=_load_issuance_mix(folder / "issuance_mix.csv"),
        opening_revaluation=file.debt.opening_revaluation,
        entries=entries,
        financing_share=file.debt.financing_share,
        ceiling=file.debt.ceiling,
        ceiling_programmes=tuple(file.debt.ceiling_programmes),
        history=history,
        published=published,
        guarantees=file.debt.guarantees,
        quarters=tuple((part.income, part.expense) for part in file.quarters)
        # Without published quarters the year runs evenly.
        or ((0.25, 0.25),) * 4,
        fx_change=file.fx_change,
        sources={
            row.text("source_id"): row.text("title")
            for row in optional_country_csv_rows(folder / "sources.csv", ["source_id", "title"])
        },
        stocks=load_published_debt_stocks(folder, file.currency),
        cash_windows=load_published_bond_cash_windows(folder, file.currency),
        vintages=load_budget_forecast_vintages(folder, file.currency),
        shocks_of=file.shocks_of or "",
    )


def _check_country_plausible(
    file: CountryFile,
    lines: Sequence[BudgetLine],
    tranches: Sequence[Tranche],
    history: Sequence[HistoryYear],
    published: Sequence[PublishedFigure],
) -> None:
    """Raise where figures of the folder cannot stand beside each other.

    Raises:
        CountryError: They cannot.
        BondError: A tranche cannot exist.
    """
    gdp = file.gdp.first
    stocks = {
        "reserves.opening": file.reserves.opening if file.reserves else 0.0,
        "debt.ceiling": file.debt.ceiling or 0.0,
        "debt.guarantees": file.debt.guarantees,
        "debt.opening_revaluation": file.debt.opening_revaluation,
        **{f"debt.issuance.{i}": amount for i, amount in enumerate(file.debt.issuance)},
    }
    check_debt_history(history, file.first_year)
    check_country_amounts(
        CountryAmounts(
            gdp_before=file.gdp.before,
            gdp_first=gdp,
            first_year=file.first_year,
            stocks=stocks,
        ),
        history,
    )
    check_budget_lines(lines, gdp)
    check_debt_tranches(tranches, gdp, file.first_year, history)
    check_published_figures(published, gdp, money_ends=f"_{file.currency.lower()}_bn")


def _posted_general_ledger(
    accounts: tuple[BudgetAccount, ...], entries: tuple[AccountingEntry, ...]
) -> GeneralLedger:
    ledger = GeneralLedger(accounts)
    for entry in entries:
        ledger.post_accounting_entry(entry)
    return ledger


def shipped_country_names() -> tuple[str, ...]:
    """Return the names of the countries that the program carries.

    >>> shipped_country_names()
    ('finland', 'hongkong')
    """
    return COUNTRIES.names()


def country_files(name_or_path: str) -> tuple[Path, ...]:
    """Return every file of a country folder that has a say, in order of name."""
    folder = country_folder(name_or_path)
    # Sorted, because a folder has no order of its own and a digest is taken of the files in turn.
    return tuple(sorted(p for p in folder.iterdir() if p.suffix in {".toml", ".csv"}))


def country_folder(name_or_path: str) -> Path:
    """Return the folder of a shipped country, of a path to a folder, or to its `country.toml`.

    Raises:
        CountryError: There is none.
    """
    path = COUNTRIES.find_shipped_file_or_path(name_or_path)
    if path.is_file():
        return path.parent
    if path.is_dir():
        return path
    raise CountryError(
        name_or_path,
        found=Message("no such country or folder"),
        wanted=Message(
            "a folder with country.toml, or one of {names}", {"names": ", ".join(COUNTRIES.names())}
        ),
    )


def read_treasury_toml(path: Path, error: type[InputError]) -> dict[str, Any]:
    """Return a TOML document, or raise `error` with what is wrong with the file."""
    wanted = Message("a TOML file")
    if not path.is_file():
        raise error(path.name, found=Message("no such file"), wanted=wanted)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise error(
            path.name,
            found=str(failure),
            wanted=wanted,
            remedy=Message(
                "Mend that line; a number has a point before its decimals and nothing between its "
                "thousands, and the file is saved as UTF-8."
            ),
        ) from None


def validate_treasury_document(
    place: str, model: type[T], document: dict[str, Any], error: type[InputError]
) -> T:
    """Return a document as `model`, or raise `error` with every fault at once."""
    try:
        return model.model_validate(document)
    except ValidationError as failure:
        remedy = _percent_remedy(failure)
        raise error(place, found=_treasury_document_faults(failure), remedy=remedy) from None


def _percent_remedy(failure: ValidationError) -> Message | str:
    """Return how a share is written that was given in percent; nothing where none was."""
    for fault in failure.errors():
        text = str(fault["input"]).strip()
        is_beyond_one = fault["type"] == "less_than_equal" and fault.get("ctx", {}).get("le") == 1
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            continue
        if text.endswith("%") or (is_beyond_one and number <= _WHOLE_PERCENT):
            return Message(
                "Write shares and not percent: {share} for {percent} %.",
                {"share": f"{number / 100:g}", "percent": f"{number:g}"},
            )
    return ""


def _treasury_document_faults(failure: ValidationError) -> Message:
    lines: list[str] = []
    for fault in failure.errors():
        # Only plain values are shown: a whole table would bury the sentence.
        cell = fault["input"]
        shown = f" (found {cell!r})" if isinstance(cell, int | float | str) else ""
        dotted = ".".join(str(part) for part in fault["loc"])
        lines.append(f"  {dotted}: {fault['msg']}{shown}")
    return Message(
        "{count} faults:\n{faults}", {"count": str(len(lines)), "faults": "\n".join(lines)}
    )


_LINE_COLUMNS = [
    "line",
    "kind",
    "fund",
    "pocket",
    "driver",
    "amounts",
    "elasticity",
    "drift",
    "step",
    "norm",
    "includes_interest",
    "status",
    "source_id",
    "note",
]


def _load_budget_lines(path: Path, accounts: set[str], currency: str) -> tuple[BudgetLine, ...]:
    return tuple(
        _parse_budget_line(row, accounts, currency)
        for row in country_csv_rows(path, _LINE_COLUMNS, closed=True)
    )


def _parse_budget_line(row: CountryCsvRow, accounts: set[str], currency: str) -> BudgetLine:
    kind, driver = row.text("kind"), row.text("driver")
    _check_country_cell_allowed(row, "kind", ("income", "expense", "transfer"))
    _check_country_cell_allowed(row, "driver", tuple(driver.value for driver in LineDriver))
    for column in ("fund", "pocket"):
        if row.text(column) and row.text(column) not in accounts:
            raise AccountError(
                row.country_cell_location(column),
                found=Message("the fund or account “{name}”", {"name": row.text(column)}),
                wanted=Message("one of {names}", {"names": ", ".join(sorted(accounts))}),
            )
    for column in ("drift", "step", "norm"):
        checked_treasury_share(
            row.country_cell_location(column), row.number_or(column, 0.0), CountryError
        )
    return BudgetLine(
        name=row.text("line"),
        kind=kind,
        fund=row.text("fund"),
        pocket=row.text("pocket"),
        driver=LineDriver(driver),
        amounts=row.money_amounts_bn("amounts", currency),
        elasticity=row.number_or("elasticity", 1.0),
        drift=row.number_or("drift", 0.0),
        step=row.number_or("step", 0.0),
        norm=row.number_or("norm", 0.0),
        includes_interest=row.text("includes_interest") == "yes",
    )


def _check_country_cell_allowed(row: CountryCsvRow, column: str, allowed: tuple[str, ...]) -> None:
    if row.text(column) in allowed:
        return
    raise CountryError(
        row.country_cell_location(column),
        found=f"'{row.text(column)[:40]}'",
        wanted=Message("one of {names}", {"names": ", ".join(allowed)}),
    )


def _load_debt_tranches(path: Path, currency: str) -> tuple[Tranche, ...]:
    columns = [
        "name",
        "programme",
        "currency",
        "amount",
        "coupon_share",
        "issued",
        "matures",
        "label",
    ]
    return tuple(
        _parse_debt_tranche(row, currency) for row in country_csv_rows(path, columns, closed=True)
    )


def _parse_debt_tranche(row: CountryCsvRow, currency: str) -> Tranche:
    coupon = row.number_in("coupon_share", BondError)
    checked_treasury_share(row.country_cell_location("coupon_share"), coupon, BondError)
    issued, matures = (_whole_number_in(row, c, 1800, 2300) for c in ("issued", "matures"))
    # Asked here as well as in `Tranche`, which does not know the row.
    if matures < issued:
        raise BondError(
            row.country_cell_location("matures"),
            found=Message(
                "{matures}, issue in {issued}", {"matures": str(matures), "issued": str(issued)}
            ),
            wanted=Message("a maturity after the issue"),
        )
    return Tranche(
        name=row.text("name"),
        programme=row.text("programme"),
        currency=row.text("currency"),
        amount=row.money_bn("amount", currency, BondError),
        coupon=coupon,
        issued=issued,
        matures=matures,
        label=row.text("label"),
    )


def _whole_number_in(row: CountryCsvRow, column: str, low: int, high: int) -> int:
    number = row.number_in(column, BondError)
    if number != int(number) or not low <= number <= high:
        raise BondError(
            row.country_cell_location(column),
            found=f"{number:g}",
            wanted=Message(
                "a whole number from {low} to {high}", {"low": str(low), "high": str(high)}
            ),
            remedy=Message("Write years in four digits and terms in whole years."),
        )
    return int(number)


def _load_issuance_mix(path: Path) -> tuple[MixPart, ...]:
    columns = ["programme", "currency", "tenor", "share", "coupon_share", "label"]
    parts = tuple(
        _parse_issuance_mix_part(row) for row in country_csv_rows(path, columns, closed=True)
    )
    # Refused, not scaled: shares that do not add up are a row that was forgotten.
    total = sum(part.share for part in parts)
    if parts and abs(total - 1) > 1e-9:
        raise CountryError(
            path.name,
            found=Message("shares that add to {total}", {"total": f"{total:g}"}),
            wanted=Message("shares that add to 1"),
        )
    return parts


def _parse_issuance_mix_part(row: CountryCsvRow) -> MixPart:
    for column in ("share", "coupon_share"):
        checked_treasury_share(
            row.country_cell_location(column), row.number_in(column), CountryError
        )
    return MixPart(
        programme=row.text("programme"),
        currency=row.text("currency"),
        tenor=_whole_number_in(row, "tenor", 1, 100),
        share=row.number_in("share"),
        coupon=row.number_in("coupon_share"),
        label=row.text("label"),
    )


def _load_accounting_entries(path: Path, currency: str) -> tuple[AccountingEntry, ...]:
    columns = ["fiscal_year", "entry", "account", "amount", "source_id"]
    rows = optional_country_csv_rows(path, columns, closed=True)
    # The postings of an entry stand together in the file, so `groupby` needs no sort, and
    # a sort would lose the order that the ledger is read in.
    groups = groupby(rows, key=lambda row: (row.text("fiscal_year"), row.text("entry")))
    return tuple(
        _parse_accounting_entry(year, memo, list(group), currency) for (year, memo), group in groups
    )


def _parse_accounting_entry(
    year: str, memo: str, posting_rows: list[CountryCsvRow], currency: str
) -> AccountingEntry:
    postings: dict[str, float] = {}
    for row in posting_rows:
        account = row.text("account")
        amount = row.money_bn("amount", currency, AccountError)
        postings[account] = postings.get(account, 0.0) + amount
    return AccountingEntry(
        year, memo, postings, f"{posting_rows[0].country_cell_location()}, {year}, {memo}"
    )


def _load_debt_history(path: Path, currency: str) -> tuple[HistoryYear, ...]:
    columns = ["fiscal_year", "debt", "gdp", "reserves", "source_id"]
    return tuple(
        HistoryYear(
            fiscal_year=row.text("fiscal_year"),
            debt=row.money_bn_or_none("debt", currency),
            gdp=row.money_bn_or_none("gdp", currency),
            reserves=row.money_bn_or_none("reserves", currency),
            source=row.text("source_id"),
        )
        for row in optional_country_csv_rows(path, columns, closed=True)
    )


def _load_published_budget_figures(path: Path, currency: str) -> tuple[PublishedFigure, ...]:
    columns = ["fiscal_year", "field", "value", "tolerance", "source_id"]
    return tuple(
        _parse_published_budget_figure(row, currency)
        for row in optional_country_csv_rows(path, columns, closed=True)
    )


def _parse_published_budget_figure(row: CountryCsvRow, currency: str) -> PublishedFigure:
    is_money = row.text("field").endswith(f"_{currency.lower()}_bn")

    def read_budget_figure(column: str) -> float:
        return row.money_bn(column, currency) if is_money else row.number_in(column)

    return PublishedFigure(
        fiscal_year=row.text("fiscal_year"),
        field=row.text("field"),
        value=read_budget_figure("value"),
        tolerance=read_budget_figure("tolerance"),
        source=row.text("source_id"),
    )

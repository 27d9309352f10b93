"""Shock models that ship with Commonwatt, and how a new one is written.

What ships is what was estimated, not what it was estimated on: the WEO table stays
with its owner. `estimate` on the same table gives the same numbers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.errors import CountryError
from commonwatt.treasury.domain.shocks import F64, ShockModel
from commonwatt.treasury.engines.fan.estimate import MarketShocks, macro_and_market_correlation
from commonwatt.treasury.io.country.folder import SHIPPED

FOLDER = SHIPPED / "shocks"


def load_market_shocks(home: str, slots: Sequence[str]) -> MarketShocks:
    """Return shocks of rates, of the three foreign currency slots, and of guarantees.

    Args:
        home: The country's own currency.
        slots: Four currency slots, the home currency first, "" where unused.
    """
    document = _read_shock_model_toml(FOLDER / "markets.toml")
    pair: dict[str, Any] = document["pairs"].get(home, {})
    spread, correlation = _fx_shock_sd_and_correlation(document, pair, slots[1:])
    rates = document["rates"]
    whole = np.eye(6)  # the last is the guarantee factor, which meets growth only
    whole[:5, :5] = correlation
    return MarketShocks(
        persistence=np.array(rates["persistence"], float),
        sd=np.array([*rates["sd"], *spread, 1.0]),
        correlation=whole,
        growth_guarantee=float(document["guarantees"]["growth_correlation"]),
    )


def _fx_shock_sd_and_correlation(
    document: dict[str, Any], pair: dict[str, Any], foreign: Sequence[str]
) -> tuple[list[float], F64]:
    names: list[str] = pair.get("currencies", [])
    table = np.array(pair.get("correlation", np.eye(2)), float)
    correlation = np.eye(5)
    correlation[0, 1] = correlation[1, 0] = float(document["rates"]["correlation"])
    # A currency that was not estimated, and an unused slot, get the assumed spread of
    # `pairs.other` and no correlation.
    spread = [float(document["pairs"]["other"]["sd"])] * 3
    # The estimated table holds the two rates first, then the currencies in its own order.
    rows = {slot: 2 + names.index(name) for slot, name in enumerate(foreign) if name in names}
    for slot, row in rows.items():
        spread[slot] = float(pair["sd"][row - 2])
        correlation[2 + slot, :2] = correlation[:2, 2 + slot] = table[row, :2]
        for neighbour, column in rows.items():
            correlation[2 + slot, 2 + neighbour] = table[row, column]
    return spread, correlation


def check_country_shocks_shipped(iso3: str) -> None:
    """Raise the error of `load_country_shock_model` where none ships for a country.

    Raises:
        CountryError: None ships for it.
    """
    document = _read_shock_model_toml(FOLDER / "macro.toml")
    if iso3 not in document:
        raise _no_shipped_shocks_error(iso3, document)


def load_country_shock_model(iso3: str, markets: MarketShocks) -> ShockModel:
    """Return the shipped shock model of a country.

    Raises:
        CountryError: None ships for it.
    """
    document = _read_shock_model_toml(FOLDER / "macro.toml")
    if iso3 not in document:
        raise _no_shipped_shocks_error(iso3, document)
    return parse_macro_shock_model(document[iso3], markets)


def _no_shipped_shocks_error(iso3: str, document: dict[str, Any]) -> CountryError:
    return CountryError(
        iso3,
        found=Message("no shipped shocks"),
        wanted=Message("one of {names}", {"names": ", ".join(sorted(document))}),
        remedy=Message(
            "Give a WEO table with --weo to estimate them, or name in country.toml the economy"
            ' whose shocks stand for it: shocks_of = "FIN".'
        ),
    )


def parse_macro_shock_model(cells: dict[str, Any], markets: MarketShocks) -> ShockModel:
    """Return a shock model from its table of a TOML file."""
    persistence = np.array(cells["persistence"], float)
    return ShockModel(
        mean=np.array(cells["mean"], float),
        persistence=np.concatenate([persistence, markets.persistence]),
        sd=np.concatenate([np.array(cells["sd"], float), markets.sd]),
        correlation=macro_and_market_correlation(np.array(cells["correlation"], float), markets),
        degrees=float(cells["degrees"]),
        mean_error=np.array(cells["mean_error"], float),
        scale_degrees=float(cells["scale_degrees"]),
        reaction=float(cells["reaction"]),
        observations=int(cells["observations"]),
        source=str(cells["source"]),
    )


def macro_shock_model_file_values(model: ShockModel) -> dict[str, Any]:
    """Return the macro part of a model as plain cells, in the order that it is written."""

    # Six digits, as the shipped file holds them.
    def rounded_shock_parameters(shock_parameters: F64) -> list[float]:
        return [round(float(number), 6) for number in shock_parameters]

    return {
        "source": model.source,
        "observations": model.observations,
        "mean": rounded_shock_parameters(model.mean),
        "mean_error": rounded_shock_parameters(model.mean_error),
        "persistence": rounded_shock_parameters(model.persistence[:3]),
        "sd": rounded_shock_parameters(model.sd[:3]),
        "correlation": [rounded_shock_parameters(row) for row in model.correlation[:3, :3]],
        "degrees": round(model.degrees, 4),
        "scale_degrees": model.scale_degrees,
        "reaction": round(model.reaction, 6),
    }


def _read_shock_model_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))

"""Reading the hours of regions: price, carbon and weather, and round-trip times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA as SHIPPED
from commonwatt.core.shipped import share_alike_data_file
from commonwatt.core.spreadsheets import read_spreadsheet_csv
from commonwatt.siting.domain.errors import NetworkError, SeriesError
from commonwatt.siting.domain.market import F64, PowerMarket

DATA: Final = SHIPPED / "siting" / "regions"
YEARS: Final = (2023,)


def load_power_market(year: int = 2023, *, leave_out: Sequence[str] = ()) -> PowerMarket:
    """Return the shipped regions of `year`.

    Args:
        year: Year of prices and carbon.
        leave_out: Zones not to use.

    Raises:
        MissingExtraError: The package of the hourly table is not installed.
        SeriesError: There is no table for that year, an hour of it is missing, or a zone to be
            left out is none.

    >>> market = load_power_market()
    >>> len(market.names), market.price_usd_per_mwh.shape[1]
    (13, 8760)
    """
    path = share_alike_data_file("siting", f"regions_{year}.parquet")
    if not path.exists():
        raise SeriesError(
            str(year),
            found=Message("no hourly table for that year"),
            wanted=Message("one of {years}", {"years": ", ".join(map(str, YEARS))}),
        )
    frame = pl.read_parquet(path)
    names = tuple(frame["region"].unique(maintain_order=True).to_list())
    zones = tuple(frame["zone"].unique(maintain_order=True).to_list())
    _check_left_out_grid_zones_known(leave_out, zones)
    market = PowerMarket(
        names=names,
        zones=zones,
        price_usd_per_mwh=_region_by_hour_matrix(frame, "price_usd_per_mwh", len(names)),
        carbon_g_per_kwh=_region_by_hour_matrix(frame, "carbon_g_per_kwh", len(names)),
        temp_c=_region_by_hour_matrix(frame, "temp_c", len(names), holes=True),
        rh_pct=_region_by_hour_matrix(frame, "rh_pct", len(names), holes=True),
        rtt_ms=load_region_rtt_ms(DATA / "rtt_ms.csv", names),
    )
    return market.without_zones(leave_out) if leave_out else market


# Names that price and carbon files give to the zone of a cloud region.
ALIASES: Final = {"DE": "DE-LU", "BR-CS": "BR-SP", "CL-SEN": "CL-SIC", "IN-MH": "IN-WE"}


def read_power_market(folder: Path, year: int, *, leave_out: Sequence[str] = ()) -> PowerMarket:
    """Return the regions of a folder of yearly files.

    The folder holds `energy/price_usd_per_mwh_YEAR.csv.gz` (a column per zone),
    `energy/carbon_g_per_kwh_YEAR.csv.gz` (`ZONE|direct`), `weather/weather_YEAR.csv.gz`
    (`ZONE|temp_c`, `ZONE|rh_pct`; may be absent) and `latency/gcp_region_to_grid_zone.csv`
    with `latency/gcp_rtt_ms.csv`. Regions are those with price and carbon, one per zone.

    Args:
        folder: The folder.
        year: Year in the names of the files.
        leave_out: Zones not to use.

    Raises:
        SeriesError: A file is missing, a zone has missing hours and is not left out, or a zone to
            be left out is none.
    """
    price = _read_power_market_csv(folder / "energy" / f"price_usd_per_mwh_{year}.csv.gz")
    carbon = _read_power_market_csv(folder / "energy" / f"carbon_g_per_kwh_{year}.csv.gz")
    weather = folder / "weather" / f"weather_{year}.csv.gz"
    air = _read_power_market_csv(weather) if weather.exists() else pl.DataFrame()
    zones = _cloud_region_by_grid_zone(
        folder / "latency" / "gcp_region_to_grid_zone.csv", price, carbon, leave_out
    )
    names = tuple(zones.values())
    return PowerMarket(
        names=names,
        zones=tuple(zones),
        price_usd_per_mwh=np.array([_grid_zone_hourly_series(price, zone, zone) for zone in zones]),
        carbon_g_per_kwh=np.array(
            [_grid_zone_hourly_series(carbon, f"{zone}|direct", zone) for zone in zones]
        ),
        temp_c=np.array(
            [_grid_zone_hours_or_nan(air, f"{zone}|temp_c", price.height) for zone in zones]
        ),
        rh_pct=np.array(
            [_grid_zone_hours_or_nan(air, f"{zone}|rh_pct", price.height) for zone in zones]
        ),
        rtt_ms=load_region_rtt_ms(folder / "latency" / "gcp_rtt_ms.csv", names),
    )


def _read_power_market_csv(series_path: Path) -> pl.DataFrame:
    if not series_path.exists():
        raise SeriesError(str(series_path), found=Message("no such file"))
    return read_spreadsheet_csv(series_path, infer_schema_length=None)


def _check_left_out_grid_zones_known(leave_out: Sequence[str], zones: Collection[str]) -> None:
    # A slip of a letter would leave the zone in the plan, and nobody would see it.
    for name in leave_out:
        if name not in zones:
            raise SeriesError(
                "--leave-out",
                found=name,
                wanted=Message("one of {names}", {"names": ", ".join(sorted(zones))}),
            )


def _cloud_region_by_grid_zone(
    path: Path, price: pl.DataFrame, carbon: pl.DataFrame, leave_out: Sequence[str]
) -> dict[str, str]:
    zones: dict[str, str] = {}
    for row in _read_power_market_csv(path).to_dicts():
        zone = ALIASES.get(str(row["grid_zone"]), str(row["grid_zone"]))
        has_series = zone in price.columns and f"{zone}|direct" in carbon.columns
        # One cloud region for each grid zone: a second one would have the same price and carbon.
        if has_series and zone not in zones:
            zones[zone] = str(row["gcp_region"])
    _check_left_out_grid_zones_known(leave_out, zones)
    return {zone: region for zone, region in zones.items() if zone not in leave_out}


def _grid_zone_hourly_series(zone_hours: pl.DataFrame, hour_column: str, zone: str) -> F64:
    values = zone_hours[hour_column].cast(pl.Float64).to_numpy()
    missing = int((~np.isfinite(values)).sum())
    if missing:
        # A gap in a price series is no price of zero, and interpolating it would invent the very
        # peaks and troughs that placement lives on.
        raise SeriesError(
            zone,
            found=Message("{count} missing hours", {"count": str(missing)}),
            wanted=Message("every hour"),
            remedy=Message("Leave the zone out: --leave-out {zone}", {"zone": zone}),
        )
    return values


def _grid_zone_hours_or_nan(zone_hours: pl.DataFrame, zone_column: str, hours: int) -> F64:
    if zone_column not in zone_hours.columns:
        return np.full(hours, np.nan)
    return zone_hours[zone_column].cast(pl.Float64).to_numpy()


def load_region_rtt_ms(path: Path, names: tuple[str, ...]) -> F64:
    """Return the round-trip time between `names` [ms], shape (R, R).

    Raises:
        NetworkError: A pair was never measured: the regions are not connected.
    """
    place = {name: index for index, name in enumerate(names)}
    table = np.full((len(names), len(names)), np.nan)
    # Directed: a route out and the way back are measured apart and may differ.
    np.fill_diagonal(table, 0.0)
    frame = read_spreadsheet_csv(path)
    for row in frame.to_dicts():
        origin, target = str(row["from_region"]), str(row["to_region"])
        if origin in place and target in place:
            table[place[origin], place[target]] = float(row["rtt_ms"])
    check_every_region_pair_has_rtt(table, names)
    return table


def check_every_region_pair_has_rtt(rtt_ms: F64, names: tuple[str, ...]) -> None:
    """Raise if a pair of regions has no round-trip time."""
    holes = np.argwhere(np.isnan(rtt_ms))
    if len(holes):
        origin, target = names[int(holes[0, 0])], names[int(holes[0, 1])]
        raise NetworkError(
            f"{origin} → {target}",
            found=Message(
                "no round-trip time; {count} pairs have none", {"count": str(len(holes))}
            ),
            wanted=Message("a measured time for every pair"),
        )


def _region_by_hour_matrix(
    region_hours: pl.DataFrame, column: str, regions: int, *, holes: bool = False
) -> F64:
    values = region_hours[column].to_numpy().astype(np.float64)
    if len(values) % regions or (not holes and not np.isfinite(values).all()):
        raise SeriesError(column, found=Message("a missing hour"), wanted=Message("every hour"))
    return values.reshape(regions, -1)

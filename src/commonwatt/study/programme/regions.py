"""The codes that the region of a site begins with: countries by ISO 3166-1."""

from __future__ import annotations

from typing import Final

from commonwatt.core.messages import Message

# ISO 3166-1 alpha-2, and XK, which grid operators and the European Union use for Kosovo.
_CODES: Final = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
    "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM "
    "DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS "
    "GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
    "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS XK YE YT ZA ZM ZW"
)
COUNTRY_CODES: Final = frozenset(_CODES.split())
# What people write for a country whose code is another.
_ALIASES: Final = {"UK": "GB", "EL": "GR", "JA": "JP"}


def country_code_of_programme_region(region: str) -> str:
    """Return the code that a region begins with, known or not.

    >>> country_code_of_programme_region("US-MIDA-PJM"), country_code_of_programme_region("HK")
    ('US', 'HK')
    """
    return region.split("-", maxsplit=1)[0]


def programme_region_remedy_message(region: str) -> Message:
    """Return what to write for a region whose country is not known."""
    country, _, zone = region.partition("-")
    near = _ALIASES.get(country.upper(), country.upper())
    if near in COUNTRY_CODES:
        meant = f"{near}-{zone}" if zone else near
        return Message('Did you mean "{name}"?', {"name": meant})
    return Message(
        "Write the two letters of its country, alone or with a grid zone behind them, "
        'such as "HK" or "US-MIDA-PJM".'
    )

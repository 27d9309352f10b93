"""What an incident's narrative must not hold: whatever could point to a person.

The ledger keeps every word for ever and is shown to auditors, so that a name that got
into it cannot be taken out. Obvious identifiers are refused by their form; that nothing
else slipped in stays with whoever signs.
"""

from __future__ import annotations

import re
from typing import Final

from commonwatt.core.messages import Message

_DAY: Final = r"\d{1,2}"
_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
# The commonest surnames of Hong Kong and Taiwan, without those that are words of every ward: 曾 is
# "once", 許 "perhaps" and 余 "I".
_SURNAME: Final = (
    "[陳李黃張王林吳劉楊鄭梁何周徐謝郭羅鄧馮朱蔡潘葉蘇胡盧趙彭呂鍾廖馬譚莫孫袁韓曹洪邱賴江莊蕭沈姚龔麥黎霍"
    "鄺蒙尹丘湯戴范魏薛侯鄒熊陸郝崔萬錢龐雷]"
)
# Words that begin with a letter of those names: jaundice, tension, around, when, at once.
_NO_SURNAME: Final = (
    "(?!黃(?:疸|斑|體|昏|色)|張(?:力|開)|周(?:圍|邊|期|身|末)|何(?:時|人|種|處|以|況)|馬(?:上|桶)|"
    "葉(?:酸|片)|蘇(?:醒|打)|江湖|王國|梁柱|林木|麥(?:粒|克)|萬(?:一|分)|雷(?:射|諾|同)|陸續|沈(?:默|著)|"
    "湯(?:匙|水)|洪水|熊貓|錢財|莫(?:非|名))"
)
_CHINESE_TITLE: Final = "(?:先生|女士|小姐|太太|醫生|醫師|姑娘|護士)"
# Of those, the ones by which people are called in Latin letters here.
_ROMANISED: Final = (
    "Chan|Cheung|Cheng|Chiu|Choi|Chow|Chu|Chung|Fong|Fung|Ho|Hui|Kwan|Kwok|Kwong|Lai|Lam|Lau|Law|"
    "Lee|Leung|Li|Lin|Liu|Lo|Lui|Ma|Mak|Mok|Ng|Ngai|Poon|Pang|Siu|So|Suen|Sze|Szeto|Tai|Tam|Tang|"
    "Tsang|Tse|Tsui|Wan|Wang|Wong|Wu|Yau|Yeung|Yip|Yiu|Yu|Yuen|Zhang|Zhao|Zhou"
)
_NO_NAME_AFTER_NURSE: Final = r"(?!Station|Call|Specialist|Manager|Consultant|Practitioner|Led)"
_IDENTIFIERS: Final[tuple[tuple[Message, re.Pattern[str]], ...]] = (
    (Message("an e-mail address"), re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")),
    # Hong Kong: one or two letters, six digits, a check digit in brackets or not.
    (
        Message("a number of an identity card"),
        re.compile(r"\b[A-Z]{1,2}\s?\d{6}\s?[(（]?[0-9A][)）]?(?![0-9A-Za-z])", re.IGNORECASE),
    ),
    (
        Message("a number of a record"),
        # "HN T2" is a tumour, and "in case no 2 views are given" the begin of a sentence.
        re.compile(
            r"\b(?:mrn|nhs|hkid|ssn|passport|patient\s*(?:id|no|number))\b\W{0,3}\w*\d|"
            r"\b(?:hn|record\s*(?:no|number)|case\s*(?:no|number))\b\W{0,3}[a-z]{0,3}[-/ ]?\d{3}|"
            r"病歷號|身[份分]證",
            re.IGNORECASE,
        ),
    ),
    (
        Message("a date"),
        re.compile(
            rf"\b\d{{4}}[-/.年]\s?{_DAY}[-/.月]\s?{_DAY}|"
            rf"(?<!version )\b{_DAY}[-/.]{_DAY}[-/.]\d{{2,4}}\b|"
            rf"\b{_DAY}(?:st|nd|rd|th)?\s+{_MONTH}\s+\d{{4}}\b|\b{_MONTH}\s+{_DAY},?\s+\d{{4}}\b|"
            rf"{_DAY}月{_DAY}日|\b(?:born|dob)\b|出生",
            re.IGNORECASE,
        ),
    ),
    (
        Message("a date"),
        # Without a year only with its capital: "a score of 3 may mean" is no day.
        re.compile(
            rf"\b{_DAY}(?:st|nd|rd|th)?\s+"
            r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b"
        ),
    ),
    # Telephones and records; three readings of a pulse in a row have fewer digits each.
    (
        Message("a long number"),
        re.compile(r"\d{7,}|\b\d{4}[ -]\d{4}\b|\b\d{2,4}[) ]?[ -]\d{3,4}[ -]\d{4}\b"),
    ),
    (
        Message("a name"),
        # A case-sensitive capital after the title: "the ms that it took" is no name. The Chinese
        # title alone is a role: 當值醫生 is whoever was on duty.
        re.compile(
            rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sister|Nurse)\b\.?\s+{_NO_NAME_AFTER_NURSE}"
            r"[A-Z][a-z]+|\b[Pp]atient(?:'s name is|,? named| called)\s+[A-Z]|"
            rf"\b(?:{_ROMANISED}),?\s+[A-Z][a-z]+(?:[- ][A-Za-z][a-z]+)?\b|"
            rf"{_NO_SURNAME}{_SURNAME}[\u4e00-\u9fff]{{0,2}}{_CHINESE_TITLE}|"
            rf"(?:病人|患者|病者)(?:名叫|叫做|叫)?{_NO_SURNAME}{_SURNAME}[\u4e00-\u9fff]{{2}}"
        ),
    ),
)


def personal_data_in_narrative(text: str) -> Message | None:
    """Return what in a text could point to a person; `None` where nothing obvious does.

    >>> personal_data_in_narrative("Missed a nodule of 8 mm in the left upper lobe.") is None
    True
    >>> str(personal_data_in_narrative("Mr Chan's nodule was missed."))
    'a name'
    """
    for identifier, pattern in _IDENTIFIERS:
        if pattern.search(text):
            return identifier
    return None

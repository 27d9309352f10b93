"""Recognisers of what has a shape: numbers, dates, ages, addresses, places.

A number with a check digit is taken on its word; one without needs a cue or a
shape that clinical values do not have. Lots and batches look like identity
numbers on purpose and are left alone unless a cue says otherwise.
"""

# ruff: noqa: E501  a pattern reads best whole

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify.numbers import (
    card_number_passes_luhn,
    is_hkid,
    is_mainland_id,
    is_valid_taiwan_id_number,
)

_FULL_WIDTH: Final = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in (
    "０１２３４５６７８９＠－．／ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ"
    "ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ"
)}  # fmt: skip
"""Letters and digits as wide as a Chinese character, by their plain forms."""
_START: Final = r"(?<![A-Za-z0-9])"
_END: Final = r"(?![A-Za-z0-9])"
# Batch numbers of vaccines have the form of identity cards, and a note without them loses what
# pharmacovigilance needs.
_LOT: Final = re.compile(
    r"(?i)(lot|batch|serial|s/n|model|cat(alogue)?|ref(erence)? range|批次|批號|批号|型號|型号)\W{0,3}(no\W{0,3}|number\W{0,3})?$"
)
_LOT_AFTER: Final = re.compile(r"(?i)\s?(批次|批號|批号|batch|lot\b|sequence|試劑|试剂)")

# Brackets of every width and shape: notes are typed with Chinese input methods.
_HKID: Final = re.compile(
    _START
    + r"[A-Za-z]{1,2}[ \-]?\d{3}[ ,]?\d{3}[ \-/]?(?:[(（\[【〔]\s?[0-9Aa]\s?[)）\]】〕]|[0-9Aa])"
    + _END
)
# With a cue a number counts even where its check digit is wrong or missing: a mistyped identity
# is still one.
_HKID_CUED: Final = re.compile(
    r"(?i)(?:HKID|HKIC|I\.?D\.?(?: card)?(?: no\.?)?|身份證(?:號碼|號)?|身分證(?:號碼|號)?)\s*(?:no\.?|number)?\s*[:：#]?\s*"
    r"([A-Z]{1,2}[ \-]?\d{6}[ \-]?(?:[(（\[]?\s?[0-9A]\s?[)）\]]?)?)" + _END
)
# Eighteen digits with a valid check are taken without a cue; fifteen, the form before 1999, only
# with one.
_CNID: Final = re.compile(r"(?<!\d)\d{6}[ \-]?\d{8}[ \-]?\d{3}[\dXx](?![\dA-Za-z])")
_CNID_CUED: Final = re.compile(
    r"(?:身份证(?:号码|号)?|证件号(?:码)?|公民身份号码)\s*[:：]?\s*(\d{15,18}[Xx]?)"
)
# Second digit 1 or 2 for citizens, 8 or 9 for residents since 2021.
_TWID: Final = re.compile(_START + r"[A-Za-z][ \-]?[1289]\d{8}" + _END)
_MAIL: Final = r"[A-Za-z0-9._%+\-À-῿]"
_EMAIL: Final = re.compile(
    rf"(?<!{_MAIL}){_MAIL}+\s?@\s?[A-Za-z0-9\-À-῿]+(?:\.[A-Za-z0-9\-À-῿]+)*\.[A-Za-z]{{2,}}"
)
_URL: Final = re.compile(
    r"(?i)(?:https?://|www\.)[^\s<>\"，。；]+"
    r"|(?<![\w@.\-])(?:[a-z0-9\-]{2,}\.)+(?:com|org|net|edu|gov|info|biz|io|hk|cn|tw|uk|de|fr|eu)(?![\w.])(?:/[^\s<>\"，。；]*)?"
)
# Hong Kong, mainland, Taiwan and international forms; a percent sign or unit after it makes it a
# measurement.
_PHONE: Final = re.compile(
    r"(?<![\w.\-/])(?:"
    r"(?:\+|00)\d{1,3}[ \-]?(?:\(\d{1,4}\)[ \-]?)?\d{1,5}(?:[ \-.]?\d{2,5}){1,4}"
    r"|\(?\+?852\)?[ \-]?[2-9]\d{3}[ \-]?\d{4}"
    r"|\(\d{2,4}\)[ \-]?\d{2,4}(?:[ \-]?\d{2,4}){1,3}"
    r"|[2-9]\d{3}[ \-]?\d{4}"
    r"|1[3-9]\d[ \-]?\d{4}[ \-]?\d{4}"
    r"|09\d{2}[ \-]?\d{3}[ \-]?\d{3}"
    r"|0\d{1,3}[ \-]\d{2,4}(?:[ \-]\d{2,4}){1,3}"
    r"|\d{3}[ \-.]\d{3}[ \-.]\d{4}"
    r"|\d{2,3}(?:[ \-]\d{2,3}){3,4}"
    r")(?:\s?(?:x|ext\.?|分機)\s?\d{1,5})?(?![\w%/])(?!\.\d)"
)
_PHONE_CUED: Final = re.compile(
    r"(?i)(?:tel(?:ephone)?|phone|mobile|cell|fax|call|contact|電話|电话|手機|手机|聯絡|联系电话|致電)"
    r"(?:\s?(?:no\.?|number|號碼|号码))?\s*[:：#]?\s*(\+?[\d(][\d \-()./]{5,18}\d)"
)
_MRN: Final = re.compile(
    _START
    + r"(?:[A-Z]{2,4}[- ]?\d{6,12}(?:\s?[(（][A-Z0-9][)）]|[A-Z])?|[A-Z]{2,4}-\d{5,12}|[A-Z]{2,4}\d{2}-\d{5,8}|[A-Z]{2,4}/\d{2,4}/\d{3,8})"
    + _END
)
# At least five digits: shorter ones beside such words are counts of visits and wards.
_MRN_CUED: Final = re.compile(
    r"(?i)(?:MRN|medical record(?: no\.?| number)?|(?:hospital|case|file|chart|patient|record|ref(?:erence)?|accession|specimen|episode|account|passport|licen[cs]e|policy)"
    r"\s?(?:no\b\.?|number|#|id)?|病歷(?:號碼|號)?|病历(?:号码|号)?|檔案(?:編號|號碼|號)|住院(?:號碼|號|号)|個案(?:編號|號碼)|門診號|门诊号|檢查號|检查号|編號|编号|卡號|卡号|單號|单号|登記號碼?|登记号码?|標本號|标本号|醫院號碼|床頭卡號|\bHN)"
    r"\s*[:：#是為为]?\s*((?=(?:[A-Z/\-]*\d){5})(?:[A-Z]{1,4} )?[A-Z0-9]+(?:[-/][A-Z0-9]+){0,4}(?:\s?[(（][A-Z0-9][)）])?(?![A-Z0-9]))"
)
_MRN_WHOLE: Final = re.compile(r"MRN[ :：#]*\d{4,12}" + _END)

_MONTH: Final = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
_HAN_DIGITS: Final = "〇○零一二三四五六七八九十廿卅"
_DATE: Final = re.compile(
    r"(?<![\d.])(?:"
    r"(?:19|20)\d{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:[12]\d|3[01]|0?[1-9])(?:[T ]\d{2}:\d{2}(?::\d{2})?)?"
    r"|(?:[12]\d|3[01]|0?[1-9])[-/.](?:0?[1-9]|1[0-2])[-/.](?:19|20)\d{2}"
    r"|(?:0?[1-9]|1[0-2])/(?:[12]\d|3[01]|0?[1-9])/(?:19|20)?\d{2}"
    r"|(?:[12]\d|3[01]|0?[1-9])([/.\-])(?:0?[1-9]|1[0-2])\1\d{2}"
    r"|(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?[ \-](?:of )?"
    + _MONTH
    + r"\.?(?:,?[ \-](?:(?:19|20)\d{2}|'?\d{2}))?"
    r"|(?:(?:19|20)\d{2}|\d{2}|[零〇○一二三四五六七八九十廿卅]{2,4})\s?年\s?(?:\d{1,2}|["
    + _HAN_DIGITS
    + r"]{1,3})\s?月"
    r"(?:\s?(?:\d{1,2}|[" + _HAN_DIGITS + r"]{1,3})\s?[日號号])?"
    r"|(?:\d{1,2}|["
    + _HAN_DIGITS
    + r"]{1,3})\s?月\s?(?:\d{1,2}|["
    + _HAN_DIGITS
    + r"]{1,3})\s?[日號号]"
    r")(?!\d)"
)
_DATE_WORDS: Final = re.compile(
    r"\b" + _MONTH + r"\.?\s(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?:,?\s(?:19|20)\d{2})?\b"
    r"|\b" + _MONTH + r",?\s(?:19|20)\d{2}\b"
)
# A year alone is a date only after a word of time; before a unit it is a quantity.
_YEAR: Final = re.compile(
    r"(?i)\b(?:in|since|by|until|till|during|before|after|around|circa|early|late|mid|from|year|spring|summer|autumn|fall|winter) "
    r"((?:19|20)\d\d)(?![\d/%]|[.,]\d|-\d\d\d|\s?(?:m[lgcm]|mc?g|u?g|kg|units?|iu|k?cal|hours?|hrs?|cells|patients|cases)\b)"
)
# Years of the Republic: 民國113年 is 2024.
_DATE_ROC: Final = re.compile(
    r"(?:(?:中華|中华)?(?:民國|民国))\s?(?:\d{1,3}|["
    + _HAN_DIGITS
    + r"百]{1,6}|元)\s?年(?:\s?(?:\d{1,2}|["
    + _HAN_DIGITS
    + r"]{1,3})\s?月)?"
    r"(?:\s?(?:\d{1,2}|[" + _HAN_DIGITS + r"]{1,3})\s?[日號号])?"
)
# Safe Harbor: only ages over 89 identify; younger ones stay, for studies need them.
_AGE: Final = re.compile(
    r"(?i)(?<![\d.])(9\d|1[01]\d|12[0-5])(?=[FM]\b|\s?(?:/\s?[FM]\b|歲|岁|y/?o\b|yrs?\b|[- ]?years?[- ]old))"
    r"|(?:aged?|年齡|年龄|享年)\s*[:：]?\s*(9\d|1[01]\d|12[0-5])(?!\d)"
)
# "98.6 F" and "101 F" look like a woman of that age.
_TEMPERATURE: Final = re.compile(r"(?i)(?:temp|fever|°|\bT\b|\bC\b)[^;\n]{0,24}$")

_HAN: Final = "㐀-䶿一-鿿"
_ADDRESS_ZH: Final = re.compile(
    r"(?:(?:香港|九龍|九龙|新界|離島|台[北中南]市|臺[北中南]市|新北市|高雄市|桃園市|["
    + _HAN
    + r"]{2,3}[省市])["
    + _HAN
    + r"]{0,16}?)?"
    r"["
    + _HAN
    + r"]{1,6}?(?:道|街|路|里|巷|弄|坊|圍|徑|邨|村|苑|段)(?:[東西南北中]|[一二三四五六七八九十]段)?\s?"
    r"\d{1,4}(?:[\-至之]\d{1,4})?[A-Z]?\s?[號号](?:["
    + _HAN
    + r"A-Z0-9]{0,14}?(?:大廈|大厦|大樓|大楼|閣|阁|樓|楼|中心|花園|花园|苑|座|邨|小区|單元|单元|栋|棟))?"
    r"(?:\s?[A-Z0-9一二三四五六七八九十]{1,4}\s?[座期棟栋])?(?:\s?(?:\d{1,3}|[地高低])\s?[樓楼層层])?(?:\s?[A-Z0-9]{1,5}\s?[室號号])?"
)
_ADDRESS_ESTATE: Final = re.compile(
    r"["
    + _HAN
    + r"]{2,10}(?:邨|苑|花園|花园|大廈|大厦|大樓|閣|新村|屋苑)["
    + _HAN
    + r"]{0,6}\s?[A-Z0-9]{0,3}[座樓楼]?\s?"
    r"(?:\d{1,3}\s?[樓楼層层]\s?[A-Z0-9]{1,5}\s?[室號号]?|\d{3,4}\s?室)"
)
_WORD: Final = r"[A-Z][\w'’.\-]*"
_STREET: Final = r"(?:Road|Rd|Street|St|Avenue|Ave|Lane|Ln|Drive|Dr|Path|Terrace|Crescent|Boulevard|Blvd|Way|Place|Square|Close|Circuit|Highway|Hwy|Court|Ct|Praya|Row|Parade|Grove|Gardens?)"
_ADDRESS_EN: Final = re.compile(
    r"(?:(?:Flat|Room|Rm|Unit|Suite|Apt\.?|Block|Blk|Shop) ?[\w\-]{1,6},? )?(?:(?:Block|Blk|Tower) \w{1,3},? )?(?:\d{1,3}(?:/F|th Floor|st Floor|nd Floor|rd Floor)\.?,? )?"
    r"(?:(?:Block|Blk|Tower) \w{1,3},? )?(?:(?:"
    + _WORD
    + r" ){1,4}(?:House|Court|Building|Mansion|Estate|Garden|Gardens|Tower|Centre|Plaza|Terrace|Lodge|Villa|Bldg),? )?"
    r"(?:No\.? )?\d{1,5}(?:-\d{1,5})?[A-Z]?,? (?:"
    + _WORD
    + r" ){1,4}"
    + _STREET
    + r"\b\.?(?: (?:East|West|North|South|Central))?"
    r"(?:,? (?:Apt\.|Suite|Unit) \w+)?(?:, ?" + _WORD + r"(?: " + _WORD + r"){0,3}){0,4}"
)
_ADDRESS_FLAT: Final = re.compile(
    r"(?:Flat|Room|Rm|Unit) ?[\w\-]{1,6}, \d{1,3}(?:/F|th Floor|st Floor|nd Floor|rd Floor)\.?(?:, ?[\w'’.\-]+(?: [\w'’.\-]+){0,4}){1,5}"
)
_ADDRESS_CUED: Final = re.compile(
    r"(?im)(?:^|[。；;\s])(?:address|地址|住址|居住地址)\s*[:：]\s*([^\n。；;]{4,80})"
)
_HOSPITAL_ZH: Final = re.compile(
    r"(?:(?<=[於于在到往由至自返赴])|(?<!["
    + _HAN
    + r"]))["
    + _HAN
    + r"]{2,10}?(?:醫院|医院|醫療中心|医疗中心|診所|诊所|療養院|疗养院|護老院|安老院|健康院)"
)
_HOSPITAL_TAIL: Final = re.compile(
    r"[" + _HAN + r"]{2,6}(?:醫院|医院|醫療中心|医疗中心|療養院|护老院|護老院|安老院)"
)
_HOSPITAL_EN: Final = re.compile(
    r"\b(?:(?:St\.?|[A-Z][a-z'’]+) ){1,5}(?:Hospital|Medical Centre|Medical Center|Clinic|Infirmary|Nursing Home|Hospice|Sanatorium)\b"
)
# Any grouping of 12 to 19 digits; the Luhn check sorts out the rest.
_CARD: Final = re.compile(r"(?<![\d.])\d(?:[ \-]?\d){11,18}(?![\d.])")
_IBAN: Final = re.compile(
    _START + r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?" + _END
)
_SSN: Final = re.compile(r"(?<![\d\-])\d{3}-\d{2}-\d{4}(?![\d\-])")
_IP: Final = re.compile(
    r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"
)


def find_patterned_identifiers(text: str) -> list[IdentifierSpan]:
    """Return every identifier in `text` that has a shape, overlaps included.

    >>> [found.label.value for found in find_patterned_identifiers("Ａ１２３４５６（３）")]
    ['HKID']
    """
    # One character for one, so that places in the plain text are places in the original.
    plain = text if text.isascii() else text.translate(_FULL_WIDTH)
    return [span for recogniser in _RECOGNISERS for span in recogniser(plain)]


def _identifier_recogniser(
    pattern: re.Pattern[str], label: IdentifierLabel, group: int = 0
) -> Callable[[str], Iterator[IdentifierSpan]]:
    """Return a recogniser that takes every match of `pattern`."""

    def recognise(text: str) -> Iterator[IdentifierSpan]:
        for match in pattern.finditer(text):
            index = group if match.group(group) is not None else 0
            yield IdentifierSpan(match.start(index), match.end(index), label)

    return recognise


def _check_digit_recogniser(
    pattern: re.Pattern[str], label: IdentifierLabel, check: Callable[[str], bool]
) -> Callable[[str], Iterator[IdentifierSpan]]:
    """Return a recogniser that takes a match only if its check digit is right."""

    def recognise(text: str) -> Iterator[IdentifierSpan]:
        for match in pattern.finditer(text):
            # Blanks, hyphens and brackets are how people write a number, and no part of it.
            plain = re.sub(r"[^A-Za-z0-9]", "", match.group())
            if check(plain) and not is_lot_number_in_note(text, match.start(), match.end()):
                yield IdentifierSpan(match.start(), match.end(), label)

    return recognise


def _identifier_recogniser_except_lots(
    pattern: re.Pattern[str], label: IdentifierLabel
) -> Callable[[str], Iterator[IdentifierSpan]]:
    def recognise(text: str) -> Iterator[IdentifierSpan]:
        for match in pattern.finditer(text):
            if not is_lot_number_in_note(text, match.start(), match.end()):
                yield IdentifierSpan(match.start(), match.end(), label)

    return recognise


def _age_over_89_identifier_spans(text: str) -> Iterator[IdentifierSpan]:
    for match in _AGE.finditer(text):
        index = 1 if match.group(1) else 2
        hot = text[match.end() : match.end() + 1] in ("F", "f")
        if not (hot and _TEMPERATURE.search(text, max(0, match.start() - 32), match.start())):
            yield IdentifierSpan(match.start(index), match.end(index), IdentifierLabel.AGE_OVER_89)


def is_lot_number_in_note(text: str, start: int, end: int) -> bool:
    """Return whether words beside a number say that it names goods, not people.

    >>> is_lot_number_in_note("lot A1234567", 4, 12), is_lot_number_in_note("HKID A1234567", 5, 13)
    (True, False)
    """
    before = text[max(0, start - 24) : start]
    return bool(_LOT.search(before) or _LOT_AFTER.match(text, end))


_RECOGNISERS: Final = (
    _check_digit_recogniser(_HKID, IdentifierLabel.HKID, is_hkid),
    _identifier_recogniser(_HKID_CUED, IdentifierLabel.HKID, 1),
    _check_digit_recogniser(_CNID, IdentifierLabel.CNID, is_mainland_id),
    _identifier_recogniser(_CNID_CUED, IdentifierLabel.CNID, 1),
    _check_digit_recogniser(_TWID, IdentifierLabel.TWID, is_valid_taiwan_id_number),
    _identifier_recogniser(_EMAIL, IdentifierLabel.EMAIL),
    _identifier_recogniser(_URL, IdentifierLabel.URL),
    _identifier_recogniser_except_lots(_PHONE, IdentifierLabel.PHONE),
    _identifier_recogniser(_PHONE_CUED, IdentifierLabel.PHONE, 1),
    _identifier_recogniser(_MRN_WHOLE, IdentifierLabel.MRN),
    _identifier_recogniser(_MRN_CUED, IdentifierLabel.MRN, 1),
    _identifier_recogniser_except_lots(_MRN, IdentifierLabel.MRN),
    _identifier_recogniser(_DATE, IdentifierLabel.DATE),
    _identifier_recogniser(_DATE_WORDS, IdentifierLabel.DATE),
    _identifier_recogniser(_DATE_ROC, IdentifierLabel.DATE),
    _identifier_recogniser(_YEAR, IdentifierLabel.DATE, 1),
    _age_over_89_identifier_spans,
    _identifier_recogniser(_ADDRESS_ZH, IdentifierLabel.ADDRESS),
    _identifier_recogniser(_ADDRESS_ESTATE, IdentifierLabel.ADDRESS),
    _identifier_recogniser(_ADDRESS_EN, IdentifierLabel.ADDRESS),
    _identifier_recogniser(_ADDRESS_FLAT, IdentifierLabel.ADDRESS),
    _identifier_recogniser(_ADDRESS_CUED, IdentifierLabel.ADDRESS, 1),
    _identifier_recogniser(_HOSPITAL_ZH, IdentifierLabel.HOSPITAL),
    _identifier_recogniser(_HOSPITAL_TAIL, IdentifierLabel.HOSPITAL),
    _identifier_recogniser(_HOSPITAL_EN, IdentifierLabel.HOSPITAL),
    _check_digit_recogniser(_CARD, IdentifierLabel.OTHER_NUMBER, card_number_passes_luhn),
    _identifier_recogniser(_IBAN, IdentifierLabel.OTHER_NUMBER),
    _identifier_recogniser(_SSN, IdentifierLabel.OTHER_NUMBER),
    _identifier_recogniser(_IP, IdentifierLabel.OTHER_NUMBER),
)

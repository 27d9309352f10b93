"""Recognisers of Chinese names by rules: lists, cues and the look of a name.

A family name and one or two characters, taken with a cue beside it ("病人",
"女士"), standing alone between other scripts, or made of characters that given
names are made of. Words of medicine that begin with a family name (黃疸, 白細胞,
馬凡氏) are left alone. In Latin letters, a name in the order of Hong Kong: a family
name in capitals, then one or two syllables (WONG, Tai Man; LAM Ka-fai).
"""

# ruff: noqa: E501  a pattern reads best whole

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify.lists import deidentification_word_list

_HAN: Final = "㐀-䶿一-鿿"
_TAIL: Final = re.compile(f"[{_HAN}]{{0,3}}")
_ONE: Final = re.compile(f"[{_HAN}]")

_AFTER: Final = re.compile(
    r"\s?(?:女士|先生|小姐|太太|夫人|醫生|医生|醫師|医师|護士|护士|姑娘|主任|教授|博士|同學|同学|伯伯|婆婆|婆|伯|叔|嬸|師傅|老師|老师|藥師|药师|治療師|治疗师|社工"
    r"|之(?:妻|夫|子|女|父|母|太太|家屬)|的(?:妻|丈夫|兒子|女兒|母親|父親|家屬|家属|女儿|儿子)|致電|致电|陪同|簽署|签署|代|（|\(|，(?:男|女)|,\s?(?:男|女))"
)
_SYLLABLE: Final = (
    r"(?:[bdfghjklmnpswy]|ch|kw|ng|sh|ts|tsz|t|z|x|q|c|r)?"
    r"(?:a|ai|ak|am|an|ang|ap|at|au|ay|e|ee|ei|ek|en|eng|eung|i|ik|im|in|ing|ip|it|iu|o|oi|ok|on|ong|oo|or|ou|ow|oy"
    r"|u|ue|uen|uet|ui|uk|un|ung|ut|ze)"
)
_HONG_KONG: Final = re.compile(
    rf"\b([A-Z]{{2,8}}),?[ ](?=[A-Z])(?i:{_SYLLABLE})(?:(?:[ \-](?=[A-Z])|-)(?i:{_SYLLABLE}))?(?![A-Za-z])"
)
# Characters that make a family name the beginning of a clinical word: 黃 is Wong, 黃疸 is jaundice.
_CLINICAL: Final = frozenset(
    "疸斑癬炎痛血細细藥药症病腫肿瘤癌瘡疹疣瘢癜斑壓压糖脂尿酸鈣钙鉀钾鈉钠鐵铁鎂素酮酶蛋體体液質质膜腺管肌骨腦脑肺肝腎肾胃腸肠腹胸頭头頸颈喉鼻眼耳口舌齒牙皮膚肤"
    "手足腳脚背腰關节節術术檢检查驗验劑剂針针片粒次每日夜晨服用量度率期級级型類类性科室床號号房樓楼氏綜综障麻風风濕湿熱热寒咳喘嘔呕吐瀉泻便秘暈晕眩癱瘫瘋療疗護护醫医院"
    "患者診诊斷断治理歷历史及和與与或但因於于在有無无未已曾將将被由其此該该各约約至到由可能不沒没會会需應应請请建議议複复覆轉转出入住"
)
# Function words that follow a family name and never stand in a given name.
_STOP_GIVEN: Final = frozenset(
    "於在因由及和與之的，被接到為入出已經主女男患等先醫护護师師于为经与医来來去也均仍再後后前今現现來自並并且则則"
)

_ENOUGH: Final = 4
"""Points that make a name: a cue and a clean end, or two characters of given names."""


@cache
def _chinese_characters_in_no_given_name() -> frozenset[str]:
    """Return characters of clinical words that given names are not made of."""
    return _CLINICAL - deidentification_word_list("given-zh.txt")


@cache
def _chinese_surname_pattern() -> re.Pattern[str]:
    """Return the pattern of a family name that up to two characters follow."""
    # Longest first, or 歐陽 would be read as 歐 with the given name 陽.
    surnames = sorted(
        deidentification_word_list("surnames-zh.txt"), key=lambda name: (-len(name), name)
    )
    return re.compile(f"(?=((?:{'|'.join(surnames)})))")


def find_chinese_name_spans(text: str) -> list[IdentifierSpan]:
    """Return the stretches of `text` that read as Chinese names, in either script.

    >>> [(name.start, name.end) for name in find_chinese_name_spans("病人陳大文胸痛")]
    [(2, 5)]
    >>> [(name.start, name.end) for name in find_chinese_name_spans("Pt WONG, Tai Man seen")]
    [(3, 16)]
    """
    return list(_romanised_chinese_name_spans(text)) + (
        [] if text.isascii() else list(_han_chinese_name_spans(text))
    )


def _romanised_chinese_name_spans(text: str) -> Iterator[IdentifierSpan]:
    for match in _HONG_KONG.finditer(text):
        if match[1].title() in deidentification_word_list("surnames-en.txt"):
            yield IdentifierSpan(match.start(), match.end(), IdentifierLabel.NAME)


def _han_chinese_name_spans(text: str) -> Iterator[IdentifierSpan]:
    for match in _chinese_surname_pattern().finditer(text):
        start, given_start = match.start(), match.end(1)
        if length := _chinese_given_name_length_or_zero(text, start, given_start):
            yield IdentifierSpan(start, given_start + length, IdentifierLabel.NAME)


def _chinese_given_name_length_or_zero(text: str, start: int, given_start: int) -> int:
    """Return how many characters after the family name belong to the name, or 0."""
    after = _TAIL.match(text, given_start)
    tail = after.group() if after else ""
    if not tail or _chinese_surname_begins_common_word(text, start):
        return 0
    cue = _chinese_name_cue_strength(text, start)
    # Two characters before one, because most given names have two.
    for length in (2, 1):
        if len(tail) >= length and _is_chinese_given_name(text, start, given_start, length, cue):
            return length
    return 0


def _is_chinese_given_name(text: str, start: int, given_start: int, length: int, cue: int) -> bool:
    chars = text[given_start : given_start + length]
    if chars[0] in _chinese_characters_in_no_given_name() or any(
        char in _STOP_GIVEN for char in chars
    ):
        return False
    listed = sum(char in deidentification_word_list("given-zh.txt") for char in chars)
    end = given_start + length
    followed = bool(_AFTER.match(text, end))
    open_end = not _ONE.match(text, end)
    open_start = start == 0 or not _ONE.match(text, start - 1)
    clinical = chars[-1] in _chinese_characters_in_no_given_name()
    # Each sign alone is weak in Chinese, which has no capitals and no blanks; a name needs
    # several.
    score = 2 * cue + 2 * followed + open_end + open_start + 2 * listed - 3 * clinical
    sure = length == 2 or cue > 0 or followed or (open_start and open_end)
    return sure and score >= _ENOUGH


def _chinese_name_cue_strength(text: str, start: int) -> int:
    """Return 2 for a strong cue just before `start`, 1 for a weak one, else 0."""
    before = text[max(0, start - 8) : start].rstrip(" ：:（(、,")
    if before.endswith(_chinese_name_cue_words("cues-zh.txt")):
        return 2
    return int(before.endswith(_chinese_name_cue_words("weak-cues-zh.txt")))


@cache
def _chinese_name_cue_words(file: str) -> tuple[str, ...]:
    return tuple(sorted(deidentification_word_list(file)))


def _chinese_surname_begins_common_word(text: str, start: int) -> bool:
    words = deidentification_word_list("words-zh.txt")
    return any(text[start : start + length] in words for length in (2, 3, 4)) or (
        start > 0 and text[start - 1 : start + 2] in words
    )

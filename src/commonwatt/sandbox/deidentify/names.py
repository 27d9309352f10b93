"""Recognisers of names of people, by lists, cues and the look of a name.

Chinese: a family name and one or two characters; taken with a cue beside it
("病人", "女士"), standing alone between other scripts, or made of characters that
given names are made of. Words of medicine that begin with a family name (黃疸,
白細胞, 馬凡氏) are left alone. Latin letters: a run of capitalised words with a cue,
a listed name or the order of a Hong Kong name; eponyms are left alone.
"""

# ruff: noqa: E501  a pattern reads best whole

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from commonwatt.sandbox.deidentify.findings import Finding, Label

_LISTS: Final = Path(__file__).parents[2] / "data" / "sandbox" / "names"
_HAN: Final = "㐀-䶿一-鿿"


_AFTER: Final = re.compile(
    r"\s?(?:女士|先生|小姐|太太|夫人|醫生|医生|醫師|医师|護士|护士|姑娘|主任|教授|博士|同學|同学|伯伯|婆婆|婆|伯|叔|嬸|師傅|老師|老师|藥師|药师|治療師|治疗师|社工"
    r"|之(?:妻|夫|子|女|父|母|太太|家屬)|的(?:妻|丈夫|兒子|女兒|母親|父親|家屬|家属|女儿|儿子)|致電|致电|陪同|簽署|签署|代|（|\(|，(?:男|女)|,\s?(?:男|女))"
)
_CLINICAL: Final = frozenset(
    "疸斑癬炎痛血細细藥药症病腫肿瘤癌瘡疹疣瘢癜斑壓压糖脂尿酸鈣钙鉀钾鈉钠鐵铁鎂素酮酶蛋體体液質质膜腺管肌骨腦脑肺肝腎肾胃腸肠腹胸頭头頸颈喉鼻眼耳口舌齒牙皮膚肤"
    "手足腳脚背腰關节節術术檢检查驗验劑剂針针片粒次每日夜晨服用量度率期級级型類类性科室床號号房樓楼氏綜综障麻風风濕湿熱热寒咳喘嘔呕吐瀉泻便秘暈晕眩癱瘫瘋療疗護护醫医院"
    "患者診诊斷断治理歷历史及和與与或但因於于在有無无未已曾將将被由其此該该各约約至到由可能不沒没會会需應应請请建議议複复覆轉转出入住"
)
_STOP_GIVEN: Final = frozenset(
    "於在因由及和與之的，被接到為入出已經主女男患等先醫护護师師于为经与医来來去也均仍再後后前今現现來自並并且则則"
)

_ENOUGH: Final = 4
"""Points that make a name: a cue and a clean end, or two characters of given names."""

_LATIN: Final = re.compile(r"[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯΑ-Ω][A-Za-zÀ-ÖØ-öø-žḀ-ỿА-яΑ-ω'’\-]*\.?")
_UPPER: Final = "A-ZÀ-ÖØ-ÞĀ-ŽА-ЯΑ-Ω"
_CAPITALISED: Final = f"[{_UPPER}][A-Za-zÀ-ÖØ-öø-žḀ-ỿА-яΑ-ω'’\\-]*(?![0-9])"
_PARTICLE: Final = r"(?:de|da|van|von|bin|binti|bte|la|der|al)(?=\s)"
_RUN: Final = re.compile(
    rf"(?<![\w@]){_CAPITALISED}(?:(?:,\s|\s)(?:[{_UPPER}]\.|{_CAPITALISED}|{_PARTICLE})){{0,4}}"
)
_TITLE: Final = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Miss|Mx|Prof|Professor|Doctor|Nurse|Sister|Madam|Sir|Rev|MO|HO|SMO|AC|Cons)\b\.?|\b(?:Name|Patient|Pt|Surname|Given name|NOK|Next of kin|Contact person|Attending|Physician|Surgeon|Consultant|Reported by|Signed|Signed by|Reviewed by|Seen by|Author|Dear|Hi|Hello|referring|daughter|son|wife|husband|mother|father|sister|brother|carer|spouse|from|cc)\b)\s*[:：]?\s*$"
)
_EPONYM: Final = re.compile(
    r"(?:'s|’s)?\s(?:disease|syndrome|lymphoma|cyst|sign|palsy|thyroiditis|fracture|test|ulcer|score|criteria|catheter|tumou?r|sarcoma|reflex|scale|contracture|oesophagus|esophagus|hernia|nodes?|node|phenomenon|chorea|anaemia|anemia|stage|classification|index|formula|line|tube|forceps|procedure|operation|excluded|block|dementia|encephalopathy|granulomatosis|stain|solution|agar|angle|grade|view|position|manoeuvre|maneuver)\b|(?:'s|’s)\b"
)


@cache
def _names(file: str) -> frozenset[str]:
    return frozenset((_LISTS / file).read_text(encoding="utf-8").split())


@cache
def _clinical() -> frozenset[str]:
    """Return characters of clinical words that given names are not made of."""
    return _CLINICAL - _names("given-zh.txt")


@cache
def _latin_names() -> tuple[frozenset[str], frozenset[str]]:
    surnames = frozenset(name.lower() for name in _names("surnames-en.txt"))
    return surnames, frozenset(name.lower() for name in _names("given-en.txt"))


@cache
def _chinese() -> re.Pattern[str]:
    """Return the pattern of a family name that up to two characters follow."""
    surnames = sorted(_names("surnames-zh.txt"), key=lambda name: (-len(name), name))
    return re.compile(f"(?=((?:{'|'.join(surnames)})))")


def find_names(text: str) -> list[Finding]:
    """Return the stretches of `text` that are names of people."""
    return [*_chinese_names(text), *_latin_runs(text)]


def _chinese_names(text: str) -> Iterator[Finding]:
    for match in _chinese().finditer(text):
        start, given = match.start(), match.end(1)
        if length := _given_length(text, start, given):
            yield Finding(start, given + length, Label.NAME)


def _given_length(text: str, start: int, given: int) -> int:
    """Return how many characters after the family name belong to the name, or 0."""
    after = re.compile(f"[{_HAN}]{{0,3}}").match(text, given)
    tail = after.group() if after else ""
    if not tail or _is_word(text, start):
        return 0
    cue = _cue_before(text, start)
    for length in (2, 1):
        if len(tail) >= length and _is_given(text, start, given, length, cue):
            return length
    return 0


def _is_given(text: str, start: int, given: int, length: int, cue: int) -> bool:
    chars = text[given : given + length]
    if chars[0] in _clinical() or any(char in _STOP_GIVEN for char in chars):
        return False
    listed = sum(char in _names("given-zh.txt") for char in chars)
    end = given + length
    followed = bool(_AFTER.match(text, end))
    open_end = not re.match(f"[{_HAN}]", text[end : end + 1] or " ")
    open_start = start == 0 or not re.match(f"[{_HAN}]", text[start - 1])
    clinical = chars[-1] in _clinical()
    score = 2 * cue + 2 * followed + open_end + open_start + 2 * listed - 3 * clinical
    sure = length == 2 or cue > 0 or followed or (open_start and open_end)
    return sure and score >= _ENOUGH


def _cue_before(text: str, start: int) -> int:
    """Return 2 for a strong cue just before `start`, 1 for a weak one, else 0."""
    before = text[max(0, start - 8) : start].rstrip(" ：:（(、,")
    if before.endswith(_cues("cues-zh.txt")):
        return 2
    return int(before.endswith(_cues("weak-cues-zh.txt")))


@cache
def _cues(file: str) -> tuple[str, ...]:
    return tuple(sorted(_names(file)))


def _is_word(text: str, start: int) -> bool:
    words = _names("words-zh.txt")
    return any(text[start : start + length] in words for length in (2, 3, 4)) or (
        start > 0 and text[start - 1 : start + 2] in words
    )


def _latin_runs(text: str) -> Iterator[Finding]:
    for match in _RUN.finditer(text):
        words = [(m.group(), match.start() + m.start()) for m in _LATIN.finditer(match.group())]
        yield from _names_in_run(text, words)


def _names_in_run(text: str, words: list[tuple[str, int]]) -> Iterator[Finding]:
    """Yield names within a run of capitalised words, split at common words."""
    group: list[tuple[str, int]] = []
    for word, start in [*words, ("The", len(text))]:
        if _belongs(word, group):
            group.append((word, start))
            continue
        if group and _is_latin_name(text, group):
            yield _span(group)
        group = []


def _belongs(word: str, group: list[tuple[str, int]]) -> bool:
    """Return whether a word can stand in a name after the words in `group`."""
    if word not in _names("capitalised-en.txt"):
        return len(word) > 1
    return bool(group) and (len(word) == 1 or _listed(word)) and not _is_title(word)


def _span(group: list[tuple[str, int]]) -> Finding:
    last, start = group[-1]
    bare = re.sub(r"(?:'s|’s|\.)$", "", last)
    return Finding(group[0][1], start + len(bare), Label.NAME)


def _is_title(word: str) -> bool:
    return word.rstrip(".") in {"Dr", "Mr", "Mrs", "Ms", "Miss", "Prof", "Pt", "MO", "HO"}


def _listed(word: str) -> bool:
    surnames, given = _latin_names()
    plain = word.rstrip(".").lower().split("'")[0].split("’")[0]
    return plain in surnames or plain in given


def _is_latin_name(text: str, group: list[tuple[str, int]]) -> bool:
    last, last_start = group[-1]
    end = last_start + len(last)
    if len(group) <= 2 and (_EPONYM.match(text, end) or last.endswith(("'s", "’s"))):
        possessive = last.endswith(("'s", "’s")) and len(group) == 2 and _listed(group[0][0])
        return possessive and not _EPONYM.match(text, end)
    cued = bool(_TITLE.search(text[max(0, group[0][1] - 24) : group[0][1]]))
    listed = sum(_listed(word) for word, _ in group)
    plain = sum(word[1:2].islower() or len(word) > 1 for word, _ in group)
    if cued:
        return plain > 0
    if len(group) == 1:
        return _is_lone_name(text, group[0])
    strange = sum(not _is_english(word) for word, _ in group)
    return listed * 2 >= len(group) or (strange * 2 >= len(group) and _is_mixed_case(group))


def _is_lone_name(text: str, one: tuple[str, int]) -> bool:
    """Return whether a single capitalised word is a given name or no English word."""
    word, start = one
    if len(word) <= 2 or word.isupper():
        return False
    if word.lower() in _latin_names()[1]:
        return True
    inside = start > 0 and text[max(0, start - 2) : start] not in (". ", "! ", "? ", ": ")
    return inside and "\n" not in text[start - 1 : start] and not _is_english(word)


def _is_mixed_case(group: list[tuple[str, int]]) -> bool:
    """Return whether a run is mixed case: headings and acronyms are all capitals."""
    return any(word[1:].islower() for word, _ in group)


def _is_english(word: str) -> bool:
    """Return whether a word is common English, in its plain or a simple ending."""
    plain = re.sub(r"['’]s$", "", word.rstrip(".")).lower()
    words = _names("words-en.txt")
    return any(form in words for form in (plain, plain.removesuffix("s"), plain.removesuffix("ed")))

"""What a line of text in an image says: a technical mark, or something about a person.

A technical mark is made of nothing but settings, units, sides and short numbers
("kV 120 mA 200", "5 cm", "AP"). Reading machines confuse letters with digits and lose
strokes, so words are compared with some tolerance; a line that agrees with the
file's own header (its names, numbers and dates) is never a mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SIDE_WORDS: Final = (
    "R L A P H F S I AP PA LAT RT LT SUP INF ANT POST RL LR AX SAG COR LPO RPO LAO RAO MLO CC "
    "LATERAL SUPINE ERECT PRONE OBL OBLIQUE PORTABLE UPRIGHT DECUB AXIAL SAGITTAL CORONAL LEFT "
    "RIGHT"
)
_SIDES: Final = frozenset(_SIDE_WORDS.split())
_UNIT_WORDS: Final = (
    "CM MM HZ KHZ MHZ KV KVP MA MAS DB MS FPS % X CM/S MMHG HU T CM2 W/CM2 MGY UGY DEG SEC BPM /"
)
_UNITS: Final = frozenset(_UNIT_WORDS.split())
_SETTING_WORDS: Final = (
    "GAIN ZOOM DEPTH FREQ FREQUENCY FR DR MI TIS TIB TI KV KVP MA MAS WL WW W C L SL THK TE TR "
    "FOV ET FRAME SCALE PWR POWER FOCUS GN DYN SE IM SER SERIES IMAGE SLICE MAG CINE PRF WF AVG "
    "PERSIST MAP RES GEN HAR THI DOPPLER CHROMA B-MODE M-MODE T1 T2 FLAIR DWI ADC STIR NEX "
    "MATRIX FLIP ANGLE PITCH TABLE TILT DLP CTDI CTDIVOL EXP EXPOSURE PHASE GATE"
)
_SETTINGS: Final = frozenset(_SETTING_WORDS.split())
_MARKS: Final = _SIDES | _UNITS | _SETTINGS
# Letters that reading machines give for digits in thin, light type.
_LOOKALIKES: Final = str.maketrans("OQDILZSGBUAq|!", "00011256804911")
_NUMBER: Final = re.compile(r"[-+]?\d{1,4}(?:[.,]\d{1,3})?|\d{1,3}[/x:]\d{1,3}")
_GLUED: Final = re.compile(
    r"([-+]?\d+(?:[.,]\d+)?)\s*([A-Za-z%/]+\d?)|([A-Za-z]+)\s*[:=]?\s*(\d+(?:[.,]\d+)?)"
)
_TRIM: Final = ".,:;=*'\"`~_-()[]{}<>“”‘’«»"
_SHORT_NUMBER: Final = 3
_MOST_NUMBERS: Final = 6


def is_technical_image_mark(text: str) -> bool:
    """Return whether a line reads as a technical mark and nothing else.

    >>> (
    ...     is_technical_image_mark("kV 120 mA 200"),
    ...     is_technical_image_mark("5 cm"),
    ...     is_technical_image_mark("LAM Ka Fai"),
    ... )
    (True, True, False)
    """
    kinds = [_burned_in_word_kind_name(word) for word in _image_text_words_with_units_parted(text)]
    # A row of many numbers may be an identity number read in pieces.
    if not kinds or "other" in kinds or kinds.count("number") > _MOST_NUMBERS:
        return False
    if "mark" in kinds:
        return True
    # A number alone is a scale; a year alone may be a birth.
    return (
        kinds in (["number"], ["like", "number"], ["number", "like"])
    ) and not _dicom_text_has_year(text)


def is_line_misread_dicom_mark(text: str) -> bool:
    """Return whether a line is one word that a mark begins with, or differs from by a letter.

    >>> (
    ...     is_line_misread_dicom_mark("Gai"),
    ...     is_line_misread_dicom_mark("Ga"),
    ...     is_line_misread_dicom_mark("Lam"),
    ... )
    (True, False, False)
    """
    return [
        _burned_in_word_kind_name(word) for word in _image_text_words_with_units_parted(text)
    ] == ["like"]


def _image_text_words_with_units_parted(text: str) -> list[str]:
    """Return the words of a line, a number parted from a unit that is glued to it."""
    words: list[str] = []
    for word in text.split():
        plain = word.strip(_TRIM)
        glued = _GLUED.fullmatch(plain) or _GLUED.fullmatch(
            _image_word_with_misread_measurement_mended(plain)
        )
        parts = [part for part in glued.groups() if part] if glued else []
        if (
            any(part.upper() in _UNITS | _SETTINGS for part in parts)
            and plain.upper() not in _MARKS
        ):
            words += parts
        elif plain:
            words.append(plain)
    return words


def _image_word_with_misread_measurement_mended(image_word: str) -> str:
    """Return a word whose first letter is read as a digit where a unit follows: `Scm`."""
    if image_word[1:].upper() in _UNITS - {"T", "X"}:
        return image_word[:1].upper().translate(_LOOKALIKES) + image_word[1:]
    return image_word


def _burned_in_word_kind_name(image_word: str) -> str:
    """Return `mark`, `number`, `like` (a mark misread) or `other`."""
    upper = image_word.upper()
    if image_word in _SIDES or upper in _UNITS | _SETTINGS:
        return "mark"
    if _NUMBER.fullmatch(image_word) or _NUMBER.fullmatch(image_word.translate(_LOOKALIKES)):
        return "number" if any(char.isdigit() for char in image_word) else "other"
    return "like" if _is_image_word_misread_mark(upper) else "other"


def _is_image_word_misread_mark(upper: str) -> bool:
    # Two letters are a letter away from too many marks, and from too many names.
    if len(upper) < _SHORT_NUMBER:
        return False
    long = [mark for mark in _SETTINGS | _SIDES if len(mark) > _SHORT_NUMBER]
    return any(
        mark.startswith(upper) or image_mark_edit_distance(upper, mark) <= 1 for mark in long
    )


def _dicom_text_has_year(text: str) -> bool:
    return bool(re.search(r"(?<!\d)(?:19|20)\d\d(?!\d)", text))


def image_mark_edit_distance(first: str, second: str) -> int:
    """Return how many letters must change, come or go to make one word the other.

    >>> image_mark_edit_distance("Freg", "Freq"), image_mark_edit_distance("Gain", "Gan")
    (1, 1)
    """
    row = list(range(len(second) + 1))
    for i, left in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]


def identifying_header_words(dicom_header_values: Iterable[str]) -> frozenset[str]:
    """Return the words of header values by which a line is known as a person's.

    >>> sorted(identifying_header_words(["CHAN^TAI MAN", "19700102"]))
    ['19700102', 'CHAN', 'MAN', 'TAI']
    """
    words = (word for value in dicom_header_values for word in re.split(r"[^\w]+", value.upper()))
    return frozenset(word for word in words if len(word) >= _SHORT_NUMBER and word not in _MARKS)


def image_text_agrees_with_header(text: str, header: frozenset[str]) -> bool:
    """Return whether a line holds a word of the header, one misread letter allowed in long ones.

    >>> image_text_agrees_with_header("LAM Ka Fai", frozenset({"LAM", "FAI"}))
    True
    """
    words = [word for word in re.split(r"[^\w]+", text.upper()) if len(word) >= _SHORT_NUMBER]
    return any(
        word == header_word
        or (
            len(header_word) > _SHORT_NUMBER + 1
            and image_mark_edit_distance(word, header_word) <= 1
        )
        for word in words
        for header_word in header
    )

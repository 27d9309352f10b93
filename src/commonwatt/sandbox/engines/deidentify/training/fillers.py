"""What stands in slots and no list of alternatives can say: names, numbers that check out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from commonwatt.sandbox.engines.deidentify.lists import (
    deidentification_tagger_templates_folder,
    deidentification_word_list,
)
from commonwatt.sandbox.engines.deidentify.numbers import (
    card_number_passes_luhn,
    is_hkid,
    is_mainland_id,
    is_valid_taiwan_id_number,
)
from commonwatt.sandbox.engines.deidentify.training.grammar import Filler

_MADE_UP_SHARE = 0.2
_UNLISTED_CHARACTER_SHARE = 0.15


def tagger_template_slot_fillers(name_list_share: tuple[float, float]) -> dict[str, Filler]:
    """Return the functions that fill slots.

    Args:
        name_list_share: The part of each list of names to draw from, such as (0.0, 0.8), so
            that names for testing are others than names for training.
    """

    def name_list_part(file: str) -> list[str]:
        # In a scattered order: by the alphabet, the names for testing would all begin with the
        # last letters.
        listed = sorted(deidentification_word_list(file), key=_made_up_name_scatter_number)
        return listed[int(name_list_share[0] * len(listed)) : int(name_list_share[1] * len(listed))]

    given_names, surnames = name_list_part("given-world.txt"), name_list_part("surnames-world.txt")
    places = name_list_part("places-world.txt")
    hong_kong, characters = name_list_part("surnames-en.txt"), name_list_part("given-zh.txt")
    families = sorted(deidentification_word_list("surnames-zh.txt"))
    common = [
        word for word in sorted(deidentification_word_list("words-en.txt")) if 3 <= len(word) <= 9
    ]
    jobs = (
        (deidentification_tagger_templates_folder() / "jobs.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    prose = (
        (deidentification_tagger_templates_folder() / "prose.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    return {
        "given": _tagger_listed_or_joined_name_filler(given_names),
        "surname": _tagger_listed_or_joined_name_filler(surnames),
        "placeword": _tagger_listed_or_joined_name_filler(places),
        "streetname": _tagger_listed_or_joined_name_filler(name_list_part("streets-world.txt")),
        "hksurname": _tagger_listed_choice_filler(hong_kong),
        "plain": _tagger_listed_choice_filler(common),
        "jobtitle": _tagger_listed_choice_filler([job.split(",")[0].split("/")[0] for job in jobs]),
        "prose": _tagger_listed_choice_filler(prose),
        "fragment": _tagger_prose_fragment_filler(prose),
        "headline": _tagger_note_headline_filler(prose),
        "word": _tagger_listed_choice_filler(common),
        "wordnoun": _tagger_listed_choice_filler(common),
        "initial": _tagger_listed_choice_filler("ABCDEFGHIJKLMNOPRSTVW"),
        "letter": _tagger_listed_choice_filler("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "surnamezh": _tagger_listed_choice_filler([name for name in families if len(name) == 1]),
        "hanname": _chinese_name_filler(families, characters),
        "n89": lambda chance: str(chance.randint(1, 89)),
        "n99": lambda chance: str(chance.randint(1, 99)),
        "n999": lambda chance: str(chance.randint(1, 999)),
        "n9999": lambda chance: str(chance.randint(100, 9999)),
        "hkidraw": _made_up_hong_kong_id,
        "hkid": _made_up_hong_kong_id_layout,
        "cnidraw": _made_up_mainland_id,
        "cnid": _made_up_mainland_id,
        "twid": _made_up_taiwan_id,
        "luhn16": lambda chance: _made_up_card_number(chance, 16),
        "luhn15": lambda chance: _made_up_card_number(chance, 15),
        "luhn13": lambda chance: _made_up_card_number(chance, 13),
        "luhn16s": lambda chance: _made_up_digits_in_groups_of_four(
            _made_up_card_number(chance, 16)
        ),
    }


def _made_up_name_scatter_number(name: str) -> int:
    """Return a number that puts names in an order of no meaning, the same each time."""
    number = 0
    for char in name:
        number = (number * 1_000_003 + ord(char)) % 2_147_483_647
    return number * 48_271 % 2_147_483_647


def _tagger_listed_choice_filler(options: Sequence[str]) -> Filler:
    return lambda chance: options[int(chance.random() * len(options))]


def _tagger_prose_fragment_filler(prose: Sequence[str]) -> Filler:
    """Return a filler of two to seven words from the middle of a sentence."""

    def fill_prose_fragment(chance: random.Random) -> str:
        words = chance.choice(prose).rstrip(".?!").split()
        first = chance.randint(1, max(1, len(words) - 4))
        return " ".join(words[first : first + chance.randint(2, 7)]).strip(" ,;:-") or "and so on"

    return fill_prose_fragment


def _tagger_note_headline_filler(prose: Sequence[str]) -> Filler:
    """Return a filler of two to seven words with capital letters, as titles have them."""
    fragment = _tagger_prose_fragment_filler(prose)
    small = frozenset(("of", "the", "a", "an", "in", "and", "to", "for", "on", "at", "by"))

    def fill_note_headline(chance: random.Random) -> str:
        some = small if chance.random() < 0.6 else frozenset[str]()
        return " ".join(
            word if word in some and i else word[:1].upper() + word[1:]
            for i, word in enumerate(fragment(chance).split())
        )

    return fill_note_headline


def _tagger_listed_or_joined_name_filler(listed: Sequence[str]) -> Filler:
    """Return a filler that draws a listed name, or joins the halves of two."""
    pick = _tagger_listed_choice_filler(listed)

    def fill_made_up_name(chance: random.Random) -> str:
        first = pick(chance)
        # Some names are made of two halves, so that the tagger cannot learn the list by heart.
        if chance.random() >= _MADE_UP_SHARE:
            return first
        second = pick(chance)
        return (first[: 1 + len(first) // 2] + second[len(second) // 2 :]).capitalize()

    return fill_made_up_name


@cache
def _common_big5_characters() -> str:
    """Return the common characters of both scripts that have a place in older standards."""
    rows = [bytes((high, low)) for high in range(0xA4, 0xB0) for low in range(0x40, 0x7F)]
    return "".join(row.decode("big5", "ignore") for row in rows)


def _chinese_name_filler(families: Sequence[str], characters: Sequence[str]) -> Filler:
    single = [name for name in families if len(name) == 1]
    double = [name for name in families if len(name) == 2]

    def fill_chinese_name(chance: random.Random) -> str:
        family = chance.choice(double if chance.random() < 0.04 else single)
        count = 1 if chance.random() < 0.2 else 2
        return family + "".join(_made_up_given_character(chance, characters) for _ in range(count))

    return fill_chinese_name


def _made_up_given_character(chance: random.Random, listed: Sequence[str]) -> str:
    if chance.random() < _UNLISTED_CHARACTER_SHARE:
        return chance.choice(_common_big5_characters())
    return chance.choice(listed)


def _made_up_digits(chance: random.Random, count: int) -> str:
    return "".join(str(int(chance.random() * 10)) for _ in range(count))


def _made_up_hong_kong_id(chance: random.Random) -> str:
    letters = chance.choice("ABCDEFGHKLMNPRSTVWYZ")
    if chance.random() < 0.1:
        letters = "X" + letters
    head = letters + _made_up_digits(chance, 6)
    return head + next(check for check in "0123456789A" if is_hkid(head + check))


def _made_up_hong_kong_id_layout(chance: random.Random) -> str:
    plain = _made_up_hong_kong_id(chance)
    head, digits, check = plain[:-7], plain[-7:-1], plain[-1]
    layouts = (
        f"{head}{digits}({check})", f"{head}{digits}（{check}）", f"{head}{digits}{check}",
        f"{head} {digits}({check})", f"{head} {digits} ({check})", f"{head}{digits}-{check}",
        f"{head.lower()}{digits}({check.lower()})", f"{head}-{digits}({check})",
        f"{head}{digits[:3]} {digits[3:]}({check})", f"{head}{digits} {check}",
    )  # fmt: skip
    return chance.choice(layouts)


def _made_up_mainland_id(chance: random.Random) -> str:
    born = f"{chance.randint(1930, 2022)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
    head = f"{chance.randint(11, 65)}{_made_up_digits(chance, 4)}{born}{_made_up_digits(chance, 3)}"
    return head + next(check for check in "0123456789X" if is_mainland_id(head + check))


def _made_up_taiwan_id(chance: random.Random) -> str:
    head = (
        chance.choice("ABCDEFGHJKLMNPQRSTUVXYWZIO")
        + chance.choice("12")
        + _made_up_digits(chance, 7)
    )
    return head + next(check for check in "0123456789" if is_valid_taiwan_id_number(head + check))


def _made_up_card_number(chance: random.Random, length: int) -> str:
    head = chance.choice("3456") + _made_up_digits(chance, length - 2)
    return head + next(check for check in "0123456789" if card_number_passes_luhn(head + check))


def _made_up_digits_in_groups_of_four(digits: str) -> str:
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))

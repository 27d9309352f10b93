"""Ways to spoil an exported ledger, drawn at random; shared by the test and the benchmark."""

from collections.abc import Callable
from pathlib import Path
from random import Random

FILES = ("entries.jsonl", "signatures.jsonl", "checkpoint.txt")
Files = dict[str, bytes]


def read(folder: Path) -> Files:
    return {name: (folder / name).read_bytes() for name in FILES}


def write(files: Files, folder: Path) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)


def flip_a_bit(files: Files, chance: Random) -> str:
    name = chance.choice(FILES)
    data = bytearray(files[name])
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    files[name] = bytes(data)
    return name


def _lines(change: Callable[[list[bytes], Random], None]) -> Callable[[Files, Random], str]:
    def tamper(files: Files, chance: Random) -> str:
        name = chance.choice(FILES[:2])
        lines = files[name].splitlines(keepends=True)
        change(lines, chance)
        files[name] = b"".join(lines)
        return name

    return tamper


def _remove(lines: list[bytes], chance: Random) -> None:
    del lines[chance.randrange(len(lines))]


def _repeat(lines: list[bytes], chance: Random) -> None:
    at = chance.randrange(len(lines))
    lines.insert(at, lines[at])


def _swap(lines: list[bytes], chance: Random) -> None:
    first, second = chance.sample(range(len(lines)), 2)
    lines[first], lines[second] = lines[second], lines[first]


def _cut(lines: list[bytes], chance: Random) -> None:
    del lines[chance.randrange(len(lines)) :]


def _digit(lines: list[bytes], chance: Random) -> None:
    """Change a figure inside a body and leave the form of the line alone."""
    at = chance.randrange(len(lines))
    line = bytearray(lines[at])
    places = [i for i, byte in enumerate(line) if chr(byte).isdigit()]
    place = chance.choice(places)
    line[place] = ord("0") + (line[place] - ord("0") + chance.randrange(1, 10)) % 10
    lines[at] = bytes(line)


WAYS: tuple[Callable[[Files, Random], str], ...] = (
    flip_a_bit,
    _lines(_remove),
    _lines(_repeat),
    _lines(_swap),
    _lines(_cut),
    _lines(_digit),
)


def tamper(files: Files, chance: Random) -> Files:
    """Return files that differ from `files`, spoilt in one way."""
    while True:
        spoilt = dict(files)
        chance.choice(WAYS)(spoilt, chance)
        if spoilt != files:
            return spoilt

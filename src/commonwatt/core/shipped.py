"""Files that the program carries itself, and how a word is told from a path.

`shipped:NAME` stands for a file wherever a path may stand. Where a bare word may name a
shipped thing (a country, a programme, a schema) it always does: the folder that a command
happens to run in must not decide which country is read. A path is written as one, with a
separator or a suffix.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from commonwatt.core.errors import MissingExtraError
from commonwatt.core.messages import Message

SHIPPED: Final = "shipped:"
_SHARE_ALIKE: Final = "commonwatt_data_odbl"
DATA: Final = Path(str(resources.files("commonwatt"))) / "data"


def shipped_data_file_or_local_path(name: str, folder: Path) -> Path:
    """Return where `name` lies: among the shipped files, or in the folder `folder`.

    >>> shipped_data_file_or_local_path("shipped:traces/README.md", Path()).name
    'README.md'
    >>> shipped_data_file_or_local_path("jobs.csv", Path("here")).as_posix()
    'here/jobs.csv'
    """
    return DATA / name.removeprefix(SHIPPED) if name.startswith(SHIPPED) else folder / name


def installed_share_alike_data_folder() -> Path | None:
    """Return the folder of the data that must be shared alike; None where they are not installed.

    They stand in a package of their own: their licence reaches over to what is made from
    them, and whoever takes the program alone shall not have to keep it.
    """
    try:
        return Path(str(resources.files(_SHARE_ALIKE)))
    except ModuleNotFoundError:
        return None


def share_alike_data_file(*parts: str) -> Path:
    """Return a file of the data that must be shared alike.

    Raises:
        MissingExtraError: Their package is not installed; the remedy names its extra.
    """
    folder = installed_share_alike_data_folder()
    if folder is None:
        raise MissingExtraError(
            "commonwatt[regions]",
            found=Message("the hourly data of regions, under a licence of their own, are missing"),
            remedy=Message(
                "Install it with: pip install {name}", {"name": '"commonwatt[regions]"'}
            ),
        )
    return folder.joinpath(*parts)


@dataclass(frozen=True, slots=True)
class ShippedCollection:
    """Things of one kind that the program carries, each called by one word.

    Args:
        folder: Where they lie.
        pattern: The file of each, its name in place of the star: `*.toml`, or
            `*/country.toml` where each is a folder.
    """

    folder: Path
    pattern: str

    def names(self) -> tuple[str, ...]:
        """Return the names, in alphabetical order.

        >>> ShippedCollection(DATA / "treasury", "*/country.toml").names()
        ('finland', 'hongkong')
        """
        files = self.folder.glob(self.pattern)
        firsts = (path.relative_to(self.folder).parts[0] for path in files)
        return tuple(sorted(first.partition(".")[0] for first in firsts))

    def find_shipped_file(self, name: str | Path) -> Path | None:
        """Return the shipped file that a word names; None for a path and an unknown word.

        A `Path` is a path: `Path("./harbour")` has lost the dot that told it from a name.

        >>> countries = ShippedCollection(DATA / "treasury", "*/country.toml")
        >>> countries.find_shipped_file("./hongkong"), countries.find_shipped_file(Path("hongkong"))
        (None, None)
        """
        if isinstance(name, Path) or name not in self.names():
            return None
        return self.folder / self.pattern.replace("*", name)

    def find_shipped_file_or_path(self, name: str | Path) -> Path:
        """Return the shipped file that a word names, or the path that `name` is."""
        return self.find_shipped_file(name) or Path(name)

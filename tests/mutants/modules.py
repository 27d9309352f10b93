"""Which modules must be held by tests that bite, and which faults in them change nothing."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Module:
    """A part of the package whose tests must bite."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    floor: float = 0.85
    compiled: bool = True
    functions: tuple[str, ...] = ()


def named_modules() -> dict[str, Module]:
    """Return the modules that `modules.toml` names."""
    table = tomllib.loads((HERE / "modules.toml").read_text("utf-8"))
    return {
        name: Module(name, **{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()})
        for name, row in table.items()
    }


def equivalent_mutants(name: str) -> dict[tuple[str, str, str, str, str], str]:
    """Return the faults of a module that change nothing, with the reason of each."""
    table = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8"))
    return {
        (row["file"], row["function"], row["kind"], row["before"], row["after"]): row["reason"]
        for row in table.get(name, [])
    }

"""Optional parts of the program: which extra brings a module, and what to run where it is missing.

The extras stand in the package's own metadata, so that no table here can name one that is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module, metadata
from typing import Any

from commonwatt.core.errors import MissingExtraError
from commonwatt.core.messages import Message

# Where a distribution is not called as its module is; a missing one cannot be asked for its name.
DISTRIBUTION_OF_MODULE = {
    "argon2": "argon2-cffi",
    "fhir": "fhir.resources",
    "multipart": "python-multipart",
    "python_multipart": "python-multipart",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
_PACKAGE = "commonwatt"
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+).*?(?:extra\s*==\s*['\"]([^'\"]+)['\"])?\s*\)?$")


def import_optional_module(name: str) -> Any:
    """Return a module of an optional part, untyped: few of them ship types.

    Raises:
        MissingExtraError: It is not installed; the remedy names its extra.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise missing_extra_error(error) from None


def missing_extra_error(error: ModuleNotFoundError) -> MissingExtraError:
    """Return the error that names the extra of the module that was not there, and the command.

    Several extras may bring one module; the one that is called like the wing whose code wanted
    it is named, since it brings what that wing will want next.
    """
    requirements = _requirement_lines_with_extras()
    # Built metadata also list under `all` what another extra brings; that one is the smaller.
    every = extras_of_module(error.name or "", requirements)
    names = [name for name in every if name != "all"] or every
    # A module that only a dependency of an extra wants is in no list: any extra may be the one,
    # and the wing in the traceback decides.
    likely = names or _extras_of_requirements(requirements)
    wanted_by = [
        name for name in _commonwatt_packages_in_traceback_innermost_first(error) if name in likely
    ]
    extra = (wanted_by or list(names) or ["all"])[0]
    part = f"{_PACKAGE}[{extra}]" if extra else _PACKAGE
    return MissingExtraError(
        part,
        found=Message("this optional part is not installed"),
        remedy=Message("Install it with: pip install {name}", {"name": f'"{part}"'}),
    )


def extras_of_module(module: str, requirements: Iterable[str]) -> Sequence[str]:
    """Return the extras whose requirements bring a module, in order; "" is the core itself.

    Args:
        module: Its name as it is imported.
        requirements: As a wheel's metadata lists them.

    >>> extras_of_module("argon2.low_level", ['click>=8', "argon2-cffi>=23; extra == 'web'"])
    ['web']
    >>> extras_of_module("click", ['click>=8', "argon2-cffi>=23; extra == 'web'"])
    ['']
    """
    top = module.split(".", maxsplit=1)[0]
    wanted = _normalised_python_package_name(DISTRIBUTION_OF_MODULE.get(top, top))
    matches = (_REQUIREMENT.match(line.strip()) for line in requirements)
    return [
        match[2] or ""
        for match in matches
        if match and _normalised_python_package_name(match[1]) == wanted
    ]


def _extras_of_requirements(requirements: Iterable[str]) -> set[str]:
    matches = (_REQUIREMENT.match(line.strip()) for line in requirements)
    return {match[2] for match in matches if match and match[2]}


@cache
def _requirement_lines_with_extras() -> tuple[str, ...]:
    try:
        return tuple(metadata.requires(_PACKAGE) or ())
    except metadata.PackageNotFoundError:  # run from a checkout that nobody installed
        return ()


def _commonwatt_packages_in_traceback_innermost_first(error: BaseException) -> list[str]:
    """Return the wings of our modules in a traceback, the innermost first."""
    wings: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        package, _, rest = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")
        if package == _PACKAGE and rest:
            wings.append(rest.split(".")[0])
        trace = trace.tb_next
    return wings[::-1]


def _normalised_python_package_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

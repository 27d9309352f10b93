"""The programs that a job may use, and a record of them by which a run can be repeated."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import IsolationError
from commonwatt.sandbox.domain.job import JobLanguage, JobLimits

_R_HOME: Final = Path("/usr/lib/R")
_R_SHARE: Final = Path("/usr/share/R")
_R_TOOLS: Final = ("/bin/sh", "/usr/bin/which", "/usr/bin/uname", "/usr/bin/rm")
"""R asks a shell what the machine is before it loads its own packages, and cleans up with
one at its end; they give a job nothing that its own code could not do."""
_PLACES: Final = {JobLanguage.PYTHON: "/job/main.py", JobLanguage.R: "/job/main.R"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRuntime:
    """The read-only programs that a job may use.

    Args:
        prefix: Python's installation, shown at its own place.
        site: Installed packages, shown as `/opt/site`.
        r_home: R's installation as Debian lays it out, shown at its own place.
    """

    prefix: Path = field(default_factory=lambda: Path(sys.base_prefix))
    site: Path = field(default_factory=lambda: Path(sysconfig.get_path("purelib")))
    r_home: Path = _R_HOME

    @property
    def python(self) -> Path:
        """Return the interpreter inside the isolation."""
        return self.prefix / "bin" / f"python3.{sys.version_info.minor}"

    @property
    def r(self) -> Path:
        """Return R's own program; the shell script around it needs a shell."""
        return self.r_home / "bin" / "exec" / "R"

    def command(self, language: JobLanguage) -> list[str]:
        """Return the command that runs a job's program inside the isolation.

        Raises:
            IsolationError: The language is not installed.
        """
        if language is JobLanguage.PYTHON:
            return [str(self.python), _PLACES[language]]
        if not self.r.is_file():
            raise IsolationError(
                "R",
                found=Message("no such program"),
                remedy=Message("Install it: apt install r-base-core"),
            )
        return [str(self.r), "--vanilla", "--no-echo", f"--file={_PLACES[language]}"]

    def bubblewrap_language_mount_arguments(self, language: JobLanguage) -> list[str]:
        """Return bubblewrap's words for what only this language needs."""
        if language is JobLanguage.PYTHON:
            return []
        share = str(_R_SHARE)
        arguments = ["--ro-bind-try", share, share]
        for tool in _R_TOOLS:
            arguments += ["--ro-bind-try", str(Path(tool).resolve()), tool]
        return arguments

    def variables(self, language: JobLanguage, limits: JobLimits) -> dict[str, str]:
        """Return the whole environment of a job."""
        # Numeric libraries start a thread for every processor of the machine and would run into
        # the limit on processes.
        threads = str(max(1, int(limits.cpus)))
        common = {
            "HOME": "/tmp",  # noqa: S108
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",  # noqa: S108
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
        }
        if language is JobLanguage.R:
            return common | self._r_environment_variables()
        return common | {
            "PYTHONPATH": "/opt/site:/opt/room",
            "PYTHONDONTWRITEBYTECODE": "1",
            # The same job gives the same bytes, which is how a run is repeated from the ledger.
            "PYTHONHASHSEED": "0",
            "POLARS_MAX_THREADS": threads,
        }

    def isolated_job_environment_record(self, language: JobLanguage) -> dict[str, str]:
        """Return what a job of this language runs on, for the ledger."""
        if language is JobLanguage.R:
            packages = sorted(self.r_home.glob("library/*/DESCRIPTION"))
            return {
                "r_sha256": file_sha256(self.r),
                "packages_sha256": _job_packages_sha256([file_sha256(path) for path in packages]),
            }
        return _job_python_environment_record(self.site)

    def _r_environment_variables(self) -> dict[str, str]:
        # Debian links BLAS through /etc/alternatives, which an isolated job does not see.
        libraries = ("/usr/lib/x86_64-linux-gnu/blas", "/usr/lib/x86_64-linux-gnu/lapack")
        return {
            "R_HOME": str(self.r_home),
            "R_SHARE_DIR": f"{_R_SHARE}/share",
            "R_INCLUDE_DIR": f"{_R_SHARE}/include",
            "R_DOC_DIR": f"{_R_SHARE}/doc",
            "LD_LIBRARY_PATH": ":".join((f"{self.r_home}/lib", *libraries)),
            "TZ": "UTC",
            "EDITOR": "false",  # R's utils do not load without these two
            "PAGER": "cat",
        }


def isolated_program_path(language: JobLanguage) -> str:
    """Return where a job's program stands inside the isolation."""
    return _PLACES[language]


@lru_cache(4)  # a thousand small files are read for it
def _job_python_environment_record(site: Path) -> dict[str, str]:
    names = sorted(
        f"{distribution.metadata['Name']}=={distribution.version}"
        for distribution in distributions(path=[str(site)])
    )
    version = ".".join(map(str, sys.version_info[:3]))
    return {
        "python": version,
        "packages_sha256": _job_packages_sha256(names),
        "packages": str(len(names)),
    }


def _job_packages_sha256(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""What keeps a database from being opened.

::

    StoreError                     56   a database cannot be opened or read
    ├── StoreVersionError          57   its tables are of another version
    └── StoreBusyError             58   another process holds it
"""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError


class StoreError(CommonwattError):
    """A database cannot be opened or read."""

    code, exit_code = "store-unusable", 56


class StoreVersionError(StoreError):
    """The tables of a database are of another version than this program's."""

    code, exit_code = "store-version", 57


class StoreBusyError(StoreError):
    """Another process holds the database, for longer than is waited."""

    code, exit_code = "store-busy", 58

"""Rows as the use cases hand them out, named with currency and unit."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

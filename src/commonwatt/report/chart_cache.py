"""Where a chart that was drawn before comes from; nothing here loads what draws."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

DrawChart = Callable[[str], str]
ChartCache = Callable[[str, DrawChart], str]


def _draw_each_chart(spec: str, draw: DrawChart) -> str:
    return draw(spec)


_chart_cache: ContextVar[ChartCache] = ContextVar("_chart_cache", default=_draw_each_chart)


@contextmanager
def charts_from_cache(cache: ChartCache) -> Generator[None]:
    """Draw charts through a cache: most charts of a changed section are what they were.

    Args:
        cache: Takes a specification and what draws it, and returns the SVG.
    """
    before = _chart_cache.set(cache)
    try:
        yield
    finally:
        _chart_cache.reset(before)


def cached_or_drawn_chart(spec: str, draw: DrawChart) -> str:
    """Return the SVG of a specification, drawn where no cache has it."""
    return _chart_cache.get()(spec, draw)

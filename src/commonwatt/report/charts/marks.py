"""Small shapes of a chart: paths through points, and marks that are told apart without colour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Place = tuple[float, float]
SHAPES = 4


def svg_path(places: Sequence[Place | None], *, step: bool = False) -> str:
    """Return a path through places; a missing one breaks it.

    Args:
        places: Where it goes, in order.
        step: Whether it holds its height until the next place.

    >>> svg_path([(0, 1), None, (2, 3), (4, 5)])
    'M0 1M2 3L4 5'
    >>> svg_path([(0, 1), (2, 3)], step=True)
    'M0 1H2V3'
    """
    out: list[str] = []
    broken = True
    height, last = 0.0, len(places) - 1
    for i, place in enumerate(places):
        if place is not None:
            x, y = place
            if broken:
                out.append(f"M{x:g} {y:g}")
            elif not step:
                out.append(f"L{x:g} {y:g}")
            # A step that goes nowhere is drawn with the next.
            elif y != height or i == last or places[i + 1] is None:
                out.append(f"H{x:g}V{y:g}" if y != height else f"H{x:g}")
            height = y
        broken = place is None
    return "".join(out)


def report_chart_svg_series_mark(
    x: float, y: float, series: int, text: str = "", size: float = 4.5
) -> str:
    """Return the mark of a series: its shape as well as its colour says whose it is.

    Args:
        x: Its middle.
        y: Its middle.
        series: Place of its series in the chart.
        text: What a pointer on it is told.
        size: Half its width.
    """
    tip = f"<title>{escape(text)}</title>" if text else ""
    kind = f'class="dot s{series % 9}"'
    shape = series % SHAPES
    if shape == 0:
        return f'<circle {kind} cx="{x:g}" cy="{y:g}" r="{size:g}">{tip}</circle>'
    a = size
    corners = {
        1: [(x, y - 1.3 * a), (x + 1.3 * a, y), (x, y + 1.3 * a), (x - 1.3 * a, y)],
        2: [(x, y - 1.2 * a), (x + 1.2 * a, y + a), (x - 1.2 * a, y + a)],
        3: [(x - a, y - a), (x + a, y - a), (x + a, y + a), (x - a, y + a)],
    }[shape]
    way = "L".join(f"{round(px, 1):g} {round(py, 1):g}" for px, py in corners)
    return f'<path {kind} d="M{way}Z">{tip}</path>'


def report_chart_svg_small_marks_path(places: Sequence[Place], series: int) -> str:
    """Return many small marks of one series as one path; a name for each would outweigh them.

    >>> report_chart_svg_small_marks_path([(1, 2), (3, 4)], 1)
    '<path class="dot s1" d="M1 -1l3 3-3 3-3-3zM3 1l3 3-3 3-3-3z"/>'
    """
    move, shape = _SMALL_SHAPES[series % SHAPES]
    way = "".join(f"M{x:g} {round(y - move, 1):g}{shape}" for x, y in places)
    return f'<path class="dot s{series % 9}" d="{way}"/>'


# How far above its middle each shape begins, and the way from there: round, as a diamond, a
# triangle and a square.
_SMALL_SHAPES = (
    (2.6, "a2.6 2.6 0 1 0 .1 0z"),
    (3, "l3 3-3 3-3-3z"),
    (3, "l2.8 5h-5.6z"),
    (2.4, "h2.4v4.8h-4.8v-4.8z"),
)


def report_chart_svg_rectangle(
    kind: str, first: Place, last: Place, text: str = "", *, radius: float = 0.0
) -> str:
    """Return a rectangle between two corners.

    Args:
        kind: Its class in the styles.
        first: One corner.
        last: The opposite corner.
        text: What a pointer on it is told.
        radius: Of its corners.
    """
    tip = f"<title>{escape(text)}</title>" if text else ""
    (ax, ay), (bx, by) = first, last
    round_corners = f' rx="{radius:g}"' if radius else ""
    return (
        f'<rect class="{kind}" x="{min(ax, bx):g}" y="{min(ay, by):g}" '
        f'width="{round(abs(bx - ax), 1):g}" height="{round(abs(by - ay), 1):g}"{round_corners}>'
        f"{tip}</rect>"
    )

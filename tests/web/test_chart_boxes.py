"""Every label of every chart is whole and free, measured in a real browser.

Names are drawn at random, long and short, in both scripts; each form is drawn of each set.
"""

import random

import polars as pl
import pytest

from commonwatt.catalogue.shared import GPU_HOUR_COST
from commonwatt.core.messages import Message
from commonwatt.report.charts import (
    Chart,
    ChartCurve,
    ChartForm,
    ChartLimit,
    ChartSeries,
    ChartVerticals,
    chart_html,
    chart_panels_html,
    chart_points,
    chart_styles,
)
from tests.proofs import PROOFS

WIDTHS = (1280, 768, 390, 320)
WORDS = (
    "Eastern core (Greater Bay)", "Home", "Research institutes of the region", "a/b-c_d",
    "西部樞紐（貴州）", "大學及研究機構的聯合計算中心", "fifo + consolidate + easy", "W" * 40, "i",
    "Länsi-Suomen aluehallintovirasto", "2026-27", "100 %", "μ ± 3σ", "العربية", "Тест",
)  # fmt: skip
# Two boxes that touch are not one over the other; a line box holds some air above its letters.
MEASURE = """() => {
  const wrong = [];
  const drawings = [...document.querySelectorAll("svg.chart-svg")];
  const shown = drawings.filter((svg) => svg.getBoundingClientRect().width);
  for (const svg of shown) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")];
    const boxes = texts.map((text) => text.getBoundingClientRect());
    const air = 0.12 * 12 * frame.width / svg.viewBox.baseVal.width;
    boxes.forEach((box, i) => {
      const across = box.left < frame.left - 0.5 || box.right > frame.right + 0.5;
      if (across || box.top < frame.top - 2 || box.bottom > frame.bottom + 2)
        wrong.push(`cut: ${texts[i].textContent}`);
      boxes.slice(i + 1).forEach((other, k) => {
        const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (wide > 0.5 && high > air)
          wrong.push(`covered: ${texts[i].textContent} | ${texts[i + 1 + k].textContent}`);
      });
    });
  }
  const page = document.documentElement;
  return { wrong, seen: shown.length, wide: page.scrollWidth - page.clientWidth };
}"""

pytestmark = pytest.mark.slow


def _drawn_chart(rng, form):
    """Return a chart of a form and its table, names and numbers drawn."""
    count = rng.choice([1, 2, 5, 14])
    names = [f"{rng.choice(WORDS)} {k}" for k in range(count)]
    size = 10 ** rng.uniform(-6, 9)
    values = [size * rng.uniform(0.01, 1) for _ in names]
    labels = rng.sample(WORDS, rng.choice([1, 2, 4]))
    frame = pl.DataFrame(
        {
            "name": names,
            "row": [rng.choice(WORDS) for _ in names],
            "at": sorted(10 ** rng.uniform(0, 4) for _ in names),
            **{f"v{i}": [v * rng.uniform(0.5, 2) for v in values] for i in range(len(labels))},
            "low": [v * 0.4 for v in values],
            "high": [v * 2.1 for v in values],
        }
    )
    ranged = {"low": "low", "high": "high"} if form in {ChartForm.RANGES, ChartForm.FAN} else {}
    numbered = form in {ChartForm.LINES, ChartForm.AREAS, ChartForm.SCATTER}
    return (
        Chart(
            name=f"{form.value}",
            title=Message(rng.choice(WORDS)),
            caption=Message("C"),
            form=form,
            table="t",
            x="at" if numbered else "name",
            x_label=rng.choice(WORDS) if numbered else "",
            y="row",
            series=[ChartSeries(f"v{i}", label, **ranged) for i, label in enumerate(labels)],
            measure=rng.choice([None, GPU_HOUR_COST]),
            unit="h",
            logarithmic=form is ChartForm.POINTS and rng.random() < 0.5,
            x_logarithmic=form is ChartForm.SCATTER and rng.random() < 0.7,
            step=rng.random() < 0.5,
            names="name" if form is ChartForm.SCATTER else "",
            curves=[ChartCurve("low"), ChartCurve("high", is_dashed=True)]
            if form is ChartForm.SCATTER
            else [],
            limit=ChartLimit(size, rng.choice(WORDS)) if form is ChartForm.LINES else None,
            verticals=ChartVerticals([frame["at"][0]], rng.choice(WORDS))
            if form is ChartForm.LINES
            else None,
            are_values_written=len(labels) == 1 and form in {ChartForm.BARS, ChartForm.POINTS},
        ),
        frame,
    )


def _page_of_charts(rng, count):
    drawn = []
    for form in [form for form in ChartForm if form is not ChartForm.LIVE]:
        for _ in range(count):
            points = [chart_points(*_drawn_chart(rng, form), "zh-Hant") for _ in range(2)]
            drawn += [chart_html(points[0]), chart_panels_html(points, "H", "C")]
    figures = "".join(f'<figure><div class="plot">{one}</div></figure>' for one in drawn)
    page_styles = "body { margin: 0; } main { max-width: 46rem; } figure { margin: 1rem; }"
    head = f'<!doctype html><meta charset="utf-8"><style>{page_styles} {chart_styles()}</style>'
    return f"{head}<main>{figures}</main>", len(drawn)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_label_is_cut_or_covered(browser, width):
    html, count = _page_of_charts(random.Random(width), PROOFS.size(4, 40))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_content(html)
    measured = page.evaluate(MEASURE)
    page.close()
    assert measured["seen"] == count
    assert measured["wide"] <= 0
    assert measured["wrong"] == [], (len(measured["wrong"]), count)


def test_a_label_that_is_drawn_too_wide_is_noticed(browser):
    page = browser.new_page(viewport={"width": 800, "height": 900})
    svg = (
        '<svg class="chart-svg wide" viewBox="0 0 700 100" width="700">'
        '<text x="690" y="20">far too long for the edge</text>'
        '<text x="10" y="50">one</text><text x="12" y="52">over it</text></svg>'
    )
    page.set_content(f"<style>{chart_styles()}</style>{svg}")
    wrong = page.evaluate(MEASURE)["wrong"]
    page.close()
    assert [text.split(":")[0] for text in wrong] == ["cut", "covered"]

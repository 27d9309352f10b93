"""The chart of page one: what the choice adds to debt less reserves, with and without it."""

from __future__ import annotations

from commonwatt.catalogue.shared import FISCAL_YEAR
from commonwatt.core.messages import Message
from commonwatt.report.charts import Chart, ChartForm, ChartSeries
from commonwatt.study.measures import NET_EFFECT_P50


def study_debt_effect_chart(title: Message, caption: Message) -> Chart:
    """Return the net effect by year with the band of its draws, and the gross one beside it.

    Its table is `funding_effect`, of one variant.

    Args:
        title: What is to be seen in it.
        caption: What is drawn, under which definition.
    """
    return Chart(
        name="effect",
        title=title,
        caption=caption,
        form=ChartForm.FAN,
        table="effect",
        x="fiscal_year",
        x_label=FISCAL_YEAR.label,
        series=[
            ChartSeries(
                "net_debt_effect_p50_gdp_share",
                Message("Net effect"),
                low="net_debt_effect_p5_gdp_share",
                high="net_debt_effect_p95_gdp_share",
            ),
            ChartSeries("gross_debt_effect_p50_gdp_share", Message("Gross debt")),
        ],
        measure=NET_EFFECT_P50,
        y_label=Message("% of GDP"),
        # The page is read at a glance, and must be one on paper.
        plot_height=130.0,
    )

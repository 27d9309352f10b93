"""How a table stands on paper is reckoned from its words, not from how many columns it has."""

import pytest

from commonwatt.report import ReportTable
from commonwatt.report.paper import TablePlacement, table_placement


def _table(columns, word, rows=1):
    return ReportTable(title="T", headings=["h"] * columns, rows=[[word] * columns] * rows)


@pytest.mark.parametrize(
    ("columns", "word", "placement"),
    [
        (12, "2.00", TablePlacement.UPRIGHT),
        (10, "electricity", TablePlacement.SMALL),
        (10, "electricity-bills", TablePlacement.SMALL),  # a hyphen ends a line
        (10, "electricity bills", TablePlacement.SMALL),
        (10, "electricity\u00a0bill", TablePlacement.TURNED),  # this space does not
        (10, "electricity/bill", TablePlacement.TURNED),
        (30, "electricity", TablePlacement.DIVIDED),
        (10, "電力電力電力電力", TablePlacement.UPRIGHT),
        (2, "cost of the hall and of everything in it " * 30, TablePlacement.UPRIGHT),
        (9, "cost of the hall and of everything in it " * 4, TablePlacement.TURNED),
        (0, "", TablePlacement.UPRIGHT),
    ],
)
def test_a_table_stands_upright_wherever_its_longest_words_fit(columns, word, placement):
    assert table_placement(_table(columns, word)) is placement


def test_a_heading_of_units_goes_on_after_a_stroke_and_needs_no_turned_page():
    headings = ["[USD/PFLOPS/h]"] * 9
    table = ReportTable(title="T", headings=headings, rows=[["1"] * 9])
    assert table_placement(table) is TablePlacement.SMALL

"""Each rule of the airlock at its edge: the last output that leaves, the first that is stopped."""

import json
import struct
import zlib
from itertools import pairwise
from math import inf

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.domain.errors import AirlockError
from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock import tables
from commonwatt.sandbox.engines.airlock.checks import (
    OutputRules,
    StopReason,
    _longest_output_json_list_length,
    _output_identifier_stop_reasons,
    output_stop_reasons,
)
from commonwatt.sandbox.engines.airlock.cohort import Cohort, wrong_cohort_count_stop_reasons
from commonwatt.sandbox.engines.airlock.differencing import (
    DifferencingCheck,
    DifferencingPair,
    do_two_counts_reveal_few_people,
)
from commonwatt.sandbox.engines.airlock.equations import (
    CellCombination,
    identifying_cell_combinations,
)
from commonwatt.sandbox.engines.airlock.images import png_output_disclosure_fault_messages
from commonwatt.sandbox.engines.airlock.membership import (
    AUC_LIMIT,
    FALSE_ALARMS,
    MOST_FOUND_SHARE,
    SMALLEST_LEAF,
    MembershipResult,
    attack_membership,
    membership_attack_stop_reasons,
)
from commonwatt.sandbox.engines.airlock.review import (
    OutputProvenance,
    assess_output,
    output_differencing_stop_reasons,
)
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.io.imports.dataset import Dataset
from tests.proofs import most_examples_reach


@pytest.fixture
def stops(tmp_path):
    """Return what says which rules stop some bytes, and in which words."""

    def reasons(data, kind=OutputKind.CSV, rules=None):
        path = tmp_path / "output"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        output = CollectedOutput(
            name="o", kind=kind, sha256="", size_bytes=path.stat().st_size, path=path
        )
        return [(stop.rule, str(stop.why)) for stop in output_stop_reasons(output, rules)]

    return reasons


def _csv(header, *rows):
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n"


def _rules(reasons):
    return [rule for rule, _ in reasons]


def test_the_defaults_are_the_strict_ones_in_common_use():
    """NHS England: 7 or fewer withheld, the rest to 5; Griffiths et al. (2019) for the others."""
    rules = OutputRules()
    assert (rules.smallest_count, rules.round_to) == (8, 5)
    assert (rules.dominance_share, rules.dominance_people) == (0.9, 2)
    assert (rules.residual_degrees, rules.largest_rows, rules.largest_bytes) == (10, 500, 1048576)
    assert (rules.longest_text, rules.longest_list) == (20_000, 25)


def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_not(stops):
    table = _csv(["sex", "n"], ["F", 500])
    exact = OutputRules(largest_bytes=len(table))
    assert stops(table, rules=exact) == []
    [(rule, why)] = stops(table + " ", rules=exact)
    assert rule == "size"
    assert f"{len(table)} bytes" in why
    # What is too large is not read at all, whatever else is wrong with it.
    assert _rules(stops("x" * 40, rules=OutputRules(largest_bytes=39))) == ["size"]


@pytest.mark.parametrize(
    ("count", "rules"),
    [(0, []), (10, []), (5, ["small counts"]), (-5, ["small counts"]), (8, ["rounding"]),
     (7, ["small counts", "rounding"]), (1, ["small counts", "rounding"]), (12, ["rounding"])],
)  # fmt: skip
def test_a_count_of_people_is_zero_or_eight_and_more_and_rounded(stops, count, rules):
    assert _rules(stops(_csv(["sex", "n"], ["F", 500], ["M", count]))) == rules
    leaf = json.dumps({"cells": [{"sex": "F", "n": 500}, {"sex": "M", "n": count}]})
    assert _rules(stops(leaf, OutputKind.JSON)) == rules


def test_a_stop_names_the_column_as_a_person_counts_and_how_many_cells(stops):
    table = _csv(["sex", "mean_bp", "n"], ["F", 120.5, 5], ["M", 121.5, 5], ["X", 118.5, 20])
    [(rule, why)] = stops(table)
    assert rule == "small counts"
    assert why == "2 cells of column 3 count fewer than 8 people."
    [(_, why)] = stops(_csv(["sex", "n"], ["F", 501]))
    assert why == "Counts in column 2 are not rounded to 5."
    [(rule, why)] = stops(_csv(["mean_bp", "hkid"], [120.5, "a"]))
    assert (rule, why) == ("identifier", "Column 2 is named like an identifier.")


@pytest.mark.parametrize("text", ["a,b\n", "", "a,b\n1\n", "a\n1,2\n"])
def test_a_table_without_rows_or_with_ragged_ones_is_none(stops, text):
    assert _rules(stops(text)) == ["shape"]


def test_twenty_five_rows_without_a_count_may_leave_and_twenty_six_may_not(stops):
    rows = [[i + 0.5, i + 0.25] for i in range(26)]
    assert stops(_csv(["mean_bp", "sd"], *rows[:25])) == []
    [(rule, why)] = stops(_csv(["mean_bp", "sd"], *rows))
    assert rule == "records"
    assert "no column that counts people" in why
    # A long table of coefficients describes a model, and a long table of counts groups.
    assert stops(_csv(["Coef", "sd"], *rows)) == []
    assert stops(_csv(["mean_bp", "n"], *([a, 500] for a, _ in rows))) == []


def test_five_hundred_rows_may_leave_and_one_more_may_not(stops):
    rows = [["x", 500]] * 501
    assert stops(_csv(["sex", "n"], *rows[:500])) == []
    [(rule, why)] = stops(_csv(["sex", "n"], *rows))
    assert (rule, why) == ("records", "The table has more than 500 rows.")


@pytest.mark.parametrize("name", ["df_resid", "Residual_DF", "dof", "df"])
def test_ten_residual_degrees_may_leave_and_nine_may_not(stops, name):
    assert stops(_csv(["coef", name], [0.5, 10])) == []
    [(rule, why)] = stops(_csv(["coef", name], [0.5, 10], [0.25, 9]))
    assert (rule, why) == ("degrees of freedom", "A model has fewer than 10 residual degrees.")


@pytest.mark.parametrize("name", ["sum", "total_costs", "amount", "Cost", "costs", "drug_cost"])
def test_a_total_needs_the_share_of_its_largest_two(stops, name):
    [(rule, why)] = stops(_csv(["ward", name], ["a", 1000.5]))
    assert (rule, why) == ("dominance", "A total stands without the column top2_share.")
    header = ["ward", name, "top2_share"]
    assert stops(_csv(header, ["a", 1000.5, 0.90])) == []
    [(rule, why)] = stops(_csv(header, ["a", 1000.5, 0.5], ["b", 1000.5, 0.91]))
    assert (rule, why) == ("dominance", "The largest 2 people hold more than 90% of a total.")


@pytest.mark.parametrize("name", ["age_max", "min", "OLDEST", "bp_range"])
def test_an_extreme_stays_by_its_column_and_by_its_row(stops, name):
    assert _rules(stops(_csv(["ward", name], ["a", 80.5]))) == ["extremes"]
    assert _rules(stops(_csv(["statistic", "value"], [name, 80.5]))) == ["extremes"]
    assert stops(_csv(["statistic", "value"], ["mean", 80.5])) == []


def test_a_list_of_twenty_five_values_may_leave_and_a_longer_one_may_not(stops):
    values = [i + 0.5 for i in range(26)]
    assert stops(json.dumps({"curve": values[:25]}), OutputKind.JSON) == []
    nested = json.dumps({"curves": {"a": [1.5, [*values]]}})
    [(rule, why)] = stops(nested, OutputKind.JSON)
    assert rule == "records"
    assert why == "A list of more than 25 values without counts: single records, or a model?"
    # Counts are weighed one by one.
    cells = [{"sex": "F", "n": 500}] * 26
    assert stops(json.dumps(cells), OutputKind.JSON) == []


def test_five_hundred_values_may_leave_and_one_more_may_not(stops):
    short = {f"k{i}": i + 0.5 for i in range(501)}
    [(rule, why)] = stops(json.dumps(short), OutputKind.JSON)
    assert (rule, why) == ("records", "More than 500 values.")
    short.popitem()
    assert stops(json.dumps(short), OutputKind.JSON) == []


@pytest.mark.parametrize(
    ("path", "value", "rules"),
    [
        ("df_resid", 9, ["degrees of freedom"]), ("df_resid", 10, []), ("age_max", 80.5,
         ["extremes"]), ("mean", 80.5, []), ("patient_id", 3, ["identifier", "small counts",
         "rounding"]), ("hkid", "x", ["identifier"]), ("flag", True, []), ("n", True, []),
        ("support_vectors", 0.5, ["model"]), ("x_train", 0.5, ["model"]),
    ],
)  # fmt: skip
def test_a_value_in_json_is_judged_by_the_last_word_of_its_path(stops, path, value, rules):
    assert sorted(_rules(stops(json.dumps({"fit": {path: value}}), OutputKind.JSON))) == sorted(
        rules
    )


def test_prose_may_be_as_long_as_the_rule_says(stops):
    words = ("the wards agree " * 4)[:59] + "\n"
    assert len(words) == 60
    rules = OutputRules(longest_text=600)
    assert stops(words * 10, OutputKind.TEXT, rules) == []
    [(rule, why)] = stops(words * 10 + "a", OutputKind.TEXT, rules)
    assert (rule, why) == ("size", "More than 600 characters of text.")


@pytest.mark.parametrize("line", ["1 2.5 3", "a,b,c,d,e"])
def test_ten_dense_lines_are_a_table_and_eleven_are_records(stops, line):
    prose = "the wards agree with one another\n"
    assert stops(f"{line}\n" * 10, OutputKind.TEXT) == []
    assert _rules(stops(f"{line}\n" * 11, OutputKind.TEXT)) == ["records"]
    # A third of a report may be a table; blank lines are no prose.
    assert stops(f"{line}\n" * 11 + prose * 22, OutputKind.TEXT) == []
    assert _rules(stops(f"{line}\n" * 11 + prose * 21 + "\n" * 9, OutputKind.TEXT)) == ["records"]
    assert stops("1 2.5 x\n" * 11 + "a,b,c,d\n" * 11, OutputKind.TEXT) == []


def test_a_word_that_no_language_writes_is_taken_for_code(stops):
    assert "encoded" not in _rules(stops("ab" * 39 + "a", OutputKind.TEXT))
    assert "encoded" in _rules(stops("ab" * 40, OutputKind.TEXT))
    assert "encoded" in _rules(stops("ab " * 24, OutputKind.TEXT))
    assert "encoded" not in _rules(stops("ab " * 23, OutputKind.TEXT))


def test_names_in_cells_stay_and_lone_words_leave(stops):
    assert _rules(stops(_csv(["ward", "n"], ["CHAN Tai Man", 500]))) == ["identifier"]
    assert stops(_csv(["ward", "n"], ["Grace", 500])) == []
    assert _rules(stops(_csv(["ward", "n"], ["A123456(3)", 500]))) == ["identifier"]
    assert _rules(stops(json.dumps({"CHAN Tai Man": 0.5}), OutputKind.JSON)) == ["identifier"]


def test_a_number_is_read_as_people_write_it():
    assert tables.parse_output_number(" 1,234.5 ") == 1234.5
    assert [tables.parse_output_number(text) for text in ("nan", "inf", "<8", "")] == [None] * 4


def test_a_column_counts_unless_its_name_says_otherwise():
    table = tables.OutputTable(
        ("n", "year", "pupils", "n_year", "share", "mean"),
        (("5", "2020", "10", "5", "0.5", ""), ("", "2021", "15", "10", "0.25", "")),
    )
    assert table.output_count_column_indices == [0, 2, 3]
    assert table.output_category_column_indices == [5]
    assert table.output_column_numbers_or_none(0) == [5.0]
    assert table.output_column_cells(1) == ["2020", "2021"]
    mixed = tables.OutputTable(("n", "pupils"), (("5", "5"), ("x", "x")))
    assert (mixed.output_column_numbers_or_none(0), mixed.numbers_among_output_column_cells(0)) == (
        None,
        [5.0],
    )
    assert mixed.output_count_column_indices == [0]
    means = tables.OutputTable(("n_visits",), (("5.5",), ("2.5",)))
    assert (means.output_column_numbers_or_none(0), means.output_count_column_indices) == (
        [5.5, 2.5],
        [],
    )


@pytest.mark.parametrize("withheld", ["<8", "≤ 7", "*", "--", "NA", "n/a", "nan", "suppressed", ""])
@pytest.mark.parametrize("name", ["n", "pupils"])
def test_a_withheld_cell_hides_no_other_one(stops, name, withheld):
    """One cell that is no number once made a column of counts into one of words."""
    assert stops(_csv(["sex", name], ["F", 500], ["M", withheld])) == []
    assert _rules(stops(_csv(["sex", name], ["F", 5], ["M", withheld]))) == ["small counts"]
    assert _rules(stops(_csv(["sex", name], ["F", 501], ["M", withheld]))) == ["rounding"]
    labelled = _csv(["sex", name], ["F", 500], ["M", withheld]).encode()
    assert [c.value for c in tables.labelled_counts(labelled, OutputKind.CSV)[name]] == [500.0]


@pytest.mark.parametrize("odd", ["x", "0.5"])
def test_a_count_by_its_name_is_one_beside_any_odd_cell(stops, odd):
    assert "small counts" in _rules(stops(_csv(["sex", "n"], ["F", 5], ["M", odd])))


def test_counts_of_a_table_stand_with_the_labels_beside_them():
    data = _csv(["sex", "n"], ["F", 500], ["M", ""]).encode()
    counts = tables.labelled_counts(data, OutputKind.CSV)
    assert [count.value for count in counts["n"]] == [500.0]
    assert counts["n"][0].output_count_cell_label_or_none(("sex",)) == ("F",)
    assert counts["n"][0].output_count_cell_label_or_none(("age",)) is None
    assert tables.labelled_counts(b"a\n", OutputKind.CSV) == {}


def test_counts_in_json_stand_with_the_keys_that_lead_to_them():
    data = json.dumps(
        {
            "F": {"n": 500, "old": {"n": 20}},
            "M": [{"n": 300, "age": 5.5}],
            "counts": [10, {"n": 40}],
        }
    ).encode()
    counts = tables.labelled_counts(data, OutputKind.JSON)
    assert [(c.value, c.path, c.row_labels) for c in counts["n"]] == [
        (500.0, ("F",), {"n": "500"}),
        (20.0, ("F", "old"), {"n": "20"}),
        (300.0, ("M",), {"n": "300", "age": "5.5"}),
        (40.0, ("counts",), {"n": "40"}),
    ]
    assert [(c.value, c.path) for c in counts["counts"]] == [(10.0, ("counts", ""))]
    assert counts["n"][1].output_count_cell_label_or_none(("sex", "age")) == ("F", "old")
    assert counts["n"][1].output_count_cell_label_or_none(("sex",)) is None


def test_leaves_of_json_have_their_paths():
    value = {"a": [1, {"n": 2}], "b": {"c": None}}
    assert tables.output_json_leaf_path_value_pairs(value) == [
        ("a.0", 1),
        ("a.1.n", 2),
        ("b.c", None),
    ]


@pytest.mark.parametrize(
    ("shown", "wrong"), [(10, 0), (12.5, 0), (12.6, 1), (7.5, 0), (7.4, 1), (0, 0), (-10, 1)]
)
def test_a_shown_count_is_the_rounded_one_of_its_people_or_withheld(shown, wrong):
    people = {("F",): [str(i) for i in range(10)]}
    stops = wrong_cohort_count_stop_reasons({("F",): shown}, people, round_to=5)
    assert len(stops) == wrong
    if wrong:
        assert str(stops[0].why) == "1 counts are not those of the declared people."
    both = wrong_cohort_count_stop_reasons({("F",): 50, ("M",): 50, ("X",): 0}, people, round_to=5)
    assert [(s.rule, str(s.why)) for s in both] == [
        ("declaration", "2 counts are not those of the declared people.")
    ]


PEOPLE = [f"p{i}" for i in range(30)]


@pytest.mark.parametrize(("differ", "caught"), [(0, False), (1, True), (7, True), (8, False)])
def test_cells_that_differ_by_one_to_seven_people_tell_of_them(differ, caught):
    """Seven at the most, whichever of the two was released first."""
    for first, second in (
        (PEOPLE, PEOPLE[differ:]), (PEOPLE[differ:], PEOPLE), (PEOPLE[:20], PEOPLE[differ:20])
    ):  # fmt: skip
        check = DifferencingCheck(PEOPLE)
        check.add_released_differencing_cells({"first": check.people_bits(first)})
        pairs = check.identifying_differencing_cell_pairs({"second": check.people_bits(second)})
        wanted = [DifferencingPair(new="second", old="first", people_count=differ)]
        assert pairs == (wanted if caught else [])
        assert do_two_counts_reveal_few_people(first, second) == caught
        reasons = output_differencing_stop_reasons({"second": second}, {"first": first})
        assert [reason.rule for reason in reasons] == ["differencing"] * caught
    if caught:
        assert "1 combinations of cells" in str(reasons[0].why)


def test_two_new_cells_are_compared_with_one_another_and_the_older_is_named():
    check = DifferencingCheck(PEOPLE)
    cells = {"a": check.people_bits(PEOPLE), "b": check.people_bits(PEOPLE[1:])}
    assert check.identifying_differencing_cell_pairs(cells) == [
        DifferencingPair(new="b", old="a", people_count=1)
    ]
    # Judged only: nothing was released by the question.
    assert check.identifying_differencing_cell_pairs({"b": cells["b"]}) == []
    check.add_released_differencing_cells({"a": cells["a"]})
    assert check.identifying_differencing_cell_pairs({"b": cells["b"]})[0].old == "a"
    assert output_differencing_stop_reasons({}, {"a": PEOPLE}) == []


def test_a_check_may_ask_for_fewer_or_more_than_eight():
    for smallest in (3, 12):
        check = DifferencingCheck(PEOPLE, smallest=smallest)
        check.add_released_differencing_cells({"all": check.people_bits(PEOPLE)})
        for missing in (smallest - 1, smallest):
            new = {"new": check.people_bits(PEOPLE[missing:])}
            assert bool(check.identifying_differencing_cell_pairs(new)) == (missing < smallest)
            few = do_two_counts_reveal_few_people(PEOPLE, PEOPLE[missing:], smallest=smallest)
            assert few == (missing < smallest)


def test_what_the_released_cells_tell_among_themselves_stops_nothing_new():
    check = DifferencingCheck(PEOPLE)
    check.add_released_differencing_cells(
        {"all": check.people_bits(PEOPLE), "most": check.people_bits(PEOPLE[1:])}
    )
    assert check.identifying_differencing_cell_pairs({"again": check.people_bits(PEOPLE)}) != []
    other = DifferencingCheck(PEOPLE)
    other.add_released_differencing_cells(
        {"a": other.people_bits(PEOPLE[:10]), "b": other.people_bits(PEOPLE[10:20])}
    )
    assert (
        other.identifying_differencing_cell_pairs({"a again": other.people_bits(PEOPLE[:10])}) == []
    )
    [pair] = other.identifying_differencing_cell_pairs(
        {"a and b but one": other.people_bits(PEOPLE[:19])}
    )
    assert pair == DifferencingPair(new="a and b but one", old="a + b", people_count=1)


def _flags(*cells, people=24):
    return np.array([[i in cell for i in range(people)] for cell in cells])


def test_equations_name_the_cells_and_count_the_people():
    parts = [range(8), range(8, 16), range(16, 24)]
    total = _flags(range(24), *parts)
    assert identifying_cell_combinations(total, 8) == []
    for left_out in (1, 7):
        cells = _flags(range(24), *parts[:2], range(16, 24 - left_out))
        combinations = identifying_cell_combinations(cells, 8)
        assert CellCombination((0, 1, 2, 3), left_out) in combinations
    assert identifying_cell_combinations(np.zeros((0, 4), bool), 8) == []
    assert identifying_cell_combinations(_flags(range(9), range(9, 18)), 8) == []
    assert identifying_cell_combinations(_flags(range(7)), 8) == [CellCombination((0,), 7)]
    assert identifying_cell_combinations(_flags(range(8)), 8) == []


@st.composite
def _cells_near_each_other(draw):
    """Give cells of which two differ by one person or few, among others."""
    cells = draw(st.lists(st.sets(st.integers(0, 23), min_size=9), min_size=1, max_size=4))
    few = draw(st.sampled_from([1, 1, 1, 3]))
    away = draw(st.sets(st.integers(0, 23), min_size=few, max_size=few))
    return draw(st.permutations([*cells, cells[0] ^ away]))


def test_every_pair_that_tells_is_among_what_the_equations_find():
    @given(_cells_near_each_other())
    def law(cells):
        examples.drawn += 1
        combinations = identifying_cell_combinations(_flags(*cells), 8)
        least = min((c.people for c in combinations), default=inf)
        pairs = [len(a ^ b) for i, a in enumerate(cells) for b in cells[:i]]
        if 1 in pairs:
            assert least == 1
            examples.reached += 1
        for first, second in pairwise(combinations):
            # Equal where the same cells tell about one person and, with other factors, another.
            assert (first.people, first.cells) <= (second.people, second.cells)
        assert all(0 < c.people < 8 for c in combinations)

    with most_examples_reach(0.6) as examples:
        law()


def _result(auc=0.5, found_share=0.05, members=300, others=300):
    return MembershipResult(auc=auc, found_share=found_share, members=members, others=others)


def test_fifty_rows_on_each_side_are_enough_to_tell():
    assert membership_attack_stop_reasons(_result(members=50, others=50)) == []
    for few in ({"members": 49}, {"others": 49}):
        [stop] = membership_attack_stop_reasons(_result(**few))
        assert str(stop.why) == "Too few rows to test what the model remembers."


def test_an_attack_may_exceed_its_limit_by_two_standard_errors_of_chance():
    """The area of two equal samples of n has the variance 1/(6n) at most (Hanley and McNeil)."""
    spread = 2 * (1 / (12 * 300) + 1 / (12 * 100)) ** 0.5
    sides = {"members": 300, "others": 100}
    assert membership_attack_stop_reasons(_result(auc=0.6 + spread - 1e-9, **sides)) == []
    [stop] = membership_attack_stop_reasons(_result(auc=0.6 + spread + 1e-9, **sides))
    assert str(stop.why) == (
        "The model tells its training rows from others (area 0.67, limit 0.60)."
    )
    assert (
        membership_attack_stop_reasons(_result(found_share=0.2 + 2 * spread - 1e-9, **sides)) == []
    )
    [stop] = membership_attack_stop_reasons(_result(found_share=0.2 + 2 * spread + 1e-9, **sides))
    assert "found with one false alarm in twenty" in str(stop.why)
    both = membership_attack_stop_reasons(_result(auc=0.99, found_share=0.9))
    assert both == [StopReason("membership", stop.why) for stop in both]
    assert len(both) == 2


def test_an_attack_counts_both_sides_and_those_found_at_few_false_alarms():
    probability = [0.9, 0.8, 0.7, 0.4] + [0.3] * 19 + [0.85]
    result = attack_membership(probability, [1] * 24, [1] * 4 + [0] * 20)
    assert (result.members, result.others) == (4, 20)
    # 4, 0.9 beats all twenty; each other member loses to the one at 0.85 alone.
    assert result.auc == pytest.approx((20 + 19 * 3) / 80)
    # At one false alarm in twenty the threshold is the score of that one.
    assert result.found_share == 0.25
    assert attack_membership([0.5], [1], [1]).auc == 0.5
    assert attack_membership([0.5], [1], [1]).found_share == 0.0
    certain = attack_membership([1.0, 0.0], [1, 1], [1, 0])
    assert certain.auc == 1.0


def test_an_attack_that_meets_its_limit_exactly_may_leave():
    spread = 2 * float(np.sqrt(1 / (12 * 300) + 1 / (12 * 300)))
    assert (
        membership_attack_stop_reasons(_result(auc=0.6 + spread, found_share=0.2 + 2 * spread))
        == []
    )


@pytest.fixture
def assessed(tmp_path):
    """Return what says which rules stop a table, knowing the sixty people behind it."""
    frame = pl.DataFrame(
        {
            "patient_id": [f"p{i:02}" for i in range(60)] + ["p00"],
            "sex": ["F"] * 30 + ["M"] * 30 + ["F"],
            "age": [*range(20, 80), 20],
        }
    )
    frame.write_parquet(tmp_path / "patients.parquet")
    dataset = Dataset(
        name="d",
        form="table",
        folder=tmp_path,
        files={"patients.parquet": ""},
        rows={"patients": 61},
        quarantined={},
    )

    def assess(table, *, released=None, name="t", **provenance):
        path = tmp_path / "output"
        path.write_text(table)
        output = CollectedOutput(
            name=name, kind=OutputKind.CSV, sha256="", size_bytes=len(table), path=path
        )
        return assess_output(
            output, OutputProvenance(dataset=dataset, **provenance), released or {}
        )

    return assess


BY_SEX = Cohort(table="patients", by=("sex",))
TABLE = _csv(["sex", "n"], ["F", 30], ["M", 30])


def _assessed_rules(assessment):
    return [stop.rule for stop in assessment.stops]


def test_a_declared_count_is_counted_again_by_people_and_not_by_rows(assessed):
    assessment = assessed(TABLE, cohorts={"t": BY_SEX})
    assert _assessed_rules(assessment) == []
    assert assessment.cells == {
        "t|F": [f"p{i:02}" for i in range(30)], "t|M": [f"p{i:02}" for i in range(30, 60)],
    }  # fmt: skip
    wrong = assessed(_csv(["sex", "n"], ["F", 35], ["M", 30]), cohorts={"t": BY_SEX})
    assert _assessed_rules(wrong) == ["declaration"]


def test_a_count_that_nobody_declared_is_stopped_and_gives_no_cell(assessed):
    assessment = assessed(TABLE)
    assert _assessed_rules(assessment) == ["declaration"]
    assert "no cohort says which" in str(assessment.stops[0].why)
    assert assessment.cells == {}


def test_a_table_that_lacks_the_column_of_its_split_is_stopped(assessed):
    split = Cohort(table="patients", by=("sex", "age"))
    assessment = assessed(TABLE, cohorts={"t": split})
    assert _assessed_rules(assessment) == ["declaration"]
    assert "lacks a column" in str(assessment.stops[0].why)


def test_a_withheld_or_empty_cell_is_no_equation(assessed):
    shown = _csv(["sex", "n"], ["F", 30], ["M", 0])
    assert list(assessed(shown, cohorts={"t": BY_SEX}).cells) == ["t|F"]


def test_two_columns_of_counts_are_declared_each_under_its_name(assessed):
    table = _csv(["sex", "n", "deaths"], ["F", 30, 10], ["M", 30, 0])
    young = Cohort(table="patients", where=(("age", "<", 30),), by=("sex",))
    both = {"t:n": BY_SEX, "t:deaths": young}
    assessment = assessed(table, cohorts=both)
    assert _assessed_rules(assessment) == []
    assert sorted(assessment.cells) == ["t:deaths|F", "t:n|F", "t:n|M"]
    assert _assessed_rules(assessed(table, cohorts={"t:n": BY_SEX})) == ["declaration"]


def test_people_whom_the_job_did_not_see_are_not_counted(assessed):
    opted = {f"p{i:02}" for i in range(5)}
    table = _csv(["sex", "n"], ["F", 25], ["M", 30])
    for unseen in ({"opted_out": frozenset(opted)}, {"held_out": frozenset(opted)}):
        assert _assessed_rules(assessed(table, cohorts={"t": BY_SEX}, **unseen)) == []
        assert "declaration" in _assessed_rules(
            assessed(TABLE, cohorts={"t": BY_SEX}, **unseen)
        ) or (assessed(TABLE, cohorts={"t": BY_SEX}, **unseen).cells["t|F"][0] == "p05")


def test_what_was_released_before_is_compared(assessed):
    women = [f"p{i:02}" for i in range(30)]
    near = assessed(TABLE, cohorts={"t": BY_SEX}, released={"old": women[1:]})
    assert _assessed_rules(near) == ["differencing"]
    assert _assessed_rules(assessed(TABLE, cohorts={"t": BY_SEX}, released={"old": women})) == []


@pytest.mark.parametrize(
    ("sign", "people"), [("=", 1), ("!=", 59), ("<", 20), ("<=", 21), (">", 39), (">=", 40)]
)
def test_a_condition_of_a_cohort_is_what_its_sign_says(assessed, sign, people):
    cohort = Cohort(table="patients", where=(("age", sign, 40),))
    cells = assessed(_csv(["n"], [100]), cohorts={"t": cohort}).cells
    assert [len(cell) for cell in cells.values()] == [people]


@pytest.mark.parametrize(
    "cohort",
    [
        Cohort(table="patients", by=("ward",)),
        Cohort(table="patients", where=(("ward", "=", "a"),)),
        Cohort(table="patients", where=(("age", "~", 1),)),
        Cohort(table="patients", person="who"),
    ],
)
def test_a_cohort_of_a_column_or_sign_that_does_not_exist_is_refused(assessed, cohort):
    table = _csv(["sex", "ward", "n"], ["F", "a", 30])
    with pytest.raises(AirlockError, match="a column or operator that does not exist"):
        assessed(table, cohorts={"t": cohort})


@pytest.mark.parametrize(
    "name", ["coefficient", "Coef", "estimate", "odds_ratio", "std_err", " SE"]
)
def test_a_long_table_of_coefficients_is_known_by_any_of_their_names(stops, name):
    rows = [[i + 0.5, i + 0.25] for i in range(26)]
    assert stops(_csv([name, "sd"], *rows)) == []


def test_the_limits_of_an_attack_are_those_that_the_page_states():
    """A leaf of seven or fewer people is a small count like any other."""
    limits = (AUC_LIMIT, FALSE_ALARMS, MOST_FOUND_SHARE, SMALLEST_LEAF)
    assert limits == (0.60, 0.05, 0.20, 8)


@pytest.mark.parametrize(
    ("cell", "named"),
    [("West", False), ("Lee", False), ("CHAN", False), ("Grace Lee", True), ("John Smith", True),
     ("Chan Tai Man", True), ("陳大文", True), ("Dr Lee", True), ("Mr Wong", True),
     ("Patient: Wong", True), ("seen by Chan", True)],
)  # fmt: skip
def test_one_latin_word_alone_is_a_word_and_beside_another_a_name(stops, cell, named):
    table = _csv(["group", "n"], [cell, 500], ["all", 1000])
    assert _rules(stops(table)) == (["identifier"] if named else [])


def test_an_empty_table_has_no_labelled_counts():
    assert tables.labelled_counts(b"", OutputKind.CSV) == {}
    [count] = tables.labelled_counts(b"sex,n\nF,500\n", OutputKind.CSV)["n"]
    assert (count.output_count_cell_label_or_none(("sex",)), count.value) == (("F",), 500)


@pytest.mark.parametrize("label", IdentifierLabel)
def test_kinds_that_honest_results_name_do_not_stop_them(label):
    weak = {
        "DATE", "HOSPITAL", "AGE_OVER_89", "URL", "OTHER_NUMBER", "ADDRESS", "PLACE",
        "ORGANISATION",
    }  # fmt: skip
    stops = _output_identifier_stop_reasons([IdentifierSpan(0, 1, label)])
    assert bool(stops) is (label not in weak)


@pytest.mark.parametrize("written", [int, str, float])
@pytest.mark.parametrize(
    ("name", "sound", "wrong", "rule"),
    [("n", 10, 5, "small counts"), ("n", 10, 12, "rounding"),
     ("df_resid", 10, 9, "degrees of freedom")],
)  # fmt: skip
def test_a_number_in_quotation_marks_is_held_to_the_same_rules(
    stops, name, sound, wrong, rule, written
):
    for path in ({name: "{}"}, {"a": {"b": [{name: "{}"}]}}):
        for value, expected in ((sound, []), (wrong, [rule])):
            text = json.dumps(path).replace('"{}"', json.dumps(written(value)))
            assert _rules(stops(text, OutputKind.JSON)) == expected
    assert _rules(stops(json.dumps({name: True}), OutputKind.JSON)) == []
    assert _rules(stops(json.dumps({name: "withheld"}), OutputKind.JSON)) == []


@pytest.mark.parametrize(
    ("value", "longest"),
    [({}, 0), ([], 0), (5, 0), ("abc", 0), ([1], 1), ({"a": [1, 2]}, 2), ([[1, 2, 3]], 3),
     ({"a": {"b": [[], [1, 2]]}, "c": [1]}, 2), ([{"a": [1, 2]}, 3], 2)],
)  # fmt: skip
def test_the_longest_list_is_looked_for_at_every_depth(value, longest):
    assert _longest_output_json_list_length(value) == longest


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_of(size, packed):
    """Return a grey PNG of that width and height around a stream of packed lines."""
    head = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    parts = _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _lines(noise=False, kind=0):
    return b"".join(
        bytes([kind])
        + (np.random.default_rng(y).bytes(64) if noise else bytes([255 * (y // 32)]) * 64)
        for y in range(64)
    )


def _picture(noise):
    """Return a PNG of 64 × 64 grey pixels: random ones, or two flat halves."""
    return _png_of((64, 64), zlib.compress(_lines(noise)))


def test_a_picture_is_asked_for_its_own_faults(stops):
    data = _picture(noise=True)
    faults = [("picture", str(fault)) for fault in png_output_disclosure_fault_messages(data)]
    assert stops(data, OutputKind.PNG) == faults
    plain = _picture(noise=False)
    assert stops(plain, OutputKind.PNG) == [
        ("picture", str(fault)) for fault in png_output_disclosure_fault_messages(plain)
    ]


NO_PICTURE = ["The picture is not a plain 8-bit one of at most four million pixels."]


def _faults_of_png(data):
    return [str(fault) for fault in png_output_disclosure_fault_messages(data)]


@pytest.mark.parametrize("kind", range(5))
def test_a_plain_picture_is_read_whatever_its_lines_are_filtered_by(kind):
    assert _faults_of_png(_png_of((64, 64), zlib.compress(_lines(kind=kind)))) != NO_PICTURE
    assert _faults_of_png(_png_of((64, 64), zlib.compress(_lines()))) == []


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x89PNG", _picture(noise=False)[:28], _picture(noise=False)[:60],
        _png_of((64, 64), b"no stream"), _png_of((64, 64), zlib.compress(_lines())[:-5]),
        _png_of((64, 64), zlib.compress(_lines()[:-1])),
        # Bytes behind the pixels, within their stream and behind it: nobody would see them.
        _png_of((64, 64), zlib.compress(_lines() + b"rows")),
        _png_of((64, 64), zlib.compress(_lines()) + b"rows"),
        _png_of((64, 64), zlib.compress(_lines(kind=5))),
        # No pixel at all would be unpacked without end.
        _png_of((0, 64), zlib.compress(b"\0" * 64)), _png_of((64, 0), zlib.compress(b"\0" * 64)),
        _png_of((0, 0), zlib.compress(bytes(10_000_000))),
    ],
)  # fmt: skip
def test_a_picture_that_breaks_off_or_holds_more_than_its_pixels_stays(data):
    assert _faults_of_png(data) == NO_PICTURE


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_change_of_a_picture_ends_in_anything_but_a_judgement(data):
    picture = bytearray(_picture(data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 6))):
        picture[data.draw(st.integers(0, len(picture) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(picture)))
    assert isinstance(_faults_of_png(bytes(picture[:cut])), list)
    assert isinstance(_faults_of_png(bytes(picture)), list)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"n": 0}, [(0.0, ("?",))]), ({"n": [0, 8]}, [(0.0, None), (8.0, None)]),
        ({"n": {"n": 500}}, [(500.0, ("?",))]), ({"rows": [{"n": 500}, 3]}, [(500.0, ("?",))]),
        ({"n": [{"n": 8}]}, [(8.0, ("?",))]), ({"rows": [3, 4]}, []),
    ],
)  # fmt: skip
def test_counts_are_found_beside_labels_in_lists_and_below(output, expected):
    counts = tables.labelled_counts(json.dumps(output).encode(), OutputKind.JSON)
    assert [count.value for count in counts.get("n", [])] == [value for value, _ in expected]


def test_an_old_combination_is_no_fault_of_a_new_cell():
    """Three released cells tell of one person among themselves; a fourth has no part in it."""
    check = DifferencingCheck(PEOPLE)
    check.add_released_differencing_cells({
        "a": check.people_bits(PEOPLE[:10]), "b": check.people_bits(PEOPLE[10:20]),
        "a and b but one": check.people_bits(PEOPLE[:19]),
    })  # fmt: skip
    assert (
        check.identifying_differencing_cell_pairs({"others": check.people_bits(PEOPLE[30:])}) == []
    )
    assert (
        check.identifying_differencing_cell_pairs({"one less": check.people_bits(PEOPLE[:18])})
        != []
    )

"""Synthetic data: the data's shape, nobody's records."""

import polars as pl
import pytest

from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.engines.synthetic.tables import (
    CategoryColumn,
    IdentifierColumn,
    RangeColumn,
    make_synthetic_table,
)

DATA = pl.DataFrame(
    {
        "patient_id": [f"p{i}" for i in range(2000)],
        "sex": ["F"] * 1500 + ["M"] * 480 + [None] * 20,
        "age": [float(20 + i % 60) for i in range(2000)],
        "secret": ["x"] * 2000,
    }
)
DOMAINS = {
    "patient_id": IdentifierColumn(),
    "sex": CategoryColumn(("F", "M", "X")),
    "age": RangeColumn(0, 120, 24),
}  # fmt: skip


def test_synthetic_data_have_the_schema_and_the_marginals_and_no_record():
    synthetic = make_synthetic_table(DATA, DOMAINS, rows=3000, epsilon=2.0, seed=1)
    assert synthetic.columns == ["patient_id", "sex", "age"]
    assert synthetic.schema["age"] == pl.Float64
    assert synthetic.height == 3000
    assert not set(synthetic["patient_id"]) & set(DATA["patient_id"])
    assert (synthetic["sex"] == "F").mean() == pytest.approx(0.75, abs=0.05)
    assert synthetic["age"].mean() == pytest.approx(DATA["age"].mean(), abs=3)
    assert synthetic["age"].is_between(0, 120).all()


def test_values_outside_the_schema_never_appear():
    rare = DATA.with_columns(sex=pl.lit("rare"))
    synthetic = make_synthetic_table(rare, DOMAINS, rows=100, epsilon=1.0, seed=1)
    assert set(synthetic["sex"]) <= {"F", "M", "X", None}


def test_synthetic_rows_relate_no_column_to_another():
    linked = DATA.with_columns(
        sex=pl.when(pl.col("age") < 50).then(pl.lit("F")).otherwise(pl.lit("M"))
    )
    synthetic = make_synthetic_table(linked, DOMAINS, rows=4000, epsilon=4.0, seed=2)
    young = synthetic.filter(pl.col("age") < 50)
    assert (young["sex"] == "F").mean() == pytest.approx((synthetic["sex"] == "F").mean(), abs=0.06)


@pytest.mark.parametrize(
    ("epsilon", "domains"), [(0.0, DOMAINS), (1.0, {"none": IdentifierColumn()})]
)
def test_synthetic_data_must_be_paid_for_and_be_of_the_data(epsilon, domains):
    with pytest.raises(PrivacyBudgetError):
        make_synthetic_table(DATA, domains, rows=1, epsilon=epsilon, seed=1)

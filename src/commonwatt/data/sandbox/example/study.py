"""Inside the room: who has hypertension, and how well do age and sex tell?

The program sees three tables in /data and may leave three files in /out.
"""

import json

import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

HYPERTENSION = "38341003"  # SNOMED CT: hypertensive disorder

patients = pl.read_parquet("/data/patient")
conditions = pl.read_parquet("/data/condition")
ill = conditions.filter(pl.col("code_code") == HYPERTENSION)["patient_id"].unique()
people = patients.with_columns(ill=pl.col("patient_id").is_in(ill.implode()))

by_sex = people.group_by("gender").len("n").sort("gender")
rounded = by_sex.with_columns(n=((pl.col("n") + 2) // 5) * 5).filter(pl.col("n") >= 10)
rounded.write_csv("/out/people.csv")

known = people.drop_nulls(["birth_band", "gender"])
x = known.select(
    age=(2020 - pl.col("birth_band")) / 100.0, male=(pl.col("gender") == "male").cast(pl.Float64)
)
y = known["ill"].to_numpy()
x_train, x_test, y_train, y_test = train_test_split(
    x.to_numpy(), y, test_size=0.4, random_state=1, stratify=y
)
model = LogisticRegression().fit(x_train, y_train)
auc = roc_auc_score(y_test, model.predict_proba(x_test)[:, 1])

with open("/out/model.csv", "w") as file:
    file.write("term,coef,df_resid\n")
    residual = len(y_train) - 3
    for term, weight in zip(["const", "age", "male"], [model.intercept_[0], *model.coef_[0]]):
        file.write(f"{term},{weight:.4f},{residual}\n")
with open("/out/metrics.json", "w") as file:
    json.dump({"auc": round(float(auc), 3)}, file)

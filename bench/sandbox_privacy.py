"""Budgets under load, time and error of noisy answers, audits, opt-outs, airlock rates.

Run: .venv/bin/python bench/sandbox_privacy.py [--spends 10000] [--postgresql]
Each part prints what it measured beside what is promised. Times of answers are
processor time of this process, next to drawing the same noise with NumPy alone.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).parents[1]))

from commonwatt.ledger import Key, Ledger, Person, actor_id_of
from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.domain.job import OutputKind
from commonwatt.sandbox.engines.airlock.checks import output_stop_reasons
from commonwatt.sandbox.engines.airlock.differencing import (
    DifferencingCheck,
    do_two_counts_reveal_few_people,
)
from commonwatt.sandbox.engines.airlock.membership import (
    linear_model_degrees_of_freedom_stop_reasons,
    membership_attack_stop_reasons,
    small_tree_leaf_stop_reasons,
    strongest_membership_attack_on_model,
)
from commonwatt.sandbox.engines.airlock.models import parse_output_model
from commonwatt.sandbox.engines.attacks.models import honest_airlock_models, hostile_airlock_models
from commonwatt.sandbox.engines.attacks.outputs import (
    honest_airlock_outputs,
    hostile_airlock_outputs,
)
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.engines.isolation.output_kinds import cleaned_output_bytes_or_none
from commonwatt.sandbox.engines.privacy import account, measures
from commonwatt.sandbox.io.imports.dataset import import_fhir
from commonwatt.sandbox.io.store import records
from commonwatt.sandbox.io.store.opt_outs import ConsentScope
from commonwatt.sandbox.io.store.people_tables import people_in_tables
from commonwatt.sandbox.usecases.projects.project import Project, ProjectFacts
from tests.databases import postgresql

WORKERS = 8
EPSILON = 1.0
VALUES = np.linspace(0.0, 1.0, 50)
FEATURES = np.linspace(-1.0, 1.0, 30).reshape(-1, 1)
TABLE = [5, 10, 15, 20]
ANSWERS = {
    "count": lambda extra: measures.noisy_count_query(50 + extra).answer(EPSILON).values[0],
    "sum": lambda extra: (
        measures.noisy_total_query(np.append(VALUES, [1.0] * extra), lowest=0.0, highest=1.0)
        .answer(EPSILON)
        .values[0]
    ),
    "mean": lambda extra: measures.noisy_mean_answer(
        np.append(VALUES, [1.0] * extra), EPSILON, lowest=0.0, highest=1.0
    ).values[0],
    "histogram": lambda extra: (
        measures.noisy_histogram_query([20, 30 + extra]).answer(EPSILON).values[1]
    ),
    "contingency table": lambda extra: (
        measures.noisy_histogram_query([*TABLE[:3], TABLE[3] + extra]).answer(EPSILON).values[3]
    ),
    "quantile": lambda extra: measures.noisy_quantile_answer(
        np.append(VALUES, [1.0] * extra), EPSILON, share=0.5, candidates=[0.4, 0.5, 0.6]
    ).values[0],
    "linear regression": lambda extra: measures.noisy_linear_regression(
        np.vstack([FEATURES, np.ones((extra, 1))]),
        np.append(FEATURES[:, 0], [-1.0] * extra),
        EPSILON,
    ).values[1],
    "logistic regression": lambda extra: measures.noisy_logistic_regression(
        np.vstack([FEATURES, np.ones((extra, 1))]),
        np.append(FEATURES[:, 0] > 0, [0.0] * extra),
        EPSILON,
    ).values[1],
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--spends", type=int, default=10_000)
    parser.add_argument("--tries", type=int, default=4000)
    parser.add_argument("--postgresql", action="store_true", help="spend there, too")
    given = parser.parse_args()
    answers(given.tries)
    errors(given.tries)
    guard()
    red_team()
    opt_outs()
    with tempfile.TemporaryDirectory() as folder:
        spends("SQLite", f"{folder}/state.db", given.spends)
    if given.postgresql:
        with postgresql() as url:
            spends("PostgreSQL", url, given.spends)


def answers(tries: int) -> None:
    print(f"\n{'answer':<20} {'p50 ms':>8} {'p99 ms':>8} {'NumPy ms':>9}  audited epsilon of 1")
    for name, ask in ANSWERS.items():
        times, pairs = [], ([], [])
        for number in range(2 * tries):
            began = time.process_time()
            value = ask(number % 2)
            times.append(1000 * (time.process_time() - began))
            pairs[number % 2].append(value)
        audited = _audit(*map(np.array, pairs))
        middle, late = np.quantile(times, [0.5, 0.99])
        print(f"{name:<20} {middle:>8.2f} {late:>8.2f} {_numpy_ms():>9.4f}  {audited:.2f}")


def _numpy_ms() -> float:
    chance = np.random.default_rng(0)
    began = time.process_time()
    for _ in range(2000):
        chance.laplace(0.0, 1.0)
    return 1000 * (time.process_time() - began) / 2000


def _audit(without: np.ndarray, with_one: np.ndarray) -> float:
    """Return the epsilon that a distinguishing attacker proves at 99.9 % confidence."""
    best, tries = 0.0, len(without)
    for threshold in np.quantile(np.concatenate([without, with_one]), np.linspace(0.02, 0.98, 25)):
        for a, b in ((without, with_one), (with_one, without)):
            for side in (np.greater, np.less):
                hits, false = int(side(a, threshold).sum()), int(side(b, threshold).sum())
                low = beta.ppf(0.0005, hits, tries - hits + 1) if hits else 0.0
                high = beta.ppf(0.9995, false + 1, tries - false) if false < tries else 1.0
                best = max(best, math.log(low / high)) if low > 0 else best
    return best


def errors(tries: int) -> None:
    print(f"\n{'mean absolute error':<20} {'epsilon':>8} {'measured':>9} {'theory':>9} {'off':>7}")
    for epsilon in (0.1, 1.0):
        q = math.exp(-epsilon)
        noise = 2 * q / (1 - q * q)
        count = [
            abs(measures.noisy_count_query(1000).answer(epsilon).values[0] - 1000)
            for _ in range(tries)
        ]
        _error("count", epsilon, count, noise)
        cells = [
            abs(value - true)
            for _ in range(tries // 4)
            for value, true in zip(
                measures.noisy_histogram_query(TABLE).answer(epsilon).values, TABLE, strict=True
            )
        ]
        _error("contingency table", epsilon, cells, noise)
        totals = measures.noisy_total_query(VALUES, lowest=0.0, highest=1.0)
        summed = [abs(totals.answer(epsilon).values[0] - VALUES.sum()) for _ in range(tries)]
        _error("sum", epsilon, summed, 1 / epsilon)
        many = np.linspace(0.0, 1.0, 5000)
        means = [
            abs(
                measures.noisy_mean_answer(many, epsilon, lowest=0.0, highest=1.0).values[0]
                - many.mean()
            )
            for _ in range(tries)
        ]
        _error("mean of 5,000", epsilon, means, 0.5 / (epsilon / 2) / 5000)


def _error(name: str, epsilon: float, error_sizes: list[float], theory: float) -> None:
    measured = float(np.mean(error_sizes))
    off = measured / theory - 1
    print(f"{name:<20} {epsilon:>8} {measured:>9.4f} {theory:>9.4f} {off:>7.1%}")


def guard() -> None:
    choose = random.Random(11)
    people = [f"p{i}" for i in range(5000)]
    caught = blocked = 0
    began = time.process_time()
    for number in range(1000):
        first = set(choose.sample(people, choose.randint(50, 4900)))
        second = set(first)
        if number % 2 == 0:
            for person in choose.sample(people, choose.randint(1, 7)):
                second ^= {person}
        else:
            second = set(choose.sample(people, choose.randint(50, 4900)))
        made = DifferencingCheck(people)
        made.add_released_differencing_cells({"first": made.people_bits(first)})
        stopped = bool(
            made.identifying_differencing_cell_pairs({"second": made.people_bits(second)})
        )
        assert stopped or not do_two_counts_reveal_few_people(first, second)
        caught += stopped and number % 2 == 0
        blocked += stopped and number % 2 == 1
    each = 1000 * (time.process_time() - began) / 1000
    print(f"\ndifferencing: {caught} of 500 single-patient pairs stopped, {blocked} of 500 honest")
    print(f"pairs blocked, {each:.1f} ms a pair of 5,000 people")


def red_team() -> None:
    with tempfile.TemporaryDirectory() as folder:
        hostile = [bool(_stops(offered, Path(folder))) for offered in hostile_airlock_outputs()]
        hostile += [
            bool(_model_stops(offered, Path(folder))) for offered in hostile_airlock_models()
        ]
        honest = [bool(_stops(offered, Path(folder))) for offered in honest_airlock_outputs(100)]
        models = [
            bool(_model_stops(offered, Path(folder))) for offered in honest_airlock_models(20)
        ]
    print(f"red team: {sum(hostile)} of {len(hostile)} hostile outputs stopped")
    print(f"          {sum(honest)} of {len(honest)} honest outputs stopped")
    print(f"          {sum(models)} of {len(models)} honest models stopped")


def _stops(offered, folder: Path) -> list:
    path = folder / "offered"
    data = cleaned_output_bytes_or_none(offered.data, offered.kind)
    path.write_bytes(data)
    return output_stop_reasons(
        CollectedOutput(name="x", kind=offered.kind, sha256="", size_bytes=len(data), path=path)
    )


def _model_stops(offered, folder: Path) -> list:
    path = folder / "model"
    path.write_bytes(offered.data)
    size = len(offered.data)
    output = CollectedOutput(name="m", kind=OutputKind.MODEL, sha256="", size_bytes=size, path=path)
    if stops := output_stop_reasons(output):
        return stops
    model = parse_output_model(offered.data)
    attack = strongest_membership_attack_on_model(model, offered.rows)
    return [
        *membership_attack_stop_reasons(attack),
        *small_tree_leaf_stop_reasons(model, offered.rows),
        *linear_model_degrees_of_freedom_stop_reasons(model, offered.rows),
    ]


def opt_outs() -> None:
    """Time how soon an opt-out reaches the next question, training set and model record."""
    people = 10_000
    with tempfile.TemporaryDirectory() as name:
        project, keys, now = _project(Path(name), people)
        custodian, researcher = keys
        tokens = sorted(people_in_tables([project.store / "safe" / "Patient.parquet"]))
        with project.ledger.transaction() as tx:
            records.add_trained_model_row(tx, project.name, "0" * 64, "safe", tokens, 0.5)
        choose, reach = random.Random(3), []
        out: set[int] = set()
        for step in range(40):
            person, back = choose.randrange(people), bool(out) and step % 4 == 3
            person = choose.choice(sorted(out)) if back else person
            began = time.perf_counter()
            project.opt_out(f"p{person}", ConsentScope.ALL, out=not back, by=custodian, at=now())
            out = out - {person} if back else out | {person}
            seen: list[int] = []
            project.query("safe", lambda d, gone, s=seen: _counted(d, gone, s), 0.01, purpose="n",
                     by=researcher, at=now())  # fmt: skip
            gone = project.opted_out_person_tokens()
            record = project.status()["models"][0]["opted_out_since"]
            reach.append(time.perf_counter() - began)
            assert seen == [people - len(out)]
            assert len(gone) == record == len(out)
    late = max(reach)
    print(f"\nopt-outs: 40 of a random history of {people:,} people reach the next question, the")
    print(
        f"training set and the model's record after {np.median(reach):.2f} s (slowest {late:.2f})"
    )


def _counted(dataset, gone: frozenset[str], seen: list[int]) -> measures.NoisyAnswer:
    seen.append(len(people_in_tables([dataset.table_path("Patient")]) - gone))
    return measures.noisy_count_query(seen[-1]).answer(0.01)


def _project(folder: Path, people: int):
    ledger = Ledger.open(folder / "state.db")
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def now() -> datetime:
        nonlocal at
        at += timedelta(seconds=1)
        return at

    registrar, *keys = (Key.from_seed(bytes([i]) * 32) for i in range(3))
    who = [Person(name="x", role=r, organisation="HA", device="d")
           for r in ("registrar", "data-custodian", "researcher")]  # fmt: skip
    ledger.enrol_first_registrar(registrar, who[0], at=now())
    with ledger.transaction() as tx:
        for key, person in zip(keys, who[1:], strict=True):
            ledger.enrol(tx, person, key.public_key, by=registrar, at=now())
    facts = ProjectFacts(name="bench", purpose="x", legal_basis="x", scope=ConsentScope.AI_TRAINING,
                  expires_on="2099-01-01")  # fmt: skip
    project = Project.open(ledger, folder / "room", facts, by=keys[0], at=now())
    source = folder / "Patient.ndjson"
    source.write_text("\n".join(_patient(i) for i in range(people)))
    project.import_dataset(lambda store: import_fhir([source], store, "raw"), by=keys[0], at=now())
    _, report = project.deidentify("raw", "safe", by=keys[0], at=now())
    project.sign_dataset_risk_report("safe", report.sha256, by=keys[0], at=now())
    for person in ("", actor_id_of(keys[1].public_key)):
        project.set_privacy_budget(100.0, person=person, by=keys[0], at=now())
    return project, keys, now


def _patient(number: int) -> str:
    born = datetime(1930, 1, 1, tzinfo=UTC) + timedelta(days=7 * number % 29_000)
    facts = {"resourceType": "Patient", "id": f"p{number}", "birthDate": born.date().isoformat()}
    return json.dumps(facts | {"gender": ("male", "female")[number % 2]})


def spends(name: str, where: str, count: int) -> None:
    """Let processes spend at once, kill one of them again and again, and add up."""
    ledger = Ledger.open(where)
    with ledger.transaction() as tx:
        account.metadata.create_all(tx)
        account.set_privacy_budget_epsilon_limit(tx, "heart", 0.9 * count / 1000)
        for worker in range(WORKERS):
            account.set_privacy_budget_epsilon_limit(tx, "heart", float(count), person=f"w{worker}")
    began = time.perf_counter()
    victims = _victims(where, 5)
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        done = pool.starmap(_spend, [(where, f"w{i}", count // WORKERS) for i in range(WORKERS)])
    answered = sum(_kill(victim) for victim in victims)
    wall = time.perf_counter() - began
    with ledger.reading() as tx:
        spent = round(1000 * account.privacy_budget_balance(tx, "heart").spent)
        rows = len(tx.execute(account.spends.select()).all())
        limit = round(1000 * account.privacy_budget_balance(tx, "heart").limit)
    ledger.engine.dispose()
    accepted = sum(done)
    print(f"\n{name}: {count:,} spends by {WORKERS} processes and {len(victims)} that were killed,")
    print(f"{wall:.1f} s: {accepted:,} accepted, {answered} answers of the killed, {rows:,} rows,")
    print(f"{spent:,} of {limit:,} thousandths spent")
    assert spent <= limit
    assert rows == spent
    assert accepted + answered <= spent <= accepted + answered + len(victims)


def _spend(where: str, person: str, times: int) -> int:
    ledger = Ledger.open(where)
    done = 0
    for _ in range(times):
        try:
            with ledger.transaction() as tx:
                account.spend_privacy_budget(tx, "heart", person, 0.001, purpose="q")
            done += 1
        except PrivacyBudgetError:
            pass
    return done


_VICTIM = """
import os, sys, time
from commonwatt.ledger import Ledger
from commonwatt.sandbox.engines.privacy import account
ledger = Ledger.open(sys.argv[1])
while True:
    with ledger.transaction() as tx:
        account.spend(tx, "heart", "w0", 0.001, purpose="q")
    os.write(1, b".")
    time.sleep(0.05)
"""


def _victims(where: str, count: int) -> list[subprocess.Popen]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", _VICTIM, where], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]  # fmt: skip


def _kill(victim: subprocess.Popen) -> int:
    """Kill a spender without warning; return how many spends it had told of."""
    if victim.poll() is None:
        os.kill(victim.pid, signal.SIGKILL)
    return len(victim.communicate()[0])


if __name__ == "__main__":
    main()

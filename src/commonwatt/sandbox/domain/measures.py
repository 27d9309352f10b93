"""What the figures of data projects are: risk, airlock, privacy budget, and who did what.

The report's section, the console's page of a project and the tables that a run keeps read
their labels, units and forms here.
"""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, NUMBER, SHARE, TEXT, Measure, TableColumn
from commonwatt.catalogue.tables import TableSchema
from commonwatt.core.messages import Message

# A project, its datasets and what waits in its airlock.

PROJECT: Final = Measure(
    "sandbox_project",
    Message("Data project"),
    "",
    Message("Its name, under which ledger and folder know it"),
    TEXT,
)
PROJECT_STATE: Final = Measure(
    "sandbox_project_state",
    Message("State of the project"),
    "",
    Message("Open for work, closed, or its data deleted"),
    TEXT,
)
PURPOSE: Final = Measure(
    "sandbox_purpose",
    Message("Purpose of the project"),
    "",
    Message("What the data may be used for, as its custodian wrote it"),
    TEXT,
)
LEGAL_BASIS: Final = Measure(
    "sandbox_legal_basis",
    Message("Legal basis"),
    "",
    Message("What allows the use"),
    TEXT,
)
SCOPE: Final = Measure(
    "sandbox_scope",
    Message("Scope of use"),
    "",
    Message("What the project does, as opt-outs name it"),
    TEXT,
)
EXPIRES_ON: Final = Measure(
    "sandbox_expires_on",
    Message("Last day of work"),
    "",
    Message("After it no job runs, and the data are due to be deleted"),
    TEXT,
)
DATASETS: Final = Measure(
    "sandbox_datasets",
    Message("Datasets of the project"),
    "",
    Message("Datasets that were imported or made, deleted ones included"),
    COUNT,
)
OUTPUTS: Final = Measure(
    "sandbox_outputs",
    Message("Outputs of the project"),
    "",
    Message("Outputs that jobs left, whatever became of them"),
    COUNT,
)
IN_AIRLOCK: Final = Measure(
    "sandbox_in_airlock",
    Message("In the airlock"),
    "",
    Message("Outputs that wait for votes or for their release"),
    COUNT,
)
WAITING: Final = Measure(
    "sandbox_waiting",
    Message("Waiting for votes"),
    "",
    Message("Outputs that passed the checks and that two checkers have still to approve"),
    COUNT,
)
APPROVED: Final = Measure(
    "sandbox_approved",
    Message("Approved, not yet released"),
    "",
    Message("Outputs that two checkers approved and that nobody has released yet"),
    COUNT,
)
STOPPED: Final = Measure(
    "sandbox_stopped",
    Message("Stopped by the checks"),
    "",
    Message("Outputs that a check stopped; they stay where they are for good"),
    COUNT,
)
ALERT_COUNT: Final = Measure(
    "sandbox_alert_count",
    Message("Alerts of unusual use"),
    "",
    Message("Thresholds of unusual use that one person reached"),
    COUNT,
)
DATASET: Final = Measure(
    "sandbox_dataset",
    Message("Name of the dataset"),
    "",
    Message("Its name in the project"),
    TEXT,
)
DATASET_STATE: Final = Measure(
    "sandbox_dataset_state",
    Message("State of the dataset"),
    "",
    Message("Imported, de-identified, signed for use, or deleted"),
    TEXT,
)
DATASET_SOURCE: Final = Measure(
    "sandbox_dataset_source",
    Message("Made from"),
    "",
    Message("The dataset that a de-identified one was made from"),
    TEXT,
)
RISK_DIGEST: Final = Measure(
    "sandbox_risk_digest",
    Message("Risk report"),
    "",
    Message("SHA-256 of the risk report that the custodian signs"),
    TEXT,
)
OUTPUT_NAME: Final = Measure(
    "sandbox_output_name",
    Message("Name of the output"),
    "",
    Message("The file name that the job declared"),
    TEXT,
)
OUTPUT_KIND: Final = Measure(
    "sandbox_output_kind",
    Message("Kind of output"),
    "",
    Message("Table, text, picture or model, as declared and checked"),
    TEXT,
)
OUTPUT_STATE: Final = Measure(
    "sandbox_output_state",
    Message("State of the output"),
    "",
    Message("Stopped, waiting, approved, rejected or released"),
    TEXT,
)
OUTPUT_JOB: Final = Measure(
    "sandbox_output_job",
    Message("Job that left it"),
    "",
    Message("Number of the job, as in the ledger"),
    TEXT,
)
OUTPUT_AUTHOR: Final = Measure(
    "sandbox_output_author",
    Message("Author of the output"),
    "",
    Message("Who submitted the job; may not vote on it"),
    TEXT,
)
OUTPUT_REASONS: Final = Measure(
    "sandbox_output_reasons",
    Message("Stopped by"),
    "",
    Message("Names of the checks that stopped it"),
    TEXT,
)
OUTPUT_DIGEST: Final = Measure(
    "sandbox_output_digest",
    Message("SHA-256 of the bytes"),
    "",
    Message("Names exactly the bytes that were collected and would leave"),
    TEXT,
)

# What the auditor sees.

ALERT_AT: Final = Measure(
    "sandbox_alert_at",
    Message("Reached at"),
    "",
    Message("When the threshold was reached"),
    TEXT,
)
ALERT_RULE: Final = Measure(
    "sandbox_alert_rule",
    Message("Rule of the alert"),
    "",
    Message("Which threshold it is"),
    TEXT,
)
ALERT_FOUND: Final = Measure(
    "sandbox_alert_found",
    Message("Counted"),
    "",
    Message("How much there was when the threshold was reached"),
    NUMBER,
)
ALERT_THRESHOLD: Final = Measure(
    "sandbox_alert_threshold",
    Message("Threshold of the rule"),
    "",
    Message("From how much on it is unusual"),
    NUMBER,
)
ALERT_WHY: Final = Measure(
    "sandbox_alert_why",
    Message("Why it is unusual"),
    "",
    Message("The rule in words"),
    TEXT,
)
STEP_AT: Final = Measure(
    "sandbox_step_at",
    Message("Time of the step"),
    "",
    Message("When the entry was made"),
    TEXT,
)
STEP_ROLE: Final = Measure(
    "sandbox_step_role",
    Message("Role of the actor"),
    "",
    Message("The role in which somebody acted"),
    TEXT,
)
STEP: Final = Measure(
    "sandbox_step",
    Message("Step taken"),
    "",
    Message("What was done, in the ledger's word"),
    TEXT,
)
STEP_SUBJECT: Final = Measure(
    "sandbox_step_subject",
    Message("Object of the step"),
    "",
    Message("The dataset, job, query or output that the step is about"),
    TEXT,
)
ACTOR: Final = Measure(
    "sandbox_actor",
    Message("Actor id"),
    "",
    Message("Digest of the key under which somebody is enrolled"),
    TEXT,
)

# What de-identification left: every share names its attacker, as a rate without one says nothing.

SMALLEST_GROUP: Final = Measure(
    "sandbox_k",
    Message("Smallest group of people alike"),
    "",
    Message("k-anonymity: people in the smallest class with equal quasi-identifiers"),
    COUNT,
)
FOUND_BEFORE: Final = Measure(
    "sandbox_found_before",
    Message("Found again before"),
    "share",
    Message("People whom a neighbour finds in the data as imported"),
    SHARE,
    "found_people / attacked_people",
)
FOUND_AFTER: Final = Measure(
    "sandbox_found_after",
    Message("Found again after"),
    "share",
    Message("People whom the same neighbour finds after de-identification"),
    SHARE,
    "found_people / attacked_people",
)
FOUND_BY_DIARY: Final = Measure(
    "sandbox_found_by_diary",
    Message("Found by a diary"),
    "share",
    Message("People found by who knows the dates of three visits"),
    SHARE,
    "found_people / attacked_people",
)
ATTACK_AUC: Final = Measure(
    "sandbox_attack_auc",
    Message("Attack on the model"),
    "",
    Message(
        "Area under the curve of the stronger attacker; 0.5 tells nobody of its training apart"
    ),
    NUMBER.with_digits(2),
)

# The walk of the example project, in the order in which it is taken.

IMPORTED_ROWS: Final = Measure(
    "sandbox_imported_rows",
    Message("Imported rows"),
    "",
    Message("Records that broke no rule, over all tables"),
    COUNT,
)
QUARANTINED_ROWS: Final = Measure(
    "sandbox_quarantined_rows",
    Message("Quarantined as broken"),
    "",
    Message("Records that broke a rule; kept out, and counted by rule"),
    COUNT,
)
SYNTHETIC_ROWS: Final = Measure(
    "sandbox_synthetic_rows",
    Message("Rows of synthetic data"),
    "",
    Message("Made-up rows in which nobody stands"),
    COUNT,
)
NOISY_PEOPLE: Final = Measure(
    "sandbox_noisy_people",
    Message("People, counted with noise"),
    "",
    Message("A differentially private count"),
    COUNT,
)
SPENT: Final = Measure(
    "sandbox_spent",
    Message("Privacy budget spent (ε)"),
    "",
    Message("Epsilon that queries and synthetic data cost; costs add and are never given back"),
    NUMBER,
)
COLLECTED_OUTPUTS: Final = Measure(
    "sandbox_collected_outputs",
    Message("Outputs collected"),
    "",
    Message("Declared files of their declared kind that jobs left"),
    COUNT,
)
RELEASED_OUTPUTS: Final = Measure(
    "sandbox_released_outputs",
    Message("Outputs released"),
    "",
    Message("Outputs that left after two approvals"),
    COUNT,
)
LEDGER_ENTRIES: Final = Measure(
    "sandbox_ledger_entries",
    Message("Entries in the ledger"),
    "",
    Message("Entries that the whole walk made"),
    COUNT,
)
CHAIN_STEP: Final = Measure(
    "sandbox_chain_step",
    Message("Step of the walk"),
    "",
    Message("A figure of the walk"),
    TEXT,
)
CHAIN_RESULT: Final = Measure(
    "sandbox_chain_result",
    Message("Outcome of the step"),
    "",
    Message("Its value"),
    TEXT,
)

# The table of attacks that a run keeps.

ATTACKER: Final = Measure(
    "sandbox_attacker",
    Message("Attacker"),
    "",
    Message("Who attacks, and which data"),
    TEXT,
)
KNOWS: Final = Measure(
    "sandbox_knows",
    Message("What the attacker knows"),
    "",
    Message("What is known of every person from elsewhere"),
    TEXT,
)
ATTACKED_PEOPLE: Final = Measure(
    "sandbox_attacked_people",
    Message("People attacked"),
    "",
    Message("Whom the attacker tries to find"),
    COUNT,
)
CLAIMED_SHARE: Final = Measure(
    "sandbox_claimed_share",
    Message("Claimed"),
    "share",
    Message("People for whom exactly one record fitted"),
    SHARE,
    "claimed_people / attacked_people",
)
SUCCESS_SHARE: Final = Measure(
    "sandbox_success_share",
    Message("Claimed rightly"),
    "share",
    Message("People for whom that one record was theirs"),
    SHARE,
    "found_people / attacked_people",
)


def _sandbox_table_schema(name: str, meaning: str, /, **columns: Measure) -> TableSchema:
    """Return a table whose columns keep the names that stored rows and addresses use."""
    return TableSchema(
        name,
        meaning,
        tuple(TableColumn.of(measure, column) for column, measure in columns.items()),
    )


ATTACKS: Final = _sandbox_table_schema(
    "sandbox_attacks",
    "How attackers fared who tried to find people again, before and after de-identification",
    attacker=ATTACKER,
    knows=KNOWS,
    people=ATTACKED_PEOPLE,
    claimed_share=CLAIMED_SHARE,
    success_share=SUCCESS_SHARE,
)
CHAIN: Final = _sandbox_table_schema(
    "sandbox_chain", "The walk of the example project", step=CHAIN_STEP, result=CHAIN_RESULT
)
# The first column's name is that of the database, which is older than the word for a project.
PROJECTS: Final = _sandbox_table_schema(
    "sandbox_projects",
    "Every data project and how much waits in its airlock",
    room=PROJECT,
    state=PROJECT_STATE,
    purpose=PURPOSE,
    legal_basis=LEGAL_BASIS,
    scope=SCOPE,
    expires_on=EXPIRES_ON,
    datasets=DATASETS,
    outputs=OUTPUTS,
    in_airlock=IN_AIRLOCK,
)
PROJECT_OUTPUTS: Final = _sandbox_table_schema(
    "sandbox_outputs",
    "What jobs left, and why a check stopped it",
    name=OUTPUT_NAME,
    kind=OUTPUT_KIND,
    state=OUTPUT_STATE,
    job=OUTPUT_JOB,
    author=OUTPUT_AUTHOR,
    reasons=OUTPUT_REASONS,
    output=OUTPUT_DIGEST,
)
PROJECT_DATASETS: Final = _sandbox_table_schema(
    "sandbox_datasets",
    "The datasets of a project and whether jobs may use them",
    dataset=DATASET,
    state=DATASET_STATE,
    source=DATASET_SOURCE,
    risk_sha256=RISK_DIGEST,
)
ALERTS: Final = _sandbox_table_schema(
    "sandbox_alerts",
    "Unusual use, one row each time that a person reached a threshold",
    at=ALERT_AT,
    rule=ALERT_RULE,
    found=ALERT_FOUND,
    threshold=ALERT_THRESHOLD,
    why=ALERT_WHY,
)
STEPS: Final = _sandbox_table_schema(
    "sandbox_steps",
    "Every step on record: who did what to what",
    at=STEP_AT,
    role=STEP_ROLE,
    step=STEP,
    of=STEP_SUBJECT,
    actor=ACTOR,
)

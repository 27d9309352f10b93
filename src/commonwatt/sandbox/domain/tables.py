"""What the steps of a data project answer: every field and row, by its name in `--json`.

The names are a contract with scripts, and some are older than the word for a project; what
people read is the label of the measure. Counts stand for lists, whose rows follow them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import commonwatt.sandbox.domain.measures as m
from commonwatt.catalogue.measures import COUNT, FLAG, NUMBER, SHARE, TEXT, Measure, TableColumn
from commonwatt.catalogue.tables import TableSchema
from commonwatt.core.messages import Message

# What a step names.
FOLDER: Final = Measure(
    "sandbox_folder",
    Message("Folder of the project"),
    "",
    Message("Where its datasets, outputs and key lie"),
    TEXT,
)
TABLE_OF_DATASET: Final = Measure(
    "sandbox_table",
    Message("Table of the dataset"),
    "",
    Message("A table by its name in the dataset"),
    TEXT,
)
FILE_WRITTEN: Final = Measure(
    "sandbox_file", Message("File written"), "", Message("Where the bytes lie now"), TEXT
)
SAVED_AS: Final = Measure(
    "sandbox_saved_as",
    Message("Saved as"),
    "",
    Message("File that the checker looks at; empty where none was asked for"),
    TEXT,
)
OUTPUT_BYTES: Final = Measure(
    "sandbox_output_bytes",
    Message("Length of the output"),
    "B",
    Message("Bytes that would leave, none of them shown"),
    NUMBER.with_digits(0),
)
RECALL_REASON: Final = Measure(
    "sandbox_recall_reason",
    Message("Why it was recalled"),
    "",
    Message("A word of a list, so that no record enters the ledger"),
    TEXT,
)
EPSILON: Final = Measure(
    "sandbox_epsilon",
    Message("Cost (ε)"),
    "",
    Message("Epsilon that this answer or these synthetic data cost"),
    NUMBER,
)
PREAPPROVED: Final = Measure(
    "sandbox_preapproved",
    Message("Pre-approved up to (ε)"),
    "",
    Message("Largest cost of a noisy answer that leaves without a vote; 0 for none"),
    NUMBER,
)
BUDGET: Final = Measure(
    "sandbox_budget",
    Message("Privacy budget (ε)"),
    "",
    Message("Most epsilon that all queries and synthetic data may cost together"),
    NUMBER,
)
BUDGET_LEFT: Final = Measure(
    "sandbox_budget_left",
    Message("Privacy budget left (ε)"),
    "",
    Message("What queries may still cost"),
    NUMBER,
)
NOISE_SCALE: Final = Measure(
    "sandbox_noise_scale",
    Message("Scale of the noise"),
    "",
    Message("Scale of the noise that was added to the count"),
    NUMBER,
)
SYNTHETIC_FILES: Final = Measure(
    "sandbox_synthetic_files",
    Message("Tables of synthetic data"),
    "",
    Message("Tables that were written, in which nobody stands"),
    COUNT,
)

# An import.
TABLE_ROWS: Final = Measure(
    "sandbox_table_rows",
    Message("Rows by table"),
    "",
    Message("Rows of each table that broke no rule"),
    COUNT,
)
DERIVED_ROWS: Final = Measure(
    "sandbox_derived_rows",
    Message("Rows in the other shape"),
    "",
    Message("Rows by table that were made of them: OMOP beside FHIR, or FHIR beside OMOP"),
    COUNT,
)
SEALED_TABLES: Final = Measure(
    "sandbox_sealed_tables",
    Message("Tables that nobody is handed"),
    "",
    Message("Tables whose rows no job gets either; only counts leave them"),
    COUNT,
)
IMPORT_RULE: Final = Measure(
    "sandbox_import_rule",
    Message("Rule that was broken"),
    "",
    Message("Name of the rule that quarantined records"),
    TEXT,
)

# What de-identification left.
RISK_PEOPLE: Final = Measure(
    "sandbox_risk_people",
    Message("People of the table"),
    "",
    Message("Rows of the table of people, one a person"),
    COUNT,
)
UNIQUE_SHARE: Final = Measure(
    "sandbox_unique_share",
    Message("Alone in their group"),
    "share",
    Message("People whose quasi-identifiers nobody shares"),
    SHARE,
)
MEAN_GUESS_SHARE: Final = Measure(
    "sandbox_mean_guess_share",
    Message("Guessed within the group"),
    "share",
    Message("Share that who guesses within each group gets right"),
    SHARE.with_digits(2),
)
POPULATION_RISK_SHARE: Final = Measure(
    "sandbox_population_risk_share",
    Message("Found without knowing the sample"),
    "share",
    Message(
        "Expected share found by who does not know who was sampled (Benedetti and Franconi 1998)"
    ),
    SHARE.with_digits(2),
)
FEWEST_SENSITIVE: Final = Measure(
    "sandbox_l",
    Message("Fewest sensitive values in a group"),
    "",
    Message("l-diversity: distinct values of the sensitive column in the poorest group"),
    COUNT,
)
FARTHEST_GROUP: Final = Measure(
    "sandbox_t",
    Message("Distance of the farthest group"),
    "",
    Message("t-closeness: largest total variation between a group and the whole"),
    NUMBER,
)
RISK_MEASURES: Final = Measure(
    "sandbox_risk_measures",
    Message("Risk by groups alike"),
    "",
    Message("What can be read off groups with equal quasi-identifiers"),
    TEXT,
)
ATTACKS_MADE: Final = Measure(
    "sandbox_attacks_made",
    Message("Attacks made"),
    "",
    Message("Attackers who tried to find people again"),
    COUNT,
)
GUESS_SHARE: Final = Measure(
    "sandbox_guess_share",
    Message("Guessed rightly"),
    "share",
    Message("Expected share of right guesses among the records that fit best"),
    SHARE,
)
SIGNED_DIGEST: Final = Measure(
    "sandbox_signed_digest",
    Message("Signed report"),
    "",
    Message("SHA-256 of the risk report that was signed"),
    TEXT,
)
GENOME_PEOPLE: Final = Measure(
    "sandbox_genome_people",
    Message("People counted"),
    "",
    Message("People whose alleles are counted, without those who opted out"),
    COUNT,
)
GENOME_GROUPS: Final = Measure(
    "sandbox_genome_groups",
    Message("People by group"),
    "",
    Message("How many people stand in each group"),
    COUNT,
)
LEAST_PEOPLE: Final = Measure(
    "sandbox_least_people",
    Message("Fewest people of a count"),
    "",
    Message("Fewest people of whom an allele is counted"),
    COUNT,
)
SMALLEST_CELL: Final = Measure(
    "sandbox_smallest_cell",
    Message("Smallest count told"),
    "",
    Message("Fewest carriers, and fewest others, that are told"),
    COUNT,
)
CELLS: Final = Measure(
    "sandbox_cells", Message("Counts to be told"), "", Message("Counts that were to be told"), COUNT
)
WITHHELD: Final = Measure(
    "sandbox_withheld",
    Message("Counts withheld"),
    "",
    Message("Counts that are small, or from which a small one could be worked out"),
    COUNT,
)

# A job.
JOB: Final = Measure(
    "sandbox_job",
    Message("Job of the project"),
    "",
    Message("Number of the job, by which the ledger knows it"),
    TEXT,
)
JOB_ENDING: Final = Measure(
    "sandbox_job_ending",
    Message("How the job ended"),
    "",
    Message("Done, failed, timed out or out of memory"),
    TEXT,
)
JOB_WALL: Final = Measure(
    "sandbox_job_wall",
    Message("Wall time of the job"),
    "s",
    Message("From the start of the job to its end"),
    NUMBER.with_digits(1),
)
JOB_MEMORY: Final = Measure(
    "sandbox_job_memory",
    Message("Most memory of the job"),
    "B",
    Message("Most memory of all its processes at once"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("MB"),
)
KEPT_IN: Final = Measure(
    "sandbox_kept_in",
    Message("Files kept in"),
    "",
    Message("Files that the collector did not take, by why"),
    COUNT,
)

# Models.
MODELS: Final = Measure(
    "sandbox_models", Message("Models of the project"), "", Message("Models that jobs left"), COUNT
)
TRAINED_ON: Final = Measure(
    "sandbox_trained_on",
    Message("People trained on"),
    "",
    Message("People on whose rows the model was trained"),
    COUNT,
)
OPTED_OUT_SINCE: Final = Measure(
    "sandbox_opted_out_since",
    Message("Opted out since"),
    "",
    Message("Of these, people who have opted out since; the model is then trained again"),
    COUNT,
)
TO_TRAIN_AGAIN: Final = Measure(
    "sandbox_to_train_again",
    Message("Models to train again"),
    "",
    Message("Models that were trained on somebody who is out now"),
    COUNT,
)

# Opting out, and erasing a person.
OPT_OUT_SCOPE: Final = Measure(
    "sandbox_opt_out_scope",
    Message("Scope of the opt-out"),
    "",
    Message("What the person said no to"),
    TEXT,
)
OPTED_OUT: Final = Measure(
    "sandbox_opted_out",
    Message("Opted out"),
    "",
    Message("Whether the person is out from now on"),
    FLAG,
)
REWRITTEN: Final = Measure(
    "sandbox_rewritten",
    Message("Datasets written anew"),
    "",
    Message("Datasets that were written anew without the person"),
    COUNT,
)
COPIES_DELETED: Final = Measure(
    "sandbox_copies_deleted",
    Message("Copies deleted"),
    "",
    Message("Copies that were made from data of the person"),
    COUNT,
)
MAKE_ANEW_FROM: Final = Measure(
    "sandbox_make_anew_from",
    Message("To be made anew from"),
    "",
    Message("The dataset to make the copy anew from; empty where that is gone"),
    TEXT,
)
OUTPUTS_WIPED: Final = Measure(
    "sandbox_outputs_wiped",
    Message("Outputs wiped"),
    "",
    Message("Outputs that had not left and may hold the person"),
    COUNT,
)
MIGRATION_COPIES_WIPED: Final = Measure(
    "sandbox_migration_copies_wiped",
    Message("Copies of migrations wiped"),
    "",
    Message("Copies that migrations had left beside the database"),
    COUNT,
)
OUTPUTS_THAT_STAY: Final = Measure(
    "sandbox_outputs_that_stay",
    Message("Released outputs that stay"),
    "",
    Message("Outputs that left before"),
    COUNT,
)
SYNTHETIC_BEFORE: Final = Measure(
    "sandbox_synthetic_before",
    Message("Synthetic data made before"),
    "",
    Message("Synthetic data that were made from tables with the person"),
    COUNT,
)
JOBS_WITHOUT_END: Final = Measure(
    "sandbox_jobs_without_end",
    Message("Jobs without an end"),
    "",
    Message("Jobs on those tables whose end is not on record"),
    COUNT,
)
UNLINKED_TABLES: Final = Measure(
    "sandbox_unlinked_tables",
    Message("Tables that lead to nobody"),
    "",
    Message("Tables whose rows lead to nobody and may be the person's"),
    COUNT,
)
BACKUPS: Final = Measure(
    "sandbox_backups",
    Message("Backups that hold the person"),
    "",
    Message("Backups that were made before; they are not reached from here"),
    COUNT,
)
BACKUP_AT: Final = Measure(
    "sandbox_backup_at",
    Message("Time of the backup"),
    "",
    Message("When the backup was made"),
    TEXT,
)
BACKUP_FILE: Final = Measure(
    "sandbox_backup_file",
    Message("File of the backup"),
    "",
    Message("Where the backup was written"),
    TEXT,
)
WHAT_STAYS: Final = Measure(
    "sandbox_what_stays", Message("What stays"), "", Message("What erasing does not reach"), COUNT
)

# Deleting for good.
DELETED: Final = Measure(
    "sandbox_deleted", Message("Deleted for good"), "", Message("The dataset, or the project"), TEXT
)
BYTES_WIPED: Final = Measure(
    "sandbox_bytes_wiped",
    Message("Bytes overwritten"),
    "B",
    Message("Bytes written over and forced to the device"),
    NUMBER.with_digits(0),
)
FILE_SYSTEM: Final = Measure(
    "sandbox_file_system",
    Message("File system"),
    "",
    Message("What the files lay on, as the machine calls it"),
    TEXT,
)
FILES_LEFT: Final = Measure(
    "sandbox_files_left",
    Message("Files still there"),
    "",
    Message("Files that could not be taken away; 0, or the proof does not hold"),
    COUNT,
)
FILES_WIPED: Final = Measure(
    "sandbox_files_wiped",
    Message("Files wiped"),
    "",
    Message("SHA-256 of what each file held before"),
    COUNT,
)
WIPE_METHOD: Final = Measure(
    "sandbox_wipe_method",
    Message("How it was wiped"),
    "",
    Message("What was done to each file"),
    TEXT,
)
WIPE_LIMIT: Final = Measure(
    "sandbox_wipe_limit",
    Message("What wiping does not reach"),
    "",
    Message("Where older bytes may still lie"),
    TEXT,
)

# What the auditor sees.
STEPS_TAKEN: Final = Measure(
    "sandbox_steps_taken",
    Message("Steps on record"),
    "",
    Message("Entries of the ledger about the project"),
    COUNT,
)
USES: Final = Measure(
    "sandbox_uses",
    Message("Uses of data"),
    "",
    Message("Jobs, queries and synthetic data that read tables"),
    COUNT,
)
USED_AT: Final = Measure(
    "sandbox_used_at", Message("Time of the use"), "", Message("When the tables were read"), TEXT
)
USE: Final = Measure(
    "sandbox_use",
    Message("Use"),
    "",
    Message("Number of the job, the query or the synthetic data"),
    TEXT,
)
TABLES_USED: Final = Measure(
    "sandbox_tables_used", Message("Tables used"), "", Message("Tables that were read"), TEXT
)
PEOPLE_USED: Final = Measure(
    "sandbox_people_used",
    Message("People in them"),
    "",
    Message("People whose rows were read"),
    COUNT,
)
PEOPLE_DIGEST: Final = Measure(
    "sandbox_people_digest",
    Message("Digest of the people"),
    "",
    Message("SHA-256 over the people's tokens: equal digests are the same people"),
    TEXT,
)
DUTIES: Final = Measure(
    "sandbox_duties",
    Message("Duties of the custodian"),
    "",
    Message("What retention asks for"),
    COUNT,
)
DUTY_OF: Final = Measure(
    "sandbox_duty_of", Message("To be done with"), "", Message("The project or the dataset"), TEXT
)
DUTY_ON: Final = Measure(
    "sandbox_duty_on", Message("Due on"), "", Message("The day by which it is due"), TEXT
)
DUTY_WHY: Final = Measure(
    "sandbox_duty_why", Message("Why it is due"), "", Message("What has happened, or has not"), TEXT
)
THRESHOLDS: Final = Measure(
    "sandbox_thresholds",
    Message("Thresholds of unusual use"),
    "",
    Message("From when on something of one person is unusual; a custodian states others"),
    TEXT,
)
NIGHT_JOBS: Final = Measure(
    "sandbox_night_jobs",
    Message("Jobs begun at night in a day"),
    "",
    Message("From so many jobs of one person on"),
    COUNT,
)
NIGHT_FROM: Final = Measure(
    "sandbox_night_from", Message("Night begins at"), "", Message("Hour of local time"), COUNT
)
NIGHT_TO: Final = Measure(
    "sandbox_night_to",
    Message("Night ends at"),
    "",
    Message("Hour of local time, of the next morning"),
    COUNT,
)
UTC_OFFSET: Final = Measure(
    "sandbox_utc_offset",
    Message("Local time is ahead of UTC by"),
    "h",
    Message("A fixed offset, the same on every machine"),
    NUMBER,
)
REFUSED_OUTPUTS: Final = Measure(
    "sandbox_refused_outputs",
    Message("Outputs refused in a week"),
    "",
    Message("From so many outputs of one person stopped or rejected on"),
    COUNT,
)
SMUGGLED_FILES: Final = Measure(
    "sandbox_smuggled_files",
    Message("Files kept in within a week"),
    "",
    Message("From so many files kept in from one person on"),
    COUNT,
)
BUDGET_SHARE: Final = Measure(
    "sandbox_budget_share",
    Message("Share of the budget spent in a day"),
    "share",
    Message("From this share of the project's budget by one person on"),
    SHARE,
)
LIKE_QUESTIONS: Final = Measure(
    "sandbox_like_questions",
    Message("Like questions in a day"),
    "",
    Message("From so many queries of one person with the same words on"),
    COUNT,
)
LIKE_OUTPUTS: Final = Measure(
    "sandbox_like_outputs",
    Message("Like outputs in a week"),
    "",
    Message("From so many outputs of one person stopped for differencing on"),
    COUNT,
)
KEEP_DAYS: Final = Measure(
    "sandbox_keep_days",
    Message("Kept after expiry for"),
    "d",
    Message("From the last day of work to the deletion of what the project holds"),
    NUMBER.with_digits(0),
)

# The attack on a machine's isolation.
PROGRAMS: Final = Measure(
    "sandbox_attack_programs",
    Message("Attack programs run"),
    "",
    Message("Programs that tried to get out, each by another way"),
    COUNT,
)
PROGRAMS_STOPPED: Final = Measure(
    "sandbox_attacks_stopped",
    Message("Attack programs stopped"),
    "",
    Message("Of these, programs that got nothing out"),
    COUNT,
)
ESCAPED: Final = Measure(
    "sandbox_attacks_escaped",
    Message("Attack programs that escaped"),
    "",
    Message("Of these, programs that got out; none, or no job may run here"),
    COUNT,
)
PROGRAM: Final = Measure(
    "sandbox_attack_program", Message("Attack program"), "", Message("What the program tries"), TEXT
)
LAYER: Final = Measure(
    "sandbox_layer",
    Message("Layer that stops it"),
    "",
    Message("The layer of the isolation that must stop it"),
    TEXT,
)
STOPPED_HERE: Final = Measure(
    "sandbox_attack_stopped",
    Message("Stopped on this machine"),
    "",
    Message("Whether it got nothing out"),
    FLAG,
)


def _answer(name: str, meaning: str, /, fields: Mapping[str, Measure]) -> TableSchema:
    columns = (TableColumn.of(measure, field) for field, measure in fields.items())
    return TableSchema(f"sandbox_{name}", meaning, tuple(columns))


OPENED: Final = _answer(
    "opened",
    "A project that was opened.",
    {
        "name": m.PROJECT,
        "purpose": m.PURPOSE,
        "legal_basis": m.LEGAL_BASIS,
        "scope": m.SCOPE,
        "expires_on": m.EXPIRES_ON,
        "folder": FOLDER,
    },
)
IMPORTED: Final = _answer(
    "imported",
    "What an import kept and what it quarantined.",
    {
        "dataset": m.DATASET,
        "rows": TABLE_ROWS,
        "derived": DERIVED_ROWS,
        "sealed": SEALED_TABLES,
        "set_aside": m.QUARANTINED_ROWS,
    },
)
QUARANTINED: Final = _answer(
    "quarantined",
    "Records that an import quarantined, by table and rule.",
    {"table": TABLE_OF_DATASET, "rule": IMPORT_RULE, "records": m.QUARANTINED_ROWS},
)
RISK: Final = _answer(
    "risk",
    "What de-identification left, for the custodian to sign.",
    {
        "dataset": m.DATASET,
        "report_sha256": m.RISK_DIGEST,
        "risk": RISK_MEASURES,
        "attacks": ATTACKS_MADE,
    },
)
RISK_BY_GROUPS: Final = _answer(
    "risk_by_groups",
    "What can be read off groups of people with equal quasi-identifiers.",
    {
        "people": RISK_PEOPLE,
        "k": m.SMALLEST_GROUP,
        "unique_share": UNIQUE_SHARE,
        "mean_guess_share": MEAN_GUESS_SHARE,
        "population_risk_share": POPULATION_RISK_SHARE,
        "l": FEWEST_SENSITIVE,
        "t": FARTHEST_GROUP,
    },
)
RISK_ATTACKS: Final = m.ATTACKS.schema_under_name_with_more_columns(
    "sandbox_risk_attacks", TableColumn.of(GUESS_SHARE, "guess_share")
)
GENOMES: Final = _answer(
    "genomes",
    "What was made of genomes, and under which rule.",
    {
        "dataset": m.DATASET,
        "people": GENOME_PEOPLE,
        "groups": GENOME_GROUPS,
        "least_people": LEAST_PEOPLE,
        "smallest_cell": SMALLEST_CELL,
        "cells": CELLS,
        "withheld": WITHHELD,
        "report_sha256": m.RISK_DIGEST,
    },
)
SIGNED: Final = _answer(
    "signed",
    "A risk report that was signed.",
    {"dataset": m.DATASET, "signed_sha256": SIGNED_DIGEST},
)
SUBMITTED: Final = _answer(
    "submitted",
    "A job that ran isolated.",
    {
        "job": JOB,
        "ending": JOB_ENDING,
        "wall_s": JOB_WALL,
        "memory_peak_bytes": JOB_MEMORY,
        "kept_in": KEPT_IN,
        "outputs": m.COLLECTED_OUTPUTS,
    },
)
SUBMITTED_OUTPUTS: Final = _answer(
    "submitted_outputs",
    "What a job left.",
    {
        "name": m.OUTPUT_NAME,
        "state": m.OUTPUT_STATE,
        "sha256": m.OUTPUT_DIGEST,
        "stops": m.OUTPUT_REASONS,
    },
)
SYNTHESIZED: Final = _answer(
    "synthesized",
    "Synthetic data that were written.",
    {"epsilon": EPSILON, "files": SYNTHETIC_FILES},
)
SYNTHETIC_TABLES: Final = _answer(
    "synthetic_tables",
    "Each table of synthetic data.",
    {"table": TABLE_OF_DATASET, "file": FILE_WRITTEN},
)
STATUS: Final = _answer(
    "status",
    "The state of a project.",
    {
        "room": m.PROJECT,
        "state": m.PROJECT_STATE,
        "scope": m.SCOPE,
        "expires_on": m.EXPIRES_ON,
        "lane_largest_epsilon": PREAPPROVED,
        "datasets": m.DATASETS,
        "outputs": m.OUTPUTS,
        "models": MODELS,
    },
)
TRAINED_MODELS: Final = _answer(
    "trained_models",
    "Models that jobs left, and how many of their people opted out since.",
    {
        "output": m.OUTPUT_DIGEST,
        "dataset": m.DATASET,
        "trained_on_people": TRAINED_ON,
        "attack_auc": m.ATTACK_AUC,
        "opted_out_since": OPTED_OUT_SINCE,
    },
)
OUTPUT_MOVED: Final = _answer(
    "output_moved",
    "An output that was looked at, voted on, released or recalled.",
    {
        "output": m.OUTPUT_DIGEST,
        "state": m.OUTPUT_STATE,
        "reason": RECALL_REASON,
        "bytes": OUTPUT_BYTES,
        "saved": SAVED_AS,
        "file": FILE_WRITTEN,
    },
)
PRIVACY_BUDGET: Final = _answer(
    "privacy_budget",
    "What queries may cost, and did.",
    {"limit_epsilon": BUDGET, "spent_epsilon": m.SPENT, "left_epsilon": BUDGET_LEFT},
)
NOISY_COUNT: Final = _answer(
    "noisy_count",
    "A count of people with noise.",
    {
        "people": m.NOISY_PEOPLE,
        "noise_scale": NOISE_SCALE,
        "epsilon": EPSILON,
        "output": m.OUTPUT_DIGEST,
        "state": m.OUTPUT_STATE,
    },
)
PROJECT_MOVED: Final = _answer(
    "project_moved",
    "A project whose state or pre-approval was changed.",
    {"room": m.PROJECT, "state": m.PROJECT_STATE, "lane_largest_epsilon": PREAPPROVED},
)
OPT_OUT: Final = _answer(
    "opt_out",
    "An opt-out, or that it was taken back.",
    {"scope": OPT_OUT_SCOPE, "out": OPTED_OUT, "models_to_train_again": TO_TRAIN_AGAIN},
)
ERASED: Final = _answer(
    "erased",
    "What became of a person's data.",
    {
        "rewritten": REWRITTEN,
        "deleted_copies": COPIES_DELETED,
        "wiped_outputs": OUTPUTS_WIPED,
        "wiped_migration_copies": MIGRATION_COPIES_WIPED,
        "released_outputs_that_stay": OUTPUTS_THAT_STAY,
        "models_to_train_again": TO_TRAIN_AGAIN,
        "synthetic_data_made_before": SYNTHETIC_BEFORE,
        "jobs_without_an_end": JOBS_WITHOUT_END,
        "tables_not_linked_to_people": UNLINKED_TABLES,
        "backups_that_hold_the_person": BACKUPS,
        "stays": WHAT_STAYS,
    },
)
DELETED_COPIES: Final = _answer(
    "deleted_copies",
    "Copies that were made from data of an erased person.",
    {"dataset": m.DATASET, "make_anew_from": MAKE_ANEW_FROM},
)
BACKUPS_WITH_PERSON: Final = _answer(
    "backups_with_person",
    "Backups that hold an erased person still.",
    {"at": BACKUP_AT, "archive": BACKUP_FILE},
)
WIPED: Final = _answer(
    "wiped",
    "What was deleted for good, and the proof.",
    {
        "deleted": DELETED,
        "overwritten-bytes": BYTES_WIPED,
        "file-system": FILE_SYSTEM,
        "left": FILES_LEFT,
        "method": WIPE_METHOD,
        "not-covered": WIPE_LIMIT,
        "wiped-sha256": FILES_WIPED,
    },
)
ACTIVITY: Final = _answer(
    "activity",
    "Who did what, what of it is unusual, and what is due.",
    {
        "room": m.PROJECT,
        "steps": STEPS_TAKEN,
        "uses": USES,
        "alerts": m.ALERT_COUNT,
        "due": DUTIES,
        "thresholds": THRESHOLDS,
    },
)
DATA_USES: Final = _answer(
    "data_uses",
    "Who used which tables of how many people when.",
    {
        "at": USED_AT,
        "step": m.STEP,
        "use": USE,
        "dataset": m.DATASET,
        "tables": TABLES_USED,
        "people": PEOPLE_USED,
        "people_sha256": PEOPLE_DIGEST,
        "actor": m.ACTOR,
    },
)
ALERTS_OF_PEOPLE: Final = m.ALERTS.schema_under_name_with_more_columns(
    "sandbox_alerts_of_people", TableColumn.of(m.ACTOR, "actor")
)
DUE: Final = _answer(
    "due",
    "What a custodian has to close, delete or finish deleting.",
    {"what": DUTY_OF, "on": DUTY_ON, "why": DUTY_WHY},
)
ACTIVITY_THRESHOLDS: Final = _answer(
    "activity_thresholds",
    "From when on something is unusual.",
    {
        "night_jobs": NIGHT_JOBS,
        "night_from": NIGHT_FROM,
        "night_to": NIGHT_TO,
        "utc_offset_h": UTC_OFFSET,
        "refused_outputs": REFUSED_OUTPUTS,
        "smuggled_files": SMUGGLED_FILES,
        "budget_share": BUDGET_SHARE,
        "like_questions": LIKE_QUESTIONS,
        "like_outputs": LIKE_OUTPUTS,
        "keep_days": KEEP_DAYS,
    },
)
ISOLATION: Final = _answer(
    "isolation",
    "How this machine's isolation stood against every known program.",
    {
        "attacks": PROGRAMS,
        "stopped": PROGRAMS_STOPPED,
        "escaped": ESCAPED,
    },
)
ISOLATION_LAYERS: Final = _answer(
    "isolation_layers",
    "Each attack program, and the layer that must stop it.",
    {"attack": PROGRAM, "layer": LAYER, "stopped": STOPPED_HERE},
)
ROWS_OF_FIELD: Final[Mapping[str, Mapping[str, TableSchema]]] = {
    IMPORTED.name: {"set_aside": QUARANTINED},
    RISK.name: {"attacks": RISK_ATTACKS},
    SUBMITTED.name: {"outputs": SUBMITTED_OUTPUTS},
    SYNTHESIZED.name: {"files": SYNTHETIC_TABLES},
    STATUS.name: {
        "datasets": m.PROJECT_DATASETS,
        "outputs": m.PROJECT_OUTPUTS,
        "models": TRAINED_MODELS,
    },
    ERASED.name: {
        "deleted_copies": DELETED_COPIES,
        "backups_that_hold_the_person": BACKUPS_WITH_PERSON,
    },
    ACTIVITY.name: {
        "steps": m.STEPS,
        "uses": DATA_USES,
        "alerts": ALERTS_OF_PEOPLE,
        "due": DUE,
    },
    ISOLATION.name: {"attacks": ISOLATION_LAYERS},
}
"""Of an answer's fields that hold rows, the table of these rows."""
FIELDS_OF_FIELD: Final[Mapping[str, Mapping[str, TableSchema]]] = {
    RISK.name: {"risk": RISK_BY_GROUPS},
    ACTIVITY.name: {"thresholds": ACTIVITY_THRESHOLDS},
}
"""Of an answer's fields that hold a record, the fields of that record."""

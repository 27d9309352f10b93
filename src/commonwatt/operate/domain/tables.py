"""Tables that live control and care write or show, each column a measure of the catalogue."""

from __future__ import annotations

from typing import Final

import commonwatt.operate.domain.measures as m
from commonwatt.catalogue.measures import TableColumn
from commonwatt.catalogue.shared import GPUS, SITE, TENANT
from commonwatt.catalogue.tables import TableSchema

_of = TableColumn.of

METERED: Final = TableSchema(
    "metered",
    "What each job used.",
    (
        _of(m.JOB, "job_id"),
        _of(TENANT, "tenant", meaning="Whose quota the job counted against"),
        _of(m.JOB_USER, "user"),
        _of(m.JOB_STARTS, "starts"),
        _of(m.METERED_GPU_TIME, "gpu_s"),
        _of(m.METERED_ENERGY, "energy_kwh"),
        _of(m.METERED_CARBON, "carbon_kg"),
        _of(m.METERED_ENERGY_COST, "energy_cost_usd"),
        _of(m.CHARGE, "charge"),
    ),
)
TRACE: Final = TableSchema(
    "trace",
    "The finished jobs as a trace that `commonwatt fleet` reads.",
    (
        _of(m.JOB, "job_id"),
        _of(m.JOB_SUBMITTED, "submit_s"),
        _of(m.JOB_RUN_TIME, "runtime_s"),
        _of(m.JOB_LIMIT, "limit_s"),
        _of(GPUS, "gpus", meaning="GPUs of the whole gang"),
        _of(m.JOB_SHARE_MILLI, "gpu_milli"),
        _of(m.JOB_PRIORITY, "priority"),
        _of(m.JOB_ON_ONE_NODE, "single_node"),
        _of(TENANT, "tenant", meaning="Whose quota the job counted against"),
        _of(m.JOB_USER, "user"),
        _of(m.JOB_GROUP, "group"),
    ),
)
TENANTS: Final = TableSchema(
    "cluster_tenants",
    "What each tenant used of a live cluster.",
    (
        _of(TENANT, "tenant", meaning="Whose quota the jobs counted against"),
        _of(m.JOBS_METERED, "jobs"),
        _of(m.METERED_GPU_TIME, "gpu_s"),
        _of(m.METERED_ENERGY, "energy_kwh"),
        _of(m.METERED_CARBON, "carbon_kg"),
        _of(m.METERED_ENERGY_COST, "energy_cost_usd"),
        _of(m.CHARGE, "charge"),
    ),
)
JOBS: Final = TableSchema(
    "cluster_jobs",
    "Jobs of a live cluster that wait or run.",
    (
        _of(m.JOB, "job"),
        _of(TENANT, "tenant", meaning="Whose quota the job counts against"),
        _of(GPUS, "gpus", meaning="GPUs of the whole gang"),
        _of(m.JOB_PHASE, "phase"),
        _of(m.JOB_SINCE, "since"),
        _of(m.JOB_FOR, "for_s"),
        _of(m.JOB_STARTS, "starts"),
    ),
)
NODES: Final = TableSchema(
    "cluster_nodes",
    "Nodes of a live cluster.",
    (
        _of(m.NODE, "node"),
        _of(SITE, "site", meaning="Where the node stands"),
        _of(m.NODE_GPU_TYPE, "gpu_type"),
        _of(GPUS, "gpus", meaning="GPUs on the node"),
        _of(m.HELD_GPUS, "held_gpus", kind="count"),
        _of(m.NODE_STATE, "state"),
        _of(m.NODE_REASON, "reason"),
    ),
)
ACTIONS: Final = TableSchema(
    "cluster_actions",
    "What was done to a live cluster, the newest first.",
    (
        _of(m.ACTION, "act"),
        _of(m.ACTION_SUBJECT, "subject"),
        _of(m.ACTION_STATE, "state"),
    ),
)
HELD_OVER_TIME: Final = TableSchema(
    "cluster_use",
    "GPUs that jobs of a live cluster held, by tenant, in equal bins.",
    (
        _of(m.ELAPSED, "hour"),
        _of(TENANT, "tenant", meaning="Whose quota the jobs counted against"),
        _of(m.HELD_GPUS, "held_gpus"),
    ),
)
SCORES: Final = TableSchema(
    "scores",
    "Anomaly score of each step of a node's later days.",
    (
        _of(m.SCORE_STEP, "step"),
        _of(m.ANOMALY_SCORE, "score"),
        _of(m.ALARM, "alarm"),
    ),
)
EPISODES: Final = TableSchema(
    "alarm_episodes",
    "Alarms of a node's later days, by episode.",
    (
        _of(m.EPISODE_FIRST, "first_step"),
        _of(m.EPISODE_LAST, "last_step"),
        _of(m.EPISODE_PEAK, "peak"),
        _of(m.EPISODE_METRICS, "metrics"),
    ),
)
ALARM_SCORES: Final = TableSchema(
    "alarm_scores",
    "How alarms stand against labels.",
    (
        _of(m.VUS_PR, "vus_pr"),
        _of(m.ALARM_RECALL, "recall_share"),
        _of(m.ALARM_MINUTES_RECALL, "minutes_recall_share"),
        _of(m.FALSE_EPISODES, "false_episodes_per_day"),
    ),
)
CARE_OUTCOME: Final = TableSchema(
    "care_outcome",
    "What became of a gang under recorded faults and the care of the live cluster.",
    (
        _of(m.FAULTS, "faults"),
        _of(m.ETTR, "ettr_share"),
        _of(m.KEPT, "kept_share"),
        _of(m.SAVING, "saving_share"),
        _of(m.LOST, "lost_share"),
        _of(m.ISOLATING, "isolating_share"),
        _of(m.RESTARTING, "restarting_share"),
        _of(m.AWAITING_NODES, "waiting_share"),
        _of(m.SAVE_EVERY, "save_every_s"),
        _of(m.INTERRUPTIONS, "interruptions"),
        _of(m.ISOLATION_MEDIAN, "isolation_median_s"),
        _of(m.ISOLATION_P95, "isolation_p95_s"),
        _of(m.ISOLATION_LONGEST, "isolation_longest_s"),
        _of(m.DRAINS, "drains"),
        _of(m.FALSE_DRAINS, "false_drains"),
        _of(m.FALSE_DRAIN_RATE, "false_drains_per_1000_node_days"),
        _of(m.HANDED_OVER, "handed_over"),
        _of(m.MEAN_IN_CARE, "mean_nodes_in_care"),
    ),
)
CHECKPOINTS: Final = TableSchema(
    "checkpoint_advice",
    "How often a gang should save its work, and what that costs.",
    (
        _of(m.SAVE_INTERVAL, "interval_s"),
        _of(m.YOUNG_INTERVAL, "young_s"),
        _of(m.PRODUCTIVE_SHARE, "productive_share"),
        _of(m.GANG_MTBF, "gang_mtbf_s"),
    ),
)
LEMONS: Final = TableSchema(
    "lemons",
    "Nodes that fail again and again, the surest first.",
    (
        _of(m.NODE, "node"),
        _of(m.LEMON_FAULTS, "faults"),
        _of(m.LEMON_PROBABILITY, "probability"),
    ),
)

# What the commands of a live cluster show, under the names of their JSON.
STATUS_NODES: Final = TableSchema(
    "cluster_status_nodes",
    "Nodes of a live cluster as its status shows them.",
    (
        _of(m.NODE, "name"),
        _of(m.NODE_STATE, "state"),
        _of(GPUS, "gpus", meaning="GPUs on the node"),
        _of(m.NODE_REASON, "reason"),
    ),
)
STATUS_JOBS: Final = TableSchema(
    "cluster_status_jobs",
    "Jobs of a live cluster as its status shows them, with why each waits and until when.",
    (
        _of(m.JOB, "job_id"),
        _of(m.JOB_PHASE, "phase"),
        _of(GPUS, "gpus", meaning="GPUs of the whole gang"),
        _of(m.JOB_NODES, "nodes"),
        _of(m.JOB_WAIT_REASON, "why"),
        _of(m.JOB_STARTS_IN, "starts_in_s"),
    ),
)
CONTROLLER_RUN: Final = TableSchema(
    "controller_run",
    "What the controller did while it ran.",
    (
        _of(m.TICKS, "ticks"),
        _of(m.TICK_ACTIONS, "acts"),
        _of(m.TICK_REFUSALS, "refused"),
    ),
)
REPLAYED: Final = TableSchema(
    "replayed_decisions",
    "Decisions of a live cluster that were made again in the simulator.",
    (
        _of(m.DECISIONS, "decisions"),
        _of(m.DECIDED_STARTS, "starts"),
        _of(m.DECIDED_PREEMPTIONS, "preemptions"),
        _of(m.DIFFERING, "differing"),
    ),
)
DECIDED: Final = TableSchema(
    "decided_actions",
    "What would be decided in a captured state.",
    (
        _of(m.ACTION, "act"),
        _of(m.ACTION_SUBJECT, "subject"),
        _of(m.JOB_NODES, "nodes"),
    ),
)
EXPECTED_STARTS: Final = TableSchema(
    "expected_starts",
    "When the waiting jobs of a captured state should start.",
    (
        _of(m.JOB, "job_id"),
        _of(m.JOB_STARTS_IN, "starts_in_s"),
    ),
)
CARE_STEPS: Final = TableSchema(
    "care_steps",
    "What care did with nodes, or would do.",
    (
        _of(m.NODE, "node"),
        _of(m.STAGE_BEFORE, "from"),
        _of(m.STAGE_AFTER, "to"),
        _of(m.STEP_REASON, "reason"),
        _of(m.STEP_OBSTACLE, "held"),
    ),
)
CARE_CASES: Final = TableSchema(
    "care_cases",
    "Nodes in care.",
    (
        _of(m.NODE, "node"),
        _of(m.STAGE, "stage"),
        _of(m.COMPONENT, "component"),
        _of(m.FAULT_SEVERITY, "severity"),
    ),
)
ALARMS_RAISED: Final = TableSchema(
    "alarms_raised",
    "How many alarms a node's later days raised.",
    (
        _of(m.EPISODES_RAISED, "episodes"),
        _of(m.STEPS_SCORED, "steps"),
    ),
)
LEMONS_FOUND: Final = TableSchema(
    "lemons_found",
    "How many nodes of a fleet fail again and again.",
    (
        _of(m.LEMON_COUNT, "lemons"),
        _of(m.FLEET_NODES, "nodes"),
        _of(m.FAULTS, "faults", meaning="Faults of the history"),
    ),
)

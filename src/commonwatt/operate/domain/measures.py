"""What the figures of live control and of care are: label, unit, meaning, form and formula.

Energy and carbon are estimates from allocated time and say so in their labels: an invoice
that showed them beside metered GPU time under one word would pass a guess for a reading.
"""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, FLAG, HOURS, MONEY, NUMBER, SHARE, TEXT, Measure
from commonwatt.core.messages import Message

# What runs on a live cluster.
JOB: Final = Measure(
    "cluster_job",
    Message("Job of the cluster"),
    "",
    Message("The job's name, unique on its cluster"),
    TEXT,
)
JOB_USER: Final = Measure(
    "job_user", Message("Submitted by"), "", Message("Who submitted the job"), TEXT
)
JOB_GROUP: Final = Measure(
    "job_group",
    Message("Jobs alike"),
    "",
    Message("The group whose run times predict each other"),
    TEXT,
)
JOB_PHASE: Final = Measure(
    "job_phase",
    Message("Phase of the job"),
    "",
    Message("Where the job stands with its backend: held, starting, running or over"),
    TEXT,
)
JOB_STARTS: Final = Measure(
    "job_starts",
    Message("Times started"),
    "",
    Message("How often the job was started, the current run within"),
    COUNT,
)
JOB_SINCE: Final = Measure(
    "job_since",
    Message("In this phase since"),
    "",
    Message("Last start of a job that runs, submission of one that waits"),
    TEXT,
)
JOB_FOR: Final = Measure(
    "job_for",
    Message("In this phase for"),
    "s",
    Message("How long the job has run, or has waited"),
    HOURS,
)
JOB_PRIORITY: Final = Measure(
    "job_priority",
    Message("Priority"),
    "",
    Message("Larger goes first where the policy asks for it"),
    COUNT,
)
JOB_SHARE_MILLI: Final = Measure(
    "job_gpu_milli",
    Message("Share of each GPU held"),
    "",
    Message("Thousandths of each of its GPUs that the job holds"),
    COUNT,
)
JOB_ON_ONE_NODE: Final = Measure(
    "job_single_node",
    Message("On one node"),
    "",
    Message("Whether the gang must share one node: 1 where it must"),
    COUNT,
)
JOB_SUBMITTED: Final = Measure(
    "job_submitted",
    Message("Submitted after the first"),
    "s",
    Message("Submission of the job, from the first submission in the table"),
    NUMBER.with_digits(3),
)
JOB_RUN_TIME: Final = Measure(
    "job_run_time",
    Message("Run time, all starts"),
    "s",
    Message("What the job ran from start to end, all its starts together"),
    NUMBER.with_digits(3),
)
JOB_LIMIT: Final = Measure(
    "job_limit",
    Message("Run time claimed"),
    "s",
    Message("The run time that its owner claimed, or what it ran where that is longer"),
    NUMBER.with_digits(3),
)
JOBS_METERED: Final = Measure(
    "jobs_metered", Message("Jobs metered"), "", Message("Jobs of the tenant that held GPUs"), COUNT
)

# What they used; energy is an estimate, which a meter at the wall would know better.
METERED_GPU_TIME: Final = Measure(
    "metered_gpu_time",
    Message("GPU time metered"),
    "GPU-s",
    Message("GPU time that was allocated, busy or not"),
    NUMBER.with_digits(3).measure_form_with_shown_unit("GPU-h"),
)
METERED_ENERGY: Final = Measure(
    "metered_energy",
    Message("Energy, estimated"),
    "kWh",
    Message("GPU time at the busy draw of its GPU type, times the overhead of its site"),
    NUMBER.with_digits(3),
    "metered_gpu_time * busy_power * pue",
)
METERED_CARBON: Final = Measure(
    "metered_carbon",
    Message("Carbon, estimated"),
    "kg CO2e",
    Message("Carbon of that energy at the site's mean intensity"),
    NUMBER.with_digits(3),
    "metered_energy * carbon_intensity",
)
METERED_ENERGY_COST: Final = Measure(
    "metered_energy_cost",
    Message("Cost of the energy"),
    "USD",
    Message("That energy at the site's price of power"),
    MONEY,
    "metered_energy * power_price",
)
CHARGE: Final = Measure(
    "charge",
    Message("Charge"),
    "{currency}",
    Message("GPU time at the tariff: the tenant's own price, the GPU type's, or the common one"),
    MONEY,
    "metered_gpu_time * tariff",
)

# Its nodes, and what its controller did to it.
NODE: Final = Measure(
    "cluster_node", Message("Node"), "", Message("The node's name on its cluster"), TEXT
)
NODE_GPU_TYPE: Final = Measure(
    "node_gpu_type", Message("GPU type"), "", Message("What kind of GPU the node holds"), TEXT
)
NODE_STATE: Final = Measure(
    "node_state",
    Message("State of the node"),
    "",
    Message("Whether the node takes jobs: up, draining, drained, rebooting or down"),
    TEXT,
)
NODE_REASON: Final = Measure(
    "node_reason",
    Message("Why out of use"),
    "",
    Message("What whoever took the node out gave as the reason"),
    TEXT,
)
HELD_GPUS: Final = Measure(
    "held_gpus",
    Message("GPUs held by jobs"),
    "GPU",
    Message("GPUs that running jobs hold; in a table over time, the mean of the bin"),
    NUMBER,
)
HELD_SHARE: Final = Measure(
    "held_share",
    Message("Busy now"),
    "share",
    Message("GPUs that jobs hold over GPUs of the nodes that take jobs"),
    SHARE.with_digits(0),
    "held_gpus / gpus",
)
RUNNING_JOBS: Final = Measure(
    "running_jobs", Message("Jobs running"), "", Message("Jobs that are starting or running"), COUNT
)
HELD_JOBS: Final = Measure(
    "held_jobs",
    Message("Jobs held"),
    "",
    Message("Jobs that wait for their turn or for capacity"),
    COUNT,
)
NODES_OUT: Final = Measure(
    "nodes_out",
    Message("Nodes out of use"),
    "",
    Message("Nodes that take no jobs, for whatever reason"),
    COUNT,
)
ELAPSED: Final = Measure(
    "elapsed",
    Message("Hours since the first job"),
    "h",
    Message("From the first start that was metered"),
    NUMBER.with_digits(2),
)
ACTION: Final = Measure(
    "cluster_action", Message("Action"), "", Message("What was done to a job or a node"), TEXT
)
ACTION_SUBJECT: Final = Measure(
    "action_subject", Message("Done to"), "", Message("The job or node that it was done to"), TEXT
)
ACTION_STATE: Final = Measure(
    "action_state",
    Message("Outcome"),
    "",
    Message("What became of it: open, done, refused or dropped"),
    TEXT,
)

# What Prometheus scrapes; its label is the title of the dashboard's panel.
GAUGE_NODES: Final = Measure(
    "gauge_nodes",
    Message("Nodes by state"),
    "",
    Message("Nodes of the cluster, by whether they take jobs"),
    COUNT,
)
GAUGE_GPUS: Final = Measure(
    "gauge_gpus",
    Message("GPUs of nodes that are up"),
    "GPU",
    Message("GPUs on the nodes that take jobs"),
    COUNT,
)
GAUGE_ALLOCATED: Final = Measure(
    "gauge_allocated",
    Message("GPUs that jobs hold, by tenant"),
    "GPU",
    Message("Whole and shared GPUs that starting and running jobs hold"),
    NUMBER,
)
GAUGE_JOBS: Final = Measure(
    "gauge_jobs",
    Message("Jobs that wait or hold places, by phase and tenant"),
    "",
    Message("Jobs that are held, starting or running"),
    COUNT,
)
GAUGE_WAITING: Final = Measure(
    "gauge_waiting",
    Message("Waiting jobs by reason"),
    "",
    Message("Held jobs, by why they were not started"),
    COUNT,
)
GAUGE_TICK: Final = Measure(
    "gauge_tick",
    Message("Length of the last tick"),
    "s",
    Message("How long the controller took to observe, decide and act"),
    NUMBER.with_digits(3),
)
COUNTER_ACTIONS: Final = Measure(
    "counter_actions",
    Message("Actions that the backend took"),
    "",
    Message("Starts, stops and changes of nodes that were carried out"),
    COUNT,
)
COUNTER_REFUSED: Final = Measure(
    "counter_refused",
    Message("Actions that the backend refused"),
    "",
    Message("Starts, stops and changes of nodes that were refused"),
    COUNT,
)
COUNTER_OVERCOMMITTED: Final = Measure(
    "counter_overcommitted",
    Message("Nodes seen to hold more than they have"),
    "",
    Message("Observations of a node whose jobs hold more GPU than it has"),
    COUNT,
)

# What a replay of faults shows; shares are of wall time and add up to 1.
FAULTS: Final = Measure(
    "care_faults",
    Message("Faults struck"),
    "",
    Message("Faults that struck the fleet in the replay"),
    COUNT,
)
ETTR: Final = Measure(
    "care_ettr",
    Message("Effective training time"),
    "share",
    Message("Work that was kept, over wall time"),
    SHARE.with_digits(2),
    "kept / wall",
)
KEPT: Final = Measure(
    "care_kept",
    Message("Work that was kept"),
    "share",
    Message("Share of wall time that is work up to a save"),
    SHARE.with_digits(2),
)
SAVING: Final = Measure(
    "care_saving",
    Message("Standing still to save"),
    "share",
    Message("Share of wall time in which the gang was saving"),
    SHARE.with_digits(2),
)
LOST: Final = Measure(
    "care_lost",
    Message("Work that was lost"),
    "share",
    Message("Share of wall time that is work after the last save before an interruption"),
    SHARE.with_digits(2),
)
ISOLATING: Final = Measure(
    "care_isolating",
    Message("Isolating the fault"),
    "share",
    Message("Share of wall time from a fault until its node was out"),
    SHARE.with_digits(2),
)
RESTARTING: Final = Measure(
    "care_restarting",
    Message("Starting over"),
    "share",
    Message("Share of wall time from a start of the gang to its first step"),
    SHARE.with_digits(2),
)
AWAITING_NODES: Final = Measure(
    "care_waiting",
    Message("Waiting for sound nodes"),
    "share",
    Message("Share of wall time in which too few nodes were sound"),
    SHARE.with_digits(2),
)
SAVE_EVERY: Final = Measure(
    "care_save_every",
    Message("Work between two saves"),
    "s",
    Message("How long the gang works before it saves"),
    NUMBER.with_digits(0),
)
INTERRUPTIONS: Final = Measure(
    "care_interruptions",
    Message("Interruptions"),
    "",
    Message("Times that the gang was stopped by a fault"),
    COUNT,
)
ISOLATION_MEDIAN: Final = Measure(
    "care_isolation_median",
    Message("Fault to isolation, median"),
    "s",
    Message("From a fault that stopped the gang until its node was out"),
    NUMBER.with_digits(1),
)
ISOLATION_P95: Final = Measure(
    "care_isolation_p95",
    Message("Fault to isolation, 95th percentile"),
    "s",
    Message("The time that nineteen in twenty isolations do not exceed"),
    NUMBER.with_digits(1),
)
ISOLATION_LONGEST: Final = Measure(
    "care_isolation_longest",
    Message("Fault to isolation, longest"),
    "s",
    Message("The slowest isolation of the replay"),
    NUMBER.with_digits(1),
)
DRAINS: Final = Measure(
    "care_drains",
    Message("Nodes drained"),
    "",
    Message("Nodes that care took out of service"),
    COUNT,
)
FALSE_DRAINS: Final = Measure(
    "care_false_drains",
    Message("Nodes drained in error"),
    "",
    Message("Drained nodes with nothing wrong"),
    COUNT,
)
FALSE_DRAIN_RATE: Final = Measure(
    "care_false_drain_rate",
    Message("Drains in error per 1,000 node-days"),
    "",
    Message("Drained nodes with nothing wrong, per thousand nodes and day"),
    NUMBER,
    "1000 * care_false_drains / node_days",
)
HANDED_OVER: Final = Measure(
    "care_handed_over",
    Message("Nodes handed to a person"),
    "",
    Message("Nodes that care could not bring back by itself"),
    COUNT,
)
MEAN_IN_CARE: Final = Measure(
    "care_mean_nodes",
    Message("Nodes in care, mean"),
    "",
    Message("Nodes in care, mean over the observations of the replay"),
    NUMBER.with_digits(2),
)

# Checkpoints, lemons and alarms.
SAVE_INTERVAL: Final = Measure(
    "checkpoint_interval",
    Message("Save every"),
    "s",
    Message("Work between the ends of two saves, by Daly (2006)"),
    NUMBER.with_digits(0),
)
YOUNG_INTERVAL: Final = Measure(
    "checkpoint_young",
    Message("Save every, first order"),
    "s",
    Message(
        "The same by Young (1974): the root of twice the time of a save times the time "
        "between interruptions"
    ),
    NUMBER.with_digits(0),
    "sqrt(2 * save * gang_mtbf)",
)
PRODUCTIVE_SHARE: Final = Measure(
    "checkpoint_productive",
    Message("Time that is kept work"),
    "share",
    Message("Expected share of time that is work which is kept, failures being exponential"),
    SHARE.with_digits(2),
)
GANG_MTBF: Final = Measure(
    "checkpoint_gang_mtbf",
    Message("Between interruptions of the gang, mean"),
    "s",
    Message("Mean time between interruptions of one node, over the nodes of the gang"),
    HOURS,
)
LEMON_FAULTS: Final = Measure(
    "lemon_faults",
    Message("Faults of the node"),
    "",
    Message("Faults that the node had over the history"),
    COUNT,
)
LEMON_PROBABILITY: Final = Measure(
    "lemon_probability",
    Message("Chance of a lemon"),
    "share",
    Message("Posterior chance that the node fails more often than the limit"),
    SHARE,
)
SCORE_STEP: Final = Measure(
    "score_step",
    Message("Step of the record"),
    "",
    Message("Number of the row of the later table, from 0"),
    COUNT,
)
ANOMALY_SCORE: Final = Measure(
    "anomaly_score",
    Message("Anomaly score"),
    "",
    Message("How far the metrics of the node are from its ordinary days"),
    NUMBER,
)
ALARM: Final = Measure(
    "alarm",
    Message("Alarm raised"),
    "",
    Message("Whether the score is above the threshold that ordinary days afford"),
    FLAG,
)
EPISODE_FIRST: Final = Measure(
    "episode_first",
    Message("First step of the episode"),
    "",
    Message("The first step with an alarm"),
    COUNT,
)
EPISODE_LAST: Final = Measure(
    "episode_last",
    Message("Last step of the episode"),
    "",
    Message("The last step before the alarms were quiet for long enough"),
    COUNT,
)
EPISODE_PEAK: Final = Measure(
    "episode_peak",
    Message("Highest score"),
    "",
    Message("The highest score of the episode"),
    NUMBER.with_digits(2),
)
EPISODE_METRICS: Final = Measure(
    "episode_metrics",
    Message("Metrics that moved"),
    "",
    Message("The metrics that moved most, against their ordinary spread"),
    TEXT,
)
VUS_PR: Final = Measure(
    "vus_pr",
    Message("Volume under the precision-recall surface"),
    "",
    Message("Volume under the precision-recall surface over buffers, by Paparrizos et al. (2022)"),
    NUMBER.with_digits(3),
)
ALARM_RECALL: Final = Measure(
    "alarm_recall",
    Message("Incidents found"),
    "share",
    Message("Labelled incidents with an alarm inside"),
    SHARE,
)
ALARM_MINUTES_RECALL: Final = Measure(
    "alarm_minutes_recall",
    Message("Minutes of incidents found"),
    "share",
    Message("Labelled steps that had an alarm"),
    SHARE,
)
FALSE_EPISODES: Final = Measure(
    "false_episodes",
    Message("False episodes"),
    "1/day",
    Message("Alarm episodes without any labelled step, per machine and day"),
    NUMBER.with_digits(3),
)

# What the commands of a live cluster show.
JOB_NODES: Final = Measure(
    "job_nodes", Message("Runs on"), "", Message("Nodes whose GPUs the job holds"), TEXT
)
JOB_WAIT_REASON: Final = Measure(
    "job_wait_reason",
    Message("Why it waits"),
    "",
    Message("Why the job was not started yet, in the scheduler's word"),
    TEXT,
)
JOB_STARTS_IN: Final = Measure(
    "job_starts_in",
    Message("Expected to start in"),
    "s",
    Message("From now to the start that the simulator expects; an estimate"),
    HOURS,
)
TICKS: Final = Measure(
    "controller_ticks",
    Message("Ticks"),
    "",
    Message("Times that the controller observed, decided and acted"),
    COUNT,
)
TICK_ACTIONS: Final = Measure(
    "controller_actions",
    Message("Actions done"),
    "",
    Message("Starts, stops and changes of nodes that this run of the controller did"),
    COUNT,
)
TICK_REFUSALS: Final = Measure(
    "controller_refusals",
    Message("Actions refused"),
    "",
    Message("Of the actions of this run, those that the backend refused"),
    COUNT,
)
DECISIONS: Final = Measure(
    "replayed_decisions",
    Message("Decisions made again"),
    "",
    Message("Decisions that were kept, and made again in the simulator"),
    COUNT,
)
DECIDED_STARTS: Final = Measure(
    "replayed_starts",
    Message("Starts decided"),
    "",
    Message("Starts of jobs in these decisions"),
    COUNT,
)
DECIDED_PREEMPTIONS: Final = Measure(
    "replayed_preemptions",
    Message("Preemptions decided"),
    "",
    Message("Preemptions of jobs in these decisions"),
    COUNT,
)
DIFFERING: Final = Measure(
    "replayed_differing",
    Message("Decisions that differ"),
    "",
    Message(
        "Decisions that the simulator makes otherwise than the live cluster did; 0, or one of "
        "them is wrong"
    ),
    COUNT,
)

# What care did and where nodes stand in it.
STAGE_BEFORE: Final = Measure(
    "care_stage_before", Message("Stage before"), "", Message("Where the node stood in care"), TEXT
)
STAGE_AFTER: Final = Measure(
    "care_stage_after",
    Message("Stage after"),
    "",
    Message("Where the node stands now, or would"),
    TEXT,
)
STEP_REASON: Final = Measure(
    "care_step_reason",
    Message("Reason of the step"),
    "",
    Message("Finding that led to the step"),
    TEXT,
)
STEP_OBSTACLE: Final = Measure(
    "care_step_obstacle",
    Message("Held back because"),
    "",
    Message("The bound that holds the step back; empty where it was done"),
    TEXT,
)
STAGE: Final = Measure(
    "care_stage", Message("Stage in care"), "", Message("Where the node stands in care"), TEXT
)
COMPONENT: Final = Measure(
    "care_component",
    Message("Component at fault"),
    "",
    Message("What of the node is at fault"),
    TEXT,
)
FAULT_SEVERITY: Final = Measure(
    "care_severity", Message("Severity of the fault"), "", Message("How grave the finding is"), TEXT
)
EPISODES_RAISED: Final = Measure(
    "alarm_episode_count",
    Message("Alarm episodes"),
    "",
    Message("Runs of alarms without a quiet hour between"),
    COUNT,
)
STEPS_SCORED: Final = Measure(
    "steps_scored", Message("Steps scored"), "", Message("Rows of the later table"), COUNT
)
LEMON_COUNT: Final = Measure(
    "lemon_count",
    Message("Lemons"),
    "",
    Message("Nodes that surely enough fail more often than the limit"),
    COUNT,
)
FLEET_NODES: Final = Measure(
    "fleet_nodes",
    Message("Nodes in all"),
    "",
    Message("All nodes of the fleet, those that never failed included"),
    COUNT,
)

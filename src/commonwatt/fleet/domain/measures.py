"""What the figures of the fleet are: demand, service, use, energy and packing.

Definitions that must not drift stand here once. *Utilisation* is allocated over available GPU
time in a stated window, and never activity; *queue delay* is first start minus submission,
*pending time* all time not running, and *job completion time* end minus submission.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from commonwatt.catalogue.measures import (
    COUNT,
    HOURS,
    NUMBER,
    SHARE,
    TEXT,
    Measure,
)
from commonwatt.core.messages import Message

# What runs, and under which rule.

POLICY: Final = Measure(
    "policy",
    Message("Policy"),
    "",
    Message("The rule of the queue: order, place, backfill and preemption"),
    TEXT,
)
JOB_NAME: Final = Measure(
    "job_name", Message("Name of the job"), "", Message("The job's name in its trace"), TEXT
)
JOB_STATE: Final = Measure(
    "job_state",
    Message("State of the job"),
    "",
    Message("What became of it: finished, waiting at the end, or rejected as too large"),
    TEXT,
)
GPU_SHARE: Final = Measure(
    "gpu_share",
    Message("Share of each GPU"),
    "permille",
    Message("How much of each of its GPUs a job holds"),
    SHARE.with_digits(0),
)
SITE_RANK: Final = Measure(
    "site_rank",
    Message("Rank of the site"),
    "",
    Message("The site's position in the programme, from 0"),
    COUNT,
)
SCHEDULE_DIGEST: Final = Measure(
    "schedule_digest",
    Message("Digest of the schedule"),
    "",
    Message("SHA-256 of when and where every job ran: equal digests are equal schedules"),
    TEXT,
)

# Demand: what a trace holds.

JOBS_SUBMITTED: Final = Measure(
    "jobs_submitted", Message("Jobs submitted"), "", Message("Jobs that the trace holds"), COUNT
)
SPAN: Final = Measure(
    "span",
    Message("Span"),
    "s",
    Message("From the first to the last submission or request"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("d"),
)
CLOCK_ORIGIN: Final = Measure(
    "clock_origin",
    Message("Origin"),
    "",
    Message("What second 0 of a trace's clock stands for"),
    TEXT,
)
DEMAND_MEAN: Final = Measure(
    "demand_mean",
    Message("Demand, mean"),
    "GPU",
    Message("GPU time that the jobs request, over the span; whatever was then served"),
    COUNT.with_digits(1),
    "requested_gpu_hours / span",
)
LARGEST_GANG: Final = Measure(
    "largest_gang",
    Message("Largest gang"),
    "GPU",
    Message("GPUs of the job that requests the most"),
    COUNT,
)
SHARING_JOBS: Final = Measure(
    "sharing_jobs",
    Message("Jobs that share a GPU"),
    "",
    Message("Jobs that request less than a whole GPU"),
    COUNT,
)
CPU_JOBS: Final = Measure(
    "cpu_jobs", Message("CPU jobs"), "", Message("Jobs that request no GPU"), COUNT
)
RUN_TIME_MEDIAN: Final = Measure(
    "run_time_median",
    Message("Run time, median"),
    "s",
    Message("Median of the time that jobs run once started"),
    HOURS,
)
TENANTS: Final = Measure(
    "tenants", Message("Tenants"), "", Message("Different tenants that submit jobs"), COUNT
)
TRACE: Final = Measure(
    "trace", Message("Trace"), "", Message("The file that the demand was read from"), TEXT
)
TRACE_FORMAT: Final = Measure(
    "trace_format", Message("Format"), "", Message("The trace's format, by its short name"), TEXT
)
REQUESTS: Final = Measure(
    "requests",
    Message("Requests"),
    "",
    Message("Requests to a language model; rate times window where a trace holds only rates"),
    NUMBER.with_digits(0),
)
REQUEST_RATE_MEAN: Final = Measure(
    "request_rate_mean",
    Message("Request rate, mean"),
    "1/s",
    Message("Requests over the span"),
    NUMBER.with_digits(2),
    "requests / span",
)
REQUEST_RATE_PEAK: Final = Measure(
    "request_rate_peak",
    Message("Request rate, peak"),
    "1/s",
    Message("Request rate of the busiest minute, or window, of the trace"),
    NUMBER.with_digits(2),
)
PROMPT_TOKENS: Final = Measure(
    "prompt_tokens",
    Message("Prompt tokens, p50 / p90 / p99"),
    "",
    Message("Lengths of prompt that 50, 90 and 99 in 100 requests do not exceed"),
    TEXT,
)
OUTPUT_TOKENS: Final = Measure(
    "output_tokens",
    Message("Output tokens, p50 / p90 / p99"),
    "",
    Message("Lengths of answer that 50, 90 and 99 in 100 requests do not exceed"),
    TEXT,
)
SHARED_BLOCKS: Final = Measure(
    "shared_blocks",
    Message("Prefix blocks seen before"),
    "share",
    Message("Prefix blocks that an earlier request brought already, over all"),
    SHARE,
    "1 - distinct_blocks / blocks",
)

# Service: when a job ran, and how long it waited.

SUBMITTED: Final = Measure(
    "submitted",
    Message("Submitted"),
    "s",
    Message("Submission, from the trace's origin"),
    NUMBER.with_digits(0),
)
FIRST_START: Final = Measure(
    "first_start",
    Message("First start"),
    "s",
    Message("First start, from the trace's origin; nothing where it never started"),
    NUMBER.with_digits(0),
)
JOB_END: Final = Measure(
    "job_end",
    Message("End of the job"),
    "s",
    Message("End, from the trace's origin; nothing where it did not finish"),
    NUMBER.with_digits(0),
)
QUEUE_DELAY: Final = Measure(
    "queue_delay",
    Message("Queue delay"),
    "s",
    Message("First start minus submission"),
    HOURS,
    "first_start - submitted",
)
QUEUE_DELAY_MEDIAN: Final = Measure(
    "queue_delay_median",
    Message("Queue delay, median"),
    "s",
    Message("The delay that a half of the finished jobs do not exceed"),
    HOURS,
)
QUEUE_DELAY_P95: Final = Measure(
    "queue_delay_p95",
    Message("Queue delay, 95th percentile"),
    "s",
    Message("The least delay that 95 in 100 finished jobs do not exceed"),
    HOURS,
)
PENDING: Final = Measure(
    "pending",
    Message("Pending time"),
    "s",
    Message("All time between submission and end in which the job did not run"),
    HOURS,
    "job_end - submitted - ran",
)
PENDING_MEAN: Final = Measure(
    "pending_mean",
    Message("Pending time, mean"),
    "s",
    Message("Mean of all time not running, over the jobs that finished"),
    HOURS,
)
COMPLETION_MEAN: Final = Measure(
    "completion_mean",
    Message("Job completion time, mean"),
    "s",
    Message("Mean of end minus submission, over the jobs that finished"),
    HOURS,
    "mean(job_end - submitted)",
)
JOBS_FINISHED: Final = Measure(
    "jobs_finished", Message("Jobs finished"), "", Message("Jobs that ran to their end"), COUNT
)
JOBS_REJECTED: Final = Measure(
    "jobs_rejected",
    Message("Jobs rejected"),
    "",
    Message("Jobs that request more than any nodes that they may use hold, even when idle"),
    COUNT,
)
JOBS_LEFT: Final = Measure(
    "jobs_left",
    Message("Jobs left waiting"),
    "",
    Message("Jobs that still waited when nothing more could happen"),
    COUNT,
)
JOBS_OF_SITE: Final = Measure(
    "jobs_of_site",
    Message("Jobs begun there"),
    "",
    Message("Jobs whose first node was on the site"),
    COUNT,
)
PREEMPTIONS: Final = Measure(
    "preemptions", Message("Preemptions"), "", Message("Times that jobs were preempted"), COUNT
)
DELAY_SAVED: Final = Measure(
    "delay_saved",
    Message("Delay saved"),
    "s",
    Message("How much earlier the job would have started with the change; below 0: later"),
    replace(HOURS, signed=True),
    "queue_delay - queue_delay_with_the_change",
)
HELD_IN_THE_WAY: Final = Measure(
    "held_in_the_way",
    Message("GPU time held in its way"),
    "GPU-h",
    Message("GPU time that another job held on the nodes that a job may use, while it waited"),
    NUMBER.with_digits(1),
)

# Use: GPUs over time.

WINDOW: Final = Measure(
    "window",
    Message("Window"),
    "s",
    Message("From the first to the last arrival"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("d"),
)
MAKESPAN: Final = Measure(
    "makespan",
    Message("Makespan"),
    "s",
    Message("From the first arrival to the last end"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("d"),
)
UTILISATION_MAKESPAN: Final = Measure(
    "utilisation_makespan",
    Message("Utilisation, makespan"),
    "share",
    Message("Allocated GPU time over available GPU time, over the makespan"),
    SHARE,
)
IDLE_WHILE_WAITING: Final = Measure(
    "idle_while_waiting",
    Message("Idle while jobs waited"),
    "share",
    Message(
        "GPU time that lay idle while some job waited, over available GPU time in the window: "
        "lost to fragmentation and to the order of the queue"
    ),
    SHARE,
)
UNUSED_IN_WINDOW: Final = Measure(
    "unused_in_window",
    Message("Available and not allocated"),
    "share",
    Message("What utilisation leaves of available GPU time in the window"),
    SHARE,
    "1 - utilisation",
)
QUEUE_LENGTH_MEAN: Final = Measure(
    "queue_length_mean",
    Message("Queue length, mean"),
    "",
    Message("Mean number of waiting jobs in the window"),
    NUMBER.with_digits(1),
)
ALLOCATED_GPUS: Final = Measure(
    "allocated_gpus",
    Message("Allocated GPUs"),
    "GPU",
    Message("GPUs that jobs hold, the exact mean of the time that a row stands for"),
    COUNT.with_digits(1),
)
SITE_GPUS: Final = Measure(
    "site_gpus", Message("GPUs on the site"), "GPU", Message("GPUs that the site has"), COUNT
)
WAITING_JOBS: Final = Measure(
    "waiting_jobs",
    Message("Jobs waiting"),
    "",
    Message("Jobs that wait, the exact mean of the time that a row stands for"),
    NUMBER.with_digits(1),
)
WAITING_GPUS: Final = Measure(
    "waiting_gpus",
    Message("GPUs that waiting jobs request"),
    "GPU",
    Message("GPUs that they request, the exact mean of the time that a row stands for"),
    COUNT.with_digits(1),
)
FREE_GPUS: Final = Measure(
    "free_gpus",
    Message("Free GPUs"),
    "GPU",
    Message("GPUs free on the nodes that a job may use"),
    COUNT.with_digits(1),
)

# Energy. Traces hold no power, so a held GPU counts as busy whatever its job does with it.

BUSY_ENERGY: Final = Measure(
    "busy_energy",
    Message("Busy GPUs"),
    "kWh",
    Message("Energy that allocated GPUs draw"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("MWh"),
)
IDLE_ENERGY: Final = Measure(
    "idle_energy",
    Message("Idle GPUs"),
    "kWh",
    Message("Energy that GPUs draw while nobody holds them"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("MWh"),
)
OVERHEAD_ENERGY: Final = Measure(
    "overhead_energy",
    Message("Cooling and losses (PUE)"),
    "kWh",
    Message("Energy of cooling and distribution: the facility's draw beyond that of its servers"),
    NUMBER.with_digits(1).measure_form_with_shown_unit("MWh"),
    "(busy_energy + idle_energy) * (pue - 1)",
)

# Packing: how full a fleet gets while jobs only arrive.

JOBS_PLACED: Final = Measure(
    "jobs_placed",
    Message("Jobs placed"),
    "",
    Message("Arrivals that some node had room for"),
    COUNT,
)
ARRIVED_LOAD: Final = Measure(
    "arrived_load",
    Message("Arrived load"),
    "share",
    Message("GPU demand that has arrived, over the GPU capacity of the fleet"),
    SHARE,
    "arrived_gpus / gpus",
)
ALLOCATED_SHARE: Final = Measure(
    "allocated_share",
    Message("Allocated GPU share"),
    "share",
    Message("Allocated GPU over all GPU, at the arrived load"),
    SHARE.with_digits(2),
)
UNALLOCATED_SHARE: Final = Measure(
    "unallocated_share",
    Message("Unallocated GPU share"),
    "share",
    Message("What is not allocated of all GPU, at the arrived load"),
    SHARE.with_digits(2),
    "1 - allocated_share",
)
FRAGMENTED_SHARE: Final = Measure(
    "fragmented_share",
    Message("Fragmented GPU share"),
    "share",
    Message("Idle GPU that typical jobs cannot use, over all GPU, at the arrived load"),
    SHARE.with_digits(2),
)
FRAGMENTED_IDLE_SHARE: Final = Measure(
    "fragmented_idle_share",
    Message("Fragmented share of idle GPU"),
    "share",
    Message("Idle GPU that typical jobs cannot use, over idle GPU"),
    SHARE.with_digits(2),
    "fragmented_share / unallocated_share",
)

# What a sweep varies; a row holds each as it was typed.

AXIS_NODES: Final = Measure(
    "axis_nodes",
    Message("Nodes of the fleet"),
    "",
    Message("A number of equal nodes, or a node list"),
    TEXT,
)
AXIS_GPUS_PER_NODE: Final = Measure(
    "axis_gpus_per_node",
    Message("GPUs per node"),
    "",
    Message("GPUs on each of equal nodes"),
    TEXT,
)
AXIS_POOL: Final = Measure(
    "axis_pool",
    Message("Pool"),
    "",
    Message("Whether tenants share the nodes (all) or have their own (tenant)"),
    TEXT,
)
AXIS_RUNTIME: Final = Measure(
    "axis_runtime",
    Message("Known run times"),
    "",
    Message("Whether the scheduler knows run times (oracle) or only estimates (none)"),
    TEXT,
)
AXIS_LOAD: Final = Measure(
    "axis_load",
    Message("Load to arrive"),
    "",
    Message("GPU demand to arrive, over capacity, under the arrived-load protocol"),
    TEXT,
)
AXIS_SEED: Final = Measure(
    "axis_seed", Message("Seed of the draws"), "", Message("The seed of every draw"), TEXT
)

# The engine itself.

ENGINE_TIME: Final = Measure(
    "engine_time",
    Message("CPU time of the engine"),
    "s",
    Message("CPU time of the simulation alone, reading and compiling left out"),
    NUMBER.with_digits(2),
)
ENGINE_SPEED: Final = Measure(
    "engine_speed",
    Message("Jobs simulated per CPU-second"),
    "",
    Message("Jobs over the CPU time of the engine"),
    NUMBER.with_digits(0),
    "jobs_submitted / engine_time",
)
TOKENS_OF_REQUEST: Final = Measure(
    "tokens_of_request",
    Message("Tokens of a request"),
    "",
    Message("Length of a prompt or of an answer at a quantile of the requests"),
    COUNT,
)

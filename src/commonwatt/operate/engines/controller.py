"""The controller: observe, decide, write down, act, mark as done; then again.

One tick, in order:

1. observe the backend, and note what has changed (jobs, uses);
2. capture the state, and let the policy decide on it: the simulator's own function;
3. check the hard rules, and turn the decision into actions: a victim is warned first and
   stopped after its grace; a start waits until its capacity is really free;
4. write changes, capture, decision, intents and ledger entries in one transaction;
5. act, and mark each intent with what the backend answered.

It may be killed after any step. The next start observes first, settles the intents that
were left open by what is to be seen, and goes on; nothing is started twice, because
starts are claimed on the backend, and nothing is lost, because the backend holds the jobs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from commonwatt.fleet.domain.policies.decide import SchedulingDecision, decide_scheduling
from commonwatt.fleet.domain.policies.order.qssf import predict_job_runtime_ms
from commonwatt.fleet.domain.policies.place import FreeCapacity
from commonwatt.fleet.domain.policies.plan import copy_free_capacity
from commonwatt.operate.domain.actions import (
    ClusterAction,
    Intent,
    IntentState,
    cluster_intent_with_reason,
    is_intent_seen_on_cluster,
    job_start_intent,
    perform_cluster_intent,
)
from commonwatt.operate.domain.capture import Capture, capture_cluster_state, capture_json_line
from commonwatt.operate.domain.cluster import (
    PHASES_ON_NODES,
    TERMINAL_PHASES,
    ClusterBackend,
    ClusterObservation,
    JobPhase,
    JobRequest,
    NodeState,
)
from commonwatt.operate.domain.errors import BackendError, UnknownNameError
from commonwatt.operate.domain.settings import ControllerSettings
from commonwatt.operate.domain.state import (
    JobRecord,
    StateChanges,
    cluster_state_changes,
    job_ended_after_warning,
)
from commonwatt.operate.engines.checks import (
    check_live_scheduling_decision,
    overcommitted_cluster_nodes,
    starting_jobs_with_gpus_taken,
)
from commonwatt.operate.engines.elastic.filler import next_filler_job, withheld_filler_jobs
from commonwatt.operate.engines.elastic.forecast import controller_gpu_demand_rise_quantile
from commonwatt.operate.engines.elastic.reservations import jobs_to_clear_for_reservations
from commonwatt.operate.engines.replay import NO_DECISION
from commonwatt.operate.engines.snapshot import (
    QueueSnapshot,
    WaitReason,
    job_wait_reasons,
    node_allocations_of_gang,
    queue_snapshot,
    scheduling_decision_by_names,
    take_room_for_start_if_it_fits,
)
from commonwatt.operate.io.store import ControllerStore

# A day of minutes: the forecast is a quantile of what was seen, and a shorter memory would
# never have seen the rise that comes at the same hour each day.
HISTORY_STEPS = 1440  # demand remembered for the forecast, a step a minute


@dataclass(slots=True, kw_only=True)
class TickResult:
    """What one tick observed and did.

    Args:
        observation: The look at the backend.
        decision: What was decided, by names.
        performed: Actions that the backend took.
        refused: Actions that it refused, with its answer.
        waits: Why each job waits.
        overcommitted: Nodes that hold more than they have; none, unless others interfere.
    """

    observation: ClusterObservation
    decision: dict[str, object] = field(default_factory=dict[str, object])
    performed: list[Intent] = field(default_factory=list[Intent])
    refused: list[tuple[Intent, str]] = field(default_factory=list[tuple[Intent, str]])
    waits: dict[str, WaitReason] = field(default_factory=dict[str, WaitReason])
    overcommitted: list[str] = field(default_factory=list[str])


class Controller:
    """Runs one cluster by one policy.

    Args:
        backend: The cluster.
        store: The memory.
        settings: What the operator decided beforehand.
        explain: Whether each tick says why jobs wait, which plans every waiting job again.
    """

    def __init__(
        self,
        backend: ClusterBackend,
        store: ControllerStore,
        settings: ControllerSettings,
        *,
        explain: bool = False,
    ) -> None:
        self.backend, self.store, self.settings, self.explain = backend, store, settings, explain
        self.jobs: dict[str, JobRecord] = {}
        self.open_starts: dict[str, int] = {}
        self.tick_number = 0
        self.demand: deque[float] = deque(maxlen=HISTORY_STEPS)
        self._demand_step = 0

    def recover_open_intents(self) -> list[tuple[Intent, IntentState]]:
        """Take up where the last controller stopped; return what became of its open intents."""
        # Memory is rebuilt from the store and never from the backend alone: only the store
        # knows what was warned, refused or served before.
        self.jobs, self.open_starts = (
            self.store.job_records(),
            self.store.open_start_number_by_job(),
        )
        self.tick_number = self.store.last_tick_number()
        open_intents = [intent for intent, _ in self.store.intents(IntentState.OPEN)]
        if not open_intents:
            return []
        observation = self.backend.observe()
        # All open intents are judged by one observation, taken after the last controller is
        # gone: a second one could see the effect of an intent that the first had just done
        # again.
        settled = [
            self._settle_intent_performing_if_unseen(intent, observation) for intent in open_intents
        ]
        self.store.set_intent_states(settled)
        return [(intent, state) for intent, state, _ in settled]

    def tick(self) -> TickResult:
        """Observe, decide and act once."""
        observation = self.backend.observe()
        tick = TickResult(
            observation=observation, overcommitted=overcommitted_cluster_nodes(observation)
        )
        changes = cluster_state_changes(self.jobs, self.open_starts, observation)
        self._apply_state_changes(changes, observation)
        self._note_gpu_demand(observation)
        captured = self._capture_cluster_state(observation)
        decision, snapshot = self._decide_on_queue(captured)
        intents = self._intents_of_decision(decision, snapshot, captured, observation, tick)
        record = self._decision_log_tick_and_capture(captured, decision, snapshot, tick)
        # A tick in which nothing moved writes nothing: the database of an idle cluster would
        # otherwise grow by a row a tick.
        if changes or intents or record:
            self._write_and_perform_intents(tick, changes, intents, record)
        self._submit_filler_job(observation)
        return tick

    def _settle_intent_performing_if_unseen(
        self, intent: Intent, observation: ClusterObservation
    ) -> tuple[Intent, IntentState, str]:
        if is_intent_seen_on_cluster(intent, observation):
            return intent, IntentState.DONE, "seen on the backend"
        # What the policy decided is stale by now and is decided afresh; what a person asked for
        # is not, and is done.
        if intent.action in (ClusterAction.START, ClusterAction.WARN, ClusterAction.REQUEUE):
            return intent, IntentState.DROPPED, "not seen on the backend; decided afresh"
        try:
            perform_cluster_intent(intent, self.backend)
        except (BackendError, UnknownNameError) as error:
            return intent, IntentState.REFUSED, str(error)
        return intent, IntentState.DONE, "done again"

    def _apply_state_changes(self, changes: StateChanges, observation: ClusterObservation) -> None:
        for job_id, _ in changes.closed_uses:
            self.open_starts.pop(job_id, None)
        for use in changes.opened_uses:
            # A job may begin and end between two observations: its use is opened and closed at
            # once and must not stay open.
            if (use.job_id, use.starts) not in changes.closed_uses:
                self.open_starts[use.job_id] = use.starts
        for row in changes.job_records:
            self.jobs[row.request.job_id] = row
        if (
            len(self.jobs) > 2 * len(observation.jobs) + 100
        ):  # what is over and forgotten by the backend
            known_jobs = observation.jobs.keys()
            self.jobs = {
                k: v
                for k, v in self.jobs.items()
                if k in known_jobs or v.phase not in TERMINAL_PHASES
            }

    def _note_gpu_demand(self, observation: ClusterObservation) -> None:
        """Note the demand of this minute: what is held, and what waits."""
        step = int(observation.at_s // 60)
        if self.settings.filler is None or step == self._demand_step:
            return
        self._demand_step = step
        filler_tenant = self.settings.filler.tenant
        live = PHASES_ON_NODES | {JobPhase.HELD}
        requests = [job.request for job in observation.jobs.values() if job.phase in live]
        self.demand.append(
            float(sum(request.gpus for request in requests if request.tenant != filler_tenant))
        )

    def _capture_cluster_state(self, observation: ClusterObservation) -> Capture:
        parked = [k for k, row in self.jobs.items() if row.refusals >= self.settings.refusals]
        return capture_cluster_state(
            observation,
            self.settings,
            served_s={k: row.served_s for k, row in self.jobs.items() if row.served_s},
            predicted_s=self._predicted_run_time_s_by_held_job(observation),
            parked=(*parked, *self._withheld_filler_jobs(observation)),
        )

    def _withheld_filler_jobs(self, observation: ClusterObservation) -> tuple[str, ...]:
        filler = self.settings.filler
        if filler is None:
            return ()
        # Demand is noted once a minute, so less than a minute ahead is still one step.
        steps = max(int(filler.ahead_s // 60), 1)
        return withheld_filler_jobs(
            observation, filler, controller_gpu_demand_rise_quantile(np.array(self.demand), steps)
        )

    def _predicted_run_time_s_by_held_job(
        self, observation: ClusterObservation
    ) -> dict[str, float]:
        """Return run times predicted from finished jobs, where the order asks for them."""
        # Only this order reads predicted run times (Hu et al. 2021, Helios); for the others the
        # history need not be walked.
        if self.settings.policy.order != "qssf":
            return {}
        finished = [row for row in self.jobs.values() if row.phase == JobPhase.FINISHED]
        users = {name: i for i, name in enumerate(sorted({r.request.user for r in finished}))}
        groups = {name: i for i, name in enumerate(sorted({r.request.group for r in finished}))}
        history = {
            "users": np.array([users[r.request.user] for r in finished], np.int64),
            "groups": np.array([groups[r.request.group] for r in finished], np.int64),
            "runtimes_ms": np.array(
                [round((r.ended_at_s - r.last_start_s) * 1000) for r in finished], np.int64
            ),
        }
        return {
            name: predict_job_runtime_ms(
                users.get(job.request.user, -1),
                groups.get(job.request.group, -1),
                **history,
                # An hour where nobody of that name has finished yet: the estimate is the user's
                # claim, which this order exists not to trust.
                default_ms=3_600_000,
            )
            / 1000
            for name, job in observation.jobs.items()
            if job.phase == JobPhase.HELD
        }

    def _decide_on_queue(
        self, captured: Capture
    ) -> tuple[SchedulingDecision, QueueSnapshot | None]:
        if not any(job.phase == JobPhase.HELD for job in captured.jobs):
            return NO_DECISION, None
        snapshot = queue_snapshot(captured)
        if len(snapshot.state.waiting) == 0:
            return NO_DECISION, snapshot
        decision = decide_scheduling(snapshot.state, captured.scheduling_policy)
        # Checked here and not in the policy: own policies are code of others, and a bent rule
        # must stop before it is written down.
        check_live_scheduling_decision(decision, snapshot, captured)
        return decision, snapshot

    def _intents_of_decision(
        self,
        decision: SchedulingDecision,
        snapshot: QueueSnapshot | None,
        captured: Capture,
        observation: ClusterObservation,
        tick: TickResult,
    ) -> list[Intent]:
        """Return the actions that carry `decision` out, as far as it can be now."""
        # Housekeeping first: a job that is stopped because it hangs must not be warned, too, in
        # the same tick.
        intents = self._requeue_intents_without_policy(observation)
        named = {intent.subject for intent in intents}
        victims = list(
            jobs_to_clear_for_reservations(
                observation, self.settings.reservations, self.settings.grace_s
            )
        )
        if snapshot is not None:
            tick.decision = scheduling_decision_by_names(decision, snapshot)
            victims += [snapshot.names[job] for job in decision.preemptions]
            if self.explain:
                tick.waits = job_wait_reasons(snapshot, decision, captured)
        # A reservation and the policy may name the same victim; it is stopped once.
        for name in dict.fromkeys(victims):
            if observation.jobs[name].phase not in PHASES_ON_NODES:
                continue  # started and stopped within one decision
            intent = self._next_stop_intent_noting_warning(name, observation)
            if intent is not None and name not in named:
                intents.append(intent)
        if snapshot is not None:
            intents += self._start_intents_taking_capacity(
                decision, snapshot, copy_free_capacity(snapshot.complete_nodes)
            )
        return intents

    def _requeue_intents_without_policy(self, observation: ClusterObservation) -> list[Intent]:
        """Return the actions that no policy decides: what hangs is held again."""
        intents: list[Intent] = []
        up = {node.name for node in observation.nodes if node.state == NodeState.UP}
        # A backend that spreads a gang by itself may have taken what was meant for another
        # start.
        crowded = set(starting_jobs_with_gpus_taken(observation))
        for name, job in observation.jobs.items():
            row = self.jobs[name]
            late = (
                row.offered_at_s
                and observation.at_s - row.offered_at_s > self.settings.start_within_s
            )
            if job.phase == JobPhase.STARTING:
                away = any(place.node not in up for place in job.places)
                if late or away or name in crowded:
                    intents.append(
                        cluster_intent_with_reason(ClusterAction.REQUEUE, name, "did not begin")
                    )
            elif job_ended_after_warning(row, job):
                intents.append(
                    cluster_intent_with_reason(ClusterAction.REQUEUE, name, "ended by its warning")
                )
            elif job.phase == JobPhase.RUNNING and _is_preemption_grace_over(
                row, observation.at_s, self.settings.grace_s
            ):
                intents.append(
                    cluster_intent_with_reason(
                        ClusterAction.REQUEUE, name, "preempted, its grace is over"
                    )
                )
        return intents

    def _next_stop_intent_noting_warning(
        self, name: str, observation: ClusterObservation
    ) -> Intent | None:
        """Return the next step in stopping a job: a warning, then after its grace the end."""
        job, row = observation.jobs[name], self.jobs[name]
        # What has not begun has nothing to save, so a warning would only delay those who wait.
        if job.phase == JobPhase.STARTING or self.settings.grace_s == 0:
            return cluster_intent_with_reason(ClusterAction.REQUEUE, name, "preempted")
        if row.warned_at_s:
            return None  # housekeeping ends it when its grace is over
        # Noted before the signal is sent: a controller that dies between would otherwise warn
        # again and give the job its grace a second time.
        self.jobs[name] = replace(row, warned_at_s=observation.at_s)
        return cluster_intent_with_reason(ClusterAction.WARN, name, "to be preempted")

    def _start_intents_taking_capacity(
        self, decision: SchedulingDecision, snapshot: QueueSnapshot, capacity: FreeCapacity
    ) -> list[Intent]:
        """Return the starts whose capacity is free now; the others are decided again next time."""
        intents: list[Intent] = []
        for job, pieces in decision.starts.items():
            # A decision may count on what its victims will free. Those starts wait for a later
            # tick, because places of a job in its grace are still held.
            if take_room_for_start_if_it_fits(pieces, capacity):
                name = snapshot.names[job]
                starts = self.jobs[name].starts + 1
                intents.append(
                    job_start_intent(name, node_allocations_of_gang(pieces, snapshot), starts)
                )
        return intents

    def _decision_log_tick_and_capture(
        self,
        captured: Capture,
        decision: SchedulingDecision,
        snapshot: QueueSnapshot | None,
        tick: TickResult,
    ) -> tuple[int, dict[str, object], str] | None:
        """Return what the decision log is to hold: every decision that does something."""
        # A decision to do nothing is not kept: at one tick a second the log would hold little
        # else, and replaying it would prove nothing.
        if snapshot is None or not (decision.starts or decision.preemptions):
            return None
        return self.tick_number + 1, tick.decision, capture_json_line(captured)

    def _write_and_perform_intents(
        self,
        tick: TickResult,
        changes: StateChanges,
        intents: list[Intent],
        record: tuple[int, dict[str, object], str] | None,
    ) -> None:
        at_s = tick.observation.at_s
        offered = self._mark_and_list_offered_job_records(intents, at_s)
        # One record a job: what an intent changes comes after what was observed of it, and the
        # later one holds.
        changes.job_records = _latest_job_records([*changes.job_records, *offered])
        if record is not None:
            self.tick_number = record[0]
        numbered = self.store.write_changes_and_intents(
            at_s,
            changes,
            intents=intents,
            decision=record,
            most_captures=self.settings.keep_captures,
        )
        if numbered:
            self._perform_intents(numbered, tick)

    def _mark_and_list_offered_job_records(
        self, intents: list[Intent], at_s: float
    ) -> list[JobRecord]:
        """Return the rows of jobs that intents concern, as they are remembered now."""
        rows: list[JobRecord] = []
        for intent in intents:
            row = self.jobs[intent.subject]
            if intent.action == ClusterAction.START:
                row = replace(row, offered_at_s=at_s)
            self.jobs[intent.subject] = row
            rows.append(row)
        return rows

    def _perform_intents(self, intents: list[Intent], tick: TickResult) -> None:
        settled: list[tuple[Intent, IntentState, str]] = []
        for intent in intents:
            try:
                perform_cluster_intent(intent, self.backend)
                settled.append((intent, IntentState.DONE, ""))
                tick.performed.append(intent)
            except (BackendError, UnknownNameError) as error:
                settled.append((intent, IntentState.REFUSED, str(error)))
                tick.refused.append((intent, str(error)))
                # Refusals are counted per job: one that a backend never takes would otherwise
                # be offered for ever at the head of the queue.
                self._count_start_refusal(intent)
        self.store.set_intent_states(settled)
        refused = [self.jobs[intent.subject] for intent, _ in tick.refused]
        if refused:
            self.store.write_changes_and_intents(
                tick.observation.at_s, StateChanges(job_records=refused)
            )

    def _count_start_refusal(self, intent: Intent) -> None:
        row = self.jobs[intent.subject]
        if intent.action == ClusterAction.START:
            self.jobs[intent.subject] = replace(row, refusals=row.refusals + 1, offered_at_s=0.0)

    def _submit_filler_job(self, observation: ClusterObservation) -> None:
        """Bring in one more filler job where capacity is idle for it."""
        filler = self.settings.filler
        if filler is None:
            return
        number = int(
            observation.at_s * 10
        )  # a name that no filler job has borne, after a restart, too
        request: JobRequest | None = next_filler_job(observation, filler, number, observation.at_s)
        if request is not None:
            self.backend.submit(request)


def _is_preemption_grace_over(row: JobRecord, now_s: float, grace_s: float) -> bool:
    return row.warned_at_s > 0 and now_s - row.warned_at_s >= grace_s


def _latest_job_records(rows: list[JobRecord]) -> list[JobRecord]:
    """Return the last row of each job, in order."""
    return list({row.request.job_id: row for row in rows}.values())

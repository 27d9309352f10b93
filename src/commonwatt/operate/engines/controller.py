"""The controller: look, decide, write down, act, mark as done; then again.

One tick, in order:

1. observe the engine, and absorb what has changed (jobs, uses);
2. capture the state, and let the policy decide on it: the simulator's own function;
3. check the hard rules, and turn the decision into acts: a victim is warned first and
   stopped after its grace; a start waits until its room is really free;
4. write changes, capture, decision, intents and ledger entries in one transaction;
5. act, and mark each intent with what the engine answered.

It may be killed after any step. The next start looks first, settles the intents that
were left open by what is to be seen, and goes on; nothing is started twice, because
starts are claimed on the engine, and nothing is lost, because the engine holds the jobs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from commonwatt.fleet.domain.policies.decide import Decision, decide
from commonwatt.fleet.domain.policies.order.qssf import predict_ms
from commonwatt.fleet.domain.policies.place import Nodes
from commonwatt.fleet.domain.policies.plan import copied
from commonwatt.operate.domain.actions import (
    Act,
    Intent,
    IntentState,
    perform,
    shows,
    start,
    stop,
)
from commonwatt.operate.domain.capture import Capture, capture, capture_text
from commonwatt.operate.domain.cluster import ON_NODES, OVER, Ask, Engine, NodeState, Phase, Seen
from commonwatt.operate.domain.errors import EngineError, UnknownError
from commonwatt.operate.domain.settings import Settings
from commonwatt.operate.domain.state import Changes, JobRow, absorb, is_by_warning
from commonwatt.operate.engines.checks import check_decision, crowded_out, overcommitted
from commonwatt.operate.engines.elastic.filler import wanted, withheld
from commonwatt.operate.engines.elastic.forecast import rise
from commonwatt.operate.engines.elastic.reservations import to_clear
from commonwatt.operate.engines.replay import NOTHING
from commonwatt.operate.engines.snapshot import View, Why, fits_now, places, reasons, said, view
from commonwatt.operate.io.store import Store

HISTORY_STEPS = 1440  # demand remembered for the forecast, a step a minute


@dataclass(slots=True, kw_only=True)
class Tick:
    """What one tick found and did.

    Args:
        seen: The look at the engine.
        decision: What was decided, by names.
        done: Acts that the engine took.
        refused: Acts that it refused, with its answer.
        waits: Why each job waits.
        overcommitted: Nodes that hold more than they have; none, unless others interfere.
    """

    seen: Seen
    decision: dict[str, object] = field(default_factory=dict[str, object])
    done: list[Intent] = field(default_factory=list[Intent])
    refused: list[tuple[Intent, str]] = field(default_factory=list[tuple[Intent, str]])
    waits: dict[str, Why] = field(default_factory=dict[str, Why])
    overcommitted: list[str] = field(default_factory=list[str])


class Controller:
    """Runs one cluster by one policy.

    Args:
        engine: The cluster.
        store: The memory.
        settings: What the operator decided beforehand.
        explain: Whether each tick says why jobs wait, which costs another look at all.
    """

    def __init__(
        self, engine: Engine, store: Store, settings: Settings, *, explain: bool = False
    ) -> None:
        self.engine, self.store, self.settings, self.explain = engine, store, settings, explain
        self.book: dict[str, JobRow] = {}
        self.open_starts: dict[str, int] = {}
        self.tick_number = 0
        self.demand: deque[float] = deque(maxlen=HISTORY_STEPS)
        self._demand_step = 0

    def recover(self) -> list[tuple[Intent, IntentState]]:
        """Take up where the last controller stopped; return what became of its open intents."""
        self.book, self.open_starts = self.store.rows(), self.store.open_starts()
        self.tick_number = self.store.last_tick()
        left = [intent for intent, _ in self.store.intents(IntentState.OPEN)]
        if not left:
            return []
        seen = self.engine.observe()
        settled = [self._recovered(intent, seen) for intent in left]
        self.store.settle(settled)
        return [(intent, state) for intent, state, _ in settled]

    def tick(self) -> Tick:
        """Look, decide, act once."""
        seen = self.engine.observe()
        tick = Tick(seen=seen, overcommitted=overcommitted(seen))
        changes = absorb(self.book, self.open_starts, seen)
        self._remember(changes, seen)
        self._note_demand(seen)
        captured = self._captured(seen)
        decision, seen_as = self._decide(captured)
        intents = self._intents(decision, seen_as, captured, seen, tick)
        kept = self._kept(captured, decision, seen_as, tick)
        if changes or intents or kept:
            self._act(tick, changes, intents, kept)
        self._fill(seen)
        return tick

    def _recovered(self, intent: Intent, seen: Seen) -> tuple[Intent, IntentState, str]:
        if shows(intent, seen):
            return intent, IntentState.DONE, "seen on the engine"
        if intent.act in (Act.START, Act.WARN, Act.REQUEUE):
            return intent, IntentState.DROPPED, "not seen on the engine; decided afresh"
        try:
            perform(intent, self.engine)
        except (EngineError, UnknownError) as error:
            return intent, IntentState.REFUSED, str(error)
        return intent, IntentState.DONE, "done again"

    def _remember(self, changes: Changes, seen: Seen) -> None:
        for job_id, _ in changes.closed:
            self.open_starts.pop(job_id, None)
        for use in changes.opened:
            if (use.job_id, use.starts) not in changes.closed:
                self.open_starts[use.job_id] = use.starts
        for row in changes.rows:
            self.book[row.ask.job_id] = row
        if len(self.book) > 2 * len(seen.jobs) + 100:  # what is over and forgotten by the engine
            kept = seen.jobs.keys()
            self.book = {k: v for k, v in self.book.items() if k in kept or v.phase not in OVER}

    def _note_demand(self, seen: Seen) -> None:
        """Note the demand of this minute: what is held, and what waits."""
        step = int(seen.at_s // 60)
        if self.settings.filler is None or step == self._demand_step:
            return
        self._demand_step = step
        own = self.settings.filler.tenant
        live = ON_NODES | {Phase.HELD}
        asks = [job.ask for job in seen.jobs.values() if job.phase in live]
        self.demand.append(float(sum(ask.gpus for ask in asks if ask.tenant != own)))

    def _captured(self, seen: Seen) -> Capture:
        parked = [k for k, row in self.book.items() if row.refusals >= self.settings.refusals]
        return capture(
            seen,
            self.settings,
            served_s={k: row.served_s for k, row in self.book.items() if row.served_s},
            predicted_s=self._predicted_s(seen),
            parked=(*parked, *self._withheld(seen)),
        )

    def _withheld(self, seen: Seen) -> tuple[str, ...]:
        filler = self.settings.filler
        if filler is None:
            return ()
        steps = max(int(filler.ahead_s // 60), 1)
        return withheld(seen, filler, rise(np.array(self.demand), steps))

    def _predicted_s(self, seen: Seen) -> dict[str, float]:
        """Return run times predicted from finished jobs, where the order asks for them."""
        if self.settings.policy.order != "qssf":
            return {}
        done = [row for row in self.book.values() if row.phase == Phase.FINISHED]
        users = {name: i for i, name in enumerate(sorted({r.ask.user for r in done}))}
        groups = {name: i for i, name in enumerate(sorted({r.ask.group for r in done}))}
        history = {
            "users": np.array([users[r.ask.user] for r in done], np.int64),
            "groups": np.array([groups[r.ask.group] for r in done], np.int64),
            "runtimes_ms": np.array(
                [round((r.ended_at_s - r.last_start_s) * 1000) for r in done], np.int64
            ),
        }
        return {
            name: predict_ms(
                users.get(job.ask.user, -1),
                groups.get(job.ask.group, -1),
                **history,
                default_ms=3_600_000,
            )
            / 1000
            for name, job in seen.jobs.items()
            if job.phase == Phase.HELD
        }

    def _decide(self, captured: Capture) -> tuple[Decision, View | None]:
        if not any(job.phase == Phase.HELD for job in captured.jobs):
            return NOTHING, None
        seen_as = view(captured)
        if len(seen_as.state.waiting) == 0:
            return NOTHING, seen_as
        decision = decide(seen_as.state, captured.rule)
        check_decision(decision, seen_as, captured)
        return decision, seen_as

    def _intents(
        self,
        decision: Decision,
        seen_as: View | None,
        captured: Capture,
        seen: Seen,
        tick: Tick,
    ) -> list[Intent]:
        """Return the acts that carry `decision` out, as far as it can be now."""
        intents = self._housekeeping(seen)
        named = {intent.subject for intent in intents}
        victims = list(to_clear(seen, self.settings.reservations, self.settings.grace_s))
        if seen_as is not None:
            tick.decision = said(decision, seen_as)
            victims += [seen_as.names[job] for job in decision.preemptions]
            if self.explain:
                tick.waits = reasons(seen_as, decision, captured)
        for name in dict.fromkeys(victims):
            if seen.jobs[name].phase not in ON_NODES:
                continue  # started and stopped within one decision
            intent = self._stop_gently(name, seen)
            if intent is not None and name not in named:
                intents.append(intent)
        if seen_as is not None:
            intents += self._starts(decision, seen_as, copied(seen_as.whole))
        return intents

    def _housekeeping(self, seen: Seen) -> list[Intent]:
        """Return the acts that no policy decides: what hangs is held again."""
        intents: list[Intent] = []
        up = {node.name for node in seen.nodes if node.state == NodeState.UP}
        crowded = set(crowded_out(seen))
        for name, job in seen.jobs.items():
            row = self.book[name]
            late = row.offered_at_s and seen.at_s - row.offered_at_s > self.settings.start_within_s
            if job.phase == Phase.STARTING:
                away = any(place.node not in up for place in job.places)
                if late or away or name in crowded:
                    intents.append(stop(Act.REQUEUE, name, "did not begin"))
            elif is_by_warning(row, job):
                intents.append(stop(Act.REQUEUE, name, "ended by its warning"))
            elif job.phase == Phase.RUNNING and _is_due(row, seen.at_s, self.settings.grace_s):
                intents.append(stop(Act.REQUEUE, name, "preempted, its grace is over"))
        return intents

    def _stop_gently(self, name: str, seen: Seen) -> Intent | None:
        """Return the next step in stopping a job: a warning, then after its grace the end."""
        job, row = seen.jobs[name], self.book[name]
        if job.phase == Phase.STARTING or self.settings.grace_s == 0:
            return stop(Act.REQUEUE, name, "preempted")
        if row.warned_at_s:
            return None  # housekeeping ends it when its grace is over
        self.book[name] = replace(row, warned_at_s=seen.at_s)
        return stop(Act.WARN, name, "to be preempted")

    def _starts(self, decision: Decision, seen_as: View, room: Nodes) -> list[Intent]:
        """Return the starts whose room is free now; the others are decided again next time."""
        intents: list[Intent] = []
        for job, pieces in decision.starts.items():
            if fits_now(pieces, room):
                name = seen_as.names[job]
                starts = self.book[name].starts + 1
                intents.append(start(name, places(pieces, seen_as), starts))
        return intents

    def _kept(
        self, captured: Capture, decision: Decision, seen_as: View | None, tick: Tick
    ) -> tuple[int, dict[str, object], str] | None:
        """Return what the decision log is to hold: every decision that does something."""
        if seen_as is None or not (decision.starts or decision.preemptions):
            return None
        return self.tick_number + 1, tick.decision, capture_text(captured)

    def _act(
        self,
        tick: Tick,
        changes: Changes,
        intents: list[Intent],
        kept: tuple[int, dict[str, object], str] | None,
    ) -> None:
        at_s = tick.seen.at_s
        offered = self._offered(intents, at_s)
        changes.rows = _latest([*changes.rows, *offered])
        if kept is not None:
            self.tick_number = kept[0]
        numbered = self.store.write(
            at_s, changes, intents=intents, decision=kept, keep=self.settings.keep_captures
        )
        if numbered:
            self._perform(numbered, tick)

    def _offered(self, intents: list[Intent], at_s: float) -> list[JobRow]:
        """Return the rows of jobs that intents concern, as they are remembered now."""
        rows: list[JobRow] = []
        for intent in intents:
            row = self.book[intent.subject]
            if intent.act == Act.START:
                row = replace(row, offered_at_s=at_s)
            self.book[intent.subject] = row
            rows.append(row)
        return rows

    def _perform(self, intents: list[Intent], tick: Tick) -> None:
        settled: list[tuple[Intent, IntentState, str]] = []
        for intent in intents:
            try:
                perform(intent, self.engine)
                settled.append((intent, IntentState.DONE, ""))
                tick.done.append(intent)
            except (EngineError, UnknownError) as error:
                settled.append((intent, IntentState.REFUSED, str(error)))
                tick.refused.append((intent, str(error)))
                self._count_refusal(intent)
        self.store.settle(settled)
        refused = [self.book[intent.subject] for intent, _ in tick.refused]
        if refused:
            self.store.write(tick.seen.at_s, Changes(rows=refused))

    def _count_refusal(self, intent: Intent) -> None:
        row = self.book[intent.subject]
        if intent.act == Act.START:
            self.book[intent.subject] = replace(row, refusals=row.refusals + 1, offered_at_s=0.0)

    def _fill(self, seen: Seen) -> None:
        """Bring in one more filler job where there is room for it."""
        filler = self.settings.filler
        if filler is None:
            return
        number = int(seen.at_s * 10)  # a name that no filler job has borne, after a restart, too
        ask: Ask | None = wanted(seen, filler, number, seen.at_s)
        if ask is not None:
            self.engine.submit(ask)


def _is_due(row: JobRow, now_s: float, grace_s: float) -> bool:
    return row.warned_at_s > 0 and now_s - row.warned_at_s >= grace_s


def _latest(rows: list[JobRow]) -> list[JobRow]:
    """Return the last row of each job, in order."""
    return list({row.ask.job_id: row for row in rows}.values())

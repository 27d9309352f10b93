"""What a person does to a cluster: each act is written down before it is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commonwatt.core.errors import CommonwattError
from commonwatt.operate.domain.actions import Act, Intent, IntentState, perform, stop
from commonwatt.operate.domain.cluster import Ask, Engine
from commonwatt.operate.domain.state import Changes
from commonwatt.operate.io.store import Store
from commonwatt.operate.usecases.home import Home, engine_of, opened


def act(home: Home, what: Act, subject: str, reason: str, *, now_s: float) -> dict[str, Any]:
    """Do one act to a node or job, with its ledger entry.

    Raises:
        UnknownError: There is no such node or job.
        EngineError: The engine refuses.
    """
    with opened(home) as store, engine_of(home) as engine:
        done(store, engine, stop(what, subject, reason), now_s)
    return {"act": what.value, "subject": subject, "reason": reason}


def done(store: Store, engine: Engine, intent: Intent, now_s: float) -> None:
    """Write an intent down, do it, and mark it as done or refused.

    Raises:
        UnknownError: There is no such node or job.
        EngineError: The engine refuses.
    """
    (written,) = store.write(now_s, Changes(), intents=[intent])
    try:
        perform(written, engine)
    except CommonwattError as error:
        store.settle([(written, IntentState.REFUSED, str(error))])
        raise
    store.settle([(written, IntentState.DONE, "")])


def submit(home: Home, ask: Ask, *, now_s: float) -> dict[str, Any]:
    """Hand a job to the engine, held; the controller starts it when its turn comes."""
    asked = replace(ask, submitted_at_s=ask.submitted_at_s or now_s)
    with opened(home) as store, engine_of(home) as engine:
        engine.submit(asked)
        body = {"gpus": asked.gpus, "tenant": asked.tenant, "user": asked.user}
        done(store, engine, Intent(act=Act.SUBMIT, subject=asked.job_id, body=body), now_s)
    return {"job_id": asked.job_id, "gpus": asked.gpus, "tenant": asked.tenant}

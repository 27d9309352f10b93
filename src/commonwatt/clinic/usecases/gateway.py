"""The gate from outside: serve it to clinicians and to agents, ask it once, audit its lots."""

from __future__ import annotations

import gc
import ssl
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commonwatt.clinic.engines.gateway import (
    AdviceGate,
    AgentCall,
    PathwayRunner,
    sign_human_step,
)
from commonwatt.clinic.engines.gateway.disclosure import record_encounter_disclosure
from commonwatt.clinic.engines.gateway.hooks.settings import is_loopback_host
from commonwatt.clinic.engines.gateway.institution import (
    ClinicInstitution,
    encounter_lottery_of_institution,
    encounter_lottery_secret,
    encounter_pseudonym_salt,
    load_clinic_institution,
    load_institution_name_and_guides,
    load_or_make_clinic_institution_secret,
    read_clinic_institution_secret,
)
from commonwatt.clinic.engines.gateway.lottery import (
    audit_encounter_lottery,
    record_lottery_commitment,
)
from commonwatt.clinic.io.guides import GuideLibrary
from commonwatt.clinic.io.registry import Registry, RegistryWriter
from commonwatt.core.errors import InputError, UsageError
from commonwatt.core.log import LogEvent, log_event
from commonwatt.core.messages import Message
from commonwatt.core.sockets import listening_tcp_socket
from commonwatt.ledger import Key, Ledger, Signer, actor_id_of

if TYPE_CHECKING:
    import uvicorn

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedGate:
    """A gate that is ready, and the institution file behind it."""

    gate: AdviceGate
    institution: ClinicInstitution

    @property
    def unverified_deployments(self) -> list[str]:
        """Deployments of which nothing shows that the version on record is what runs."""
        return sorted(
            name for name, model in self.institution.models.items() if not model.has_artefact_digest
        )


@contextmanager
def open_advice_gate_and_commit_lottery(
    ledger_location: str,
    key_file: Path,
    institution_file: Path,
    secret_file: Path,
    *,
    now: datetime,
) -> Generator[OpenedGate]:
    """Give the gate of an institution over the ledger at `ledger_location`, its lot pledged.

    Raises:
        InputError: The institution file or the secret cannot be read, or a pathway is for a role
            that nobody can have.
        IdentifierError: No institution may be called so, and none on record is.
        AdviceRefusedError: A model's weights are not those of the version on record.
        ActorError: The key may not speak for a gateway.
    """
    institution, secret = (
        load_clinic_institution(institution_file),
        load_or_make_clinic_institution_secret(secret_file),
    )
    key = Key.load(key_file)
    ledger = Ledger.open(ledger_location, create=False)
    try:
        writer = RegistryWriter(ledger, institution.guides)
        writer.check_institution_name_spelling(institution.name, f"{institution_file}, institution")
        # Before the first question: a gate with the wrong weights does not open, rather than refuse
        # patient by patient.
        institution.check_model_artefacts(writer.registry)
        institution.check_pathway_roles(ledger, str(institution_file))
        lot = encounter_lottery_of_institution(institution, secret) if institution.share else None
        if lot:
            record_lottery_commitment(writer, institution.name, lot, by=key, at=now)
        models = {name: loaded.model for name, loaded in institution.models.items()}
        gate = AdviceGate(
            writer,
            institution.name,
            models,
            by=key,
            salt=encounter_pseudonym_salt(secret),
            sample=lot,
        )
        log_event(LogEvent.GATE_OPENED, actor=actor_id_of(key.public_key))
        yield OpenedGate(gate=gate, institution=institution)
    finally:
        ledger.engine.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksAddress:
    """Where CDS Hooks are served.

    Args:
        host: Address to listen on.
        port: 0 takes a free one.
        tls_cert: Certificate chain in PEM; `None` serves plain HTTP.
        tls_key: Its key in PEM, where it is not in the same file.
        plain_http: Whether another machine may call without TLS, because a proxy before has it.
    """

    host: str
    port: int
    tls_cert: Path | None = None
    tls_key: Path | None = None
    plain_http: bool = False

    def check(self) -> None:
        """Refuse an address over which records of patients would cross a network in the open.

        Raises:
            UsageError: The address needs TLS, or the key stands alone.
            InputError: Certificate and key do not go together.
        """
        if self.tls_cert is None:
            if self.tls_key is not None:
                raise UsageError("--tls-key", wanted=Message("--tls-cert beside it"))
            if not is_loopback_host(self.host) and not self.plain_http:
                raise UsageError(
                    f"--host {self.host}",
                    wanted=Message("--tls-cert, or an address of this machine alone"),
                    remedy=Message("With a proxy that has TLS before it, say --plain-http."),
                )
            return
        try:
            # Tried here, as the server's own failure would be a traceback after it said that it
            # serves.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls_cert, self.tls_key, password=_refuse_encrypted_tls_key)
        except (OSError, ValueError):
            wanted = Message("a certificate in PEM and its key, without a password")
            raise InputError(str(self.tls_cert), wanted=wanted) from None


def _refuse_encrypted_tls_key() -> str:
    # Without it OpenSSL would ask on the terminal, where nobody may be.
    raise ValueError("the key is encrypted")


def cds_hooks_server(gate: OpenedGate, address: HooksAddress, clock: Clock) -> uvicorn.Server:
    """Return the CDS Hooks server, not yet started.

    Raises:
        UsageError: The address needs TLS.
        InputError: The certificate cannot be used.
        MissingExtraError: A library of the service is not installed.
    """
    import uvicorn

    from commonwatt.clinic.engines.gateway.service import CdsHooksService

    address.check()
    institution = gate.institution
    remote = frozenset(name for name, loaded in institution.models.items() if loaded.remote)
    service = CdsHooksService(
        gate.gate,
        clock,
        institution.clinician_signer_of_token,
        remote,
        settings=institution.cds_hooks,
        people=institution,
    )
    config = uvicorn.Config(
        service.cds_hooks_app(),
        host=address.host,
        port=address.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        # What a proxy says of where a call came from decides nothing here.
        proxy_headers=False,
        server_header=False,
        ssl_certfile=str(address.tls_cert) if address.tls_cert else None,
        ssl_keyfile=str(address.tls_key) if address.tls_key else None,
    )
    return uvicorn.Server(config)


def serve_cds_hooks(
    server: uvicorn.Server, address: HooksAddress, ready: Callable[[str], None]
) -> None:
    """Serve until interrupted; `ready` is told the address once it is bound.

    Raises:
        UsageError: The address cannot be bound.
    """
    host = address.host
    try:
        bound = listening_tcp_socket(host, address.port, backlog=128)
    except OSError as error:
        # Bound here and not by the server, whose own failure would be a traceback after it said
        # that it serves.
        raise UsageError(
            f"{host}:{address.port}", found=error.strerror or "", wanted=_FREE
        ) from None
    with bound:
        name = f"[{host}]" if ":" in host else host
        scheme = "https" if address.tls_cert else "http"
        ready(f"{scheme}://{name}:{bound.getsockname()[1]}/cds-services")
        # What is loaded by now stays: looked at again and again for garbage, it would hold up a
        # patient's answer now and then.
        gc.collect()
        gc.freeze()
        server.run(sockets=[bound])


_FREE = Message("an address of this machine with a free port")


def serve_agent_pathway_over_mcp(gate: OpenedGate, pathway: str, plan: str, clock: Clock) -> None:
    """Serve one agent's plan over the Model Context Protocol on stdin and stdout.

    Raises:
        InputError: The institution file has no such pathway.
        MissingExtraError: The protocol's library is not installed.
    """
    import asyncio

    from commonwatt.clinic.engines.gateway.mcp import McpServer

    runner = PathwayRunner(gate.gate, gate.institution.agent_pathway(pathway), plan)
    asyncio.run(McpServer(runner, clock).serve_mcp_on_standard_streams())


def record_and_return_model_advice(
    gate: OpenedGate,
    deployment: str,
    encounter: str,
    facts: Mapping[str, str],
    own_estimate: float | None,
    *,
    now: datetime,
) -> dict[str, Any]:
    """Return one piece of advice, on record before it is returned.

    Raises:
        AdviceRefusedError: The rule is named; the refusal is on record, too.
    """
    verdict = gate.gate.record_and_answer_advice_request(
        deployment, encounter, facts, at=now, own_estimate=own_estimate
    )
    verdict.check_allows_advice()
    return asdict(verdict) | {"words": dict(verdict.words)}


def record_patient_told_of_model(
    ledger_location: str,
    key_file: Path,
    institution_file: Path,
    secret_file: Path,
    deployment: str,
    encounter: str,
    language: str,
    *,
    now: datetime,
) -> dict[str, Any]:
    """Put on record that the patient of an encounter was told, and return the words of the notice.

    Args:
        ledger_location: Path or URL of the ledger.
        key_file: Of a clinician, or of the gateway.
        institution_file: Whose encounter it is; no model of it is loaded.
        secret_file: Of the institution's secret; made where there is none.
        deployment: Of which model the patient was told.
        encounter: The hospital's name of it, which never reaches the record.
        language: Of the notice.
        now: The instant.

    Raises:
        InputError: The institution file, the secret or the encounter's name is at fault.
        AdviceRefusedError: The deployment is another institution's.
        ActorError: The key may not say so.
    """
    key = Key.load(key_file)
    ledger = Ledger.open(ledger_location, create=False)
    try:
        return record_patient_told_on_open_ledger(
            ledger, institution_file, secret_file, deployment, encounter, language, by=key, at=now
        )
    finally:
        ledger.engine.dispose()


def record_patient_told_on_open_ledger(
    ledger: Ledger, institution_file: Path, secret_file: Path, deployment: str, encounter: str,
    language: str, *, by: Signer, at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Do the same over an open ledger, under a key that is in hand."""
    institution, guides = load_institution_name_and_guides(institution_file)
    salt = encounter_pseudonym_salt(load_or_make_clinic_institution_secret(secret_file))
    receipt = record_encounter_disclosure(
        RegistryWriter(ledger, guides), institution, deployment, encounter, language,
        salt=salt, by=by, at=at,
    )  # fmt: skip
    return asdict(receipt)


def notice_rows_of_live_deployments(
    registry: Registry, institution_file: Path, now: datetime
) -> list[dict[str, Any]]:
    """Return what is live at an institution, with what a patient is told of it by language."""
    institution, guides = load_institution_name_and_guides(institution_file)
    rows: list[dict[str, Any]] = []
    for live in registry.live_deployments(institution, now):
        guide = guides.guides.get(str(registry.records[live.deployment].body["guide"]))
        rows.append({"deployment": live.deployment, "notice": dict(guide.notice) if guide else {}})
    return rows


def signed_human_step_dict(
    key_file: Path,
    plan: str,
    step: int,
    call: AgentCall,
    answer: str,
    *,
    now: datetime,
) -> dict[str, Any]:
    """Return a person's signed answer to a call of an agent, as the agent carries it."""
    return sign_human_step(plan, step, call, answer, Key.load(key_file), at=now).as_dict()


def guides_and_unavailable_files_dict(guides: GuideLibrary) -> dict[str, Any]:
    """Return what each guide asks of an encounter, and which files are no guides."""
    return {
        "guides": [
            {
                "guide": guide.guide_id,
                "sha256": guide.sha256,
                "source": guide.source,
                "facts": {name: str(fact.wanted()) for name, fact in guide.facts.items()},
                "contraindications": [each.name for each in guide.contraindications],
            }
            for guide in guides.guides.values()
        ],
        "unavailable": [
            {"guide": name, "fault": str(fault)} for name, fault in guides.faults.items()
        ],
    }


def encounter_lottery_audit_dict(
    ledger_location: str, institution: str, secret_files: Iterable[Path]
) -> dict[str, Any]:
    """Return what drawing an institution's lots again shows.

    Raises:
        InputError: A secret cannot be read.
    """
    secrets = [
        encounter_lottery_secret(read_clinic_institution_secret(path)) for path in secret_files
    ]
    ledger = Ledger.open(ledger_location, create=False)
    try:
        return asdict(audit_encounter_lottery(ledger.entries(), institution, secrets)) | {
            "institution": institution
        }
    finally:
        ledger.engine.dispose()

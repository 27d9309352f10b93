"""Carry out the moves of a project: each checks, records and changes as one step."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

import commonwatt.sandbox.io.imports.genomes as genomes
import commonwatt.sandbox.io.store.opt_outs as consent
import commonwatt.sandbox.io.store.people_tables as people_tables
import commonwatt.sandbox.io.store.records as records
import commonwatt.sandbox.io.store.schema as schema
from commonwatt.core.files import save_bytes
from commonwatt.core.identifiers import IdentifierKind, identifier_checked_valid
from commonwatt.core.messages import Message
from commonwatt.ledger import Ledger, Signer, actor_id_of
from commonwatt.ledger.roles import LedgerRole
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.domain.job import IsolatedJob, JobLanguage, OutputKind
from commonwatt.sandbox.domain.lifecycle import (
    DATASET_LIFECYCLE,
    OUTPUT_LIFECYCLE,
    PROJECT_LIFECYCLE,
    TWO_APPROVALS,
    DatasetFacts,
    DatasetState,
    OutputFacts,
    OutputState,
    ProjectStanding,
    ProjectState,
    RecallReason,
)
from commonwatt.sandbox.engines.airlock.checks import StopReason
from commonwatt.sandbox.engines.airlock.review import (
    OutputAssessment,
    OutputProvenance,
    assess_output,
    output_differencing_stop_reasons,
)
from commonwatt.sandbox.engines.airlock.training import (
    people_held_out_of_training,
    project_training_table,
)
from commonwatt.sandbox.engines.deidentify.tables import deidentify, pseudonym
from commonwatt.sandbox.engines.isolation.collect import CollectedOutput
from commonwatt.sandbox.engines.isolation.node import JobOutcome
from commonwatt.sandbox.engines.privacy import account
from commonwatt.sandbox.engines.privacy.measures import NoisyAnswer
from commonwatt.sandbox.engines.risk.report import RiskReport, reidentification_risk_report
from commonwatt.sandbox.engines.synthetic.tables import SyntheticTable, make_synthetic_table_by_name
from commonwatt.sandbox.io.imports.dataset import Dataset, load_dataset
from commonwatt.sandbox.io.store.records import DataUse, OutputRecord
from commonwatt.sandbox.io.store.wipe import WipeProof, wipe
from commonwatt.sandbox.usecases.projects.base import KEY, ProjectBase
from commonwatt.sandbox.usecases.projects.requests import (
    IsolatedJobRunner,
    JobSubmission,
    ProjectFacts,
    QueryResult,
    SubmissionResult,
)
from commonwatt.sandbox.usecases.projects.status import project_state_with_datasets_and_outputs
from commonwatt.stores.migrate import migration_copy_paths_of_database
from commonwatt.stores.opening import create_or_check_store_tables
from commonwatt.stores.schemas import BUDGETS, PROJECTS

TRAIN: Final = "train"
"""The name under which a job that makes a model sees its training rows."""


class Project(ProjectBase):
    """One project; every method is one move by one person at one time."""

    @classmethod
    def open(
        cls, ledger: Ledger, folder: Path, facts: ProjectFacts, *, by: Signer, at: datetime
    ) -> Project:
        """Open a new project in `folder`, which only its owner may enter.

        Raises:
            IdentifierError: No project may be called so.
            ProjectError: A project of that name exists.
        """
        identifier_checked_valid(IdentifierKind.PROJECT, facts.name, "project")
        prepare_project_tables(ledger)
        project = cls(ledger, folder, facts.name)
        row = {
            "room": facts.name, "state": ProjectState.OPEN.value, "purpose": facts.purpose,
            "legal_basis": facts.legal_basis, "scope": facts.scope.value,
            "expires_on": facts.expires_on,
        }  # fmt: skip
        with project.transaction() as tx:
            # Row, entry and folder in one transaction: a second opener waits at the ledger's head
            # and then meets the row, so no two people open one name.
            project.make_recorded_lifecycle_move(
                tx, PROJECT_LIFECYCLE, None, ProjectState.OPEN, "open",
                facts=ProjectStanding(
                    state=ProjectState.OPEN, expires_on=facts.expires_on,
                    today=at.date().isoformat(),
                ),
                save=lambda: records.add_sandbox_project_row(tx, row),
                body={"scope": facts.scope.value}, by=by, at=at,
            )  # fmt: skip
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            # Created exclusively: whoever comes back after a crash keeps the first key, under
            # which tokens may exist already.
            with suppress(FileExistsError), (folder / KEY).open("xb") as file:
                (folder / KEY).chmod(0o600)
                file.write(secrets.token_bytes(32))
        return project

    def close(self, *, by: Signer, at: datetime) -> None:
        """Close the project: nothing can be submitted, asked or released."""
        self._move_project_state(ProjectState.CLOSED, "close", by=by, at=at)

    def reopen(self, *, by: Signer, at: datetime) -> None:
        """Open a closed project again."""
        self._move_project_state(ProjectState.OPEN, "open", by=by, at=at)

    def import_dataset(
        self, read: Callable[[Path], Dataset], *, by: Signer, at: datetime
    ) -> Dataset:
        """Import a dataset: `read` gets the project's store and returns what it wrote.

        What `read` wrote is usable only once it is on record.
        """
        self.check_may_make_project_step(by, at, "import")
        # Reading takes minutes and holds no lock. What it wrote is a folder without a row, which
        # no step of a job can name.
        dataset = read(self.store)
        body = {"files": dataset.files, "rows": dataset.rows, "set-aside": dataset.quarantined}
        with self.transaction() as tx:
            self.make_recorded_lifecycle_move(
                tx, DATASET_LIFECYCLE, None, DatasetState.IMPORTED, "import",
                facts=DatasetFacts(project=self.project_standing(tx, at)),
                save=lambda: records.add_sandbox_dataset_row(
                    tx, self.name, dataset.name, DatasetState.IMPORTED, source=""
                ),
                body=body, by=by, at=at, of=f"dataset/{dataset.name}",
            )  # fmt: skip
        return dataset

    def deidentify(
        self, source: str, name: str, *, by: Signer, at: datetime
    ) -> tuple[Dataset, RiskReport]:
        """De-identify a dataset under a new name and measure what risk is left."""
        self.check_may_make_project_step(by, at, "deidentify")
        raw = self.dataset(source, {DatasetState.IMPORTED})
        people = pl.read_parquet(raw.table_path("Patient"))["patient_id"].to_list()
        # The store holds tokens of who opted out and never their ids, so each patient's token is
        # made anew and looked up.
        leave_out = self._source_people_ids_of_tokens(people, self.opted_out_person_tokens())
        deidentified = deidentify(raw, self.store, name, key=self.key, leave_out=leave_out)
        report = reidentification_risk_report(raw, deidentified, key=self.key)
        body = {"files": deidentified.files, "k": report.risk.k, "risk": report.sha256}
        self._add_deidentified_dataset(source, name, report.sha256, body, by=by, at=at)
        return deidentified, report

    def count_alleles(
        self, source: str, name: str, *, by: Signer, at: datetime
    ) -> tuple[Dataset, genomes.GenomeReport]:
        """Make of genomes all that may be used: counts of alleles over enough people.

        Who opted out of the project's use or of genomics is not among them.
        """
        self.check_may_make_project_step(by, at, "deidentify")
        raw = self.dataset(source, {DatasetState.IMPORTED})
        with self.ledger.reading() as tx:
            # A project of another scope may hold genomes, too, and an opt-out of genomics alone
            # does not reach that scope.
            excluded = self.opted_out_tokens_in_transaction(tx) | consent.opted_out_tokens_for_use(
                tx, self.name, consent.ConsentScope.GENOMICS
            )
        leave_out = self._source_people_ids_of_tokens(
            genomes.people_in_genome_dataset(raw), excluded
        )
        counts, report = genomes.count_alleles(raw, self.store, name, leave_out=leave_out)
        body = {"files": counts.files, "k": report.least_people, "risk": report.sha256}
        self._add_deidentified_dataset(source, name, report.sha256, body, by=by, at=at)
        return counts, report

    def _add_deidentified_dataset(
        self, source: str, name: str, risk: str, body: Mapping[str, Any], *, by: Signer,
        at: datetime,
    ) -> None:  # fmt: skip
        """Put a de-identified copy on record, if its source is still there."""
        with self.transaction() as tx:
            facts = DatasetFacts(
                project=self.project_standing(tx, at),
                source=DatasetState(records.project_dataset_row(tx, self.name, source).state),
            )
            self.make_recorded_lifecycle_move(
                tx, DATASET_LIFECYCLE, None, DatasetState.DEIDENTIFIED, "deidentify", facts=facts,
                save=lambda: records.add_sandbox_dataset_row(
                    tx, self.name, name, DatasetState.DEIDENTIFIED, source=source, risk=risk
                ),
                body=body, by=by, at=at, of=f"dataset/{name}", where=source,
            )  # fmt: skip

    def _source_people_ids_of_tokens(self, people: list[str], tokens: frozenset[str]) -> list[str]:
        """Return the people whose tokens in this project are among `tokens`."""
        return [person for person in people if pseudonym(self.key, person) in tokens]

    def sign_dataset_risk_report(self, name: str, sha256: str, *, by: Signer, at: datetime) -> None:
        """Let jobs use a dataset, by signing the report of that digest.

        Raises:
            ProjectError: The digest is not that of the dataset's report.
        """
        with self.transaction() as tx:
            row = records.project_dataset_row(tx, self.name, name)
            facts = DatasetFacts(
                project=self.project_standing(tx, at), risk_sha256=row.risk_sha256,
                signed_sha256=sha256,
            )  # fmt: skip
            self._move_dataset_state(
                tx, row, DatasetState.SIGNED, "sign-risk", facts, {"risk": sha256}, by=by, at=at
            )

    def _move_dataset_state(
        self, tx: sa.Connection, row: sa.Row[Any], to: DatasetState, step: str,
        facts: DatasetFacts, body: Mapping[str, Any], *, by: Signer, at: datetime,
    ) -> None:  # fmt: skip
        self.make_recorded_lifecycle_move(
            tx, DATASET_LIFECYCLE, DatasetState(row.state), to, step, facts=facts,
            save=lambda: records.set_project_dataset_state(tx, self.name, row.dataset, to),
            body=body, by=by, at=at, of=f"dataset/{row.dataset}", where=row.dataset,
        )  # fmt: skip

    def delete_dataset(self, name: str, *, by: Signer, at: datetime) -> WipeProof:
        """Delete a dataset for good, with every copy made of it, and prove it.

        1. From one transaction on nobody can use it. 2. Files are overwritten and
        removed. 3. The proof goes on record. Called again after a crash, it goes on.
        """
        with self.transaction() as tx:
            row = records.project_dataset_row(tx, self.name, name)
            if row.state != DatasetState.DELETED.value:
                facts = DatasetFacts(project=self.project_standing(tx, at))
                body = {"files": load_dataset(self.store / name).files}
                self._move_dataset_state(
                    tx, row, DatasetState.DELETED, "delete", facts, body, by=by, at=at
                )
        # State first, files second: killed in between, the dataset is unusable and named as due.
        # All filtered copies go, because their names do not say of which table they are.
        proof = wipe([self.store / name, self.folder / "views"])
        with self.transaction() as tx:
            self.record_project_step(
                tx, "delete", proof.wipe_proof_ledger_body(), by=by, at=at, of=f"dataset/{name}"
            )
        return proof

    def delete_project(self, *, by: Signer, at: datetime) -> WipeProof:
        """Delete everything that a closed project holds, its key last, and prove it.

        Without the key no token can be led back to a person, whatever copy of a
        table or of this database is left somewhere. Decisions stay in the ledger.
        """
        with self.transaction() as tx:
            standing = self.project_standing(tx, at)
            if standing.state is not ProjectState.DELETED:
                begun = {"state": "begun"}
                self._move_project_state_in_transaction(
                    tx, standing, ProjectState.DELETED, "delete-room", begun, by=by, at=at
                )
        # The key goes last: while it is there, the project is still reported as due and the call
        # can be made again.
        # A copy from before a migration holds the tokens that are deleted below.
        copies = migration_copy_paths_of_database(self.ledger.engine)
        proof = wipe([*(self.folder / name for name in _FOLDERS), *copies, self.folder / KEY])
        with self.transaction() as tx:
            # These three hold tokens of people. States, votes and uses hold counts and digests
            # and stay, because an auditor has to explain decisions after the data are gone.
            for table in (schema.cells, schema.models, schema.opt_outs):
                tx.execute(table.delete().where(table.c.room == self.name))
            body = proof.wipe_proof_ledger_body() | {"key": "destroyed", "state": "done"}
            self.record_project_step(tx, "delete-room", body, by=by, at=at)
        return proof

    def opt_out(
        self,
        person: str,
        scope: consent.ConsentScope,
        *,
        out: bool = True,
        by: Signer,
        at: datetime,
    ) -> None:
        """Record that a person, named by their id in the source, opted out or back in.

        The state keeps their token and the ledger only the scope. Filtered copies
        made for earlier jobs hold the person still, so they go.
        """
        self.check_project_exists()
        token = pseudonym(self.key, person)
        with self.transaction() as tx:
            consent.add_opt_out_or_withdrawal_row(tx, self.name, token, scope, out=out)
            self.record_project_step(
                tx, "opt-out", {"scope": scope.value, "out": out}, by=by, at=at
            )
        wipe([self.folder / "views"])

    def submit(
        self, node: IsolatedJobRunner, request: JobSubmission, *, by: Signer, at: datetime
    ) -> SubmissionResult:
        """Run a job on `node` and check each output.

        1. Check person, project and dataset. 2. Record that it starts. 3. Run it on
        tables without those who opted out. 4. Check the outputs. 5. Record how it
        ended and the outputs' states in one transaction; until then none exists.
        Who opts out while it runs stops all that it leaves.
        """
        self.check_may_make_project_step(by, at, "submit")
        dataset = self.dataset(request.dataset, {DatasetState.SIGNED})
        provenance = self._output_provenance(dataset, request)
        number = self._record_job_start_under_new_number(node, request, provenance, by=by, at=at)
        outputs_folder = self.folder / "outputs"
        outputs_folder.mkdir(exist_ok=True)
        began_s = time.monotonic()
        try:
            outcome = node.run(self._isolated_job(request, provenance), to=outputs_folder)
        except Exception:
            # Nothing of it ran, or what ran is not known: on record as started it would look as
            # if it went on.
            ended = at + timedelta(seconds=time.monotonic() - began_s)
            with self.transaction() as tx:
                self.record_project_step(
                    tx, "submit", {"state": "not run"}, by=by, at=ended, of=f"job/{number}"
                )
            raise
        self._store_job_log(number, outcome.log)
        # Read after the run, so that what left while the job ran is compared, too; `release`
        # compares once more.
        with self.ledger.reading() as tx:
            released = records.released_people_tokens_by_cell(tx, self.name)
        assessments = {
            output.name: assess_output(output, provenance, released) for output in outcome.outputs
        }
        states = self._record_job_end_and_output_states(
            number, outcome, provenance, assessments, by=by, at=at
        )
        stops = {name: assessment.stops for name, assessment in assessments.items()}
        return SubmissionResult(job=number, outcome=outcome, states=states, stops=stops)

    def stored_output_bytes(self, output: str) -> bytes:
        """Return the exact bytes that a checker reviews, proved by their name.

        Raises:
            ProjectError: They are not the bytes that were collected.
        """
        # A name becomes a path only if a row bears it, so none can climb out of the folder.
        with self.ledger.reading() as tx:
            records.project_output_row(tx, self.name, output)
        data = (self.folder / "outputs" / output).read_bytes()
        if hashlib.sha256(data).hexdigest() != output:
            raise ProjectError(output[:12], found=Message("bytes other than those collected"))
        return data

    def vote(self, output: str, *, approve: bool, by: Signer, at: datetime) -> OutputState:
        """Vote on an output, blind to other votes; two approvals approve, one refusal rejects.

        Raises:
            ProjectRoleError: The author votes on their own output, or a checker votes twice.
        """
        self.check_may_make_project_step(by, at, "vote")
        checker = actor_id_of(by.public_key)
        to = OutputState.APPROVED if approve else OutputState.REJECTED
        with self.transaction() as tx:
            row = records.project_output_row(tx, self.name, output)
            votes = records.output_approval_by_checker(tx, self.name, output)
            facts = OutputFacts(
                project=self.project_standing(tx, at), author=row.author, checker=checker,
                voters=frozenset(votes), approvals=sum(votes.values()) + approve,
            )  # fmt: skip
            body = {"approves": approve, "state": to.value}
            # All that a vote needs holds, and only the number of approvals is missing: the vote is
            # given and nothing moves yet.
            if _output_lacks_only_approvals(row, to, facts):
                body["state"] = row.state
                self.record_project_step(tx, "vote", body, by=by, at=at, of=f"output/{output}")
            else:
                self.move_output_state_with_entry(tx, row, to, "vote", facts, body, by=by, at=at)
            records.add_output_checker_vote(tx, self.name, output, checker, approves=approve)
        return OutputState(body["state"])

    def recall_output(
        self, output: str, reason: RecallReason, *, by: Signer, at: datetime
    ) -> OutputState:
        """Take an approved output back before it leaves; it is rejected then, for good.

        Possible in a project that is closed or has expired, too.

        Raises:
            ProjectError: It is not approved; what has left cannot be recalled.
            ProjectRoleError: The signer is neither custodian nor checker.
        """
        with self.transaction() as tx:
            row = records.project_output_row(tx, self.name, output)
            facts = OutputFacts(project=self.project_standing(tx, at))
            body = {"reason": reason.value, "state": OutputState.REJECTED.value}
            self.move_output_state_with_entry(
                tx, row, OutputState.REJECTED, "recall", facts, body, by=by, at=at
            )
        return OutputState.REJECTED

    def move_output_state_with_entry(
        self, tx: sa.Connection, row: sa.Row[Any], to: OutputState, step: str,
        facts: OutputFacts, body: Mapping[str, Any], *, by: Signer, at: datetime,
    ) -> None:  # fmt: skip
        """Move an output with its entry in one transaction, if the table has the move.

        Raises:
            ProjectError: The table has no such move, or what it needs is not true.
            ProjectRoleError: The signer may not make it.
        """
        self.make_recorded_lifecycle_move(
            tx, OUTPUT_LIFECYCLE, OutputState(row.state), to, step, facts=facts,
            save=lambda: records.set_project_output_state(tx, self.name, row.output, to),
            body=body, by=by, at=at, of=f"output/{row.output}", where=row.output[:12],
        )  # fmt: skip

    def release(self, output: str, to: Path, *, by: Signer, at: datetime) -> Path:
        """Release an approved output into the folder `to`, byte for byte as reviewed.

        Everything released meanwhile is compared once more. The move is on
        record before a byte leaves; called again, it delivers the same bytes again.

        Raises:
            ProjectError: The output is not approved, together with others tells too
                much, or is a model of people of whom one has opted out.
        """
        self.check_may_make_project_step(by, at, "release")
        data = self.stored_output_bytes(output)
        with self.transaction() as tx:
            row = records.project_output_row(tx, self.name, output)
            if row.state == OutputState.RELEASED.value:
                # Nothing moves when it is delivered again, so no table is asked.
                self.check_may_make_project_step_now(tx, by, at, "release")
            else:
                body = {"bytes": len(data), "kind": row.kind}
                facts = self._output_release_facts(tx, output, at)
                self.move_output_state_with_entry(
                    tx, row, OutputState.RELEASED, "release", facts, body, by=by, at=at
                )
        # Only now, after the commit: an entry without bytes is a delivery to repeat, bytes
        # without an entry would be a leak.
        return save_bytes(data, to / f"{row.job}-{row.name}")

    def set_privacy_budget(
        self, epsilon: float, *, person: str = "", by: Signer, at: datetime
    ) -> None:
        """Set the privacy budget of the project, or of one person in it by their actor id."""
        with self.transaction() as tx:
            account.set_privacy_budget_epsilon_limit(tx, self.name, epsilon, person=person)
            self.record_project_step(tx, "grant-budget", {"epsilon": str(epsilon)}, by=by, at=at)

    def set_preapproved_release(self, largest_epsilon: float, *, by: Signer, at: datetime) -> None:
        """Pre-approve releases: noisy answers that cost at most this leave without a vote.

        Zero withdraws that. Every answer that leaves so is in the ledger like any other.
        """
        # A cost of zero is refused everywhere else; here it is the word for closed.
        micro = account.micro_epsilon_rounded_up(largest_epsilon) if largest_epsilon else 0
        self.check_may_make_project_step(by, at, "lane")
        with self.transaction() as tx:
            records.set_largest_preapproved_micro_epsilon(tx, self.name, micro)
            self.record_project_step(
                tx, "lane", {"largest-epsilon": str(largest_epsilon)}, by=by, at=at
            )

    def query(
        self,
        dataset: str,
        measure: Callable[[Dataset, frozenset[str]], NoisyAnswer],
        epsilon: float,
        *,
        tables: Iterable[str] = (),
        purpose: str,
        by: Signer,
        at: datetime,
    ) -> QueryResult:
        """Ask a question under differential privacy; its cost is on record before its answer.

        Where the pre-approved cost covers it, the answer is released at
        once. Else it waits for two votes like any output.

        Args:
            dataset: A signed dataset.
            measure: Our own measure; gets the dataset and whom to leave out.
            epsilon: What it costs.
            tables: What it reads, for the record of uses.
            purpose: A word for the record.
            by: Who asks.
            at: When.
        """
        self.check_may_make_project_step(by, at, "ask")
        signed = self.dataset(dataset, {DatasetState.SIGNED})
        number = f"ask-{secrets.token_hex(6)}"
        # Committed before the data are read. Whatever fails below gives nothing back: a refund
        # for some failures would itself be an answer about the data.
        excluded = self._spend_privacy_budget_and_list_excluded(
            number, "ask", signed, epsilon, tuple(tables), purpose, by=by, at=at
        )
        answer = measure(signed, excluded)
        body = {"dataset": dataset, "purpose": purpose, "ask": number} | asdict(answer)
        data = (json.dumps(body, sort_keys=True) + "\n").encode()
        output = self._store_output_bytes_and_return_sha256(data)
        with self.transaction() as tx:
            # Read again inside the transaction: the custodian may have closed the project or
            # withdrawn the pre-approval since the cost was paid. Then the answer waits for votes.
            facts = OutputFacts(
                project=self.project_standing(tx, at),
                preapproved=account.micro_epsilon_rounded_up(epsilon)
                <= records.largest_preapproved_micro_epsilon(tx, self.name),
            )
            roles = self.signer_project_roles(tx, by)
            unseen = OUTPUT_LIFECYCLE.can_move(
                None, OutputState.RELEASED, step="ask", roles=roles, facts=facts
            )
            state = OutputState.RELEASED if unseen else OutputState.WAITING
            OUTPUT_LIFECYCLE.check_move(
                output[:12], None, state, step="ask", roles=roles, facts=facts
            )
            row = OutputRecord(
                sha256=output, name="answer.json", kind=OutputKind.JSON.value, job=number,
                author=actor_id_of(by.public_key), state=state,
            )  # fmt: skip
            records.add_project_output_row(tx, self.name, row, {})
            entry_body = {"output": output, "state": state.value, "lane": unseen}
            self.record_project_step_end(tx, "ask", entry_body, by=by, at=at, of=f"ask/{number}")
        return QueryResult(output=output, state=state, answer=answer if unseen else None)

    def synthesize(
        self,
        dataset: str,
        tables: Mapping[str, SyntheticTable],
        epsilon: float,
        to: Path,
        *,
        seed: int,
        by: Signer,
        at: datetime,
    ) -> dict[str, Path]:
        """Write synthetic data of tables into `to`, to write code on outside; it costs `epsilon`.

        They are made of noisy answers alone, so it leaves by pre-approved release and by
        nothing else.

        Raises:
            ProjectError: No pre-approved release covers the cost.
        """
        self.check_may_make_project_step(by, at, "twin")
        signed = self.dataset(dataset, {DatasetState.SIGNED})
        with self.ledger.reading() as tx:
            # Looked at before anything is paid, because a refusal must cost nothing.
            if account.micro_epsilon_rounded_up(
                epsilon
            ) > records.largest_preapproved_micro_epsilon(tx, self.name):
                raise ProjectError(
                    self.name,
                    found=Message("no pre-approved release of this cost"),
                    remedy=Message("Ask the custodian to pre-approve it."),
                )
        number = f"twin-{secrets.token_hex(6)}"
        names = tuple(sorted(tables))
        excluded = self._spend_privacy_budget_and_list_excluded(
            number, "twin", signed, epsilon, names, "twin", by=by, at=at
        )
        copies_folder = self.folder / "views"
        frames = {
            name: pl.read_parquet(
                people_tables.path_of_table_without_people(
                    signed.table_path(name), excluded, copies_folder
                )
            )
            for name in names
        }
        synthetic = make_synthetic_table_by_name(frames, tables, epsilon=epsilon, seed=seed)
        files = {name: _synthetic_parquet_bytes(frame) for name, frame in synthetic.items()}
        with self.transaction() as tx:
            digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
            self.record_project_step(
                tx, "twin", {"files": digests}, by=by, at=at, of=f"ask/{number}"
            )
        paths = {name: to / name.lower() for name in files}
        # On record by their digests before a byte lies outside, as with every release.
        for name, data in files.items():
            save_bytes(data, paths[name])
        return paths

    def status(self) -> dict[str, Any]:
        """Return the project's state, datasets, outputs and models; no value of a record."""
        return project_state_with_datasets_and_outputs(self.ledger, self.name)

    # What the moves are made of.

    def _move_project_state(self, to: ProjectState, step: str, *, by: Signer, at: datetime) -> None:
        with self.transaction() as tx:
            self._move_project_state_in_transaction(
                tx, self.project_standing(tx, at), to, step, {}, by=by, at=at
            )

    def _move_project_state_in_transaction(
        self, tx: sa.Connection, standing: ProjectStanding, to: ProjectState, step: str,
        body: Mapping[str, Any], *, by: Signer, at: datetime,
    ) -> None:  # fmt: skip
        self.make_recorded_lifecycle_move(
            tx,
            PROJECT_LIFECYCLE,
            standing.state,
            to,
            step,
            facts=standing,
            save=lambda: records.set_project_state_in_row(tx, self.name, to),
            body=body,
            by=by,
            at=at,
        )

    def _output_provenance(self, dataset: Dataset, request: JobSubmission) -> OutputProvenance:
        held: frozenset[str] = frozenset()
        if request.training is not None:
            held = people_held_out_of_training(self.key, dataset, request.training)
        return OutputProvenance(
            dataset=dataset, cohorts=request.cohorts, training=request.training,
            opted_out=self.opted_out_person_tokens(), held_out=held,
        )  # fmt: skip

    def _record_job_start_under_new_number(
        self,
        node: IsolatedJobRunner,
        request: JobSubmission,
        provenance: OutputProvenance,
        *,
        by: Signer,
        at: datetime,
    ) -> str:
        """Put on record that a job starts, on whose rows, and on what it runs."""
        code = hashlib.sha256(request.code.encode()).hexdigest()
        # The code's digest makes a job recognisable in the ledger; the random end keeps a second
        # run of the same code apart.
        number = f"{code[:8]}-{secrets.token_hex(3)}"
        tables = [provenance.dataset.table_path(table) for table in request.tables]
        body = {
            "code": code, "dataset": provenance.dataset.name, "left-out": len(provenance.opted_out),
            "kept-back": len(provenance.held_out), "state": "started",
            "inputs": {
                name: provenance.dataset.files[f"{name}.parquet"] for name in request.tables
            },
            "environment": dict(node.environment(request.language)),
        }  # fmt: skip
        use = DataUse(
            name=number, step="submit", actor=actor_id_of(by.public_key),
            dataset=provenance.dataset.name, tables=request.tables,
            # Whom the job can really see and not whom the table holds: an audit asks whose rows a
            # use reached.
            people=people_tables.people_in_tables(tables) - provenance.unseen_people, at=at,
        )  # fmt: skip
        with self.transaction() as tx:
            # A dataset deleted since it was opened must not be on record as used.
            self.check_project_dataset_state(tx, provenance.dataset.name, {DatasetState.SIGNED})
            records.add_project_data_use_row(tx, self.name, use)
            self.record_project_step(tx, "submit", body, by=by, at=at, of=f"job/{number}")
        return number

    def _isolated_job(self, request: JobSubmission, provenance: OutputProvenance) -> IsolatedJob:
        """Return the job with the tables that it may see."""
        copies_folder = self.folder / "views"
        inputs = {
            table.lower(): people_tables.path_of_table_without_people(
                provenance.dataset.table_path(table), provenance.unseen_people, copies_folder
            )
            for table in request.tables
        }
        if request.training is not None:
            training = request.training
            key_parts = [
                TRAIN,
                repr(training),
                provenance.dataset.name,
                *sorted(provenance.unseen_people),
            ]
            rows = project_training_table(provenance.dataset, training, provenance.unseen_people)
            inputs[TRAIN] = people_tables.path_of_cached_isolated_job_table(
                copies_folder, key_parts, rows.write_parquet
            )
        # R as Debian ships it reads no Parquet, and a job cannot install packages.
        if request.language is JobLanguage.R:
            inputs = {
                name: people_tables.path_of_isolated_job_table_as_csv(path, copies_folder)
                for name, path in inputs.items()
            }
        return IsolatedJob(
            code=request.code, inputs=inputs, outputs=request.outputs, limits=request.limits,
            language=request.language,
        )  # fmt: skip

    def _record_job_end_and_output_states(
        self,
        number: str,
        outcome: JobOutcome,
        provenance: OutputProvenance,
        assessments: Mapping[str, OutputAssessment],
        *,
        by: Signer,
        at: datetime,
    ) -> dict[str, OutputState]:
        """Put a job's end, its outputs and its models on record as one; return their states."""
        author, end = actor_id_of(by.public_key), at + timedelta(seconds=outcome.wall_s)
        with self.transaction() as tx:
            # Under the lock that an opt-out takes, too, so that none slips in between this look
            # and the rows.
            self._stop_job_outputs_for_opt_outs(tx, provenance, assessments)
            states = self._initial_state_by_output(tx, outcome, assessments, by, at)
            for output in outcome.outputs:
                assessment = assessments[output.name]
                record = _output_record(output, number, author, assessment)
                records.add_project_output_row(tx, self.name, record, assessment.cells)
                # A stopped model is recorded as well: it lies in the project and has learned from
                # these people.
                if assessment.attack_auc is not None:
                    people, auc = assessment.trained_on, assessment.attack_auc
                    records.add_trained_model_row(
                        tx, self.name, output.sha256, provenance.dataset.name, people, auc
                    )
            body = _job_end_entry_body(outcome, states)
            self.record_project_step_end(tx, "submit", body, by=by, at=end, of=f"job/{number}")
        return states

    def _initial_state_by_output(
        self,
        tx: sa.Connection,
        outcome: JobOutcome,
        assessments: Mapping[str, OutputAssessment],
        by: Signer,
        at: datetime,
    ) -> dict[str, OutputState]:
        """Return where each output begins, by the table; known bytes stay where they are."""
        standing, roles = self.project_standing(tx, at), self.signer_project_roles(tx, by)
        states: dict[str, OutputState] = {}
        for output in outcome.outputs:
            assessment = assessments[output.name]
            state = _initial_output_state(assessment)
            row = records.project_output_row_or_none(tx, self.name, output.sha256)
            if row is None:
                OUTPUT_LIFECYCLE.check_move(
                    output.sha256[:12], None, state, step="submit", roles=roles,
                    facts=OutputFacts(project=standing, stopped=bool(assessment.stops)),
                )  # fmt: skip
            # Else a recalled output, made once more, would be called waiting and never come
            # before a checker.
            states[output.name] = state if row is None else OutputState(row.state)
        return states

    def _stop_job_outputs_for_opt_outs(
        self,
        tx: sa.Connection,
        provenance: OutputProvenance,
        assessments: Mapping[str, OutputAssessment],
    ) -> None:
        """Stop everything that a job left if somebody opted out while it ran."""
        # A subset and not equality: who came back in meanwhile is no reason to stop, only
        # somebody new is.
        if self.opted_out_tokens_in_transaction(tx) <= provenance.opted_out:
            return
        why = Message("Somebody opted out while the job ran; run it again.")
        for assessment in assessments.values():
            assessment.stops.append(StopReason("opt-out", why))

    def _store_job_log(self, number: str, log: bytes) -> None:
        """Keep what the job printed in the project; it may hold records and never leaves."""
        save_bytes(log, self.folder / "logs" / number)

    def _store_output_bytes_and_return_sha256(self, data: bytes) -> str:
        """Keep bytes of our own making under their SHA-256, which is returned."""
        output = hashlib.sha256(data).hexdigest()
        # Narrow from the first byte on, so that at no moment another user of the machine can
        # open it.
        save_bytes(data, self.folder / "outputs" / output, mode=0o600)
        return output

    def _output_release_facts(self, tx: sa.Connection, output: str, at: datetime) -> OutputFacts:
        """Return what could keep an output from leaving since its checks."""
        cells = records.output_people_tokens_by_cell(tx, self.name, output)
        stops = output_differencing_stop_reasons(
            cells, records.released_people_tokens_by_cell(tx, self.name)
        )
        model = records.trained_model_row_or_none(tx, self.name, output)
        return OutputFacts(
            project=self.project_standing(tx, at), differencing=stops[0].why if stops else "",
            opted_out_since=model is not None and bool(model["opted_out_since"]),
        )  # fmt: skip

    def _spend_privacy_budget_and_list_excluded(
        self,
        number: str,
        step: str,
        dataset: Dataset,
        epsilon: float,
        tables: tuple[str, ...],
        purpose: str,
        *,
        by: Signer,
        at: datetime,
    ) -> frozenset[str]:
        """Take a cost from the budgets and put the use on record; return whom it must not see."""
        actor = actor_id_of(by.public_key)
        people = people_tables.people_in_tables(dataset.table_path(table) for table in tables)
        with self.transaction() as tx:
            # In the transaction of the payment: whoever opts out after it is missing from the
            # next use, never from half of this one.
            excluded = self.opted_out_tokens_in_transaction(tx)
            self.check_project_dataset_state(tx, dataset.name, {DatasetState.SIGNED})
            account.spend_privacy_budget(tx, self.name, actor, epsilon, purpose=purpose)
            use = DataUse(
                name=number, step=step, actor=actor, dataset=dataset.name, tables=tables,
                people=people - excluded, at=at,
            )  # fmt: skip
            records.add_project_data_use_row(tx, self.name, use)
            body = {"epsilon": str(epsilon), "purpose": purpose, "dataset": dataset.name}
            self.record_project_step(tx, step, body, by=by, at=at, of=f"ask/{number}")
        return excluded


_FOLDERS: Final = ("datasets", "views", "outputs", "logs")


def prepare_project_tables(ledger: Ledger) -> None:
    """Make the tables of projects and budgets in the ledger's database."""
    create_or_check_store_tables(ledger.engine, PROJECTS, schema.metadata.create_all)
    create_or_check_store_tables(ledger.engine, BUDGETS, account.metadata.create_all)


def _output_lacks_only_approvals(row: sa.Row[Any], to: OutputState, facts: OutputFacts) -> bool:
    broken = OUTPUT_LIFECYCLE.broken_precondition(
        OutputState(row.state), to, step="vote", role=LedgerRole.OUTPUT_CHECKER, facts=facts
    )
    return broken is TWO_APPROVALS


def _initial_output_state(assessment: OutputAssessment) -> OutputState:
    return OutputState.STOPPED if assessment.stops else OutputState.WAITING


def _output_record(
    output: CollectedOutput, job: str, author: str, assessment: OutputAssessment
) -> OutputRecord:
    return OutputRecord(
        sha256=output.sha256, name=output.name, kind=output.kind.value, job=job, author=author,
        state=_initial_output_state(assessment),
        stops=tuple((stop.rule, str(stop.why)) for stop in assessment.stops),
    )  # fmt: skip


def _synthetic_parquet_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _job_end_entry_body(outcome: JobOutcome, states: Mapping[str, OutputState]) -> dict[str, Any]:
    return {
        "state": outcome.ending.value,
        "outputs": {output.sha256: states[output.name].value for output in outcome.outputs},
        "kept-in": {refusal.name.lower(): count for refusal, count in outcome.refusals.items()},
        "cpu-ms": round(outcome.cpu_s * 1000),
    }

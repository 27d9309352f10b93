"""Which stores there are, and the steps by which the tables of each came to be.

A step is never changed once it was released; a new one is a line here and a file under
`migrations/versions` of the same name. What a step is called tells the first version of
the program that can read its tables, so that an older program can name what it lacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NEEDS = re.compile(r"_from_(\d+(?:_\d+)*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStep:
    """One step: its revision, and the tables that are there from then on.

    Databases made before versions were kept are recognised by these tables.
    """

    revision: str
    adds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSchema:
    """A store: the table that holds its version, and its steps, oldest first."""

    name: str
    version_table: str
    steps: tuple[SchemaStep, ...]

    @property
    def head(self) -> str:
        """Return the revision that this program reads and writes."""
        return self.steps[-1].revision

    def knows_revision(self, revision: str) -> bool:
        """Return whether a revision is one of this program's steps."""
        return any(step.revision == revision for step in self.steps)

    def recognised_revision_blank_or_question_mark(self, tables: frozenset[str]) -> str:
        """Return the step whose tables stand there, or "" for none and "?" for half of one."""
        revision = ""
        for step in self.steps:
            there = tables.intersection(step.adds)
            if there and len(there) < len(step.adds):
                return "?"
            if not there:
                return revision
            revision = step.revision
        return revision


def program_version_of_schema_revision_or_blank(revision: str) -> str:
    """Return the first version of the program that can read a step, "" where it tells none.

    >>> program_version_of_schema_revision_or_blank("ledger_2_from_1_4")
    '1.4'
    """
    needs = _NEEDS.search(revision)
    return needs.group(1).replace("_", ".") if needs else ""


LEDGER: Final = StoreSchema(
    name="ledger",
    version_table="ledger_version",
    steps=(
        SchemaStep(
            revision="ledger_1_from_0_1",
            adds=(
                "ledger_entries",
                "ledger_signatures",
                "ledger_nodes",
                "ledger_actors",
                "ledger_checkpoints",
                "ledger_head",
            ),
        ),
    ),
)

PROJECTS: Final = StoreSchema(
    name="projects",
    version_table="sandbox_version",
    steps=(
        SchemaStep(
            revision="projects_1_from_0_1",
            adds=(
                "sandbox_rooms",
                "sandbox_datasets",
                "sandbox_outputs",
                "sandbox_cells",
                "sandbox_votes",
                "sandbox_opt_outs",
            ),
        ),
        SchemaStep(
            revision="projects_2_from_0_1",
            adds=("sandbox_lanes", "sandbox_uses", "sandbox_models"),
        ),
    ),
)

BUDGETS: Final = StoreSchema(
    name="budgets",
    version_table="sandbox_budgets_version",
    steps=(SchemaStep(revision="budgets_1_from_0_1", adds=("sandbox_budgets", "sandbox_spends")),),
)

CONTROLLER: Final = StoreSchema(
    name="controller",
    version_table="operate_version",
    steps=(
        SchemaStep(
            revision="controller_1_from_0_1",
            adds=("operate_jobs", "operate_uses", "operate_intents", "operate_decisions"),
        ),
    ),
)

CONSOLE: Final = StoreSchema(
    name="console",
    version_table="web_version",
    steps=(
        SchemaStep(
            revision="0001",  # older than this way of naming steps
            adds=(
                "web_accounts",
                "web_grants",
                "web_sessions",
                "web_tokens",
                "web_links",
                "web_attempts",
                "web_works",
            ),
        ),
    ),
)

RUNS: Final = StoreSchema(
    name="runs",
    version_table="runs_version",
    steps=(
        SchemaStep(revision="runs_1_from_0_1", adds=("runs", "inputs", "tables")),
        SchemaStep(revision="runs_2_from_0_1", adds=("run_drafts",)),
    ),
)

STORES: Final = (LEDGER, PROJECTS, BUDGETS, CONTROLLER, CONSOLE, RUNS)
"""Every store, in the order in which they are migrated."""

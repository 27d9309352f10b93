"""The state of a project, from its rows alone.

Apart from the moves: a look at a project loads no reader of tables and none of the engines.
"""

from __future__ import annotations

from typing import Any

import commonwatt.sandbox.io.store.records as records
import commonwatt.sandbox.io.store.schema as schema
from commonwatt.ledger import Ledger
from commonwatt.ledger.usecases import with_ledger
from commonwatt.sandbox.domain.epsilon import MILLION
from commonwatt.sandbox.usecases.projects.context import ProjectContext


def data_project_status(context: ProjectContext) -> dict[str, Any]:
    """Return the state of a project, its datasets and its outputs."""
    return with_ledger(
        context.ledger,
        lambda ledger: project_state_with_datasets_and_outputs(ledger, context.project),
    )


def project_state_with_datasets_and_outputs(ledger: Ledger, project: str) -> dict[str, Any]:
    """Return a project's state, datasets, outputs and models; no value of a record.

    Raises:
        ProjectError: There is no such project.
    """
    with ledger.reading() as tx:
        # Rows as they are stored: none of these tables has a column that could hold a value
        # of a record.
        row = records.data_project_row(tx, project)
        return {
            "room": project,
            "state": row.state,
            "scope": row.scope,
            "expires_on": row.expires_on,
            "lane_largest_epsilon": records.largest_preapproved_micro_epsilon(tx, project)
            / MILLION,
            "datasets": records.project_table_rows(tx, project, schema.datasets),
            "outputs": records.project_table_rows(tx, project, schema.outputs),
            "models": records.trained_model_rows(tx, project),
        }

"""The registry: fourteen kinds of record, each an entry in the ledger.

Nothing is ever overwritten; what is live, who approved it and who must be told
are folds over the entries. Every change goes through the `RegistryWriter`, which
checks it and writes it in one transaction.
"""

from commonwatt.clinic.domain.registry.lifecycle import DEPLOYMENT_LIFECYCLE, DeploymentStatus
from commonwatt.clinic.domain.registry.plan import (
    ChangePlan,
    ModelChange,
    can_change_model,
    check_change_model,
)
from commonwatt.clinic.domain.registry.preconditions import (
    PRECONDITIONS,
    PreconditionFault,
    fault_of_deployment,
    regulatory_product_routes_by_place,
)
from commonwatt.clinic.domain.registry.records import FIELDS, RECORD_ROLES, check_registry_record
from commonwatt.clinic.domain.registry.state import LiveDeployment, Registry
from commonwatt.clinic.io.registry.entry_writer import AlarmResponse, RegistryWriter

__all__ = [
    "DEPLOYMENT_LIFECYCLE",
    "FIELDS",
    "PRECONDITIONS",
    "RECORD_ROLES",
    "AlarmResponse",
    "ChangePlan",
    "DeploymentStatus",
    "LiveDeployment",
    "ModelChange",
    "PreconditionFault",
    "Registry",
    "RegistryWriter",
    "can_change_model",
    "check_change_model",
    "check_registry_record",
    "fault_of_deployment",
    "regulatory_product_routes_by_place",
]

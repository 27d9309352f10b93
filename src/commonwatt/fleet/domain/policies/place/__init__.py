"""Place policies: which node takes a job, and which of its GPUs.

Each policy is a pure function of arrays in a file of its own, with a line here;
the simulator and a live controller call the same code. A user's own policy in
plain Python is any object with a `name` and `choose` (see `UserPlacePolicy`).
"""

from commonwatt.fleet.domain.policies.place import (
    best_fit,
    consolidate,
    dot_product,
    fgd,
    first_fit,
    gpu_clustering,
    gpu_packing,
    random_fit,
    worst_fit,
)
from commonwatt.fleet.domain.policies.place.choose import (
    NodeChoice,
    choose,
    choose_node,
    pick_gpus,
    score,
)
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy, UserPlacePolicy
from commonwatt.fleet.domain.policies.place.slices import in_slices
from commonwatt.fleet.domain.policies.place.state import (
    FreeCapacity,
    PlacementRequest,
    apply_request,
    eligibility,
    fits,
    idle_nodes,
    nodes_with_room,
    request_of,
)
from commonwatt.fleet.domain.policies.place.typical import TypicalDemand, fragmented, typical_demand

__all__ = [
    "PLACES",
    "FreeCapacity",
    "NodeChoice",
    "PlacePolicy",
    "PlacementRequest",
    "TypicalDemand",
    "UserPlacePolicy",
    "apply_request",
    "choose",
    "choose_node",
    "eligibility",
    "fits",
    "fragmented",
    "idle_nodes",
    "in_slices",
    "nodes_with_room",
    "pick_gpus",
    "request_of",
    "score",
    "typical_demand",
]

PLACES: dict[str, PlacePolicy] = {
    module.POLICY.name: module.POLICY
    for module in (
        first_fit,
        best_fit,
        worst_fit,
        dot_product,
        gpu_packing,
        gpu_clustering,
        random_fit,
        fgd,
        consolidate,
    )
}

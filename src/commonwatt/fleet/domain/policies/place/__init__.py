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
    choose_node,
    choose_node_and_gpus,
    pick_gpus_of_node,
    score_nodes,
)
from commonwatt.fleet.domain.policies.place.policy import PlacePolicy, UserPlacePolicy
from commonwatt.fleet.domain.policies.place.slices import workload_in_gpu_slices
from commonwatt.fleet.domain.policies.place.state import (
    FreeCapacity,
    PlacementRequest,
    idle_fleet_capacity,
    node_eligibility_by_job_class,
    nodes_with_room,
    placement_request_of_job,
    request_fits_node,
    take_or_release_request_on_node,
)
from commonwatt.fleet.domain.policies.place.typical import (
    TypicalDemand,
    fragmented_weight_milli_gpu_of_node,
    typical_gpu_demand,
)

__all__ = [
    "PLACES",
    "FreeCapacity",
    "NodeChoice",
    "PlacePolicy",
    "PlacementRequest",
    "TypicalDemand",
    "UserPlacePolicy",
    "choose_node",
    "choose_node_and_gpus",
    "fragmented_weight_milli_gpu_of_node",
    "idle_fleet_capacity",
    "node_eligibility_by_job_class",
    "nodes_with_room",
    "pick_gpus_of_node",
    "placement_request_of_job",
    "request_fits_node",
    "score_nodes",
    "take_or_release_request_on_node",
    "typical_gpu_demand",
    "workload_in_gpu_slices",
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

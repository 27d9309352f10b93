"""How a live cluster is decided and counted: controller, snapshot, checks, meter, care."""

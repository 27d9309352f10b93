"""Words of care: findings on nodes, the lifecycle of a node, cases and the repair policy."""

"""Words of live operation: cluster, requests, actions, state and settings."""

"""What live operation reads and writes: cluster backends, the store, journal and telemetry."""

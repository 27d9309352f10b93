"""What care reads and writes: settings, telemetry, the journal and the repair commands."""

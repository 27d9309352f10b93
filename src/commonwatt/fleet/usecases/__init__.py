"""What a face may call on the fleet: describe, simulate, compare, sweep, explain a wait."""

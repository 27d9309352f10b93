"""What a face asks of the fleet: describe, simulate, compare, sweep, explain a wait."""

"""What the fleet reads: traces of jobs or requests, and node lists."""

"""What the sandbox reads and writes: imports of records, and the store of projects."""

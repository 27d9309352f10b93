"""Run a job beside data that it may read and may not carry away.

A job starts under a user id of its own, in empty namespaces, behind a system
call filter and hard limits, and leaves only through the output collector.
`prove_node` proves all this on the machine at hand before the first job.
"""

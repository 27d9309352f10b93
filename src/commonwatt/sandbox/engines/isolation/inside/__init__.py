"""What stands inside the isolation beside a job's program, as `/opt/room`.

A job writes `import job_tools`; there is no other package of ours in there.
"""

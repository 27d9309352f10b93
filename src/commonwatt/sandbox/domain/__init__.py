"""Words of the sandbox: a job, the states of a project, findings, what an import reports."""

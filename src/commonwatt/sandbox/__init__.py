"""Data projects, in which sensitive data can be used without being seen.

A custodian imports and de-identifies records into a project; a researcher's job
runs isolated beside them; what leaves has passed the airlock or the privacy
budget. `docs/explanation/sandbox-promises.md` names the promises and the few
modules that keep them.
"""

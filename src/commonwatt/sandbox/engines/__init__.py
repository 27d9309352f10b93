"""How the sandbox computes: de-identification, risk, isolation, airlock, privacy, synthesis.

The modules that keep a promise to patients are named in `docs/explanation/sandbox-promises.md`.
"""

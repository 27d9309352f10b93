"""Care: telemetry in, faults found, and a table of bounded moves to answer them.

Readers bring samples, detectors make findings, the caretaker answers a finding by one
move of a table, within a budget and with an entry in the ledger. Every act can be
tried dry, in a replay of real faults, before it is trusted.
"""

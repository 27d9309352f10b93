"""Medical AI from intended use to retirement.

May this model touch a patient, and is it still good? Rules are data, records
are events in the ledger, evidence is computed, and monitors state their bound.
"""

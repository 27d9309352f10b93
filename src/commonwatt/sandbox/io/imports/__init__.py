"""Bring health data into a project, checked record by record.

Readers for FHIR R4, OMOP CDM 5.4, plain CSV and VCF write one store of Parquet
tables. A record that breaks a rule is quarantined with the rule's name and its
place in the file; its content is never shown. A dataset appears whole or not
at all.
"""

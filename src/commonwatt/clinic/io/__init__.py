"""What the clinic reads and writes: records in the ledger, dossiers, FHIR, public records."""

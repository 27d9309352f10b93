"""Back up a home and restore it: databases, files and, apart, keys.

A home is the folder in which an institution keeps its ledger, projects, runs and
controller. A backup is one archive that was verified when it was made; a restore
verifies it again and puts back all of it or nothing. Which backups were made stands
in the home itself, so that an erasure can name them.
"""

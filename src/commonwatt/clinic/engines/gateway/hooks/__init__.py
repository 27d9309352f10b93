"""CDS Hooks 2.0 as record systems speak it: requests, cards, feedback, and whom to trust.

The service (`service.py` beside this folder) puts the parts together; here stands what each of
them means. Nothing here asks a model or writes a record.
"""

"""Kinds of record, their moves and change plans, and the fold that says what is live."""

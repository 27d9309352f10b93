"""Ground that every room stands on: errors, messages, seeds, hashes, units.

Nothing here imports any other room. Each module is one small idea.
"""

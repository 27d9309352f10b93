"""Runs that people start from the console: their kinds, the supervisor and the worker."""

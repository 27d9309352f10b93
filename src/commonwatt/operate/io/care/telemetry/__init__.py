"""Readers of telemetry: Prometheus pages and servers, DCGM's printed fields, tables.

Each turns what it reads into samples (`findings.Sample`) with a node, a signal and an
instant; what cannot be read is named with its line.
"""

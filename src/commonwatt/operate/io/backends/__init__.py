"""Backends: what can hold jobs and run them on nodes.

Each speaks one small protocol (`protocol.Engine`). The controller never learns which
one it drives; what a backend cannot do, it says.
"""

"""What figures and columns are: for now their units, and the one way to read and write them.

Every wing reads and prints units through this package, so that a spelling that
one of them knows is known to all. It stands below the wings and imports only `core`.
"""

"""Which states a thing has, which moves there are, who may make them, and what must be true first.

Each wing states its lifecycle as data beside its domain; the one engine here checks
it, prints its diagram, and refuses at construction a table that contradicts itself.
"""

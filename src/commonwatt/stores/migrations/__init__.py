"""How the tables of every store came to be, step by step, for Alembic.

One tree with a branch for each store; what stands in which table of versions is in
`schemas`. A step is never changed once it was released; a new one is a new file under
`versions`. There is no way down: whoever must go back restores the copy.
"""

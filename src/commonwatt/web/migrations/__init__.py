"""How the console's tables came to be, step by step, for Alembic.

`commonwatt serve` brings a database up to date before it answers. A step is never
changed once it was released; a new one is a new file under `versions`, whose upgrade
and downgrade a test walks on SQLite and PostgreSQL.
"""

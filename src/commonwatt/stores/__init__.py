"""One way to open a database, and one tree of steps by which its tables came to be.

`engine` opens a path (SQLite) or a PostgreSQL URL with the same promises for every
store. `schemas` names the stores and the steps of each, `versions` asks at each opening
where a database stands, and `migrate` takes it from an older step to today's.
"""

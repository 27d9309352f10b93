"""One way to open a database."""

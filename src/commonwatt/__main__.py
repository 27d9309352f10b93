"""`python -m commonwatt` is the same as `commonwatt`."""

from commonwatt.cli import main

main()

"""One data project: its data, people, jobs and outputs, and who may move them.

State and ledger are one database, and every move is a ledger entry in the same
transaction. `lifecycle` is the table of moves and of who may make them; `project`
carries them out; `consent` keeps those who opted out away from every use.
"""

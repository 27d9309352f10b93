"""Use cases of live control: a home folder, a controller at work, its answers.

A home holds everything of one controller: settings, keys, the database with the ledger
in it, and the job folder of engines that have no memory of their own.
"""

"""Public accounts, bonds, debt paths, fans, rules and project finance.

A country file becomes accounts in double entry, a ladder of bonds and a path of
debt; shocks estimated from history turn the path into a fan; rule tables turn it
into signals. A compute centre's project finance joins the same books.
"""

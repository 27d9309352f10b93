"""Project finance of a compute centre, and its three ways onto the public books.

Construction is drawn down and pays its own interest, operation earns user charges,
the loan is repaid from what is left, and `books` says what each route does to the
government's deficit, debt and guarantees. Amounts are whole cents where money moves.
"""

"""Programs that try to break out of a job's isolation, and the judge of what they did.

They ship with the product, so that a custodian can run them on the very machine
that will hold the data. Each is harmless if it succeeds: it reads or touches
only bait that the judge laid out, and every bomb is bounded.
"""

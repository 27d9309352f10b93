"""Use cases of data rooms: one call a step, and the example that a study shows.

`steps` is what the command line calls; `example` opens a room on the shipped
synthetic patients, walks the whole chain and tells it as a report's section.
"""

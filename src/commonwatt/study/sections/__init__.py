"""What the report says of each wing's part of a study.

A section is drawn from finished figures alone. `stage` keeps what was drawn beside the stages,
so that a chart is drawn once for the same figures; the charts load only where one is drawn.
"""

"""What compute costs, where to build it, and which load runs where.

``cost`` turns sourced cells into a levelised cost per useful GPU-hour with its
uncertainty; ``place`` decides sites, sizes and hourly placement with a proved gap.
Both read plain arrays and hold no state.
"""

"""Published claims about compute, held against dated references and our own models.

A claim is read as people write it, brought to one unit, and judged by the arithmetic
that it implies. The wing may ask what a site costs and what a debt does; nothing else.
"""

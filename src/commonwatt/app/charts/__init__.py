"""Charts of every wing, drawn by Vega-Lite into SVG that needs no network.

One theme keeps size, colours and words alike. Each chart module turns tables
of its wing into charts; none of them computes a figure of its own.
"""

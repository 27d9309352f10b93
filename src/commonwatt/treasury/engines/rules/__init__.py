"""Rule tables, dated and sourced, and the signals that they give.

`tables` reads thresholds, `signals` sets indicators beside them, `eu` projects and
searches the adjustment that the European framework asks for. A threshold without a
source that was read is absent, and its signal says so.
"""

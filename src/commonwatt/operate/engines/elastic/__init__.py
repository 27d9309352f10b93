"""Elastic use of what is idle: filler, forecast and reservations.

Filler takes what nobody wants now and gives it back when asked; the forecast says how
much will be wanted soon; a reservation keeps nodes for a service that cannot wait.
"""

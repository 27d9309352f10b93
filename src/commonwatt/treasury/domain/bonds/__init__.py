"""Bonds: what they pay and when, what they are worth, and ladders of many.

Dates come from the terms, cash from dates, prices from cash; each step is a
module. QuantLib is the oracle of the tests and never a dependency.
"""

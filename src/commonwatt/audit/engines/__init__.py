"""How an audit computes: formulas, relations between claims, and the findings on each."""

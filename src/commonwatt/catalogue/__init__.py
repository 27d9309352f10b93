"""What figures and columns are: label, unit, meaning, form and formula, said once.

`measures` says what a figure is and how it is written, `tables` what a table holds, `shared`
what several wings name, and `collect` gathers what every wing declares beside its domain.
`units` is the one way to read and write a unit. This stands below the wings and imports only
`core`.
"""

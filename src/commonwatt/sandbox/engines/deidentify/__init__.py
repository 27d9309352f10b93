"""Take away what says who a person is: in tables, notes and images.

Direct identifiers are dropped or replaced by keyed tokens, dates move by one
secret shift a person, free text is masked by our own recognisers. What remains
is measured, not assumed: see `sandbox.risk`.
"""

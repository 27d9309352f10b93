"""Measure what de-identification left: by counting, by estimate, by attack.

`measures` holds k, l, t and the estimates, `attack` holds attackers who are
stated in full; `report` puts both before the custodian who signs.
"""
